// Package transport sends an HTTP request, repeats it as the request's retry
// rule allows, reads the response within a time and size limit, and decodes it.
// It knows HTTP and nothing of Seam.
//
// An attempt is one RoundTrip. It sends the request, reads the whole response
// and closes it. go-retryablehttp runs the attempts. It gets no body, so it
// cannot leave one open. If nothing was sent because a pooled connection was being
// closed, the attempt sends the request again at once, over another connection.
package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxErrorBody limits what is read of a non-2xx response, in bytes.
const maxErrorBody = 1 << 20

// Request describes a call: what to send, over which transport, and when to
// retry.
type Request struct {
	Method string
	URL    string
	Header http.Header // shared by all calls and never changed
	Body   []byte      // may be empty only if Method is DELETE or GET

	Retry      Retry
	MaxRetries int
	Timeout    time.Duration // of each attempt, including its response body

	Transport http.RoundTripper
	Redact    func(string) string                  // removes secrets from a text for an error or a log
	Observe   func(ctx context.Context, a Attempt) // called after each attempt, unless nil

	// Stream says that decode passes values on while it reads. Then the request is not
	// retried once decoding has begun, and Timeout limits each read, not the time in decode.
	Stream bool
	// KeepBody stores the body of a 2xx response in Response.Body.
	KeepBody bool
}

// Response is the last response of a call.
type Response struct {
	StatusCode int // 0 if the last attempt got no response
	Header     http.Header
	Body       []byte        // of a non-2xx response, up to 1 MiB; of a 2xx response only with KeepBody
	RetryAfter time.Duration // 0 if the server did not ask for a wait
	Attempts   int
}

// Success reports whether the status is 2xx.
func (r Response) Success() bool { return r.StatusCode/100 == 2 }

// Do sends r, and retries as r says. It returns the value that decode made of a 2xx
// response. A complete response is no error, whatever its status; see
// Response.StatusCode. The error says why the last attempt got no complete response, why
// decode rejected it, or that ctx ended.
//
// An error of decode ends the call. A failed read does not: decode may be called again for
// the response of the next attempt.
func Do[T any](ctx context.Context, r *Request, decode func(io.Reader) (T, error)) (T, Response, error) {
	e := &exchange[T]{request: r, decode: decode}
	if ctx.Err() != nil {
		return e.value, Response{}, e.redacted(contextError(ctx, nil))
	}
	// The library turns a nil Body into an empty reader. The body that net/http gets must
	// not be nil or http.NoBody: over HTTP/2, it would itself repeat such a request.
	req, err := retryablehttp.NewRequestWithContext(ctx, r.Method, r.URL, r.Body)
	if err != nil {
		return e.value, Response{}, e.redacted(err)
	}
	e.http.Transport = e
	e.client.HTTPClient = &e.http
	e.client.RetryMax = r.MaxRetries
	e.client.CheckRetry = e.checkRetry
	e.client.Backoff = e.backoff
	// The result is in e. The library drops the last response if ctx ends during a wait.
	if resp, err := e.client.Do(req); err == nil {
		_ = resp.Body.Close() // http.NoBody
	}
	if ctx.Err() != nil && (e.wait > 0 || e.err != nil) {
		e.err = e.redacted(contextError(ctx, e.err))
	}
	return e.value, e.Response, e.err
}

// exchange is one run of Do. It is the transport of the http.Client that go-retryablehttp
// uses. It must not have a method CloseIdleConnections: the library would call it after each
// failed call, and close the connections of other calls.
type exchange[T any] struct {
	request *Request
	decode  func(io.Reader) (T, error)
	client  retryablehttp.Client
	http    http.Client

	value T
	attempt
}

// attempt is the outcome of the last attempt.
type attempt struct {
	Response
	err         error         // why there is no complete, valid response
	final       bool          // err is from the decoder, and another attempt would not help
	unprocessed bool          // the server cannot have processed the request
	took        time.Duration // measured only for Observe
	wait        time.Duration // before the next attempt, 0 if none follows
}

var (
	errTimeout    = errors.New("attempt timed out") // the cause that an attempt's timer gives to its context
	errNoResponse = errors.New("http.RoundTripper returned neither a response with a status nor an error")
)

// RoundTrip makes one attempt and keeps its outcome in e. The returned response is a stub
// without body and header.
func (e *exchange[T]) RoundTrip(req *http.Request) (*http.Response, error) {
	e.value, e.attempt = *new(T), attempt{Response: Response{Attempts: e.Attempts + 1}}
	if e.request.Observe != nil {
		start := time.Now()
		defer func() { e.took = time.Since(start) }()
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	timer := time.AfterFunc(e.request.Timeout, func() { cancel(errTimeout) })
	defer timer.Stop()
	req.GetBody = nil // with it, net/http repeats requests by itself

	resp, closing, err := e.send(ctx, req)
	for resends := 0; closing && resends < maxResends && ctx.Err() == nil; resends++ {
		req.Body = io.NopCloser(bytes.NewReader(e.request.Body))
		resp, closing, err = e.send(ctx, req)
	}
	if err == nil {
		err = e.read(resp, timer)
	}
	if err != nil && errors.Is(context.Cause(ctx), errTimeout) {
		err = fmt.Errorf("timed out after %v: %w", e.request.Timeout, context.DeadlineExceeded)
	}
	if err != nil {
		e.err = e.redacted(err)
		return nil, e.err
	}
	resp.Header = nil
	return resp, nil
}

// send sends the request and waits for the header of the response. closing reports that
// nothing was sent, because a pooled connection was being closed.
func (e *exchange[T]) send(ctx context.Context, req *http.Request) (resp *http.Response, closing bool, err error) {
	conn := &untraced
	if e.request.Retry == RetryUnprocessed || e.Attempts > e.request.MaxRetries {
		conn = new(connection) // not that of an earlier send, for which a transport may still report
		ctx = conn.trace(ctx)
	}
	req = req.WithContext(ctx)
	req.Header = e.request.Header.Clone() // some transports change it
	e.unprocessed = false
	resp, err = e.request.Transport.RoundTrip(req)
	switch {
	case err != nil:
		err = typed(e.request.Transport, err)
		e.unprocessed, closing = conn.unsent(ctx, e.request.Transport, err)
	case resp == nil || resp.StatusCode == 0:
		err = errNoResponse
	}
	return resp, closing, err
}

// read reads the response and closes it.
func (e *exchange[T]) read(resp *http.Response, timer *time.Timer) error {
	if resp.Body == nil { // net/http never leaves it nil, but other transports do
		resp.Body = http.NoBody
	}
	defer func() {
		_ = resp.Body.Close()
		resp.Body = http.NoBody
	}()
	e.StatusCode, e.Header, e.RetryAfter = resp.StatusCode, resp.Header, retryAfter(resp)
	if resp.StatusCode < http.StatusOK { // the body of a 101 is the connection, and ignores the context
		return nil
	}
	b := &body{Reader: resp.Body, timeout: e.request.Timeout, left: maxBody}
	if !e.Success() {
		var err error
		e.Body, err = io.ReadAll(io.LimitReader(b, maxErrorBody))
		return err
	}
	if e.request.KeepBody {
		b.kept = &e.Body
	}
	if e.request.Stream {
		b.timer, b.left = timer, math.MaxInt
	}
	var err error
	e.value, err = e.decode(b)
	if err != nil && b.err != nil { // a failed read, which can be retried
		return b.err
	}
	// JSON that ends too early was cut short, even if a proxy made that a regular end. A
	// response without a body, such as 204, was not.
	cut := b.begun && b.ended && errors.Is(err, io.ErrUnexpectedEOF)
	e.final = err != nil && !cut
	return err
}

// body is the body of a response while it is read. It records a read error, which
// decoders replace with an error of their own.
type body struct {
	io.Reader
	timer   *time.Timer // of the attempt, if it is a stream; runs only during a read
	timeout time.Duration
	left    int     // bytes that may still be read
	kept    *[]byte // gets a copy of what is read, if not nil
	err     error
	begun   bool // Reader has returned at least one byte
	ended   bool // Reader has returned io.EOF
}

func (b *body) Read(p []byte) (int, error) {
	if b.timer != nil {
		b.timer.Reset(b.timeout)
		defer b.timer.Stop()
	}
	if b.left <= 0 {
		return 0, errBodyTooLong
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.begun = b.begun || n > 0
	if b.kept != nil {
		*b.kept = append(*b.kept, p[:n]...)
	}
	if err == nil || err == io.EOF {
		b.ended = err == io.EOF
		return n, err
	}
	b.err = err
	// HTTP/2 has other errors for a truncated body. Make them match io.ErrUnexpectedEOF.
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		b.err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return n, b.err
}
