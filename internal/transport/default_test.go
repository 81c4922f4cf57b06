package transport_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/internal/transport"
)

// TestDefaultTransport tests that the default transport is http.DefaultTransport as it is
// now, with other settings if it is an *http.Transport.
//
//nolint:paralleltest // it changes http.DefaultTransport
func TestDefaultTransport(t *testing.T) {
	original := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = original })
	first := transport.DefaultTransport()
	assert.Same(t, first, transport.DefaultTransport(), "all clients share it")

	mock := fake.Responds(http.StatusOK, "")
	http.DefaultTransport = &mock
	assert.Same(t, &mock, transport.DefaultTransport())

	http.DefaultTransport = &http.Transport{IdleConnTimeout: time.Second, HTTP2: &http.HTTP2Config{SendPingTimeout: time.Minute}}
	own := transport.DefaultTransport().(*http.Transport)
	assert.Equal(t, time.Second, own.IdleConnTimeout)
	assert.Equal(t, time.Minute, own.HTTP2.SendPingTimeout)

	http.DefaultTransport = original
	settings := transport.DefaultTransport().(*http.Transport)
	assert.Equal(t, 55*time.Second, settings.IdleConnTimeout)
	assert.Equal(t, 15*time.Second, settings.HTTP2.SendPingTimeout+settings.HTTP2.PingTimeout)
}

// TestSilentConnection tests an HTTP/2 connection that goes silent without being closed:
// pings find it, and later calls use another connection.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	require.NoError(t, err)

	proxy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	var connections, silent atomic.Int64 // the first silent connections forward nothing
	go func() {
		for {
			client, err := proxy.Accept()
			if err != nil {
				return
			}
			number := connections.Add(1)
			upstream, err := new(net.Dialer).DialContext(t.Context(), "tcp", address.Host)
			if err != nil { // t has ended; a call that cannot connect fails by itself
				_ = client.Close()
				return
			}
			t.Cleanup(func() { _, _ = client.Close(), upstream.Close() })
			forward := func(to, from net.Conn) {
				buffer := make([]byte, 32<<10)
				for {
					n, err := from.Read(buffer)
					if err != nil {
						return
					}
					if number > silent.Load() {
						_, _ = to.Write(buffer[:n])
					}
				}
			}
			go forward(upstream, client)
			go forward(client, upstream)
		}
	}()

	pooled := transport.DefaultTransport().(*http.Transport).Clone()
	pooled.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	pooled.HTTP2.SendPingTimeout, pooled.HTTP2.PingTimeout = 200*time.Millisecond, 200*time.Millisecond
	t.Cleanup(pooled.CloseIdleConnections)
	r := newRequest(nil)
	r.URL, r.Transport = "https://"+proxy.Addr().String(), pooled
	call := func() {
		_, resp, err := transport.Do(t.Context(), r, func(body io.Reader) (int64, error) { return io.Copy(io.Discard, body) })
		assert.Equal(t, http.StatusOK, resp.StatusCode, err)
	}
	call()
	silent.Store(1)
	start := time.Now()
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(call)
	}
	calls.Wait()
	assert.Less(t, time.Since(start), r.Timeout/2, "long before the attempts time out")
	assert.GreaterOrEqual(t, connections.Load(), int64(2))
}
