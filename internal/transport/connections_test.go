package transport_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/transport"
)

// serve starts a server and counts its connections.
func serve(t *testing.T, start func(*httptest.Server), handler http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	start(server)
	t.Cleanup(server.Close)
	return server, &connections
}

// TestConnectionsAreReused tests that calls that follow each other share one
// connection, whatever they decode and however the response is cut into chunks.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	server, connections := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/error" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, `{"items": [{"id": "1"}]`)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, strings.Repeat(" ", 10_000)+`}`)
	})
	r := newRequest(nil)
	r.Transport = transport.DefaultTransport().(*http.Transport).Clone()
	for range 3 {
		for _, path := range []string{"/", "/error"} {
			r.URL = server.URL + path
			_, _, err := transport.Do(t.Context(), r, decodeItems)
			require.NoError(t, err)
			_, _, err = transport.Do(t.Context(), r, func(r io.Reader) (one item, err error) {
				return one, transport.DecodeAll(r, &one)
			})
			require.NoError(t, err)
		}
	}
	assert.Equal(t, int64(1), connections.Load())
}

// TestDefault tests that the default transport keeps the connections of many
// calls at once, for the next calls.
func TestDefault(t *testing.T) {
	t.Parallel()
	const calls = 64
	var arrived, all sync.WaitGroup
	server, connections := serve(t, (*httptest.Server).Start, func(http.ResponseWriter, *http.Request) {
		arrived.Done()
		arrived.Wait() // all calls need a connection at the same time
	})
	r := newRequest(nil)
	r.URL, r.Transport = server.URL, transport.DefaultTransport()
	for range 3 {
		arrived.Add(calls)
		for range calls {
			all.Go(func() {
				_, _, err := transport.Do(t.Context(), r, readText)
				assert.NoError(t, err)
			})
		}
		all.Wait()
	}
	assert.Equal(t, int64(calls), connections.Load())
	assert.NotSame(t, http.DefaultTransport, transport.DefaultTransport())
}

// TestFailuresLeaveConnectionsOpen tests that a failed call does not close the
// connections of others that use the same transport.
func TestFailuresLeaveConnectionsOpen(t *testing.T) {
	t.Parallel()
	healthy, connections := serve(t, (*httptest.Server).Start, func(http.ResponseWriter, *http.Request) {})
	failing, _ := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/aborted":
			panic(http.ErrAbortHandler)
		case "/cut":
			w.Header().Set("Content-Length", "1000")
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	shared := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(shared.CloseIdleConnections)
	r := newRequest(nil)
	r.Transport, r.MaxRetries = shared, 0
	r.URL = healthy.URL
	_, _, err := transport.Do(t.Context(), r, readText)
	require.NoError(t, err)
	for _, url := range []string{failing.URL + "/aborted", failing.URL + "/cut", failing.URL + "/500", "http://127.0.0.1:1"} {
		r.URL = url
		_, resp, err := transport.Do(t.Context(), r, readText)
		assert.True(t, err != nil || !resp.Success(), url)
	}
	r.URL = healthy.URL
	_, _, err = transport.Do(t.Context(), r, readText)
	require.NoError(t, err)
	assert.Equal(t, int64(1), connections.Load())
}

// TestNobodyListens tests that RetryUnprocessed retries if net/http cannot connect.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	r := newRequest(nil)
	r.URL, r.Transport, r.Retry, r.MaxRetries = server.URL, http.DefaultTransport, transport.RetryUnprocessed, 1
	_, resp, err := transport.Do(t.Context(), r, readText)
	var refused *net.OpError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "dial", refused.Op)
	assert.Equal(t, 2, resp.Attempts)
}

// TestUntrustedCertificate tests that a server that cannot prove who it is, is
// called once.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	server, connections := serve(t, (*httptest.Server).StartTLS, func(http.ResponseWriter, *http.Request) {})
	r := newRequest(nil)
	r.URL, r.Transport = server.URL, http.DefaultTransport
	_, _, err := transport.Do(t.Context(), r, readText)
	var untrusted *tls.CertificateVerificationError
	require.ErrorAs(t, err, &untrusted)
	assert.Equal(t, int64(1), connections.Load())
}

// TestSwitchedProtocols tests a response whose body is a connection for another
// protocol. No context ends a read from that.
func TestSwitchedProtocols(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		assert.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	})
	r := newRequest(nil)
	r.URL, r.Transport = server.URL, http.DefaultTransport
	_, resp, err := transport.Do(t.Context(), r, readText)
	require.NoError(t, err)
	assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	assert.False(t, resp.Success())
}

// TestMemory tests how much memory large and hostile responses take.
//
//nolint:paralleltest // it measures the memory of the whole process
func TestMemory(t *testing.T) {
	var member bytes.Buffer
	zip := gzip.NewWriter(&member)
	_, err := zip.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	bomb := bytes.Repeat(member.Bytes(), 128)
	server, _ := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/deep":
			_, _ = io.WriteString(w, strings.Repeat(`{"items":[`, 100_000))
			return
		case "/error":
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.Header().Set("Content-Encoding", "gzip")
		}
		_, _ = w.Write(bomb)
	})
	for name, decode := range map[string]func(io.Reader) ([]item, error){
		"DecodeObject": decodeItems,
		"DecodeAll":    func(r io.Reader) ([]item, error) { return nil, transport.DecodeAll(r, new(item)) },
	} {
		for _, path := range []string{"/deep", "/error", "/bomb"} {
			r := newRequest(nil)
			r.URL, r.Transport, r.MaxRetries = server.URL+path, http.DefaultTransport, 0
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, resp, err := transport.Do(t.Context(), r, decode)
			runtime.ReadMemStats(&after)
			assert.True(t, err != nil || !resp.Success())
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), name+path)
		}
	}
}
