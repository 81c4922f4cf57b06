package sessioncache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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

// header authenticates the user in these tests.
const header = "X-User"

func userOf(r *http.Request) (string, error) {
	switch r.Header.Get(header) {
	case "nobody":
		return user, fmt.Errorf("cookie has expired: %w", sessioncache.ErrNotSignedIn)
	case "error":
		return user, errors.New("no connection to the database of " + user)
	}
	return r.Header.Get(header), nil
}

type page struct {
	Token           string `json:"token"`
	ExpiresAt       string `json:"expires_at"`
	ClientSessionID string `json:"client_session_id"`
	Error           string `json:"error"`
}

// visit sends the request of a page.
func visit(t *testing.T, handler http.Handler, method, body string, headers ...string) (*httptest.ResponseRecorder, page) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "https://example.com/seam/session", strings.NewReader(body))
	req.Header.Set(header, user)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp := httptest.NewRecorder()
	handler.ServeHTTP(resp, req)
	assert.Equal(t, "no-store", resp.Header().Get("Cache-Control"))
	assert.Equal(t, "application/json", resp.Header().Get("Content-Type"))
	var got page
	require.NoError(t, json.Unmarshal(resp.Body.Bytes(), &got), resp.Body)
	return resp, got
}

func TestHandler(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method, body string
		headers      []string
		status       int
		asked        int // requests to Seam
	}{
		"a page":                        {"POST", ``, nil, 200, 1},
		"a page of the same origin":     {"POST", ``, []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://example.com"}, 200, 1},
		"an empty object":               {"POST", `{}`, nil, 200, 1},
		"an older session was refused":  {"POST", `{"refused": "older"}`, nil, 200, 1},
		"a page of another origin":      {"POST", ``, []string{"Sec-Fetch-Site", "cross-site"}, 403, 0},
		"a page of a sister site":       {"POST", ``, []string{"Sec-Fetch-Site", "same-site"}, 403, 0},
		"an old browser's other origin": {"POST", ``, []string{"Origin", "https://example.org"}, 403, 0},
		"GET":                           {"GET", ``, nil, 405, 0},
		"HEAD":                          {"HEAD", ``, nil, 405, 0},
		"OPTIONS":                       {"OPTIONS", ``, nil, 405, 0},
		"no user":                       {"POST", ``, []string{header, ""}, 401, 0},
		"a blank user":                  {"POST", ``, []string{header, " "}, 401, 0},
		"an expired sign-in":            {"POST", ``, []string{header, "nobody"}, 401, 0},
		"a user with an error":          {"POST", ``, []string{header, "error"}, 503, 0},
		"no JSON":                       {"POST", `refused`, nil, 400, 0},
		"JSON of another kind":          {"POST", `{"refused": 1}`, nil, 400, 0},
		"JSON and more":                 {"POST", `{} {}`, nil, 400, 0},
		"an object and much more":       {"POST", `{}` + strings.Repeat(" ", 5000), nil, 400, 0},
		"much JSON":                     {"POST", `{"refused": "` + strings.Repeat("x", 5000) + `"}`, nil, 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := seamtest.NewServer(t)
			cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
			resp, got := visit(t, cache.Handler(userOf), tt.method, tt.body, tt.headers...)
			assert.Equal(t, tt.status, resp.Code)
			assert.Len(t, srv.Requests(), tt.asked)
			if tt.status != 200 {
				assert.NotEmpty(t, got.Error)
				assert.Empty(t, got.Token)
				return
			}
			session, err := cache.Session(t.Context(), user)
			require.NoError(t, err)
			assert.Equal(t, page{session.Token, session.ExpiresAt.Format(time.RFC3339Nano), session.ClientSessionID, ""}, got)
		})
	}
}

// TestHandlerAfterRefusal checks that a page gets another session if Seam rejects its own, with
// one request for several tabs.
func TestHandlerAfterRefusal(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	handler := newCache(t, srv.Client(t), sessioncache.Config{}).Handler(userOf)
	_, first := visit(t, handler, "POST", "")
	srv.Revoke(first.ClientSessionID)
	_, same := visit(t, handler, "POST", "")
	assert.Equal(t, first, same, "the cache cannot detect the revocation")
	for range 10 {
		_, second := visit(t, handler, "POST", `{"refused": "`+first.ClientSessionID+`"}`)
		assert.NotEqual(t, first.ClientSessionID, second.ClientSessionID)
		assert.True(t, srv.Valid(second.Token))
	}
	assert.Equal(t, 2, srv.Requests(""))
}

// TestHandlerAfterFalseRefusals has a page report a good session again and again. Seam is asked once in
// 5 seconds.
func TestHandlerAfterFalseRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		handler := newCache(t, srv.Client(t), sessioncache.Config{}).Handler(userOf)
		_, first := visit(t, handler, "POST", "")
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				for range 110 {
					_, again := visit(t, handler, "POST", `{"refused": "`+first.ClientSessionID+`"}`)
					assert.Equal(t, first, again)
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		group.Wait()
		assert.Equal(t, 1+3, srv.Requests(""), "at 0, 5 and 10 seconds")

		srv.Revoke(first.ClientSessionID)
		time.Sleep(5 * time.Second)
		_, second := visit(t, handler, "POST", `{"refused": "`+first.ClientSessionID+`"}`)
		assert.True(t, srv.Valid(second.Token))
	})
}

// TestHandlerFailures checks that responses and logs contain no secrets.
func TestHandlerFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault      seamtest.Fault
		status     int
		retryAfter string
	}{
		"Seam is out":              {seamtest.Fault{Status: 503}, 503, "5"},
		"Seam sends a Retry-After": {seamtest.Fault{Status: 503, Header: http.Header{"Retry-After": {"90"}}}, 503, "90"},
		"Seam fails":               {seamtest.Fault{Status: 500}, 503, "5"},
		"Seam cannot be reached":   {seamtest.Fault{Reset: true}, 503, "5"},
		"Seam limits the rate":     {seamtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, 503, "7"},
		"a very long Retry-After":  {seamtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"99999999999999999999"}}}, 503, "9223372036"},
		"the API key is not valid": {seamtest.Fault{Status: 401, Body: `{"error": {"type": "unauthorized", "message": "of ` + user + `"}}`}, 500, ""},
		"the response is invalid":  {seamtest.Fault{Status: 200, Body: `{"client_session": {"token": "seam_cst1_secret"}}`}, 503, "5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			srv := seamtest.NewServer(t)
			handler := newCache(t, srv.Client(t, seam.WithMaxRetries(0)), sessioncache.Config{Logger: slog.New(slog.NewJSONHandler(&log, nil))}).Handler(userOf)
			srv.Fail(tt.fault)
			resp, got := visit(t, handler, "POST", "")
			assert.Equal(t, tt.status, resp.Code)
			assert.Equal(t, tt.retryAfter, resp.Header().Get("Retry-After"))
			assert.Equal(t, page{Error: strings.ToLower(http.StatusText(tt.status))}, got)
			assert.Contains(t, log.String(), "no client session for a page")
			for _, secret := range []string{user, srv.APIKey, "seam_cst"} {
				assert.NotContains(t, log.String(), secret)
			}
		})
	}
}

// TestHandlerLog checks that failures of Config.Params are logged without the user identifier key,
// and that a request that exceeds its deadline is logged.
func TestHandlerLog(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		params func(ctx context.Context, key string) error
		says   string
	}{
		"an error":   {func(_ context.Context, key string) error { return fmt.Errorf("no row for %s", key) }, "no row for REDACTED"},
		"a panic":    {func(_ context.Context, key string) error { panic("no row for " + key) }, "no row for REDACTED"},
		"a deadline": {func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				handler := newCache(t, new(cachetest.Seam).Client(t), sessioncache.Config{
					Logger: slog.New(slog.NewJSONHandler(&log, nil)),
					Params: func(ctx context.Context, key string) (seam.ClientSessionGetOrCreateParams, error) {
						return seam.ClientSessionGetOrCreateParams{}, tt.params(ctx, key)
					},
				}).Handler(userOf)
				resp, _ := visit(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithTimeout(r.Context(), time.Second)
					defer cancel()
					handler.ServeHTTP(w, r.WithContext(ctx))
				}), "POST", "")
				assert.Equal(t, 503, resp.Code)
				time.Sleep(time.Minute) // until the fetch has ended
			})
			assert.Contains(t, log.String(), tt.says)
			assert.NotContains(t, log.String(), user)
		})
	}
}

func TestHandlerNeedsUserOf(t *testing.T) {
	t.Parallel()
	cache := newCache(t, seamtest.NewServer(t).Client(t), sessioncache.Config{})
	assert.Panics(t, func() { cache.Handler(nil) })
}
