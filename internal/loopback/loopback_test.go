package loopback_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/loopback"
)

// TestCloseWaits for a handler that takes its time to end.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	var ended atomic.Bool
	began := make(chan struct{})
	server, err := loopback.Start(&http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		time.Sleep(50 * time.Millisecond)
		ended.Store(true)
	})})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-began
	server.Close()
	assert.True(t, ended.Load())
	server.Close()
}
