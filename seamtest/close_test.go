package seamtest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
)

// TestCloseEndsLargeRequests closes a server that holds a request of more than
// it reads, so that net/http does not notice the end of the connection.
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
			case <-time.After(10 * time.Second):
				t.Fatal("Close does not return")
			}
			<-ended
		})
	}
}
