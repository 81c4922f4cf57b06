package seamtest

import (
	"fmt"
	"net/http"
	"slices"
)

// connectWebview is a Connect Webview as the API encodes it.
type connectWebview struct {
	ConnectWebviewID              string            `json:"connect_webview_id"`
	URL                           string            `json:"url"`
	WorkspaceID                   string            `json:"workspace_id"`
	Status                        string            `json:"status"`
	AcceptedProviders             []string          `json:"accepted_providers"`
	AcceptedCapabilities          []string          `json:"accepted_capabilities"`
	AcceptedDevices               []string          `json:"accepted_devices"`
	AnyDeviceAllowed              bool              `json:"any_device_allowed"`
	AnyProviderAllowed            bool              `json:"any_provider_allowed"`
	AutomaticallyManageNewDevices bool              `json:"automatically_manage_new_devices"`
	ConnectedAccountID            *string           `json:"connected_account_id"`
	CreatedAt                     string            `json:"created_at"`
	CustomMetadata                map[string]string `json:"custom_metadata"`
	CustomRedirectFailureURL      *string           `json:"custom_redirect_failure_url"`
	CustomRedirectURL             *string           `json:"custom_redirect_url"`
	DeviceSelectionMode           string            `json:"device_selection_mode"`
	AuthorizedAt                  *string           `json:"authorized_at,omitempty"`
	LoginSuccessful               bool              `json:"login_successful"`
	WaitForDeviceCreation         bool              `json:"wait_for_device_creation"`
}

var errNoWebview = &refusal{status: http.StatusNotFound, Type: "connect_webview_not_found", Message: "Connect webview not found"}

// CompleteWebview completes a pending Connect Webview, as if the user had logged in,
// and returns the ID of the connected account: connectedAccountID, or that of a new
// account if it is empty. Client sessions with access to the Connect Webview can then
// access the devices of the account.
//
// The workspace sends connected_account.connected and connect_webview.login_succeeded.
// CompleteWebview panics if the workspace has no such pending Connect Webview.
func (w Workspace) CompleteWebview(connectWebviewID, connectedAccountID string) string {
	s := w.server
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.webviews, func(webview *connectWebview) bool {
		return webview.ConnectWebviewID == connectWebviewID && webview.WorkspaceID == w.WorkspaceID && webview.Status == "pending"
	})
	if i < 0 {
		panic(fmt.Sprintf("seamtest: CompleteWebview: the workspace has no pending Connect Webview %q", connectWebviewID))
	}
	return w.complete(i, connectedAccountID)
}

// complete completes the pending Connect Webview with index i. The caller must hold mu.
func (w Workspace) complete(i int, connectedAccountID string) string {
	s := w.server
	if connectedAccountID == "" {
		connectedAccountID = fmt.Sprintf("0000000c-0000-4000-8000-%012d", i+1)
	}
	now := timestamp(s.now())
	webview := s.webviews[i]
	webview.Status, webview.LoginSuccessful = "authorized", true
	webview.ConnectedAccountID, webview.AuthorizedAt = &connectedAccountID, &now
	about := map[string]any{"connect_webview_id": webview.ConnectWebviewID, "connected_account_id": connectedAccountID}
	s.send(w, "connected_account.connected", about)
	s.send(w, "connect_webview.login_succeeded", about)
	return connectedAccountID
}

// createWebview creates a Connect Webview. It is pending until CompleteWebview.
func (s *Server) createWebview(c call) (any, error) {
	id := fmt.Sprintf("00000000-0000-4000-a000-%012d", len(s.webviews)+1)
	added := &connectWebview{
		ConnectWebviewID:              id,
		URL:                           s.http.Endpoint + viewWebview + "?connect_webview_id=" + id,
		WorkspaceID:                   c.workspaceID,
		Status:                        "pending",
		AcceptedProviders:             []string{"august"},
		AcceptedCapabilities:          []string{},
		AcceptedDevices:               []string{},
		AutomaticallyManageNewDevices: true,
		CreatedAt:                     timestamp(s.now()),
		CustomMetadata:                map[string]string{},
		CustomRedirectFailureURL:      c.params.optional("custom_redirect_failure_url"),
		CustomRedirectURL:             c.params.optional("custom_redirect_url"),
		DeviceSelectionMode:           "none",
	}
	if c.params.has("accepted_providers") {
		added.AcceptedProviders = c.params.list("accepted_providers")
	}
	if mode := c.params.text("device_selection_mode"); mode != "" {
		added.DeviceSelectionMode = mode
	}
	s.webviews = append(s.webviews, added)
	if c.session != nil {
		c.session.ConnectWebviewIDs = union(c.session.ConnectWebviewIDs, []string{id})
	}
	return map[string]any{"connect_webview": *added, "ok": true}, nil
}

// getWebview returns a Connect Webview of the caller's workspace. With a client session
// token, it returns only those that the session can use.
func (s *Server) getWebview(c call) (any, error) {
	for _, webview := range s.webviews {
		if webview.ConnectWebviewID == c.params.text("connect_webview_id") && webview.WorkspaceID == c.workspaceID &&
			(c.session == nil || slices.Contains(c.session.ConnectWebviewIDs, webview.ConnectWebviewID)) {
			return map[string]any{"connect_webview": *webview, "ok": true}, nil
		}
	}
	return nil, errNoWebview
}
