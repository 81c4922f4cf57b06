// Package fake has transports for tests. Each acts on a request as a server, a proxy or a
// network may, without a network.
package fake

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing/iotest"
	"time"
)

// Transport is an [http.RoundTripper].
type Transport func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f Transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// With returns a transport that adds a header to the responses of f.
func (f Transport) With(name, value string) Transport {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := f(req)
		resp.Header.Set(name, value)
		return resp, err
	}
}

// After returns a transport that does the same as f after a pause.
func (f Transport) After(pause time.Duration) Transport {
	return func(req *http.Request) (*http.Response, error) {
		time.Sleep(pause)
		return f(req)
	}
}

// Script returns a transport that uses each of transports for one request, in order, and the
// last one for all requests after that.
func Script(transports ...Transport) Transport {
	return func(req *http.Request) (*http.Response, error) {
		next := transports[0]
		if len(transports) > 1 {
			transports = transports[1:]
		}
		return next(req)
	}
}

// Responds returns a transport that responds.
func Responds(status int, body string) Transport {
	return Reads(status, func(*http.Request) io.Reader { return strings.NewReader(body) })
}

// Reads returns a transport that responds with what body returns, and with the header of a
// Seam server.
func Reads(status int, body func(*http.Request) io.Reader) Transport {
	return func(req *http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {"application/json"}, "Seam-Request-Id": {"request1"}}
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(body(req))}, nil
	}
}

// Cut returns a transport that responds with the beginning of a body. Then reading fails.
func Cut(status int, beginning string) Transport {
	return Reads(status, func(*http.Request) io.Reader {
		return io.MultiReader(strings.NewReader(beginning), iotest.ErrReader(io.ErrUnexpectedEOF))
	})
}

// Stalls returns a transport that responds with the beginning of a body, and with no more
// until the context of the request ends.
func Stalls(beginning string) Transport {
	return Reads(http.StatusOK, func(req *http.Request) io.Reader {
		return io.MultiReader(strings.NewReader(beginning), Reader(func([]byte) (int, error) {
			<-req.Context().Done()
			return 0, context.Cause(req.Context())
		}))
	})
}

// Reader is an [io.Reader].
type Reader func([]byte) (int, error)

// Read implements [io.Reader].
func (f Reader) Read(p []byte) (int, error) { return f(p) }

// Endless is a [Reader] of a body that never ends.
func Endless(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Hangs is a transport that returns when the context of the request ends.
func Hangs(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

// Fails returns a transport that returns err.
func Fails(err error) Transport {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// DialError returns the error of package net for a connection that could not be made.
func DialError(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

// Dialing returns a transport that reports to httptrace that it needs a connection, as
// net/http does, and then does the same as next.
func Dialing(next Transport) Transport {
	return func(req *http.Request) (*http.Response, error) {
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
			trace.GetConn("api.test:443")
		}
		return next(req)
	}
}

// Connected is like Dialing, and also reports that there is a connection.
func Connected(next Transport) Transport {
	return Dialing(func(req *http.Request) (*http.Response, error) {
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		return next(req)
	})
}
