package seamtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// result has the fields of responses that these tests check.
type result struct {
	ConnectWebview struct {
		ConnectWebviewID   string `json:"connect_webview_id"`
		Status             string
		LoginSuccessful    bool   `json:"login_successful"`
		ConnectedAccountID string `json:"connected_account_id"`
	} `json:"connect_webview"`
	Devices []struct {
		DeviceID string `json:"device_id"`
	}
	Pagination struct {
		NextPageCursor *string `json:"next_page_cursor"`
	}
	Device struct {
		Properties struct{ Locked bool }
	}
	ActionAttempt struct {
		ActionAttemptID string `json:"action_attempt_id"`
		ActionType      string `json:"action_type"`
		Status          string
		Error           *struct{ Type, Message string }
	} `json:"action_attempt"`
}

// ids returns the IDs of the devices.
func (a result) ids() []string {
	ids := []string{}
	for _, device := range a.Devices {
		ids = append(ids, device.DeviceID)
	}
	return ids
}

// poster returns a function that posts to the workspace.
func poster(t *testing.T, workspace seamtest.Workspace, opts ...seam.Option) func(path string, params object) result {
	t.Helper()
	client := workspace.Client(t, opts...)
	return func(path string, params object) (got result) {
		t.Helper()
		require.NoError(t, client.Post(t.Context(), path, params, &got))
		return got
	}
}

// receive adds a webhook handler that verifies the events of a workspace and records
// them.
func receiveEvents(t *testing.T, workspace seamtest.Workspace) *[]webhook.Event {
	t.Helper()
	verifier, err := webhook.NewVerifier(workspace.WebhookSecret)
	require.NoError(t, err)
	var events []webhook.Event
	workspace.AddWebhookHandler("http://backend.test/webhooks", verifier.ForWorkspace(workspace.WorkspaceID).Handler(
		func(_ context.Context, event webhook.Event) error {
			events = append(events, event)
			return nil
		}, nil))
	return &events
}

// types returns the types of events, after their delivery.
func types(srv *seamtest.Server, events *[]webhook.Event) []string {
	srv.Deliveries()
	types := []string{}
	for _, event := range *events {
		types = append(types, event.EventType)
	}
	return types
}

// TestJourney makes the journey of a backend, in two workspaces at once.
func TestJourney(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		var locks []string
		workspaces := []seamtest.Workspace{srv.Workspace, srv.NewWorkspace()}
		received := []*[]webhook.Event{}
		for _, workspace := range workspaces {
			received = append(received, receiveEvents(t, workspace))
		}
		for _, workspace := range workspaces {
			post := poster(t, workspace)
			sessions := workspace.Client(t).ClientSessions
			_, err := sessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane"})
			require.NoError(t, err)
			webview := post("/connect_webviews/create", nil).ConnectWebview
			assert.Equal(t, "pending", webview.Status)
			require.NoError(t, sessions.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
				UserIdentifierKey: "jane", ConnectWebviewIDs: []string{webview.ConnectWebviewID},
			}))

			account := workspace.CompleteWebview(webview.ConnectWebviewID, "")
			webview = post("/connect_webviews/get", object{"connect_webview_id": webview.ConnectWebviewID}).ConnectWebview
			assert.Equal(t, "authorized", webview.Status)
			assert.True(t, webview.LoginSuccessful)
			assert.Equal(t, account, webview.ConnectedAccountID)

			front, back, joes := workspace.AddDevice(account), workspace.AddDevice(account), workspace.AddDevice("joe's")
			locks = append(locks, front)
			assert.Equal(t, []string{front, back, joes}, post("/devices/list", nil).ids())
			ofJane := object{"user_identifier_key": "jane"}
			assert.Equal(t, []string{front, back}, post("/devices/list", ofJane).ids())
			assert.Empty(t, post("/devices/list", object{"user_identifier_key": "jane", "device_ids": []string{joes}}).ids())
			assert.Empty(t, post("/devices/list", object{"user_identifier_key": "nobody"}).ids())
			page := post("/devices/list", object{"user_identifier_key": "jane", "limit": 1})
			assert.Equal(t, []string{front}, page.ids())
			page = post("/devices/list", object{"user_identifier_key": "jane", "limit": 1, "page_cursor": page.Pagination.NextPageCursor})
			assert.Equal(t, []string{back}, page.ids())

			session, err := sessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
			require.NoError(t, err)
			assert.Equal(t, 2, session.DeviceCount)
			asJane := poster(t, workspace, seam.WithClientSessionToken(session.Token))
			attempt := asJane("/locks/unlock_door", object{"device_id": back}).ActionAttempt
			assert.Equal(t, "pending", attempt.Status)
			synctest.Wait()
			assert.Equal(t, "success", asJane("/action_attempts/get", object{"action_attempt_id": attempt.ActionAttemptID}).ActionAttempt.Status)
			assert.False(t, asJane("/devices/get", object{"device_id": back}).Device.Properties.Locked)
			asJane("/locks/lock_door", object{"device_id": back})
			synctest.Wait()
			assert.True(t, asJane("/locks/get", object{"device_id": back}).Device.Properties.Locked)
			err = workspace.Client(t).Post(t.Context(), "/locks/unlock_door", object{"device_id": joes}, nil, seam.WithClientSessionToken(session.Token))
			require.ErrorIs(t, err, seam.ErrNotFound)
			require.NoError(t, sessions.Delete(t.Context(), session.ClientSessionID))
		}
		for i, workspace := range workspaces {
			assert.Equal(t, []string{
				"connected_account.connected", "connect_webview.login_succeeded",
				"lock.unlocked", "action_attempt.unlock_door.succeeded", "lock.locked", "action_attempt.lock_door.succeeded",
				"client_session.deleted",
			}, types(srv, received[i]))
			err := workspaces[1-i].Client(t).Post(t.Context(), "/devices/get", object{"device_id": locks[i]}, nil)
			require.ErrorIs(t, err, seam.ErrNotFound, "a device of another workspace")
			assert.Equal(t, workspace.WorkspaceID, (*received[i])[0].WorkspaceID)
		}
	})
}

// TestOutcomes unlocks a door in a time that the test sets.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		events := receiveEvents(t, srv.Workspace)
		post := poster(t, srv.Workspace)
		front, back := srv.AddDevice("account"), srv.AddDevice("account")
		srv.SetOutcome(seamtest.Outcome{Pending: 3 * time.Second})
		srv.SetOutcome(seamtest.Outcome{DeviceID: back, Pending: time.Second, ErrorType: "device_disconnected", ErrorMessage: "no answer"})
		get := func(attempt result) result {
			t.Helper()
			return post("/action_attempts/get", object{"action_attempt_id": attempt.ActionAttempt.ActionAttemptID})
		}

		ofFront := post("/locks/unlock_door", object{"device_id": front})
		ofBack := post("/locks/unlock_door", object{"device_id": back})
		assert.Equal(t, ofFront, get(ofFront))
		time.Sleep(2 * time.Second)
		assert.Equal(t, "pending", get(ofFront).ActionAttempt.Status)
		assert.True(t, post("/devices/get", object{"device_id": front}).Device.Properties.Locked)
		failed := get(ofBack).ActionAttempt
		assert.Equal(t, "error", failed.Status)
		require.NotNil(t, failed.Error)
		assert.Equal(t, "device_disconnected", failed.Error.Type)
		assert.Equal(t, "no answer", failed.Error.Message)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, []string{
			"action_attempt.unlock_door.failed", "lock.unlocked", "action_attempt.unlock_door.succeeded",
		}, types(srv, events), "the events come without another request")
		assert.Equal(t, "success", get(ofFront).ActionAttempt.Status)
		assert.True(t, post("/devices/get", object{"device_id": back}).Device.Properties.Locked)

		ofFront = post("/locks/lock_door", object{"device_id": front})
		assert.Equal(t, "LOCK_DOOR", ofFront.ActionAttempt.ActionType)
		srv.Advance(3 * time.Second)
		assert.Equal(t, "success", get(ofFront).ActionAttempt.Status)

		err := srv.Client(t).Post(t.Context(), "/action_attempts/get", object{"action_attempt_id": "unknown"}, nil)
		require.ErrorIs(t, err, seam.ErrNotFound)
		post("/locks/unlock_door", object{"device_id": front}) // is pending as the server is closed
	})
	for _, outcome := range []seamtest.Outcome{{Pending: -1}, {ErrorMessage: "no type"}} {
		assert.Panics(t, func() { seamtest.NewServer(t).SetOutcome(outcome) })
	}
}

// TestSendEvent sends an event that the server does not send by itself.
func TestSendEvent(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	events, others := receiveEvents(t, srv.Workspace), receiveEvents(t, srv.NewWorkspace())
	id := srv.SendEvent("device.low_battery", object{"device_id": "lock", "battery_level": 0.1})
	assert.Equal(t, []string{"device.low_battery"}, types(srv, events))
	assert.Empty(t, *others)
	assert.Equal(t, id, (*events)[0].EventID)
	assert.Contains(t, string((*events)[0].Raw()), `"battery_level":0.1`)
	assert.Panics(t, func() { srv.SendEvent("device.low_battery", object{"device_id": func() {}}) })
}

func TestCompleteWebview(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	post := poster(t, srv.Workspace)
	id := post("/connect_webviews/create", nil).ConnectWebview.ConnectWebviewID
	assert.Panics(t, func() { srv.CompleteWebview("unknown", "") })
	assert.Panics(t, func() { srv.NewWorkspace().CompleteWebview(id, "") }, "another workspace")
	assert.Equal(t, "account_1", srv.CompleteWebview(id, "account_1"))
	assert.Panics(t, func() { srv.CompleteWebview(id, "account_1") }, "it is complete")
}
