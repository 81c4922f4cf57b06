// Package cachetest provides a fake Seam API and tests for package sessioncache and its stores.
package cachetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seam-go/seam"
)

// Seam is a fake Seam API without a network, so that it works in a synctest bubble. It is the
// [http.RoundTripper] of its clients.
type Seam struct {
	// Before and After, if not nil, are called before a request is processed and before its
	// response is returned. If one fails, the request fails with its error.
	Before, After func(path string) error
	// If Hang is set, requests wait after Before until their context ends.
	Hang atomic.Bool
	// If Forgetful is set, sessions are not stored.
	Forgetful bool
	// Workspace is the workspace of the sessions. The default is "workspace".
	Workspace string
	// If Extend is set, get_or_create updates the expiry of an existing session.
	Extend bool

	mu       sync.Mutex
	sessions []session
	made     int
	requests map[string]int
	ahead    time.Duration
	maxLife  time.Duration
	broken   bool
	gone     map[string]bool
}

type session struct {
	seam.ClientSession
	revoked bool
}

// ErrBroken is the error of all requests after Break(true).
var ErrBroken = errors.New("cachetest: connection refused")

// Client returns a client of s without retries. It authenticates with an API key unless opts
// contain another credential.
func (s *Seam) Client(tb testing.TB, opts ...seam.Option) *seam.Client {
	tb.Helper()
	client, err := seam.NewClient(append([]seam.Option{
		seam.WithAPIKey("seam_test_key"), seam.WithMaxRetries(0), seam.WithHTTPClient(&http.Client{Transport: s}),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// Set sets how far the clock is ahead of the local clock, and the maximum lifetime of new sessions.
// If maxLife is 0, there is none.
func (s *Seam) Set(ahead, maxLife time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead, s.maxLife = ahead, maxLife
}

// Break makes all requests fail or succeed again.
func (s *Seam) Break(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

// Requests returns the number of requests to a path such as get_or_create, or to all paths if it
// is empty.
func (s *Seam) Requests(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path != "" {
		return s.requests[path]
	}
	sum := 0
	for _, n := range s.requests {
		sum += n
	}
	return sum
}

// Valid reports whether a token is valid.
func (s *Seam) Valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.sessions, func(session session) bool { return session.Token == token })
	return i >= 0 && s.alive(s.sessions[i])
}

// Revoke revokes a session without a request.
func (s *Seam) Revoke(clientSessionID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoke(clientSessionID)
}

// Delete deletes a session without a request.
func (s *Seam) Delete(clientSessionID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = slices.DeleteFunc(s.sessions, func(session session) bool { return session.ClientSessionID == clientSessionID })
}

// Add adds a session that was created age ago and expires after life.
func (s *Seam) Add(userIdentifierKey string, age, life time.Duration) seam.ClientSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(userIdentifierKey, s.now().Add(-age), s.now().Add(life))
}

// Alive returns the IDs of the sessions of a user that are neither expired nor revoked.
func (s *Seam) Alive(userIdentifierKey string) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		if session.UserIdentifierKey == userIdentifierKey && s.alive(session) {
			ids = append(ids, session.ClientSessionID)
		}
	}
	return ids
}

func (s *Seam) now() time.Time { return time.Now().Add(s.ahead).UTC() }

func (s *Seam) alive(session session) bool {
	return !session.revoked && s.now().Before(session.ExpiresAt)
}

func (s *Seam) add(userIdentifierKey string, createdAt, expiresAt time.Time) seam.ClientSession {
	s.made++
	added := seam.ClientSession{
		ClientSessionID:     fmt.Sprintf("session_%d", s.made),
		ConnectedAccountIDs: []string{"account_1", "account_2"},
		CreatedAt:           createdAt.Truncate(time.Millisecond),
		ExpiresAt:           expiresAt.Truncate(time.Millisecond),
		Token:               fmt.Sprintf("seam_cst%d_token", s.made),
		UserIdentifierKey:   userIdentifierKey,
		WorkspaceID:         cmp.Or(s.Workspace, "workspace"),
	}
	if !s.Forgetful {
		s.sessions = append(s.sessions, session{ClientSession: added})
	}
	return added
}

func (s *Seam) revoke(clientSessionID string) (found bool) {
	for i := range s.sessions {
		if s.sessions[i].ClientSessionID == clientSessionID {
			s.sessions[i].revoked, found = true, true
		}
	}
	return found
}

// params are the params of all requests.
type params struct {
	ClientSessionID     string    `json:"client_session_id"`
	UserIdentifierKey   string    `json:"user_identifier_key"`
	ConnectWebviewIDs   []string  `json:"connect_webview_ids"`
	ConnectedAccountIDs []string  `json:"connected_account_ids"`
	UserIdentityID      string    `json:"user_identity_id"`
	ExpiresAt           time.Time `json:"expires_at"`
}

// grant adds the access of p to s.
func (p params) grant(s *seam.ClientSession) {
	s.ConnectWebviewIDs = union(s.ConnectWebviewIDs, p.ConnectWebviewIDs)
	s.ConnectedAccountIDs = union(s.ConnectedAccountIDs, p.ConnectedAccountIDs)
	s.UserIdentityID = cmp.Or(p.UserIdentityID, s.UserIdentityID)
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, id := range b {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

// RoundTrip implements [http.RoundTripper].
func (s *Seam) RoundTrip(req *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(req.URL.Path, "/client_sessions/")
	var params params
	err := json.NewDecoder(req.Body).Decode(&params)
	err = errors.Join(err, req.Body.Close())
	s.mu.Lock()
	if s.requests == nil {
		s.requests = map[string]int{}
	}
	s.requests[path]++
	if s.broken {
		err = errors.Join(err, ErrBroken)
	}
	s.mu.Unlock()
	if err == nil && s.Before != nil {
		err = s.Before(path)
	}
	if err == nil && s.Hang.Load() {
		<-req.Context().Done()
	}
	if err == nil {
		err = req.Context().Err()
	}
	if err != nil {
		return nil, err
	}

	status, response := s.respond(path, params)
	body, err := json.Marshal(response)
	if err == nil && s.After != nil {
		err = s.After(path)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	date := s.now()
	s.mu.Unlock()
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/json"}, "Date": {date.Format(http.TimeFormat)}},
		Body:       io.NopCloser(bytes.NewReader(body)),
		Request:    req,
	}, nil
}

func (s *Seam) respond(path string, params params) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	expiresAt := params.ExpiresAt
	if latest := s.now().Add(s.maxLife); s.maxLife > 0 && (expiresAt.IsZero() || expiresAt.After(latest)) {
		expiresAt = latest
	}
	isLive := func(session session) bool {
		return s.alive(session) && (session.ClientSessionID == params.ClientSessionID || session.UserIdentifierKey == params.UserIdentifierKey)
	}
	i := slices.IndexFunc(s.sessions, isLive)
	switch path {
	case "get_or_create":
		if i >= 0 {
			if s.Extend && !params.ExpiresAt.IsZero() {
				s.sessions[i].ExpiresAt = expiresAt.Truncate(time.Millisecond)
			}
			return http.StatusOK, map[string]any{"client_session": s.sessions[i].ClientSession}
		}
		if expiresAt.IsZero() {
			expiresAt = s.now().AddDate(1, 0, 0)
		}
		added := s.add(params.UserIdentifierKey, s.now(), expiresAt)
		params.grant(&added)
		if !s.Forgetful {
			s.sessions[len(s.sessions)-1].ClientSession = added
		}
		return http.StatusOK, map[string]any{"client_session": added}
	case "get":
		if i >= 0 {
			return http.StatusOK, map[string]any{"client_session": s.sessions[i].ClientSession}
		}
	case "grant_access":
		if slices.ContainsFunc(params.ConnectedAccountIDs, func(id string) bool { return s.gone[id] }) {
			return http.StatusBadRequest, map[string]any{"error": map[string]any{"type": "connected_account_not_found", "message": "not found"}}
		}
		if i >= 0 {
			params.grant(&s.sessions[i].ClientSession)
			return http.StatusOK, map[string]any{"ok": true}
		}
	case "list":
		list := []seam.ClientSession{}
		for _, session := range s.sessions {
			if session.UserIdentifierKey == params.UserIdentifierKey && s.alive(session) {
				list = append(list, session.ClientSession)
			}
		}
		return http.StatusOK, map[string]any{"client_sessions": list}
	case "revoke", "delete":
		if s.revoke(params.ClientSessionID) {
			return http.StatusOK, map[string]any{"ok": true}
		}
	}
	return http.StatusNotFound, map[string]any{"error": map[string]any{"type": "client_session_not_found", "message": "not found"}}
}

// Disconnect deletes an account, so that no session can get access to it.
func (s *Seam) Disconnect(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = map[string]bool{accountID: true}
}
