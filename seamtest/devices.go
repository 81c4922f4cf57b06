package seamtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

var (
	errNoAccount = &refusal{status: http.StatusNotFound, Type: "connected_account_not_found", Message: "Connected account not found"}
	errNoDevice  = &refusal{status: http.StatusNotFound, Type: "device_not_found", Message: "Device not found"}
)

// AddDevice adds a lock, which is locked, to a connected account and returns its device
// ID. connectedAccountID may be any string; the account is added if there is none yet. A client
// session can access the lock, and its DeviceCount includes it, if the session has access to the
// account, or to a Connect Webview that [Workspace.CompleteWebview] connected the account with.
func (w Workspace) AddDevice(connectedAccountID string) string {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	return w.addDevice(connectedAccountID)
}

// addDevice is AddDevice for callers that hold mu.
func (w Workspace) addDevice(connectedAccountID string) string {
	s := w.server
	w.addAccount(connectedAccountID)
	id := s.nextID("device")
	name := fmt.Sprintf("Lock %d", s.made["device"])
	return s.add("device", w.WorkspaceID, object{
		"device_id":              id,
		"device_type":            "august_lock",
		"display_name":           name,
		"capabilities_supported": []string{"lock", "access_code"},
		"properties": object{
			"name":         name,
			"appearance":   object{"name": name},
			"model":        object{"display_name": "Device", "manufacturer_display_name": "August"},
			"manufacturer": "august",
			"online":       true,
			"locked":       true,
		},
		"connected_account_id":            connectedAccountID,
		"workspace_id":                    w.WorkspaceID,
		"is_managed":                      true,
		"errors":                          []any{},
		"warnings":                        []any{},
		"custom_metadata":                 object{},
		"space_ids":                       []any{},
		"can_remotely_lock":               true,
		"can_remotely_unlock":             true,
		"can_program_online_access_codes": true,
	}).id()
}

// addAccount adds a connected account unless the workspace has it. The caller must hold mu.
func (w Workspace) addAccount(id string) {
	if w.server.byID("connected_account", w.WorkspaceID, id) != nil {
		return
	}
	w.server.add("connected_account", w.WorkspaceID, object{
		"connected_account_id":             id,
		"account_type":                     "august",
		"account_type_display_name":        "August",
		"display_name":                     id + "@example.com",
		"user_identifier":                  object{"email": id + "@example.com"},
		"accepted_capabilities":            []any{},
		"automatically_manage_new_devices": true,
		"custom_metadata":                  object{},
		"errors":                           []any{},
		"warnings":                         []any{},
	})
}

// updateDevice changes the name of a lock, and replaces its metadata.
func (s *Server) updateDevice(c call) (any, error) {
	lock, err := s.byIDOf(c, "device", errNoDevice)
	if err != nil {
		return nil, err
	}
	if name := c.params.text("name"); name != "" {
		lock.fields["properties"].(object)["name"] = name
		lock.fields["display_name"] = name
	}
	if c.params.has("custom_metadata") {
		lock.fields["custom_metadata"] = c.params["custom_metadata"]
	}
	return object{"ok": true}, nil
}

// updateAccount changes the fields of a connected account.
func (s *Server) updateAccount(c call) (any, error) {
	account, err := s.byIDOf(c, "connected_account", errNoAccount)
	if err != nil {
		return nil, err
	}
	maps.Copy(account.fields, c.params)
	return object{"connected_account": account, "ok": true}, nil
}

// deleteAccount deletes a connected account and all that belongs to it.
func (s *Server) deleteAccount(c call) (any, error) {
	account, err := s.byIDOf(c, "connected_account", errNoAccount)
	if err != nil {
		return nil, err
	}
	belongs := func(r *resource) bool { return r.workspaceID == c.workspaceID && s.account(r) == account.id() }
	s.remove("event", belongs)
	s.remove("action_attempt", belongs)
	codes, devices := s.remove("access_code", belongs), s.remove("device", belongs)
	s.remove("connected_account", belongs)
	for _, session := range s.sessions {
		session.ConnectedAccountIDs = slices.DeleteFunc(session.ConnectedAccountIDs, func(id string) bool {
			return session.WorkspaceID == c.workspaceID && id == account.id()
		})
	}
	for _, removed := range slices.Concat(codes, devices, []*resource{account}) {
		about := object{"connected_account_id": account.id(), removed.kind + "_id": removed.id()}
		if removed.kind == "access_code" {
			about["device_id"], about["code"] = removed.fields["device_id"], removed.fields["code"]
		}
		s.send(s.workspace(c.workspaceID), removed.kind+".deleted", about)
	}
	return object{"ok": true}, nil
}
