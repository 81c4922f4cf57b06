package sessioncache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// scripted returns a client of a Seam whose get_or_create returns a new session each time, without
// created_at.
func scripted(tb testing.TB, expiresAt string) (client *seam.Client, requests map[string]int) {
	tb.Helper()
	requests = map[string]int{}
	client, err := seam.NewClient(seam.WithAPIKey("seam_key"), seam.WithHTTPClient(&http.Client{
		Transport: transport(func(req *http.Request) (*http.Response, error) {
			requests[path.Base(req.URL.Path)]++
			var params struct {
				User string `json:"user_identifier_key"`
			}
			if err := json.NewDecoder(req.Body).Decode(&params); err != nil {
				return nil, err
			}
			body := `{"ok": true}`
			if path.Base(req.URL.Path) == "get_or_create" {
				body = fmt.Sprintf(`{"client_session": {"client_session_id": "%d", "token": "seam_cst1_token", "user_identifier_key": %q%s}}`,
					requests["get_or_create"], params.User, expiresAt)
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
		}),
	}))
	require.NoError(tb, err)
	return client, requests
}

// TestNoEnd checks that a session without an expiry is cached for a day.
func TestNoEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, requests := scripted(t, "")
		cache := newCache(t, client, sessioncache.Config{})
		for range 47 {
			_, err := cache.Session(t.Context(), user)
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		assert.Equal(t, 2, requests["get_or_create"])
	})
}

// TestAbsentListsStayNil checks that a cached session encodes as the session from Seam does.
func TestAbsentListsStayNil(t *testing.T) {
	t.Parallel()
	client, _ := scripted(t, "")
	want, err := client.ClientSessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: user})
	require.NoError(t, err)
	got, err := newCache(t, client, sessioncache.Config{}).Session(t.Context(), user)
	require.NoError(t, err)
	got.ClientSessionID = want.ClientSessionID
	assert.Equal(t, want, got)
}

// TestNoLongerLifeOfUnknownAge is TestNoLongerLife for sessions without created_at.
func TestNoLongerLifeOfUnknownAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, requests := scripted(t, `, "expires_at": "`+time.Now().Add(2*time.Minute).Format(time.RFC3339)+`"`)
		cache := newCache(t, client, sessioncache.Config{})
		for range 119 {
			_, err := cache.Session(t.Context(), user)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		assert.Equal(t, map[string]int{"get_or_create": 2, "revoke": 1}, requests)
	})
}

// TestClocksApart has a Seam whose clock is minutes ahead or behind. No expired token is returned,
// and sessions have the full Lifetime after the first response.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-30 * time.Minute, -3 * time.Minute, 3 * time.Minute, 30 * time.Minute} {
		for _, lifetime := range []time.Duration{20 * time.Minute, 24 * time.Hour} {
			t.Run(ahead.String()+" "+lifetime.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := &cachetest.Seam{}
					srv.Set(ahead, 0)
					cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: lifetime})
					steps := 3 * 24 * 60
					for range steps {
						session, err := cache.Session(t.Context(), user)
						require.NoError(t, err)
						require.True(t, srv.Valid(session.Token))
						time.Sleep(time.Minute)
					}
					session := srv.Get(t, cache)
					assert.InDelta(t, lifetime.Seconds(), session.ExpiresAt.Sub(session.CreatedAt).Seconds(), 3+max(0, -ahead.Seconds()))
					renewals := time.Duration(steps) * time.Minute / (lifetime * 8 / 10)
					assert.LessOrEqual(t, cache.Stats().Fetches, uint64(renewals)+3)
				})
			})
		}
	}
}

// TestIgnoredClocks has a Seam whose clock is behind, or so far ahead that it must be wrong. Neither changes
// the expiry that is requested.
func TestIgnoredClocks(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-25 * time.Hour, -23 * time.Hour, -time.Second, 25 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				srv.Set(ahead, 0)
				cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: 48 * time.Hour})
				srv.Get(t, cache)
				session, err := cache.Session(t.Context(), "joe")
				require.NoError(t, err)
				assert.Equal(t, 48*time.Hour, time.Until(session.ExpiresAt))
			})
		})
	}
}

// TestClockAheadWithoutADate checks that created_at shows that the clock of Seam is ahead.
func TestClockAheadWithoutADate(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.Advance(30 * time.Minute)
	client := srv.Client(t)
	cache := newCache(t, client, sessioncache.Config{Lifetime: 20 * time.Minute})
	session, err := cache.Session(t.Context(), user)
	require.NoError(t, err)
	_, err = client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(session.Token))
	require.NoError(t, err)
}

// TestSlowResponse checks that a session from a slow response is not returned after it expired.
func TestSlowResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		isFirst := true
		client := srv.Client(t, seam.WithHTTPClient(&http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
			resp, err := srv.RoundTrip(req)
			if isFirst {
				time.Sleep(9 * time.Second)
			}
			isFirst = false
			return resp, err
		})}))
		cache := newCache(t, client, sessioncache.Config{Lifetime: time.Hour})
		end := srv.Get(t, cache).ExpiresAt
		srv.Break(true)
		for time.Now().Before(end.Add(time.Minute)) {
			if session, err := cache.Session(t.Context(), user); err == nil {
				require.True(t, srv.Valid(session.Token))
			}
			time.Sleep(time.Second)
		}
	})
}

// TestBornExpired checks that an expired session from Seam is an error, after a few requests.
func TestBornExpired(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{
		Params: func(context.Context, string) (seam.ClientSessionGetOrCreateParams, error) {
			return seam.ClientSessionGetOrCreateParams{ExpiresAt: time.Now().Add(-time.Hour)}, nil
		},
	})
	_, err := cache.Session(t.Context(), user)
	require.ErrorContains(t, err, "returned a client session that has expired; check Config.Lifetime")
	assert.LessOrEqual(t, srv.Requests(""), 3)
}
