package transport_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/transport"
)

// Types of HTTP/2 frames.
const (
	frameData      = 0
	frameHeaders   = 1
	frameRSTStream = 3
	frameSettings  = 4
	frameGoAway    = 7
)

// stream is the ID of an HTTP/2 stream, as in a frame.
type stream [4]byte

// resetStream returns a frame that resets a stream with an error code.
func resetStream(code uint32) func(stream) []byte {
	return func(id stream) []byte {
		return binary.BigEndian.AppendUint32(append([]byte{0, 0, 4, frameRSTStream, 0}, id[:]...), code)
	}
}

// goAway returns a GOAWAY frame whose last stream is the given one, or none.
func goAway(includesStream bool) func(stream) []byte {
	return func(last stream) []byte {
		if !includesStream {
			last = stream{}
		}
		return append(append([]byte{0, 0, 8, frameGoAway, 0, 0, 0, 0, 0}, last[:]...), 0, 0, 0, 0)
	}
}

// endStreams starts an HTTP/2 server that receives whole requests and ends their
// streams without a response. It returns its URL, a transport for it, and the
// number of requests.
func endStreams(t *testing.T, end func(stream) []byte) (string, *http.Transport, *atomic.Int64) {
	t.Helper()
	var requests atomic.Int64
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{NextProtos: []string{"h2"}}
	server.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
			const endStream, ack = 1, 1 // flags of frames
			defer func() { _ = conn.Close() }()
			_, _ = io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
			_, _ = conn.Write([]byte{0, 0, 0, frameSettings, 0, 0, 0, 0, 0})
			for frame := make([]byte, 9); ; {
				if _, err := io.ReadFull(conn, frame); err != nil {
					return
				}
				_, _ = io.CopyN(io.Discard, conn, int64(frame[0])<<16|int64(frame[1])<<8|int64(frame[2]))
				switch kind, flags := frame[3], frame[4]; {
				case kind == frameSettings && flags&ack == 0:
					_, _ = conn.Write([]byte{0, 0, 0, frameSettings, ack, 0, 0, 0, 0})
				case (kind == frameData || kind == frameHeaders) && flags&endStream != 0:
					requests.Add(1)
					last := end(stream(frame[5:9]))
					_, _ = conn.Write(last)
					if last[3] == frameGoAway {
						return
					}
				}
			}
		},
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	pooled := server.Client().Transport.(*http.Transport).Clone()
	pooled.ForceAttemptHTTP2 = true
	t.Cleanup(pooled.CloseIdleConnections)
	return server.URL, pooled, &requests
}

// TestHTTP2Streams tests streams that end without a response. Some of them
// net/http would repeat by itself, without limit.
func TestHTTP2Streams(t *testing.T) {
	t.Parallel()
	var calls sync.WaitGroup
	for name, tt := range map[string]struct {
		end    func(stream) []byte
		unsent bool
	}{
		"REFUSED_STREAM":                  {resetStream(7), false},
		"GOAWAY with a lower last stream": {goAway(false), true},
		"GOAWAY that includes the stream": {goAway(true), false},
		"PROTOCOL_ERROR":                  {resetStream(1), false},
		"INTERNAL_ERROR":                  {resetStream(2), false},
		"CANCEL":                          {resetStream(8), false},
	} {
		for _, rule := range []transport.Retry{transport.RetryUnprocessed, transport.RetryTransient} {
			for _, body := range [][]byte{[]byte("{}"), nil} {
				url, pooled, received := endStreams(t, tt.end)
				r := newRequest(nil)
				r.Method, r.URL, r.Body, r.Retry, r.Transport = http.MethodDelete, url, body, rule, pooled
				attempts, requests := 1, int64(1)
				if tt.unsent || rule == transport.RetryTransient {
					attempts, requests = 3, 3
				}
				if tt.unsent {
					requests *= 17 // each attempt is sent again at once, up to 16 times
				}
				calls.Go(func() {
					_, resp, err := transport.Do(t.Context(), r, readText)
					if assert.Error(t, err) {
						assert.NotContains(t, err.Error(), "GetBody", "nobody can follow that advice")
					}
					assert.Equal(t, attempts, resp.Attempts, "%s: %v", name, err)
					assert.Equal(t, requests, received.Load(), "%s: %v", name, err)
				})
			}
		}
	}
	calls.Wait()
}

// TestGoAwayOnce tests that a request that met a GOAWAY is sent again at once, also
// without retries, and that the attempt counts once.
func TestGoAwayOnce(t *testing.T) {
	t.Parallel()
	for _, rule := range []transport.Retry{transport.RetryUnprocessed, transport.RetryTransient} {
		for _, retries := range []int{0, transport.DefaultMaxRetries} {
			var streams atomic.Int64
			respond := func(id stream) []byte { // HPACK: 0x88 is ":status: 200"
				return append(append([]byte{0, 0, 1, frameHeaders, 5}, id[:]...), 0x88)
			}
			url, pooled, received := endStreams(t, func(id stream) []byte {
				if streams.Add(1) <= 2 {
					return goAway(false)(id)
				}
				return respond(id)
			})
			r := newRequest(nil)
			r.URL, r.Transport, r.Retry, r.MaxRetries = url, pooled, rule, retries
			_, resp, err := transport.Do(t.Context(), r, readText)
			require.NoError(t, err)
			assert.Equal(t, 200, resp.StatusCode)
			assert.Equal(t, 1, resp.Attempts)
			assert.Equal(t, int64(3), received.Load())
		}
	}
}

// TestHTTP2StreamOfOtherTransports tests that the text of an error counts only if
// it is from net/http.
func TestHTTP2StreamOfOtherTransports(t *testing.T) {
	t.Parallel()
	url, pooled, requests := endStreams(t, goAway(false))
	r := newRequest(func(req *http.Request) (*http.Response, error) { return pooled.RoundTrip(req) })
	r.URL, r.Retry = url, transport.RetryUnprocessed
	_, _, err := transport.Do(t.Context(), r, readText)
	require.ErrorContains(t, err, "GOAWAY")
	assert.Equal(t, int64(1), requests.Load())
}

// TestHTTP2HandlerAborts tests that RetryUnprocessed sends a request once if its
// handler began, and that the connection can be used on.
func TestHTTP2HandlerAborts(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		if r.Method == http.MethodPost {
			requests.Add(1)
			panic(http.ErrAbortHandler)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	r := newRequest(nil)
	r.URL, r.Transport, r.Retry = server.URL, server.Client().Transport, transport.RetryUnprocessed
	for calls := range int64(3) {
		r.Method = http.MethodPost
		_, _, err := transport.Do(t.Context(), r, readText)
		require.Error(t, err)
		assert.Equal(t, calls+1, requests.Load())
		r.Method = http.MethodPut
		_, resp, err := transport.Do(t.Context(), r, readText)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	}
}
