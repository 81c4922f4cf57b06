package seamtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

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
	webview := s.byID("connect_webview", w.WorkspaceID, connectWebviewID)
	if webview == nil || webview.fields["status"] != "pending" {
		panic(fmt.Sprintf("seamtest: CompleteWebview: the workspace has no pending Connect Webview %q", connectWebviewID))
	}
	return w.complete(webview, connectedAccountID)
}

// complete completes a pending Connect Webview. The caller must hold mu.
func (w Workspace) complete(webview *resource, connectedAccountID string) string {
	s := w.server
	if connectedAccountID == "" {
		connectedAccountID = s.nextID("connected_account")
	}
	w.addAccount(connectedAccountID)
	maps.Copy(webview.fields, object{
		"status": "authorized", "login_successful": true, "connected_account_id": connectedAccountID, "authorized_at": timestamp(s.now()),
	})
	for _, eventType := range []string{"connected_account.connected", "connect_webview.login_succeeded"} {
		s.send(w, eventType, object{"connect_webview_id": webview.id(), "connected_account_id": connectedAccountID})
	}
	return connectedAccountID
}

// createWebview creates a Connect Webview. It is pending until CompleteWebview.
func (s *Server) createWebview(c call) (any, error) {
	id := s.nextID("connect_webview")
	fields := object{
		"connect_webview_id":               id,
		"url":                              s.http.Endpoint + viewWebview + "?connect_webview_id=" + id,
		"workspace_id":                     c.workspaceID,
		"status":                           "pending",
		"accepted_providers":               []any{"august"},
		"accepted_capabilities":            []any{},
		"any_provider_allowed":             false,
		"automatically_manage_new_devices": true,
		"authorized_at":                    nil,
		"connected_account_id":             nil,
		"custom_metadata":                  object{},
		"custom_redirect_failure_url":      nil,
		"custom_redirect_url":              nil,
		"device_selection_mode":            "none",
		"login_successful":                 false,
		"selected_provider":                nil,
		"wait_for_device_creation":         false,
	}
	maps.Copy(fields, c.params)
	added := s.add("connect_webview", c.workspaceID, fields)
	if c.session != nil {
		c.session.ConnectWebviewIDs = union(c.session.ConnectWebviewIDs, []string{id})
	}
	return object{"connect_webview": added, "ok": true}, nil
}

// deleteWebview deletes a Connect Webview. Its account stays connected, but sessions cannot
// access the account by it any more.
func (s *Server) deleteWebview(c call) (any, error) {
	webview, err := s.byIDOf(c, "connect_webview", errNoWebview)
	if err != nil {
		return nil, err
	}
	s.remove("connect_webview", func(r *resource) bool { return r == webview })
	for _, session := range s.sessions {
		session.ConnectWebviewIDs = slices.DeleteFunc(session.ConnectWebviewIDs, func(id string) bool { return id == webview.id() })
	}
	return object{"ok": true}, nil
}
