package seamtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
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
)

func TestFaults(t *testing.T) {
	t.Parallel()
	once := func(fault seamtest.Fault) seamtest.Fault {
		fault.Times = 1
		return fault
	}
	for _, tt := range []struct {
		name  string
		fault seamtest.Fault
		want  error // nil for a success
		made  int   // number of sessions that exist afterwards
	}{
		{
			name:  "status",
			fault: once(seamtest.Fault{Status: 503}),
			want:  seam.ErrServer,
		},
		{
			name:  "status after the effect",
			fault: once(seamtest.Fault{Status: 502, TakesEffect: true}),
			want:  seam.ErrServer,
			made:  1,
		},
		{
			name:  "reset",
			fault: once(seamtest.Fault{Reset: true}),
			want:  loopback.ErrReset,
		},
		{
			name:  "reset after the effect",
			fault: once(seamtest.Fault{Reset: true, TakesEffect: true}),
			want:  loopback.ErrReset,
			made:  1,
		},
		{
			name:  "cut",
			fault: once(seamtest.Fault{Cut: true, TakesEffect: true}),
			want:  io.ErrUnexpectedEOF,
			made:  1,
		},
		{
			name:  "stall",
			fault: once(seamtest.Fault{Stall: true}),
			want:  context.DeadlineExceeded,
		},
		{
			name:  "delay beyond the timeout",
			fault: once(seamtest.Fault{Delay: time.Hour, Status: 500}),
			want:  context.DeadlineExceeded,
		},
		{
			name:  "delay",
			fault: once(seamtest.Fault{Delay: time.Millisecond}),
			made:  1,
		},
		{
			name:  "for another path",
			fault: seamtest.Fault{Path: "/client_sessions/get", Status: 500},
			made:  1,
		},
	} {
		test := func(t *testing.T, timeout time.Duration) {
			t.Helper()
			srv := seamtest.NewServer(t)
			sessions := srv.Client(t, seam.WithMaxRetries(0), seam.WithTimeout(timeout)).ClientSessions
			srv.Fail(tt.fault)
			_, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{})
			require.ErrorIs(t, err, tt.want)
			list, err := sessions.List(t.Context(), seam.ClientSessionListParams{}, seam.WithTimeout(time.Minute))
			require.NoError(t, err)
			assert.Len(t, list, tt.made)
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if errors.Is(tt.want, context.DeadlineExceeded) {
				timeout = 100 * time.Millisecond
			}
			test(t, timeout)
		})
		t.Run(tt.name+", in a bubble", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, time.Minute) })
		})
	}
}

func TestFaultResponds(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.Fail(seamtest.Fault{
		Status: 503, Body: `{"error": {"type": "busy"}}`,
		Header: http.Header{"retry-after": {"120"}, "Seam-Request-Id": {"mine"}},
	})
	var apiErr *seam.APIError
	require.ErrorAs(t, srv.Client(t).ClientSessions.Revoke(t.Context(), "1"), &apiErr)
	assert.Equal(t, 503, apiErr.StatusCode)
	assert.Equal(t, "busy", apiErr.Type)
	assert.Equal(t, 2*time.Minute, apiErr.RetryAfter)
	assert.Equal(t, "mine", apiErr.RequestID)
}

func TestFaultsInTurn(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t, seam.WithMaxRetries(0)).ClientSessions
	srv.Fail(seamtest.Fault{Status: 501, Match: func(seamtest.Request) bool { return false }})
	srv.Fail(seamtest.Fault{Path: "/client_sessions/list", Status: 500, Times: 2})
	srv.Fail(seamtest.Fault{Path: "/client_sessions/list", Status: 429})
	for i, want := range []error{seam.ErrServer, seam.ErrServer, seam.ErrRateLimited, seam.ErrRateLimited} {
		_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
		require.ErrorIs(t, err, want, i)
	}
	srv.ClearFaults()
	_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	assert.Len(t, srv.Requests(), 5)
}

// TestFaultsMatch sends requests of which only some match. Only those count.
func TestFaultsMatch(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t, seam.WithMaxRetries(0)).ClientSessions
	get := func(key string) error {
		_, err := sessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: key})
		return err
	}
	var seen []seamtest.Request
	srv.Fail(seamtest.Fault{
		Path: "/client_sessions/get_or_create", Status: 503, Times: 2,
		Match: func(r seamtest.Request) bool {
			seen = append(seen, r)
			assert.Len(t, srv.Requests(), len(seen), "Match may call the server")
			return strings.Contains(string(r.Body), `"jane"`)
		},
	})
	require.NoError(t, get("joe"))
	require.ErrorIs(t, get("jane"), seam.ErrServer)
	require.NoError(t, get("joe"))
	require.ErrorIs(t, get("jane"), seam.ErrServer)
	require.NoError(t, get("jane"))
	_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	require.Len(t, seen, 4, "Match is called for its own path, until the fault is used up")
	assert.Equal(t, srv.Requests()[:4], seen)
	assert.Equal(t, "Bearer "+srv.APIKey, seen[0].Header.Get("Authorization"))
}

// TestFaultIsRemovedByMatch calls ClearFaults in Match. The request then succeeds.
func TestFaultIsRemovedByMatch(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t, seam.WithMaxRetries(0)).ClientSessions
	srv.Fail(seamtest.Fault{Status: 429, Match: func(seamtest.Request) bool {
		srv.ClearFaults()
		return true
	}})
	_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
}

// TestManyMatch sends many requests at once, of which exactly five fail.
func TestManyMatch(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t, seam.WithMaxRetries(0)).ClientSessions
	srv.Fail(seamtest.Fault{Status: 500, Times: 5, Match: func(seamtest.Request) bool { return true }})
	var failed atomic.Int32
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := sessions.List(t.Context(), seam.ClientSessionListParams{}); err != nil {
				failed.Add(1)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 5, failed.Load())
}

// TestFaultsThatNoRequestCanMeet are mistakes in a test, which would test nothing.
func TestFaultsThatNoRequestCanMeet(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	for _, fault := range []seamtest.Fault{
		{},
		{Times: 1},
		{Match: func(seamtest.Request) bool { return true }},
		{Match: func(seamtest.Request) bool { return true }, Path: "/client_sessions", Status: 500},
		{Path: "client_sessions/get", Status: 500},
		{Path: "/client_sessions/gets", Status: 500},
		{Cut: true, Body: "half"},
		{Status: 42},
		{Status: 100},
		{Status: 600},
		{Status: 500, Reset: true},
		{Cut: true, Stall: true},
		{Status: 500, Times: -1},
		{Reset: true, Delay: -1},
	} {
		assert.Panics(t, func() { srv.Fail(fault) }, "%+v", fault)
	}
}

// TestFaultsSparePreflights sends a preflight, which does not use up the fault.
func TestFaultsSparePreflights(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.Fail(seamtest.Fault{Status: 500, Times: 1})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, srv.URL+"/client_sessions/get", http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, "true", resp.Header.Get("Access-Control-Allow-Credentials"))
	_, err = srv.Client(t, seam.WithMaxRetries(0)).ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.ErrorIs(t, err, seam.ErrServer)
}
