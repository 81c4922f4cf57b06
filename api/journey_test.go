package api_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/seamtest"
)

// TestJourney makes the journey of a backend: a user connects an account, has its devices,
// opens a door and leaves.
func TestJourney(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		client, ctx, jane := api.New(srv.Client(t)), t.Context(), seam.WithUser("jane_doe")
		_, err := client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane_doe"})
		require.NoError(t, err)
		webview, err := client.ConnectWebviews.Create(ctx, api.ConnectWebviewCreateParams{CustomRedirectURL: "https://app.test"})
		require.NoError(t, err)
		require.NoError(t, client.ClientSessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{
			UserIdentifierKey: "jane_doe", ConnectWebviewIDs: []string{webview.ConnectWebviewID},
		}))

		account := srv.CompleteWebview(webview.ConnectWebviewID, "")
		lock := srv.AddDevice(account)
		srv.AddDevice("another's account")
		webview, err = client.ConnectWebviews.Get(ctx, api.ConnectWebviewGetParams{ConnectWebviewID: webview.ConnectWebviewID})
		require.NoError(t, err)
		assert.Equal(t, "authorized", webview.Status)
		assert.Equal(t, account, webview.ConnectedAccountID)
		webviews, err := client.ConnectWebviews.List(ctx, api.ConnectWebviewListParams{}, jane)
		require.NoError(t, err)
		assert.Len(t, webviews, 1)
		accounts, err := client.ConnectedAccounts.List(ctx, api.ConnectedAccountListParams{}, jane)
		require.NoError(t, err)
		require.Len(t, accounts, 1)
		assert.Equal(t, account, accounts[0].ConnectedAccountID)
		var devices []string
		for device, err := range client.Devices.All(ctx, api.DeviceListParams{}, jane) {
			require.NoError(t, err)
			devices = append(devices, device.DeviceID)
		}
		assert.Equal(t, []string{lock}, devices)
		none, err := client.Locks.List(ctx, api.LockListParams{DeviceIDs: []string{lock}}, seam.WithUser("joe"))
		require.NoError(t, err)
		assert.Empty(t, none, "a door of another user")

		attempt, err := client.Locks.UnlockDoor(ctx, api.LockUnlockDoorParams{DeviceID: lock})
		require.NoError(t, err)
		assert.Equal(t, api.ActionAttemptStatusSuccess, attempt.Status)
		events, err := client.Events.List(ctx, api.EventListParams{Since: "1999-01-01T00:00:00Z", DeviceID: lock})
		require.NoError(t, err)
		require.Len(t, events, 2)
		assert.Equal(t, "lock.unlocked", events[0].EventType)

		code, err := client.AccessCodes.Create(ctx, api.AccessCodeCreateParams{DeviceID: lock, Name: "Guest"})
		require.NoError(t, err)
		require.NoError(t, client.AccessCodes.Update(ctx, api.AccessCodeUpdateParams{AccessCodeID: code.AccessCodeID, Code: "7531"}))
		codes, err := client.AccessCodes.List(ctx, api.AccessCodeListParams{DeviceID: lock}, jane)
		require.NoError(t, err)
		require.Len(t, codes, 1)
		assert.Equal(t, "7531", codes[0].Code, "the update has ended")
		require.NoError(t, client.AccessCodes.Delete(ctx, api.AccessCodeDeleteParams{AccessCodeID: code.AccessCodeID}))
		_, err = client.AccessCodes.Get(ctx, api.AccessCodeGetParams{AccessCodeID: code.AccessCodeID})
		require.ErrorIs(t, err, seam.ErrNotFound)

		require.NoError(t, client.ConnectedAccounts.Delete(ctx, api.ConnectedAccountDeleteParams{ConnectedAccountID: account}))
		left, err := client.Devices.List(ctx, api.DeviceListParams{}, jane)
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

// TestUnlockDoor waits for doors that open late, stay locked, or do not answer in time. The
// action is sent once.
func TestUnlockDoor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		outcome  seamtest.Outcome
		fault    seamtest.Fault // of polls; optional
		status   string
		failure  string
		unlocked bool
	}{
		"late": {seamtest.Outcome{Pending: 20 * time.Second}, seamtest.Fault{}, "success", "", true},
		"late, and polls fail": {
			seamtest.Outcome{Pending: time.Second}, seamtest.Fault{Status: 503, Times: 9}, "success", "", true,
		},
		"locked": {
			seamtest.Outcome{Pending: time.Second, ErrorType: "device_disconnected", ErrorMessage: "no answer"}, seamtest.Fault{},
			"error", "device_disconnected", false,
		},
		"out of time":              {seamtest.Outcome{Pending: time.Hour}, seamtest.Fault{}, "pending", "", false},
		"out of time in an outage": {seamtest.Outcome{}, seamtest.Fault{Status: 503}, "pending", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := seamtest.NewServer(t)
				client := api.New(srv.Client(t))
				lock := srv.AddDevice("account")
				srv.SetOutcome(tt.outcome)
				if tt.fault.Status != 0 {
					tt.fault.Path = "/action_attempts/get"
					srv.Fail(tt.fault)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begin := time.Now()
				attempt, err := client.Locks.UnlockDoor(ctx, api.LockUnlockDoorParams{DeviceID: lock})
				var failed *api.ActionAttemptError
				if tt.status == "success" {
					require.NoError(t, err)
					assert.GreaterOrEqual(t, time.Since(begin), tt.outcome.Pending)
				} else {
					require.ErrorAs(t, err, &failed)
					attempt = &failed.Attempt
					assert.Equal(t, tt.failure, failed.Type)
					assert.Equal(t, tt.outcome.ErrorMessage, failed.Message)
				}
				if tt.status == "pending" {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				assert.Equal(t, tt.status, attempt.Status)

				device, err := client.Devices.Get(t.Context(), api.DeviceGetParams{DeviceID: lock})
				require.NoError(t, err)
				require.NotNil(t, device.Properties.Locked)
				assert.Equal(t, tt.unlocked, !*device.Properties.Locked)
				sent := 0
				for _, r := range srv.Requests() {
					sent += strings.Count(r.Path, "unlock_door")
				}
				assert.Equal(t, 1, sent)
			})
		})
	}
}
