package loopback_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/loopback"
)

func get(ctx context.Context, s *loopback.Server) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint, http.NoBody)
	if err != nil {
		return nil, err
	}
	return s.Client.Do(req)
}

func start(t *testing.T, handler http.HandlerFunc) *loopback.Server {
	t.Helper()
	s, err := loopback.Start(&http.Server{Handler: handler})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// both runs a test outside of a bubble, over loopback, and in a bubble, in memory.
func both(t *testing.T, test func(t *testing.T, inMemory bool)) {
	t.Helper()
	t.Run("loopback", func(t *testing.T) {
		t.Parallel()
		test(t, false)
	})
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { test(t, true) })
	})
}

// TestCloseWaits closes a server while a handler runs.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, _ bool) {
		t.Helper()
		var ended atomic.Bool
		began, failed := make(chan struct{}), make(chan struct{})
		server := start(t, func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
			time.Sleep(50 * time.Millisecond)
			ended.Store(true)
		})
		go func() {
			defer close(failed)
			resp, err := get(t.Context(), server)
			if assert.Error(t, err) {
				return
			}
			resp.Body.Close()
		}()
		<-began
		server.Close()
		assert.True(t, ended.Load())
		server.Close()
		<-failed
	})
}

func TestManyRequests(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, inMemory bool) {
		t.Helper()
		server := start(t, func(w http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			assert.NoError(t, err)
			assert.Equal(t, "127.0.0.1", host)
			_, _ = io.WriteString(w, "hello")
		})
		assert.Equal(t, inMemory, server.InMemory)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				resp, err := get(t.Context(), server)
				if assert.NoError(t, err) {
					body, err := io.ReadAll(resp.Body)
					assert.NoError(t, err)
					assert.NoError(t, resp.Body.Close())
					assert.Equal(t, "hello", string(body))
				}
			})
		}
		group.Wait()
		server.Close()
		_, err := get(t.Context(), server) //nolint:bodyclose // there is none
		var opErr *net.OpError
		require.ErrorAs(t, err, &opErr)
		assert.Equal(t, "dial", opErr.Op)
	})
}

// TestErrorsInMemory are the same as with TCP.
func TestErrorsInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := get(ctx, server) //nolint:bodyclose // there is none
		require.ErrorIs(t, err, context.DeadlineExceeded)
		server.Close()
		_, err = get(t.Context(), server) //nolint:bodyclose // there is none
		require.ErrorIs(t, err, loopback.ErrRefused)
	})
}
