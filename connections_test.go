package seam_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// serveCounting is serve, and counts the connections that are made.
func serveCounting(t *testing.T, handler http.HandlerFunc, opts ...seam.Option) (*seam.Client, *atomic.Int64) {
	t.Helper()
	var made atomic.Int64
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return newClient(t, append([]seam.Option{seam.WithEndpoint(server.URL)}, opts...)...), &made
}

// TestConnectionsAreUsedAgain counts connections under load. There are about as
// many as callers, or some more on a busy machine, since net/http dials ahead when
// none is back in its pool yet; what loses connections makes one for each call.
func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	const callers, calls = 64, 30
	chunked := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		body := oneSession
		if r.URL.Path == "/client_sessions/list" {
			body = listOf(50)
		}
		_, _ = w.Write([]byte(body[:20]))
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write([]byte(body[20:]))
	}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			client, made := serveCounting(t, chunked)
			var group sync.WaitGroup
			for range callers {
				group.Go(func() {
					for range calls {
						assert.NoError(t, op.smallest(t.Context(), client))
					}
				})
			}
			group.Wait()
			assert.Less(t, made.Load(), int64(4*callers), "of %d calls", callers*calls)
		})
	}
}

// TestFailuresLeaveConnectionsOpen has one call fail in each way that there is,
// over the transport of another client that the same program uses.
func TestFailuresLeaveConnectionsOpen(t *testing.T) {
	t.Parallel()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	shared := seam.WithHTTPClient(&http.Client{Transport: transport})
	healthy, made := serveCounting(t, answer(http.StatusOK, done), shared)

	failing := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/client_sessions/get":
			panic(http.ErrAbortHandler)
		case "/client_sessions/list":
			w.Header().Set("Content-Length", "1000")
			answer(http.StatusOK, `{"client_`)(w, r)
		default:
			answer(http.StatusInternalServerError, "")(w, r)
		}
	}, shared)
	require.NoError(t, healthy.ClientSessions.Revoke(t.Context(), sessionID))
	for _, op := range operations {
		require.Error(t, op.smallest(t.Context(), failing, seam.WithMaxRetries(1)))
	}
	nobody := newClient(t, shared, seam.WithEndpoint("http://127.0.0.1:1"))
	require.Error(t, nobody.ClientSessions.Revoke(t.Context(), sessionID, seam.WithMaxRetries(1)))
	require.NoError(t, healthy.ClientSessions.Revoke(t.Context(), sessionID))
	assert.Equal(t, int64(1), made.Load(), "the healthy server's connection is still the first one")
}

// TestTokensStayWithTheirHost redirects to another host, which must never hear
// of it.
func TestTokensStayWithTheirHost(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, op := range operations {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL, status)
			})
			err := op.smallest(t.Context(), client)
			assert.Equal(t, status, requireAPIError(t, err).StatusCode)
		}
	}
	assert.Zero(t, elsewhere.Load())
}
