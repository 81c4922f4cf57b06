package seamtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

type object = map[string]any

// resource is anything but a client session that the API returns.
type resource struct {
	fields      object // as the API encodes it
	kind        string // the name of its ID without _id
	workspaceID string

	device *resource // of an action attempt
	ends   time.Time // when an action attempt ends that is pending
	end    func()
}

// MarshalJSON encodes the fields.
func (r *resource) MarshalJSON() ([]byte, error) { return json.Marshal(r.fields) }

func (r *resource) text(name string) string { text, _ := r.fields[name].(string); return text }
func (r *resource) id() string              { return r.text(r.kind + "_id") }

// ids are the formats of IDs.
var ids = map[string]string{
	"access_code":       "0000000d-0000-4000-8000-%012d",
	"action_attempt":    "0000000a-0000-4000-8000-%012d",
	"connect_webview":   "00000000-0000-4000-a000-%012d",
	"connected_account": "0000000c-0000-4000-8000-%012d",
	"device":            "00000000-0000-4000-b000-%012d",
	"event":             "00000000-0000-4000-9000-%012d",
}

// nextID returns an ID for a resource of the kind.
func (s *Server) nextID(kind string) string {
	s.made[kind]++
	return fmt.Sprintf(ids[kind], s.made[kind])
}

// add adds a resource. It gets an ID and a time unless fields have them.
func (s *Server) add(kind, workspaceID string, fields object) *resource {
	if fields[kind+"_id"] == nil {
		fields[kind+"_id"] = s.nextID(kind)
	}
	if fields["created_at"] == nil {
		fields["created_at"] = timestamp(s.now())
	}
	added := &resource{kind: kind, workspaceID: workspaceID, fields: fields}
	s.resources[kind] = append(s.resources[kind], added)
	return added
}

// remove removes the resources that match, and returns them.
func (s *Server) remove(kind string, match func(*resource) bool) (removed []*resource) {
	s.resources[kind] = slices.DeleteFunc(s.resources[kind], func(r *resource) bool {
		if match(r) {
			removed = append(removed, r)
			return true
		}
		return false
	})
	return removed
}

// byID returns the resource of the workspace with the ID, or nil.
func (s *Server) byID(kind, workspaceID, id string) *resource {
	for _, r := range s.resources[kind] {
		if r.workspaceID == workspaceID && r.id() == id {
			return r
		}
	}
	return nil
}

// account returns the ID of the connected account that a resource belongs to.
func (s *Server) account(r *resource) string {
	if r.device == nil && r.text("connected_account_id") == "" {
		r.device = s.byID("device", r.workspaceID, r.text("device_id"))
	}
	if r.device != nil {
		return r.device.text("connected_account_id")
	}
	return r.text("connected_account_id")
}

// canAccess reports whether the session has access to the resource: to the Connect Webview
// itself, or to the account by its ID or by a Connect Webview that connected it.
func (s *Server) canAccess(session *session, r *resource) bool {
	hasWebview := slices.Contains(session.ConnectWebviewIDs, r.text("connect_webview_id"))
	account := s.account(r)
	switch {
	case r.workspaceID != session.WorkspaceID:
		return false
	case hasWebview || r.kind == "connect_webview" || account == "":
		return hasWebview
	}
	return slices.Contains(session.ConnectedAccountIDs, account) || slices.ContainsFunc(s.resources["connect_webview"], func(webview *resource) bool {
		return webview.text("connected_account_id") == account && slices.Contains(session.ConnectWebviewIDs, webview.id())
	})
}

// find returns the resources of a kind that the caller can access and that match the params.
func (s *Server) find(c call, kind string) []*resource {
	found := []*resource{}
	for _, r := range s.resources[kind] {
		if r.workspaceID == c.workspaceID && (c.session == nil || s.canAccess(c.session, r)) && s.matches(c, r) {
			found = append(found, r)
		}
	}
	return found
}

// matches reports whether a resource matches each of the params, which are filters.
func (s *Server) matches(c call, r *resource) bool {
	for name, filter := range c.params {
		text, _ := filter.(string)
		var is bool
		switch value := r.fields[strings.TrimSuffix(name, "s")]; name {
		case "limit", "page_cursor":
			is = true
		case "user_identifier_key":
			is = text == "" || slices.ContainsFunc(s.ofUsers[text], func(session *session) bool {
				return session.hasKey(text) && !session.revoked && s.canAccess(session, r)
			})
		case "connect_webview_id":
			webview := s.byID("connect_webview", r.workspaceID, text)
			is = value == any(text) || r.kind == "device" && webview != nil && webview.text("connected_account_id") == r.text("connected_account_id")
		case "email":
			user, _ := r.fields["user_identifier"].(object)
			is = user[name] == filter
		case "manufacturer", "name":
			properties, _ := r.fields["properties"].(object)
			is = properties[name] == filter
		case "custom_metadata_has":
			metadata, _ := r.fields["custom_metadata"].(object)
			is = true
			for key, wanted := range filter.(object) {
				is = is && metadata[key] == wanted
			}
		case "search":
			is = r.contains(text)
		case "created_before":
			is = r.createdAt().Before(c.params.time(name))
		case "since":
			is = r.createdAt().After(c.params.time(name))
		case "between":
			between := c.params.list(name)
			is = r.createdAt().After(parseTime(between[0])) && r.createdAt().Before(parseTime(between[1]))
		default:
			list, isList := filter.([]any)
			is = isList && slices.Contains(list, value) || !isList && value == any(text)
		}
		if !is {
			return false
		}
	}
	return true
}

func (r *resource) createdAt() time.Time { return parseTime(r.text("created_at")) }

// searched are the fields that the param search looks at, besides custom_metadata.
var searched = map[string][]string{
	"access_code":       {"name", "code", "access_code_id"},
	"connect_webview":   {"connect_webview_id", "accepted_providers", "customer_key"},
	"connected_account": {"connected_account_id", "account_type", "customer_key"},
	"device":            {"device_id", "connected_account_id", "display_name"},
}

// contains reports whether a field of the resource contains the text, in any case.
func (r *resource) contains(text string) bool {
	var values []any
	for _, name := range searched[r.kind] {
		values = append(values, r.fields[name])
	}
	metadata, _ := r.fields["custom_metadata"].(object)
	values = slices.AppendSeq(values, maps.Values(metadata))
	return slices.ContainsFunc(values, func(value any) bool {
		return value != nil && strings.Contains(strings.ToLower(fmt.Sprint(value)), strings.ToLower(text))
	})
}

// list returns the simulation of an endpoint that lists resources, under each of the keys. A
// pageSize of 0 means that it has no pages.
func list(kind string, pageSize int, keys ...string) func(*Server, call) (any, error) {
	return func(s *Server, c call) (any, error) {
		response := object{"ok": true}
		page := s.find(c, kind)
		if pageSize > 0 {
			var err error
			if page, response["pagination"], err = s.page(c, page, pageSize); err != nil {
				return nil, err
			}
		} else if limit, ok := c.params["limit"].(float64); ok {
			page = page[:int(max(0, min(limit, float64(len(page)))))]
		}
		for _, key := range keys {
			response[key] = page
		}
		return response, nil
	}
}

// get returns the simulation of an endpoint that returns a resource, under each of the keys.
func get(kind string, missing *refusal, keys ...string) func(*Server, call) (any, error) {
	return func(s *Server, c call) (any, error) {
		found := s.find(c, kind)
		if len(found) == 0 {
			return nil, missing
		}
		response := object{"ok": true}
		for _, key := range keys {
			response[key] = found[0]
		}
		return response, nil
	}
}

// byIDOf returns the resource of a kind with the ID in the params that the caller can access.
func (s *Server) byIDOf(c call, kind string, missing *refusal) (*resource, error) {
	found := s.find(call{caller: c.caller, params: params{kind + "_id": c.params[kind+"_id"]}}, kind)
	if len(found) == 0 {
		return nil, missing
	}
	return found[0], nil
}

// page returns a page of what was found, and how to get the next.
func (s *Server) page(c call, found []*resource, size int) ([]*resource, object, error) {
	query := c.params.query()
	first := 0
	if text := c.params.text("page_cursor"); text != "" {
		cursor, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, nil, invalidInput([]issue{{path: []string{"page_cursor"}, message: "Invalid base64"}})
		}
		var at pageCursor
		if json.Unmarshal(cursor, &at) != nil || at.Query != hash(query) {
			return nil, nil, &refusal{
				status: http.StatusBadRequest, Type: "mismatched_page_parameters",
				Message: "When using next_page_cursor, the request must send parameters identical to the initial request.",
			}
		}
		first = max(0, slices.IndexFunc(found, func(r *resource) bool { return r.id() == at.ID }))
	}
	if sent, ok := c.params["limit"].(float64); ok {
		if sent < 1 {
			return nil, nil, invalidInput([]issue{{path: []string{"limit"}, message: "Number must be greater than 0"}})
		}
		size = int(min(sent, math.MaxInt32))
	}
	end := min(first+size, len(found))
	pagination := object{"has_next_page": false, "next_page_cursor": nil, "next_page_url": nil}
	if end < len(found) {
		text, err := json.Marshal(pageCursor{hash(query), found[end].id()})
		if err != nil {
			panic(err) // strings can be encoded
		}
		cursor := base64.StdEncoding.EncodeToString(text)
		query.Set("page_cursor", cursor)
		pagination = object{"has_next_page": true, "next_page_cursor": cursor, "next_page_url": s.URL + c.path + "?" + query.Encode()}
	}
	return found[first:end], pagination, nil
}

// pageCursor identifies the first resource of a page.
type pageCursor struct {
	Query string `json:"query"` // hash of the other params
	ID    string `json:"id"`
}

func hash(query url.Values) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(query.Encode()))) }

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
