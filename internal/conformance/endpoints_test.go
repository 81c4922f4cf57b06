package conformance_test

import (
	"encoding/json"
	"fmt"
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
	Pagination struct {
		HasNextPage    bool    `json:"has_next_page"`
		NextPageCursor *string `json:"next_page_cursor"`
	}
	Error struct{ Type string }
	OK    bool
}

// call sends one request and decodes its response. errorType is empty for a
// success.
func (p peer) call(t *testing.T, method, target, body string, header map[string]string, status int, errorType string) response {
	t.Helper()
	p.next(t)
	resp := p.send(t, method, target, body, header)
	defer resp.Body.Close()
	var got response
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	require.Equal(t, status, resp.StatusCode, got.Error)
	assert.Equal(t, errorType, got.Error.Type)
	assert.Equal(t, errorType == "", got.OK)
	return got
}

// endpoints has the steps for the endpoints that package seam has no method for.
func endpoints(t *testing.T, p peer, client func(*testing.T, ...seam.Option) *seam.ClientSessionsService) {
	t.Helper()
	const (
		create  = "/connect_webviews/create"
		get     = "/connect_webviews/get"
		devices = "/devices/list"
	)
	withPersonalAccessToken := map[string]string{"Authorization": "Bearer " + p.PersonalAccessToken, "Seam-Workspace": p.WorkspaceID}
	withPublishableKey := map[string]string{"Authorization": "", "Seam-Publishable-Key": p.PublishableKey}
	var asUser map[string]string
	t.Run("create_with_access", func(t *testing.T) {
		p.next(t)
		session, err := client(t).Create(t.Context(), seam.ClientSessionCreateParams{
			UserIdentifierKey: "john", ConnectedAccountIDs: []string{johnsAccount},
		})
		require.NoError(t, err)
		asUser = map[string]string{"Authorization": "Bearer " + session.Token}
	})

	for _, refused := range []struct {
		step, method, target, body string
		header                     map[string]string
		status                     int
		errorType                  string
	}{
		{step: "webview_wrong_method", method: "GET", target: create, status: 405, errorType: "method_not_allowed"},
		{
			step: "webview_invalid", method: "POST", target: create,
			body: `{"accepted_providers": ["yale", "unknown", 1], "device_selection_mode": "all", "custom_redirect_url": 3,
				"custom_redirect_failure_url": null}`,
			status: 400, errorType: "invalid_input",
		},
		{step: "webview_without_credential", method: "POST", target: create, body: `{}`, header: map[string]string{"Authorization": ""}, status: 401, errorType: "unauthorized"},
		{step: "webview_with_publishable_key", method: "POST", target: create, body: `{}`, header: withPublishableKey, status: 401, errorType: "unauthorized"},
		{step: "webview_without_id", method: "POST", target: get, body: `{}`, status: 400, errorType: "invalid_input"},
		{step: "webview_with_two_ids", method: "GET", target: get + "?connect_webview_id=a&connect_webview_id=b", status: 400, errorType: "invalid_input"},
		{step: "webview_unknown", method: "POST", target: get, body: `{"connect_webview_id": "unknown"}`, status: 404, errorType: "connect_webview_not_found"},
		{
			step: "devices_invalid", method: "POST", target: devices,
			body: `{"limit": -1.5, "device_ids": 3, "device_type": "unknown", "device_types": ["unknown", 1], "manufacturer": 3,
				"page_cursor": "not base64"}`,
			status: 400, errorType: "invalid_input",
		},
		{step: "devices_with_invalid_limit", method: "GET", target: devices + "?limit=many&device_type=unknown", status: 400, errorType: "invalid_input"},
		{step: "devices_with_limit_0", method: "POST", target: devices, body: `{"limit": null}`, status: 400, errorType: "invalid_input"},
		{step: "devices_with_empty_limit", method: "GET", target: devices + "?limit=", status: 400, errorType: "invalid_input"},
		{step: "devices_wrong_method", method: "PATCH", target: devices, body: `{}`, status: 405, errorType: "method_not_allowed"},
		{step: "devices_with_publishable_key", method: "POST", target: devices, body: `{}`, header: withPublishableKey, status: 401, errorType: "unauthorized"},
	} {
		t.Run(refused.step, func(t *testing.T) {
			p.call(t, refused.method, refused.target, refused.body, refused.header, refused.status, refused.errorType)
		})
	}

	var webview response
	t.Run("webview_create", func(t *testing.T) {
		webview = p.call(t, "POST", create, `{"accepted_providers": ["yale", "nuki"], "custom_redirect_url": "https://app.test"}`, nil, 200, "")
		assert.NotEmpty(t, webview.ConnectWebview.ConnectWebviewID)
		assert.NotEmpty(t, webview.ConnectWebview.URL)
		assert.Equal(t, p.WorkspaceID, webview.ConnectWebview.WorkspaceID)
		assert.Equal(t, "pending", webview.ConnectWebview.Status)
		assert.Equal(t, []string{"yale", "nuki"}, webview.ConnectWebview.AcceptedProviders)
		assert.Equal(t, "https://app.test", webview.ConnectWebview.CustomRedirectURL)
	})
	id := webview.ConnectWebview.ConnectWebviewID
	byID := fmt.Sprintf(`{"connect_webview_id": %q}`, id)
	t.Run("webview_get", func(t *testing.T) {
		assert.Equal(t, webview, p.call(t, "POST", get, byID, nil, 200, ""))
	})
	t.Run("webview_get_with_query", func(t *testing.T) {
		assert.Equal(t, webview, p.call(t, "GET", get+"?connect_webview_id="+id, "", nil, 200, ""))
	})
	t.Run("webview_get_with_personal_access_token", func(t *testing.T) {
		assert.Equal(t, webview, p.call(t, "POST", get, byID, withPersonalAccessToken, 200, ""))
	})
	t.Run("webview_get_as_another_user", func(t *testing.T) {
		p.call(t, "POST", get, byID, asUser, 404, "connect_webview_not_found")
	})
	t.Run("webview_create_with_personal_access_token", func(t *testing.T) {
		p.call(t, "POST", create, `{}`, withPersonalAccessToken, 200, "")
	})
	var own response
	t.Run("webview_create_as_user", func(t *testing.T) {
		own = p.call(t, "POST", create, `{}`, asUser, 200, "")
		assert.NotEqual(t, id, own.ConnectWebview.ConnectWebviewID)
	})
	t.Run("webview_get_as_user", func(t *testing.T) {
		assert.Equal(t, own, p.call(t, "POST", get, fmt.Sprintf(`{"connect_webview_id": %q}`, own.ConnectWebview.ConnectWebviewID), asUser, 200, ""))
	})
	t.Run("session_has_webview", func(t *testing.T) {
		p.next(t)
		session, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "john"})
		require.NoError(t, err)
		assert.Equal(t, []string{own.ConnectWebview.ConnectWebviewID}, session.ConnectWebviewIDs)
	})

	var all response
	for _, list := range []struct {
		step, method, target, body string
		header                     map[string]string
		accounts                   []string
	}{
		{step: "devices", method: "POST", target: devices, body: `{}`, accounts: []string{johnsAccount, johnsAccount, johnsAccount, johnsAccount, janesAccount}},
		{step: "devices_as_user", method: "POST", target: devices, body: `{}`, header: asUser, accounts: []string{johnsAccount, johnsAccount, johnsAccount, johnsAccount}},
		{step: "devices_of_account", method: "POST", target: devices, body: `{"connected_account_id": "` + janesAccount + `"}`, accounts: []string{janesAccount}},
		{step: "devices_of_another_user", method: "GET", target: devices + "?connected_account_ids=" + janesAccount, header: asUser},
		{step: "devices_of_no_account", method: "POST", target: devices, body: `{"connected_account_ids": [], "page_cursor": null}`},
		{step: "devices_with_personal_access_token", method: "POST", target: devices, body: `{"device_type": "ios_phone"}`, header: withPersonalAccessToken},
	} {
		t.Run(list.step, func(t *testing.T) {
			got := p.call(t, list.method, list.target, list.body, list.header, 200, "")
			var accounts []string
			for _, device := range got.Devices {
				accounts = append(accounts, device.ConnectedAccountID)
				assert.NotEmpty(t, device.DeviceID)
				assert.NotEmpty(t, device.DeviceType)
				assert.NotEmpty(t, device.CreatedAt)
				assert.NotEmpty(t, device.Properties.Name)
				assert.Equal(t, p.WorkspaceID, device.WorkspaceID)
			}
			assert.Equal(t, list.accounts, accounts)
			assert.False(t, got.Pagination.HasNextPage)
			if list.step == "devices" {
				all = got
			}
		})
	}

	var page response
	t.Run("devices_page", func(t *testing.T) {
		page = p.call(t, "POST", devices, `{"limit": 3}`, nil, 200, "")
		assert.Equal(t, all.Devices[:3], page.Devices)
		assert.True(t, page.Pagination.HasNextPage)
		require.NotNil(t, page.Pagination.NextPageCursor)
	})
	t.Run("devices_next_page", func(t *testing.T) {
		next := p.call(t, "POST", devices, fmt.Sprintf(`{"limit": 3, "page_cursor": %q}`, *page.Pagination.NextPageCursor), nil, 200, "")
		assert.Equal(t, all.Devices[3:], next.Devices)
		assert.False(t, next.Pagination.HasNextPage)
		assert.Nil(t, next.Pagination.NextPageCursor)
	})
	t.Run("devices_page_of_another_query", func(t *testing.T) {
		p.call(t, "POST", devices, fmt.Sprintf(`{"limit": 4, "page_cursor": %q}`, *page.Pagination.NextPageCursor),
			nil, http.StatusBadRequest, "mismatched_page_parameters")
	})
}
