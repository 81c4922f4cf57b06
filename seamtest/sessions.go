package seamtest

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// session is a client session as the API encodes it. It is not a seam.ClientSession,
// so that tests find mistakes in that type.
type session struct {
	ClientSessionID     string   `json:"client_session_id"`
	ConnectWebviewIDs   []string `json:"connect_webview_ids"`
	ConnectedAccountIDs []string `json:"connected_account_ids"`
	CreatedAt           string   `json:"created_at"`
	CustomerID          string   `json:"customer_id,omitempty"`
	CustomerKey         string   `json:"customer_key,omitempty"`
	DeviceCount         int      `json:"device_count"`
	ExpiresAt           string   `json:"expires_at"`
	Token               string   `json:"token"`
	UserIdentifierKey   *string  `json:"user_identifier_key"`
	UserIdentityID      string   `json:"user_identity_id,omitempty"`
	UserIdentityIDs     []string `json:"user_identity_ids"`
	WorkspaceID         string   `json:"workspace_id"`

	expires time.Time
	revoked bool
}

// hasKey reports whether the session has that user identifier key.
func (s *session) hasKey(key string) bool {
	return key != "" && s.UserIdentifierKey != nil && *s.UserIdentifierKey == key
}

func (s *session) expire(at time.Time) { s.expires, s.ExpiresAt = at, timestamp(at) }

// identify sets the user identity, also under its deprecated name.
func (s *session) identify(identity string) {
	if identity != "" {
		s.UserIdentityID, s.UserIdentityIDs = identity, []string{identity}
	}
}

var errNotFound = &refusal{status: http.StatusNotFound, Type: "client_session_not_found", Message: "Could not find client session"}

// isLive reports whether a session has not expired.
func (s *Server) isLive(session *session) bool { return session.expires.After(s.now()) }

func (s *Server) now() time.Time { return time.Now().Add(s.ahead) }

// newest returns the newest session of the caller's workspace that matches and was not revoked,
// or nil. If key is not empty, the session must have that user identifier key.
func (s *Server) newest(who caller, key string, match func(*session) bool) *session {
	sessions := s.sessions
	if key != "" {
		sessions = s.ofUsers[key]
	}
	for _, session := range slices.Backward(sessions) {
		if session.WorkspaceID == who.workspaceID && !session.revoked && (key == "" || session.hasKey(key)) && match(session) {
			return session
		}
	}
	return nil
}

// named returns the session with the ID in the params, or without one, the newest of the user.
func (s *Server) named(c call) (*session, error) {
	id, key := c.params.text("client_session_id"), c.params.text("user_identifier_key")
	if id != "" {
		key = ""
	}
	found := s.newest(c.caller, key, func(session *session) bool { return id == "" || session.ClientSessionID == id })
	if found == nil || id == "" && key == "" {
		return nil, errNotFound
	}
	return found, nil
}

// associate gives the session a user identifier key, unless key is empty.
func (s *Server) associate(session *session, key string) {
	if key != "" && !session.hasKey(key) {
		session.UserIdentifierKey = &key
		s.ofUsers[key] = append(s.ofUsers[key], session)
	}
}

// mayCreate returns an error if the caller has a publishable key that is not allowed
// to create the session.
func (c call) mayCreate() error {
	switch {
	case c.by != publishableKey:
		return nil
	case strings.TrimSpace(c.params.text("user_identifier_key")) == "":
		return &refusal{
			status: http.StatusUnauthorized, Type: "publishable_key_requires_user_identifier_key",
			Message: "user_identifier_key is required with publishable_key",
		}
	case c.params.has("connect_webview_ids", "connected_account_ids", "user_identity_id", "user_identity_ids"):
		return &refusal{
			status: http.StatusForbidden, Type: "publishable_keys_must_create_empty_client_sessions",
			Message: "You cannot specify connect_webview_ids or connected_account_ids when using a publishable key",
		}
	}
	return nil
}

func (s *Server) create(c call) (any, error) {
	if err := c.mayCreate(); err != nil {
		return nil, err
	}
	key := c.params.text("user_identifier_key")
	var existing *session
	if key != "" {
		existing = s.newest(c.caller, key, s.isLive)
	}
	switch {
	case existing == nil:
		return s.response(s.addSession(c)), nil
	case c.method == http.MethodPut:
		return s.response(existing), nil
	}
	return nil, &refusal{
		status: http.StatusBadRequest, Type: "client_session_token_already_exists",
		Message: "A client session token already exists for this user, try using /client_session_tokens/get_or_create",
	}
}

func (s *Server) getOrCreate(c call) (any, error) {
	if err := c.mayCreate(); err != nil {
		return nil, err
	}
	key := c.params.text("user_identifier_key")
	existing := s.newest(c.caller, key, func(session *session) bool {
		return s.isLive(session) && (key != "" || session.UserIdentifierKey == nil && session.UserIdentityID == c.params.identity() &&
			sameSet(session.ConnectWebviewIDs, c.params.list("connect_webview_ids")) &&
			sameSet(session.ConnectedAccountIDs, c.params.list("connected_account_ids")))
	})
	if existing == nil {
		existing = s.addSession(c)
	}
	if expires := c.params.time("expires_at"); !expires.IsZero() {
		existing.expire(expires)
	}
	return s.response(existing), nil
}

// addSession creates a session from the params.
func (s *Server) addSession(c call) *session {
	s.created++
	added := &session{
		ClientSessionID:     fmt.Sprintf("%08d-0000-4000-8000-000000000000", s.created),
		ConnectWebviewIDs:   union(nil, c.params.list("connect_webview_ids")),
		ConnectedAccountIDs: union(nil, c.params.list("connected_account_ids")),
		CreatedAt:           timestamp(s.now()),
		CustomerID:          c.params.text("customer_id"),
		CustomerKey:         c.params.text("customer_key"),
		Token:               fmt.Sprintf("seam_cst%d_%s", s.created, scramble("token", s.created)),
		UserIdentityIDs:     []string{},
		WorkspaceID:         c.workspaceID,
	}
	added.expire(cmp.Or(c.params.time("expires_at"), s.now().AddDate(1, 0, 0)))
	s.associate(added, c.params.text("user_identifier_key"))
	added.identify(c.params.identity())
	s.sessions = append(s.sessions, added)
	return added
}

func (s *Server) getSession(c call) (any, error) {
	if c.by == clientSessionToken {
		if c.params.has("client_session_id") && c.params.has("user_identifier_key") {
			return nil, &refusal{
				status: http.StatusBadRequest, Type: "invalid_options",
				Message: "Cannot send client_session_id or user_identifier_key params when using a client session token",
			}
		}
		return s.response(c.session), nil // other params are ignored
	}
	found, err := s.named(c)
	if err != nil {
		return nil, err
	}
	return s.response(found), nil
}

// grantAccess adds access to the session with the ID in the params, and associates it with
// the user in the params. Without an ID, it adds access to the session of the user.
func (s *Server) grantAccess(c call) (any, error) {
	found, err := s.named(c)
	if err != nil {
		return nil, err
	}
	s.associate(found, c.params.text("user_identifier_key"))
	found.ConnectWebviewIDs = union(found.ConnectWebviewIDs, c.params.list("connect_webview_ids"))
	found.ConnectedAccountIDs = union(found.ConnectedAccountIDs, c.params.list("connected_account_ids"))
	found.identify(c.params.identity())
	return s.response(found), nil
}

func (s *Server) listSessions(c call) (any, error) {
	filter := func(name string, holds func(value string) bool) bool {
		value := c.params.text(name)
		return value == "" || holds(value)
	}
	sessions := []*session{}
	for _, session := range s.sessions {
		if session.WorkspaceID == c.workspaceID && !session.revoked &&
			filter("client_session_id", func(id string) bool { return session.ClientSessionID == id }) &&
			filter("user_identifier_key", session.hasKey) &&
			filter("connect_webview_id", func(id string) bool { return slices.Contains(session.ConnectWebviewIDs, id) }) &&
			filter("user_identity_id", func(id string) bool { return session.UserIdentityID == id }) &&
			(!c.params.flag("without_user_identifier_key") || session.UserIdentifierKey == nil) {
			sessions = append(sessions, s.view(session))
		}
	}
	return object{"client_sessions": sessions, "ok": true}, nil
}

func (s *Server) revoke(c call) (any, error) {
	i, err := s.index(c)
	if err != nil {
		return nil, err
	}
	s.sessions[i].revoked = true
	return object{"ok": true}, nil
}

func (s *Server) delete(c call) (any, error) {
	i, err := s.index(c)
	if err != nil {
		return nil, err
	}
	s.send(s.workspace(c.workspaceID), "client_session.deleted", object{"client_session_id": s.sessions[i].ClientSessionID})
	s.sessions[i].revoked = true // ofUsers still has it
	s.sessions = slices.Delete(s.sessions, i, i+1)
	return object{"ok": true}, nil
}

// index returns the index of the session with the ID in the params. The session may be
// revoked.
func (s *Server) index(c call) (int, error) {
	i := slices.IndexFunc(s.sessions, func(session *session) bool {
		return session.WorkspaceID == c.workspaceID && session.ClientSessionID == c.params.text("client_session_id")
	})
	if i < 0 {
		return 0, errNotFound
	}
	return i, nil
}

// view returns the session with its DeviceCount.
func (s *Server) view(of *session) *session {
	of.DeviceCount = 0
	for _, device := range s.resources["device"] {
		if s.canAccess(of, device) {
			of.DeviceCount++
		}
	}
	return of
}

func (s *Server) response(of *session) any {
	return object{"client_session": s.view(of), "ok": true}
}

// union returns a new slice with the items of have, followed by those of more that are
// not in it yet.
func union(have, more []string) []string {
	all := append([]string{}, have...)
	for _, id := range more {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

func sameSet(a, b []string) bool {
	a, b = union(nil, a), union(nil, b)
	return len(a) == len(b) && len(union(a, b)) == len(a)
}

// parseTime returns the zero time if the text is no time.
func parseTime(text string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, text)
	return at
}

func timestamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// scramble returns the random-looking part of a secret. It is the same in each run.
func scramble(what string, n int) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", what, n)))[:32]
}
