package seamtest_test

import (
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/loopback"
	"github.com/seam-go/seam/seamtest"
)

// TestCloseEndsLargeRequests closes a server during a request that is larger than
// what it reads. net/http then does not cancel the context of the request.
func TestCloseEndsLargeRequests(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]seamtest.Fault{"stall": {Stall: true}, "delay": {Delay: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, err := seamtest.Start()
			require.NoError(t, err)
			srv.Fail(fault)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/client_sessions/list",
				strings.NewReader(strings.Repeat(" ", 8<<20)))
			require.NoError(t, err)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				resp, err := http.DefaultClient.Do(req)
				if err == nil {
					assert.NoError(t, resp.Body.Close())
				}
			}()
			for len(srv.Requests()) == 0 {
				time.Sleep(time.Millisecond)
			}
			closed := make(chan struct{})
			go func() { defer close(closed); srv.Close() }()
			select {
			case <-closed:
			case <-time.After(time.Minute):
				t.Fatal("Close does not return")
			}
			<-ended
		})
	}
}

// TestCloseLeavesNothing closes a server during requests that would never end. No
// goroutine is left.
//
//nolint:paralleltest // it counts goroutines
func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	srv, err := seamtest.Start()
	require.NoError(t, err)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL), seam.WithMaxRetries(0),
		seam.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	srv.Fail(seamtest.Fault{Reset: true, Times: 2})
	srv.Fail(seamtest.Fault{Stall: true, Times: 3})
	srv.Fail(seamtest.Fault{Delay: time.Hour})
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			_, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
			assert.Error(t, err)
		})
	}
	for len(srv.Requests()) < 10 {
		time.Sleep(time.Millisecond)
	}
	srv.Close()
	srv.Close()
	group.Wait()
	transport.CloseIdleConnections()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(time.Millisecond)
	}
	_, err = client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.ErrorIs(t, err, loopback.ErrRefused)
}
