package conformance_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// Each server has these connected accounts: John's has four devices, Jane's one.
const (
	johnsAccount = "john_connected_account_id"
	janesAccount = "jane_connected_account_id"
)

// response has the fields that the steps below check.
type response struct {
	ConnectWebview struct {
		ConnectWebviewID  string   `json:"connect_webview_id"`
		URL               string   `json:"url"`
		WorkspaceID       string   `json:"workspace_id"`
		Status            string   `json:"status"`
		AcceptedProviders []string `json:"accepted_providers"`
		CustomRedirectURL string   `json:"custom_redirect_url"`
	} `json:"connect_webview"`
	Devices []struct {
		DeviceID           string `json:"device_id"`
		DeviceType         string `json:"device_type"`
		ConnectedAccountID string `json:"connected_account_id"`
		WorkspaceID        string `json:"workspace_id"`
		CreatedAt          string `json:"created_at"`
		Properties         struct{ Name string }
	}
	Device, Lock struct {
		DeviceID   string `json:"device_id"`
		Properties struct {
			Name   string
			Locked bool
		}
	}
	Locks []struct {
		DeviceID string `json:"device_id"`
	}
	ConnectWebviews []struct {
		ConnectWebviewID string `json:"connect_webview_id"`
	} `json:"connect_webviews"`
	ConnectedAccount struct {
		ConnectedAccountID            string         `json:"connected_account_id"`
		AutomaticallyManageNewDevices bool           `json:"automatically_manage_new_devices"`
		CustomMetadata                map[string]any `json:"custom_metadata"`
	} `json:"connected_account"`
	ConnectedAccounts []struct {
		ConnectedAccountID string `json:"connected_account_id"`
	} `json:"connected_accounts"`
	AccessCode struct {
		AccessCodeID string `json:"access_code_id"`
		DeviceID     string `json:"device_id"`
		Code, Name   string
		Type         string
	} `json:"access_code"`
	AccessCodes []struct {
		AccessCodeID string `json:"access_code_id"`
	} `json:"access_codes"`
	Events        []event
	Event         event
	ActionAttempt struct {
		ActionAttemptID string `json:"action_attempt_id"`
		ActionType      string `json:"action_type"`
		Status          string
	} `json:"action_attempt"`
	ActionAttempts []struct{ Status string } `json:"action_attempts"`
	Pagination     struct {
		HasNextPage    bool    `json:"has_next_page"`
		NextPageCursor *string `json:"next_page_cursor"`
	}
	Error struct{ Type string }
	OK    bool
}

type event struct {
	EventID   string `json:"event_id"`
	EventType string `json:"event_type"`
	DeviceID  string `json:"device_id"`
}

const (
	createWebview = "/connect_webviews/create"
	getWebview    = "/connect_webviews/get"
	listDevices   = "/devices/list"
)

type object = map[string]any

// endpoints has the steps for the endpoints that package seam has no method for.
func endpoints(t *testing.T, p peer) {
	t.Helper()
	var asUser seam.Option
	t.Run("create_with_access", func(t *testing.T) {
		p.next(t)
		session, err := p.client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{
			UserIdentifierKey: "john", ConnectedAccountIDs: []string{johnsAccount},
		})
		require.NoError(t, err)
		asUser = seam.WithClientSessionToken(session.Token)
	})
	invalidRequests(t, p)
	webviews(t, p, asUser)
	lock := devices(t, p, asUser)
	doors(t, p, lock)
	lockSteps(t, p, lock)
	ofUser(t, p)
	accessCodes(t, p, lock)
	events(t, p, lock)
	accounts(t, p)
}

// invalidRequests have an error in their response.
func invalidRequests(t *testing.T, p peer) {
	t.Helper()
	withPublishableKey := seam.WithPublishableKey(p.PublishableKey)
	for _, tt := range []struct {
		step, path string
		params     any
		opts       []seam.Option
		status     int
		errorType  string
	}{
		{step: "webview_invalid", path: createWebview, params: object{
			"accepted_providers": []any{"yale", "unknown", 1}, "device_selection_mode": "all",
			"custom_redirect_url": 3, "custom_redirect_failure_url": nil,
		}, status: 400, errorType: "invalid_input"},
		{step: "webview_with_publishable_key", path: createWebview, opts: []seam.Option{withPublishableKey}, status: 401, errorType: "unauthorized"},
		{step: "webview_without_id", path: getWebview, status: 400, errorType: "invalid_input"},
		{step: "webview_unknown", path: getWebview, params: object{"connect_webview_id": "unknown"}, status: 404, errorType: "connect_webview_not_found"},
		{step: "devices_invalid", path: listDevices, params: object{
			"limit": -1.5, "device_ids": 3, "device_type": "unknown", "device_types": []any{"unknown", 1}, "manufacturer": 3,
			"page_cursor": "not base64",
		}, status: 400, errorType: "invalid_input"},
		{step: "devices_with_limit_0", path: listDevices, params: object{"limit": nil}, status: 400, errorType: "invalid_input"},
		{step: "device_unnamed", path: "/devices/get", status: 400, errorType: "invalid_input"},
		{step: "lock_unnamed", path: "/locks/get", status: 400, errorType: "invalid_input"},
		{step: "access_code_with_one_time", path: "/access_codes/create", params: object{"device_id": "lock", "starts_at": settledCreatedAt}, status: 400, errorType: "invalid_input"},
		{step: "access_code_without_a_device", path: "/access_codes/get", params: object{"code": "1234"}, status: 400, errorType: "invalid_input"},
		{step: "access_codes_of_everything", path: "/access_codes/list", status: 400, errorType: "invalid_input"},
		{step: "access_code_of_unknown_device", path: "/access_codes/create", params: object{"device_id": "11111111-1111-4111-8111-111111111111"}, status: 404, errorType: "device_not_found"},
		{step: "events_of_all_time", path: "/events/list", status: 400, errorType: "invalid_input"},
		{step: "event_unnamed", path: "/events/get", status: 400, errorType: "invalid_input"},
		{step: "event_unknown", path: "/events/get", params: object{"event_id": "11111111-1111-4111-8111-111111111111"}, status: 404, errorType: "event_not_found"},
		{step: "account_unnamed", path: "/connected_accounts/get", status: 400, errorType: "invalid_input"},
		{step: "account_unknown", path: "/connected_accounts/get", params: object{"connected_account_id": "unknown"}, status: 404, errorType: "connected_account_not_found"},
		{step: "devices_with_publishable_key", path: listDevices, opts: []seam.Option{withPublishableKey}, status: 401, errorType: "unauthorized"},
	} {
		t.Run(tt.step, func(t *testing.T) {
			p.next(t)
			apiErr := requireAPIError(t, p.client(t).Post(t.Context(), tt.path, tt.params, nil, tt.opts...))
			assert.Equal(t, tt.status, apiErr.StatusCode)
			assert.Equal(t, tt.errorType, apiErr.Type)
		})
	}

	// Requests that other clients send.
	for _, tt := range []struct {
		step, method, target, body string
		header                     map[string]string
		status                     int
		errorType                  string
	}{
		{step: "webview_wrong_method", method: "GET", target: createWebview, status: 405, errorType: "method_not_allowed"},
		{
			step: "webview_without_credential", method: "POST", target: createWebview, body: `{}`,
			header: map[string]string{"Authorization": ""}, status: 401, errorType: "unauthorized",
		},
		{step: "webview_with_two_ids", method: "GET", target: getWebview + "?connect_webview_id=a&connect_webview_id=b", status: 400, errorType: "invalid_input"},
		{step: "devices_with_invalid_limit", method: "GET", target: listDevices + "?limit=many&device_type=unknown", status: 400, errorType: "invalid_input"},
		{step: "devices_with_empty_limit", method: "GET", target: listDevices + "?limit=", status: 400, errorType: "invalid_input"},
		{step: "devices_wrong_method", method: "PATCH", target: listDevices, body: `{}`, status: 405, errorType: "method_not_allowed"},
	} {
		t.Run(tt.step, func(t *testing.T) {
			got, status := p.query(t, tt.method, tt.target, tt.body, tt.header)
			assert.Equal(t, tt.status, status)
			assert.Equal(t, tt.errorType, got.Error.Type)
			assert.False(t, got.OK)
		})
	}
}

// post runs a step that succeeds.
func (p peer) post(t *testing.T, path string, params any, opts ...seam.Option) response {
	t.Helper()
	p.next(t)
	var got response
	require.NoError(t, p.client(t).Post(t.Context(), path, params, &got, opts...))
	return got
}

// query runs a step that package seam does not send.
func (p peer) query(t *testing.T, method, target, body string, header map[string]string) (got response, status int) {
	t.Helper()
	p.next(t)
	resp := p.send(t, method, target, body, header)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	return got, resp.StatusCode
}

func webviews(t *testing.T, p peer, asUser seam.Option) {
	t.Helper()
	withPersonalAccessToken := seam.WithPersonalAccessToken(p.PersonalAccessToken, p.WorkspaceID)
	var webview response
	t.Run("webview_create", func(t *testing.T) {
		webview = p.post(t, createWebview, object{"accepted_providers": []string{"yale", "nuki"}, "custom_redirect_url": "https://app.test"})
		assert.NotEmpty(t, webview.ConnectWebview.ConnectWebviewID)
		assert.NotEmpty(t, webview.ConnectWebview.URL)
		assert.Equal(t, p.WorkspaceID, webview.ConnectWebview.WorkspaceID)
		assert.Equal(t, "pending", webview.ConnectWebview.Status)
		assert.Equal(t, []string{"yale", "nuki"}, webview.ConnectWebview.AcceptedProviders)
		assert.Equal(t, "https://app.test", webview.ConnectWebview.CustomRedirectURL)
	})
	byID := object{"connect_webview_id": webview.ConnectWebview.ConnectWebviewID}
	t.Run("webview_get", func(t *testing.T) {
		assert.Equal(t, webview, p.post(t, getWebview, byID))
	})
	t.Run("webview_get_with_query", func(t *testing.T) {
		got, status := p.query(t, "GET", getWebview+"?connect_webview_id="+webview.ConnectWebview.ConnectWebviewID, "", nil)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, webview, got)
	})
	t.Run("webview_get_with_personal_access_token", func(t *testing.T) {
		assert.Equal(t, webview, p.post(t, getWebview, byID, withPersonalAccessToken))
	})
	t.Run("webview_get_as_another_user", func(t *testing.T) {
		p.next(t)
		require.ErrorIs(t, p.client(t).Post(t.Context(), getWebview, byID, nil, asUser), seam.ErrNotFound)
	})
	t.Run("webview_create_with_personal_access_token", func(t *testing.T) {
		p.post(t, createWebview, nil, withPersonalAccessToken)
	})
	var own response
	t.Run("webview_create_as_user", func(t *testing.T) {
		own = p.post(t, createWebview, nil, asUser)
		assert.NotEqual(t, webview.ConnectWebview.ConnectWebviewID, own.ConnectWebview.ConnectWebviewID)
	})
	t.Run("webview_get_as_user", func(t *testing.T) {
		assert.Equal(t, own, p.post(t, getWebview, object{"connect_webview_id": own.ConnectWebview.ConnectWebviewID}, asUser))
	})
	t.Run("session_has_webview", func(t *testing.T) {
		p.next(t)
		session, err := p.client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "john"})
		require.NoError(t, err)
		assert.Equal(t, []string{own.ConnectWebview.ConnectWebviewID}, session.ConnectWebviewIDs)
	})
}

// doors locks and unlocks a lock.
func doors(t *testing.T, p peer, deviceID string) {
	t.Helper()
	byID := object{"device_id": deviceID}
	for _, tt := range []struct {
		step, path, actionType string
		locked                 bool
	}{
		{"unlock_door", "/locks/unlock_door", "UNLOCK_DOOR", false},
		{"lock_door", "/locks/lock_door", "LOCK_DOOR", true},
	} {
		var attempt response
		t.Run(tt.step, func(t *testing.T) {
			attempt = p.post(t, tt.path, byID)
			assert.NotEmpty(t, attempt.ActionAttempt.ActionAttemptID)
			assert.Equal(t, tt.actionType, attempt.ActionAttempt.ActionType)
			assert.Equal(t, "pending", attempt.ActionAttempt.Status)
		})
		t.Run("attempt_to_"+tt.step, func(t *testing.T) {
			got := p.post(t, "/action_attempts/get", object{"action_attempt_id": attempt.ActionAttempt.ActionAttemptID})
			assert.Equal(t, tt.actionType, got.ActionAttempt.ActionType)
			assert.Equal(t, "success", got.ActionAttempt.Status)
		})
		t.Run("attempts_to_"+tt.step, func(t *testing.T) {
			got := p.post(t, "/action_attempts/list", object{"action_attempt_ids": []string{attempt.ActionAttempt.ActionAttemptID}}).ActionAttempts
			require.Len(t, got, 1)
			assert.Equal(t, "success", got[0].Status)
		})
		t.Run("device_after_"+tt.step, func(t *testing.T) {
			got := p.post(t, "/devices/get", byID)
			assert.Equal(t, deviceID, got.Device.DeviceID)
			assert.Equal(t, tt.locked, got.Device.Properties.Locked)
		})
	}
	t.Run("lock_get", func(t *testing.T) {
		assert.Equal(t, deviceID, p.post(t, "/locks/get", byID).Lock.DeviceID)
	})
	for _, tt := range []struct{ step, path string }{
		{"device_unknown", "/devices/get"}, {"unlock_door_unknown", "/locks/unlock_door"}, {"lock_door_unknown", "/locks/lock_door"},
	} {
		t.Run(tt.step, func(t *testing.T) {
			p.next(t)
			err := p.client(t).Post(t.Context(), tt.path, object{"device_id": "11111111-1111-4111-8111-111111111111"}, nil)
			require.ErrorIs(t, err, seam.ErrNotFound)
			assert.Equal(t, "device_not_found", requireAPIError(t, err).Type)
		})
	}
}

// devices returns the ID of a lock.
func devices(t *testing.T, p peer, asUser seam.Option) string {
	t.Helper()
	var all response
	for _, tt := range []struct {
		step   string
		params any
		opts   []seam.Option
		want   []string // connected accounts
	}{
		{step: "devices", want: []string{johnsAccount, johnsAccount, johnsAccount, johnsAccount, janesAccount}},
		{step: "devices_as_user", opts: []seam.Option{asUser}, want: []string{johnsAccount, johnsAccount, johnsAccount, johnsAccount}},
		{step: "devices_of_account", params: object{"connected_account_id": janesAccount}, want: []string{janesAccount}},
		{step: "devices_of_another_user", params: object{"connected_account_ids": []string{janesAccount}}, opts: []seam.Option{asUser}},
		{step: "devices_of_no_account", params: object{"connected_account_ids": []string{}, "page_cursor": nil}},
		{
			step: "devices_with_personal_access_token", params: object{"device_type": "ios_phone"},
			opts: []seam.Option{seam.WithPersonalAccessToken(p.PersonalAccessToken, p.WorkspaceID)},
		},
	} {
		t.Run(tt.step, func(t *testing.T) {
			got := p.post(t, listDevices, tt.params, tt.opts...)
			var accounts []string
			for _, device := range got.Devices {
				accounts = append(accounts, device.ConnectedAccountID)
				assert.NotEmpty(t, device.DeviceID)
				assert.NotEmpty(t, device.DeviceType)
				assert.NotEmpty(t, device.CreatedAt)
				assert.NotEmpty(t, device.Properties.Name)
				assert.Equal(t, p.WorkspaceID, device.WorkspaceID)
			}
			assert.Equal(t, tt.want, accounts)
			assert.False(t, got.Pagination.HasNextPage)
			if tt.step == "devices" {
				all = got
			}
		})
	}

	var page response
	t.Run("devices_page", func(t *testing.T) {
		page = p.post(t, listDevices, object{"limit": 3})
		assert.Equal(t, all.Devices[:3], page.Devices)
		assert.True(t, page.Pagination.HasNextPage)
		require.NotNil(t, page.Pagination.NextPageCursor)
	})
	t.Run("devices_next_page", func(t *testing.T) {
		next := p.post(t, listDevices, object{"limit": 3, "page_cursor": page.Pagination.NextPageCursor})
		assert.Equal(t, all.Devices[3:], next.Devices)
		assert.False(t, next.Pagination.HasNextPage)
		assert.Nil(t, next.Pagination.NextPageCursor)
	})
	t.Run("devices_page_of_another_query", func(t *testing.T) {
		p.next(t)
		err := p.client(t).Post(t.Context(), listDevices, object{"limit": 4, "page_cursor": *page.Pagination.NextPageCursor}, nil)
		apiErr := requireAPIError(t, err)
		assert.Equal(t, http.StatusBadRequest, apiErr.StatusCode)
		assert.Equal(t, "mismatched_page_parameters", apiErr.Type)
	})
	return all.Devices[0].DeviceID
}
