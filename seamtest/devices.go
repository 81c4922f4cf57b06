package seamtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
)

// device is a lock as the API encodes it.
type device struct {
	DeviceID                    string            `json:"device_id"`
	DeviceType                  string            `json:"device_type"`
	DisplayName                 string            `json:"display_name"`
	CapabilitiesSupported       []string          `json:"capabilities_supported"`
	Properties                  properties        `json:"properties"`
	ConnectedAccountID          string            `json:"connected_account_id"`
	WorkspaceID                 string            `json:"workspace_id"`
	CreatedAt                   string            `json:"created_at"`
	IsManaged                   bool              `json:"is_managed"`
	Errors                      []struct{}        `json:"errors"`
	Warnings                    []struct{}        `json:"warnings"`
	CustomMetadata              map[string]string `json:"custom_metadata"`
	SpaceIDs                    []string          `json:"space_ids"`
	CanRemotelyLock             bool              `json:"can_remotely_lock"`
	CanRemotelyUnlock           bool              `json:"can_remotely_unlock"`
	CanProgramOnlineAccessCodes bool              `json:"can_program_online_access_codes"`
}

// properties are the properties of a lock.
type properties struct {
	Name         string            `json:"name"`
	Appearance   map[string]string `json:"appearance"`
	Model        map[string]string `json:"model"`
	Manufacturer string            `json:"manufacturer"`
	Online       bool              `json:"online"`
	Locked       bool              `json:"locked"`
}

// AddDevice adds a lock, which is locked, to a connected account and returns its device
// ID. connectedAccountID may be any string. A client session can access the lock, and its
// DeviceCount includes it, if the session has access to the account, or to a Connect
// Webview that [Workspace.CompleteWebview] connected the account with.
func (w Workspace) AddDevice(connectedAccountID string) string {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	return w.addDevice(connectedAccountID)
}

// addDevice is AddDevice for callers that hold mu.
func (w Workspace) addDevice(connectedAccountID string) string {
	s := w.server
	n := len(s.devices) + 1
	name := fmt.Sprintf("Lock %d", n)
	added := &device{
		DeviceID:              fmt.Sprintf("00000000-0000-4000-b000-%012d", n),
		DeviceType:            "august_lock",
		DisplayName:           name,
		CapabilitiesSupported: []string{"lock", "access_code"},
		Properties: properties{
			Name:         name,
			Appearance:   map[string]string{"name": name},
			Model:        map[string]string{"display_name": "Device", "manufacturer_display_name": "August"},
			Manufacturer: "august",
			Online:       true,
			Locked:       true,
		},
		ConnectedAccountID:          connectedAccountID,
		WorkspaceID:                 w.WorkspaceID,
		CreatedAt:                   timestamp(s.now()),
		IsManaged:                   true,
		Errors:                      []struct{}{},
		Warnings:                    []struct{}{},
		CustomMetadata:              map[string]string{},
		SpaceIDs:                    []string{},
		CanRemotelyLock:             true,
		CanRemotelyUnlock:           true,
		CanProgramOnlineAccessCodes: true,
	}
	s.devices = append(s.devices, added)
	return added.DeviceID
}

// canAccess reports whether the session has access to the device.
func (s *Server) canAccess(session *session, d *device) bool {
	return session.WorkspaceID == d.WorkspaceID && (slices.Contains(session.ConnectedAccountIDs, d.ConnectedAccountID) ||
		slices.ContainsFunc(s.webviews, func(webview *connectWebview) bool {
			return webview.ConnectedAccountID != nil && *webview.ConnectedAccountID == d.ConnectedAccountID &&
				slices.Contains(session.ConnectWebviewIDs, webview.ConnectWebviewID)
		}))
}

// callerCanAccess reports whether the sender of a request has access to the device.
func (s *Server) callerCanAccess(who caller, d *device) bool {
	return d.WorkspaceID == who.workspaceID && (who.session == nil || s.canAccess(who.session, d))
}

var errNoDevice = &refusal{status: http.StatusNotFound, Type: "device_not_found", Message: "Device not found"}

// findDevice returns the device in the params.
func (s *Server) findDevice(c call) (*device, error) {
	for _, d := range s.devices {
		if s.callerCanAccess(c.caller, d) && (c.params.has("device_id", "name")) &&
			c.params.allows("device_id", d.DeviceID) && c.params.allows("name", d.Properties.Name) {
			return d, nil
		}
	}
	return nil, errNoDevice
}

func (s *Server) getDevice(c call) (any, error) {
	found, err := s.findDevice(c)
	if err != nil {
		return nil, err
	}
	view := *found
	return map[string]any{"device": view, "ok": true}, nil
}

func (s *Server) getLock(c call) (any, error) {
	found, err := s.findDevice(c)
	if err != nil {
		return nil, err
	}
	view := *found
	return map[string]any{"lock": view, "device": view, "ok": true}, nil
}

// canUserAccess reports whether a session of the user in the params, if there is one, has
// access to the device.
func (s *Server) canUserAccess(c call, d *device) bool {
	key := c.params.text("user_identifier_key")
	return key == "" || len(s.find(c.caller, func(session *session) bool { return session.hasKey(key) && s.canAccess(session, d) })) > 0
}

// listDevices lists the devices of the caller's workspace. With a client session
// token, it lists the devices that the session can access.
func (s *Server) listDevices(c call) (any, error) {
	found := []device{} // copies: the response is encoded without holding mu
	for _, d := range s.devices {
		if s.callerCanAccess(c.caller, d) &&
			c.params.allows("device_ids", d.DeviceID) &&
			c.params.allows("connected_account_id", d.ConnectedAccountID) &&
			c.params.allows("connected_account_ids", d.ConnectedAccountID) &&
			c.params.allows("device_type", d.DeviceType) &&
			c.params.allows("device_types", d.DeviceType) &&
			c.params.allows("manufacturer", d.Properties.Manufacturer) &&
			s.canUserAccess(c, d) {
			found = append(found, *d)
		}
	}
	query := c.params.query()
	first := 0
	if text := c.params.text("page_cursor"); text != "" {
		cursor, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, invalidInput([]issue{{path: []string{"page_cursor"}, message: "Invalid base64"}})
		}
		var at pageCursor
		if json.Unmarshal(cursor, &at) != nil || at.Query != hash(query) {
			return nil, &refusal{
				status: http.StatusBadRequest, Type: "mismatched_page_parameters",
				Message: "When using next_page_cursor, the request must send parameters identical to the initial request.",
			}
		}
		first = max(0, slices.IndexFunc(found, func(d device) bool { return d.DeviceID == at.DeviceID }))
	}
	limit := 500
	if sent, ok := c.params["limit"].(float64); ok {
		if sent < 1 {
			return nil, invalidInput([]issue{{path: []string{"limit"}, message: "Number must be greater than 0"}})
		}
		limit = int(min(sent, math.MaxInt32))
	}
	end := min(first+limit, len(found))
	pagination := map[string]any{"has_next_page": false, "next_page_cursor": nil, "next_page_url": nil}
	if end < len(found) {
		text, err := json.Marshal(pageCursor{hash(query), found[end].DeviceID})
		if err != nil {
			panic(err) // strings can be encoded
		}
		cursor := base64.StdEncoding.EncodeToString(text)
		query.Set("page_cursor", cursor)
		pagination["has_next_page"] = true
		pagination["next_page_cursor"] = cursor
		pagination["next_page_url"] = s.URL + "/devices/list?" + query.Encode()
	}
	return map[string]any{"devices": found[first:end], "pagination": pagination, "ok": true}, nil
}

// pageCursor identifies the first device of a page.
type pageCursor struct {
	Query    string `json:"query"` // hash of the other params
	DeviceID string `json:"device_id"`
}

func hash(query url.Values) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(query.Encode()))) }

// allows reports whether a value matches the filter with that name, which is a string
// or a list. A filter that is not set matches every value.
func (p params) allows(name, value string) bool {
	switch filter := p[name].(type) {
	case string:
		return filter == value
	case []any:
		return slices.Contains(filter, any(value))
	default:
		return true
	}
}

// query encodes the params but the cursor for the URL of the next page.
func (p params) query() url.Values {
	query := url.Values{}
	for name, value := range p {
		items, ok := value.([]any)
		if !ok {
			items = []any{value}
		}
		for _, item := range items {
			if name != "page_cursor" {
				query.Add(name, fmt.Sprint(item))
			}
		}
	}
	return query
}
