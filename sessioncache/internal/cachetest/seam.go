// Package cachetest provides tests for package sessioncache and its stores, and the Seam that they
// run on.
package cachetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/seamtest"
)

// Seam is a [seamtest.Server] for tests of a cache. It is the [http.RoundTripper] of its clients and
// adds what these tests need: hooks before and after each request, requests that hang or have no
// connection, counts of them, and sessions that get no longer life. The zero Seam is usable.
type Seam struct {
	// Before and After, if not nil, are called before a request is processed and before its
	// response is returned. If one fails, the request fails with its error.
	Before, After func(path string) error
	// If Hang is set, requests wait after Before until their context ends.
	Hang atomic.Bool
	// If Extend is set, get_or_create updates the expiry of an existing session.
	Extend bool

	start  sync.Once
	server *seamtest.Server
	admin  *seam.Client // its requests have no hooks and are not counted

	fetching sync.Mutex // one get_or_create at a time
	mu       sync.Mutex
	requests map[string]int
	ahead    time.Duration
	maxLife  time.Duration
	broken   bool
}

// ErrBroken is the error of all requests after Break(true).
var ErrBroken = errors.New("cachetest: connection refused")

// up starts the server.
func (s *Seam) up() *seamtest.Server {
	s.start.Do(func() {
		var err error
		s.server, err = seamtest.Start()
		must(err)
		s.admin, err = seam.NewClient(seam.WithAPIKey(s.server.APIKey), seam.WithHTTPClient(&http.Client{Transport: fake.Transport(s.respond)}))
		must(err)
	})
	return s.server
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Client returns a client of s without retries. It authenticates with an API key unless opts
// contain another credential. The end of the test stops s.
func (s *Seam) Client(tb testing.TB, opts ...seam.Option) *seam.Client {
	tb.Helper()
	srv := s.up()
	tb.Cleanup(srv.Close)
	return srv.Client(tb, append([]seam.Option{seam.WithMaxRetries(0), seam.WithHTTPClient(&http.Client{Transport: s})}, opts...)...)
}

// Set sets how far the clock is ahead of the local clock, and the maximum lifetime of new sessions.
// If maxLife is 0, there is none.
func (s *Seam) Set(ahead, maxLife time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up().Advance(ahead - s.ahead)
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
	s.up()
	_, err := s.admin.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(token))
	return err == nil
}

// Revoke revokes a session without a request of the cache.
func (s *Seam) Revoke(clientSessionID string) {
	s.up()
	must(s.admin.ClientSessions.Revoke(context.Background(), clientSessionID))
}

// Add adds a session that was created age ago and expires after life.
func (s *Seam) Add(userIdentifierKey string, age, life time.Duration) seam.ClientSession {
	s.up().Advance(-age)
	defer s.server.Advance(age)
	added, err := s.admin.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{
		UserIdentifierKey: userIdentifierKey, ConnectedAccountIDs: []string{"account_1", "account_2"}, ExpiresAt: s.now().Add(life),
	})
	must(err)
	return *added
}

// Alive returns the IDs of the sessions of a user that are neither expired nor revoked.
func (s *Seam) Alive(userIdentifierKey string) (ids []string) {
	s.up()
	all, err := s.admin.ClientSessions.List(context.Background(), seam.ClientSessionListParams{UserIdentifierKey: userIdentifierKey})
	must(err)
	for _, session := range all {
		if s.now().Before(session.ExpiresAt) {
			ids = append(ids, session.ClientSessionID)
		}
	}
	return ids
}

// Disconnect deletes an account, so that no session can get access to it.
func (s *Seam) Disconnect(accountID string) {
	s.up().Fail(seamtest.Fault{
		Path: "/client_sessions/grant_access", Status: http.StatusBadRequest,
		Match: func(r seamtest.Request) bool { return bytes.Contains(r.Body, []byte(accountID)) },
		Body:  `{"error": {"type": "connected_account_not_found", "message": "not found"}, "ok": false}`,
	})
}

func (s *Seam) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead).UTC()
}

// RoundTrip implements [http.RoundTripper].
func (s *Seam) RoundTrip(req *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(req.URL.Path, "/client_sessions/")
	s.mu.Lock()
	if s.requests == nil {
		s.requests = map[string]int{}
	}
	s.requests[path]++
	var err error
	if s.broken {
		err = ErrBroken
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
		return nil, errors.Join(err, req.Body.Close())
	}
	respond := s.respond
	if path == "get_or_create" {
		respond = s.getOrCreate
	}
	resp, err := respond(req)
	if err == nil && s.After != nil {
		err = s.After(path)
	}
	if err != nil {
		return nil, err // the body is in memory
	}
	return resp, nil
}

// getOrCreate responds to a get_or_create whose session gets no longer life than s allows.
func (s *Seam) getOrCreate(req *http.Request) (*http.Response, error) {
	s.fetching.Lock()
	defer s.fetching.Unlock()
	var params map[string]any
	must(errors.Join(json.NewDecoder(req.Body).Decode(&params), req.Body.Close()))
	asked, _ := params["expires_at"].(string)
	expiresAt, _ := time.Parse(time.RFC3339Nano, asked)
	user, _ := params["user_identifier_key"].(string)
	s.mu.Lock()
	maxLife := s.maxLife
	s.mu.Unlock()
	newest, err := s.admin.ClientSessions.Get(req.Context(), seam.ClientSessionGetParams{UserIdentifierKey: user})
	exists := err == nil && s.now().Before(newest.ExpiresAt)
	if latest := s.now().Add(maxLife); maxLife > 0 && (expiresAt.IsZero() && !exists || expiresAt.After(latest)) {
		params["expires_at"] = latest
	}
	if exists && !s.Extend {
		delete(params, "expires_at")
	}
	body, err := json.Marshal(params)
	must(err)
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body))
	return s.respond(req)
}

// respond calls the server in this goroutine: there is no network that takes time.
func (s *Seam) respond(req *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	s.server.ServeHTTP(recorder, req)
	resp := recorder.Result()
	resp.Request = req
	return resp, req.Body.Close()
}
