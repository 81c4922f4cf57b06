package sessioncache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/loopback"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// TestSignOutBeforeTheBody signs the user out after the header of a request and before its body.
func TestSignOutBeforeTheBody(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	var isSignedOut atomic.Bool
	backend := httptest.NewServer(cache.Handler(func(*http.Request) (string, error) {
		if isSignedOut.Load() {
			return "", sessioncache.ErrNotSignedIn
		}
		return user, nil
	}))
	defer backend.Close()
	conn, err := net.Dial("tcp", backend.Listener.Addr().String()) //nolint:noctx // it is closed at the end
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // a test's connection
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\n{")
	require.NoError(t, err)
	time.Sleep(50 * time.Millisecond)
	isSignedOut.Store(true)
	require.NoError(t, cache.SignOut(t.Context(), user))
	_, err = io.WriteString(conn, "}")
	require.NoError(t, err)
	reply := make([]byte, 12)
	_, err = io.ReadFull(conn, reply)
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1 401", string(reply))
	assert.Empty(t, srv.Alive(user))
}

// TestSignOutDuringARequest signs the user out while Seam makes the session of a request. Neither that
// request nor one that arrives during the sign-out gets a token.
func TestSignOutDuringARequest(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"get_or_create", "list", "revoke"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				cache := newCache(t, srv.Client(t), sessioncache.Config{})
				srv.Add(user, 0, time.Hour)
				srv.Before = func(string) error { time.Sleep(time.Second); return nil }
				srv.After = srv.Before
				var group sync.WaitGroup
				for i := range 20 {
					group.Go(func() {
						time.Sleep(time.Duration(i) * 300 * time.Millisecond)
						if time.Sleep(0); i < 13 { // SignOut takes 4 seconds from the first on
							_, err := cache.Session(t.Context(), user)
							assert.ErrorIs(t, err, sessioncache.ErrSignedOut)
						}
					})
				}
				time.Sleep(10 * time.Millisecond)
				require.NoError(t, cache.SignOut(t.Context(), user))
				group.Wait()
				srv.Before, srv.After = nil, nil
				srv.Get(t, cache)
			})
		})
	}
}

// TestSlowBody checks that the time for a body is limited without a limit of the server, and that the limit
// does not outlast the body.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		srv.Before = func(string) error { time.Sleep(11 * time.Second); return nil }
		backend, err := loopback.Start(&http.Server{Handler: newCache(t, srv.Client(t), sessioncache.Config{Timeout: time.Minute}).Handler(userOf)})
		require.NoError(t, err)
		defer backend.Close()
		send := func(body io.Reader) (status int, took time.Duration) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, backend.Endpoint, body)
			require.NoError(t, err)
			req.Header.Set(header, user)
			begin := time.Now()
			resp, err := backend.Client.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return resp.StatusCode, time.Since(begin)
		}
		status, took := send(strings.NewReader("{}"))
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, 11*time.Second, took)

		body, never := io.Pipe()
		defer never.Close() //nolint:errcheck // a pipe
		status, took = send(body)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, 10*time.Second, took)
	})
}

func TestTrustedOrigins(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.com"
	cache := newCache(t, (&cachetest.Seam{}).Client(t), sessioncache.Config{})
	handler := cache.Handler(userOf, sessioncache.WithTrustedOrigins(app))
	for name, tt := range map[string]struct {
		method, origin string
		status         int
		allowed        string
	}{
		"a page":                {"POST", app, 200, app},
		"the browser's inquiry": {"OPTIONS", app, 204, app},
		"another page":          {"POST", "https://example.org", 403, ""},
		"its inquiry":           {"OPTIONS", "https://example.org", 405, ""},
		"a GET":                 {"GET", app, 405, app},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequestWithContext(t.Context(), tt.method, "https://api.example.com/seam/session", http.NoBody)
			req.Header.Set(header, user)
			req.Header.Set("Origin", tt.origin)
			req.Header.Set("Sec-Fetch-Site", "same-site")
			req.Header.Set("Access-Control-Request-Method", "POST")
			resp := httptest.NewRecorder()
			handler.ServeHTTP(resp, req)
			assert.Equal(t, tt.status, resp.Code)
			assert.Equal(t, tt.allowed, resp.Header().Get("Access-Control-Allow-Origin"))
			assert.Equal(t, "Origin", resp.Header().Get("Vary"))
		})
	}
	for _, origin := range []string{"", "*", "null", "app.example.com", app + "/", "https://App.example.com", app + ":443", "http://app.example.com:80"} {
		assert.Panics(t, func() { cache.Handler(userOf, sessioncache.WithTrustedOrigins(origin)) }, origin)
	}
	for _, origin := range []string{app + ":8443", "http://app.example.com:443", "https://[::1]:80"} {
		assert.NotPanics(t, func() { cache.Handler(userOf, sessioncache.WithTrustedOrigins(origin)) }, origin)
	}
}

// TestZeroCache checks that a Cache that was not created with New says so.
func TestZeroCache(t *testing.T) {
	t.Parallel()
	for _, cache := range []*sessioncache.Cache{nil, {}} {
		_, err := cache.Session(t.Context(), user)
		for _, err := range []error{
			err, cache.SignOut(t.Context(), user), cache.Forget(t.Context(), user),
			cache.HandleEvent(t.Context(), cachetest.DeletedEvent("session")),
			cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{}),
		} {
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			require.ErrorContains(t, err, "the Cache is nil or zero; create one with New")
		}
		assert.Panics(t, func() { cache.Handler(userOf) })
	}
}

// TestPanicIsMasked checks that a panic of Config.Params comes back without the user.
func TestPanicIsMasked(t *testing.T) {
	t.Parallel()
	cache := newCache(t, (&cachetest.Seam{}).Client(t), sessioncache.Config{
		Params: func(_ context.Context, key string) (seam.ClientSessionGetOrCreateParams, error) {
			panic(fmt.Sprintf("no row for %s, seam_cst1_secret", key))
		},
	})
	_, err := cache.Session(t.Context(), user)
	require.ErrorContains(t, err, "panic: no row for REDACTED, REDACTED")
}

// sharedStore is a Store of several caches in this process.
type sharedStore struct {
	mu      sync.Mutex
	entries map[sessioncache.Key]*sessioncache.Entry
	broken  bool
}

func (s *sharedStore) Get(_ context.Context, user sessioncache.Key) (*sessioncache.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return nil, errStore
	}
	return s.entries[user], nil
}

func (s *sharedStore) Load(ctx context.Context, user sessioncache.Key, usable func(*sessioncache.Entry) bool, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	old, err := s.Get(ctx, user)
	if err != nil || old != nil && usable(old) {
		return old, err
	}
	entry, err := fetch(ctx, old)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.entries[user] = entry
	}
	return entry, err
}

func (s *sharedStore) Delete(_ context.Context, user sessioncache.Key, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, user)
	return nil
}

func (s *sharedStore) DeleteSession(context.Context, sessioncache.Key) error {
	return errors.New("unused")
}

// TestWorkspaces has caches of two workspaces and another credential of one share a store.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	for _, namespace := range []string{"", "workspace"} {
		t.Run(namespace, func(t *testing.T) {
			t.Parallel()
			store := &sharedStore{entries: map[sessioncache.Key]*sessioncache.Entry{}}
			srv := seamtest.NewServer(t)
			a, b := srv.Workspace, srv.NewWorkspace()
			namespaces := map[string]string{a.WorkspaceID: namespace, b.WorkspaceID: namespace + namespace}
			get := func(workspace seamtest.Workspace, requests int, opts ...seam.Option) {
				t.Helper()
				cache := newCache(t, workspace.Client(t, opts...), sessioncache.Config{Store: store, Namespace: namespaces[workspace.WorkspaceID]})
				session, err := cache.Session(t.Context(), user)
				require.NoError(t, err)
				assert.Equal(t, workspace.WorkspaceID, session.WorkspaceID)
				assert.Len(t, srv.Requests(), requests)
			}
			get(a, 1)
			get(a, 1) // after a restart
			get(b, 2)
			get(b, 2)
			if namespace != "" { // it says whose the sessions are
				get(a, 2, seam.WithPersonalAccessToken(a.PersonalAccessToken, a.WorkspaceID))
			}
		})
	}
}

// TestStoreLog checks that a store that fails is logged once when it goes and once when it is back.
func TestStoreLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &sharedStore{entries: map[sessioncache.Key]*sessioncache.Entry{}}
		srv := &cachetest.Seam{}
		cache := newCache(t, srv.Client(t), sessioncache.Config{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for range 3 {
			store.broken = !store.broken
			for range 100 {
				srv.Get(t, cache)
				time.Sleep(time.Second)
			}
		}
		assert.Equal(t, 2, bytes.Count(log.Bytes(), []byte("the session store fails")), log.String())
		assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("the session store works again")))
		assert.Contains(t, log.String(), errStore.Error())
	})
}
