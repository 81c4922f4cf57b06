package seam_test

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

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/imkit"
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

// resets returns a frame that resets a stream with an error code.
func resets(code uint32) func(stream) []byte {
	return func(id stream) []byte {
		return binary.BigEndian.AppendUint32(append([]byte{0, 0, 4, frameRSTStream, 0}, id[:]...), code)
	}
}

// goesAway returns a GOAWAY frame whose last stream is the given one, or none.
func goesAway(includesStream bool) func(stream) []byte {
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
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = true
	return server.URL, transport, &requests
}

// TestFaultsOfHTTP2Streams has each of these faults happen to each operation. For
// some of them net/http would repeat the request by itself, without limit.
func TestFaultsOfHTTP2Streams(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	for _, fault := range faults {
		if fault.endsStream == nil {
			continue
		}
		for _, op := range callers {
			url, transport, requests := endStreams(t, fault.endsStream)
			client := newClient(t, seam.WithEndpoint(url), seam.WithHTTPClient(&http.Client{Transport: transport}))
			group.Go(func() {
				err := op.smallest(t.Context(), client)
				assert.Equal(t, fault.gives, describe(err), "%s/%s: %v", fault.name, op.name, err)
				assert.NotContains(t, err.Error(), "GetBody", "advice that nobody can follow")
				assert.Equal(t, int64(fault.again.requests(op)), requests.Load(), "%s/%s: %v", fault.name, op.name, err)
			})
		}
		url, transport, requests := endStreams(t, fault.endsStream)
		client, err := imkit.NewClient(url, "key", imkit.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)
		group.Go(func() {
			_, err := client.Tokens.RevokeAll(t.Context(), "1")
			assert.Equal(t, int64(3), requests.Load(), "%s/a request without a body", fault.name)
			assert.ErrorContains(t, err, "(3 attempts)")
		})
	}
	group.Wait()
}
