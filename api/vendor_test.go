package api_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
)

// startVendorFake starts Seam's fake server and returns its URL.
func startVendorFake(t *testing.T) string {
	t.Helper()
	const server = "../testdata/fake-seam-connect/node_modules/@seamapi/fake-seam-connect/dist/server.js"
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(server)
	}
	if err != nil {
		const missing = "no Node, or no `make fake` yet: the methods did not run against Seam's fake server"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	var listen net.ListenConfig
	free, err := listen.Listen(t.Context(), "tcp", "localhost:0")
	require.NoError(t, err)
	port := strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
	require.NoError(t, free.Close())

	cmd := exec.CommandContext(t.Context(), node, server, "--seed")
	cmd.Env = append(os.Environ(), "PORT="+port)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // killed as the test's context ends
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "http://localhost:"+port) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return "http://localhost:" + port
		}
	}
	t.Fatal("Seam's fake server exited before it listened")
	return ""
}

// TestVendorFake makes the journey of a backend, and what belongs to it, against Seam's fake
// server.
func TestVendorFake(t *testing.T) {
	t.Parallel()
	core, err := seam.NewClient(seam.WithAPIKey("seam_apikey1_token"), seam.WithEndpoint(startVendorFake(t)))
	require.NoError(t, err)
	client, ctx := api.New(core), t.Context()

	// A user connects an account in a Connect Webview.
	webview, err := client.ConnectWebviews.Create(ctx, api.ConnectWebviewCreateParams{AcceptedProviders: []string{"august"}})
	require.NoError(t, err)
	assert.NotEmpty(t, webview.URL)
	assert.Equal(t, api.ConnectWebviewStatusPending, webview.Status)
	_, err = client.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe", ConnectWebviewIDs: []string{webview.ConnectWebviewID}})
	require.NoError(t, err)
	require.NoError(t, client.Post(ctx, "/_fake/complete_connect_webview", map[string]string{"connect_webview_id": webview.ConnectWebviewID}, nil))
	webview, err = client.ConnectWebviews.Get(ctx, api.ConnectWebviewGetParams{ConnectWebviewID: webview.ConnectWebviewID})
	require.NoError(t, err)
	assert.Equal(t, api.ConnectWebviewStatusAuthorized, webview.Status)
	webviews, err := client.ConnectWebviews.List(ctx, api.ConnectWebviewListParams{})
	require.NoError(t, err)
	assert.NotEmpty(t, webviews)

	account, err := client.ConnectedAccounts.Get(ctx, api.ConnectedAccountGetParams{ConnectedAccountID: webview.ConnectedAccountID})
	require.NoError(t, err)
	assert.Equal(t, webview.ConnectedAccountID, account.ConnectedAccountID)
	accounts, err := client.ConnectedAccounts.List(ctx, api.ConnectedAccountListParams{Limit: 1})
	require.NoError(t, err)
	assert.Greater(t, len(accounts), 1, "from several pages")

	// The account has a lock.
	var locks []api.Device
	for device, err := range client.Devices.All(ctx, api.DeviceListParams{ConnectedAccountID: account.ConnectedAccountID, Limit: 1}) {
		require.NoError(t, err)
		locks = append(locks, device)
	}
	require.Len(t, locks, 1)
	lock, err := client.Devices.Get(ctx, api.DeviceGetParams{DeviceID: locks[0].DeviceID})
	require.NoError(t, err)
	assert.Equal(t, "august_lock", lock.DeviceType)
	all, err := client.Devices.List(ctx, api.DeviceListParams{Limit: 2})
	require.NoError(t, err)
	assert.Greater(t, len(all), 2, "from several pages")
	listed, err := client.Locks.List(ctx, api.LockListParams{})
	require.NoError(t, err)
	assert.NotEmpty(t, listed)
	_, err = client.Devices.Get(ctx, api.DeviceGetParams{DeviceID: "00000000-0000-4000-8000-000000000099"})
	require.ErrorIs(t, err, seam.ErrNotFound)

	// The door is unlocked and locked.
	attempt, err := client.Locks.UnlockDoor(ctx, api.LockUnlockDoorParams{DeviceID: lock.DeviceID})
	require.NoError(t, err)
	assert.Equal(t, "UNLOCK_DOOR", attempt.ActionType)
	pending, err := client.NoWait().Locks.LockDoor(ctx, api.LockLockDoorParams{DeviceID: lock.DeviceID})
	require.NoError(t, err)
	require.NoError(t, client.Post(ctx, "/_fake/update_action_attempt", map[string]any{
		"action_attempt_id": pending.ActionAttemptID, "status": "error", "error": map[string]any{"type": "failed_attempt", "message": "stuck"},
	}, nil))
	_, err = client.ActionAttempts.Wait(ctx, api.ActionAttempt{ActionAttemptID: pending.ActionAttemptID, ActionType: pending.ActionType, Status: api.ActionAttemptStatusPending})
	var failed *api.ActionAttemptError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "failed_attempt", failed.Type)
	require.NoError(t, client.Post(ctx, "/_fake/update_action_attempt", map[string]any{"action_attempt_id": pending.ActionAttemptID, "status": "pending"}, nil))
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err = client.ActionAttempts.Wait(short, api.ActionAttempt{ActionAttemptID: pending.ActionAttemptID, Status: api.ActionAttemptStatusPending})
	require.True(t, errors.As(err, &failed) && errors.Is(err, context.DeadlineExceeded), err)

	// The lock gets an access code.
	code, err := client.AccessCodes.Create(ctx, api.AccessCodeCreateParams{DeviceID: lock.DeviceID, Name: "Guest", Code: "4711"})
	require.NoError(t, err)
	assert.Equal(t, "4711", code.Code)
	require.NoError(t, client.AccessCodes.Update(ctx, api.AccessCodeUpdateParams{AccessCodeID: code.AccessCodeID, Name: "Guest 2"}))
	code, err = client.AccessCodes.Get(ctx, api.AccessCodeGetParams{AccessCodeID: code.AccessCodeID})
	require.NoError(t, err)
	assert.Equal(t, "Guest 2", code.Name)
	codes, err := client.AccessCodes.List(ctx, api.AccessCodeListParams{DeviceID: lock.DeviceID})
	require.NoError(t, err)
	require.Len(t, codes, 1)
	require.NoError(t, client.AccessCodes.Delete(ctx, api.AccessCodeDeleteParams{AccessCodeID: code.AccessCodeID}))
	_, err = client.AccessCodes.Get(ctx, api.AccessCodeGetParams{AccessCodeID: code.AccessCodeID})
	require.ErrorIs(t, err, seam.ErrNotFound)

	// All this has caused events.
	events, err := client.Events.List(ctx, api.EventListParams{Since: "2020-01-01T00:00:00Z"})
	require.NoError(t, err)
	require.NotEmpty(t, events)
	event, err := client.Events.Get(ctx, api.EventGetParams{EventID: events[0].EventID})
	require.NoError(t, err)
	assert.Equal(t, events[0].EventType, event.EventType)

	webhook, err := client.Webhooks.Create(ctx, api.WebhookCreateParams{URL: "https://example.com/webhooks"})
	require.NoError(t, err)
	require.NoError(t, client.Webhooks.Delete(ctx, api.WebhookDeleteParams{WebhookID: webhook.WebhookID}))
	workspace, err := client.Workspaces.Get(ctx, api.WorkspaceGetParams{})
	require.NoError(t, err)
	assert.NotEmpty(t, workspace.Name)
}
