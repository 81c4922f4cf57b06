package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Retry is the rule by which a request is retried.
type Retry int

const (
	// RetryUnprocessed retries only if the server cannot have processed the request: no
	// connection was made, HTTP/2 reported that it was not processed, or the status is
	// 429.
	RetryUnprocessed Retry = iota
	// RetryTransient retries after any transient failure: a failed or lost connection, a
	// timeout, a truncated response, 429, or 5xx except 501.
	RetryTransient
)

const (
	minWait       = 200 * time.Millisecond
	maxWait       = 10 * time.Second
	maxRetryAfter = 60 * time.Second // a longer Retry-After ends the call
)

// checkRetry decides whether a retry follows, and after what delay. It reports the
// finished attempt to Observe.
func (e *exchange[T]) checkRetry(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	e.wait = max(delay(e.Attempts-1), e.RetryAfter)
	retry := e.Attempts <= e.request.MaxRetries && ctx.Err() == nil && e.retryable() && e.wait <= maxRetryAfter
	spread := e.RetryAfter / 2 // so that clients that were told the same do not come back together
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline) - e.wait
		retry = retry && left > 0
		spread = min(spread, left-1)
	}
	if retry && spread > 0 {
		e.wait += rand.N(spread)
	}
	if !retry {
		e.wait = 0
	}
	if e.request.Observe != nil {
		e.request.Observe(ctx, Attempt{e.Attempts, e.StatusCode, e.Header, e.took, e.wait, e.err})
	}
	return retry, nil
}

func (e *exchange[T]) backoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
	return e.wait
}

// retryable reports whether the outcome of the last attempt allows another one.
func (e *exchange[T]) retryable() bool {
	switch {
	case e.final || e.request.Stream && e.Success() || permanent(e.err):
		return false
	case e.StatusCode == http.StatusTooManyRequests:
		return true
	case e.request.Retry == RetryUnprocessed:
		return e.unprocessed
	default:
		return e.err != nil || transient(e.StatusCode)
	}
}

// transient reports whether a request with that status can succeed later.
func transient(status int) bool {
	return status == http.StatusTooManyRequests || status >= 500 && status != http.StatusNotImplemented
}

// maxResends limits how often an attempt is sent again because nothing was sent.
const maxResends = 16

// connection records what httptrace reports while a request is sent. Transports may
// report from several goroutines.
type connection struct{ requested, obtained, reused, written atomic.Bool }

var untraced connection

func (c *connection) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { c.requested.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			c.obtained.Store(true)
			if info.Reused {
				c.reused.Store(true)
			}
		},
		WroteHeaders: func() { c.written.Store(true) },
	})
}

// unsent reports whether the server cannot have processed a request that failed with err.
// Then closing reports whether that is because a pooled connection was being closed, so
// that sending again on another connection is likely to succeed.
//
// Only an *http.Transport is known to report all that it does. If transport is another
// one, err must also be an error of dialing.
func (c *connection) unsent(ctx context.Context, transport http.RoundTripper, err error) (unsent, closing bool) {
	if _, standard := transport.(*http.Transport); !standard {
		op, ok := errors.AsType[*net.OpError](err)
		return ok && (op.Op == "dial" || op.Op == "proxyconnect") && c.requested.Load() && !c.obtained.Load(), false
	}
	// If ctx has ended, net/http may still be writing.
	nothingWritten := c.obtained.Load() && !c.written.Load() && ctx.Err() == nil
	closing = nothingWritten && c.reused.Load() || connectionClosing(err)
	return closing || nothingWritten || c.requested.Load() && !c.obtained.Load(), closing
}

// connectionClosing reports whether err, of an *http.Transport and a request without
// GetBody, says that a connection was being closed and that the server did not process the
// request:
//   - Nothing was written to an HTTP/1 connection. The type of that error is not exported.
//   - An HTTP/2 connection could not be used. net/http tried another one, which needs
//     GetBody, because the unused body was closed.
//   - HTTP/2's GOAWAY had a last stream ID lower than that of the request. REFUSED_STREAM
//     should mean the same, but HAProxy sends it after its server processed the request.
func connectionClosing(err error) bool {
	goAway, _ := errors.AsType[*streamError](err)
	return fmt.Sprintf("%T", err) == "http.nothingWrittenError" ||
		err.Error() == "net/http: cannot rewind body after connection loss" ||
		goAway != nil && goAway.reason == "http2: Transport received Server's graceful shutdown GOAWAY"
}

// streamError is net/http's error for an HTTP/2 stream that ended without a response. Its
// text omits the advice to define Request.GetBody.
type streamError struct {
	reason string
	error
}

func (e *streamError) Error() string { return "HTTP/2 stream ended: " + e.reason }
func (e *streamError) Unwrap() error { return e.error }

// proxyError says that a proxy answered CONNECT with that status, so that there is no
// connection to the server.
type proxyError struct {
	status int
	text   string
}

func (e *proxyError) Error() string { return "the proxy refused to connect: " + e.text }

// refusedByProxy is an OnProxyConnectResponse of an http.Transport.
func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{resp.StatusCode, resp.Status}
}

// typed turns err, an error of net/http, into a *streamError or a *proxyError if its text is
// that of one. For a proxy's refusal, an http.Transport without refusedByProxy returns only
// the text of the status.
func typed(transport http.RoundTripper, err error) error {
	text := err.Error()
	if reason, found := strings.CutPrefix(text, "http2: Transport: cannot retry err ["); found {
		reason, _, _ = strings.Cut(reason, "] after ")
		return &streamError{reason, err}
	}
	if _, standard := transport.(*http.Transport); standard && text != "" {
		for status := 300; status < 600; status++ {
			if text == http.StatusText(status) {
				return &proxyError{status, text}
			}
		}
	}
	return err
}

// permanent reports whether another attempt would fail with err too.
func permanent(err error) bool {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	proxy, refused := errors.AsType[*proxyError](err)
	return isDNS && dns.IsNotFound || untrusted || notTLS || refused && !transient(proxy.status)
}

// delay returns the delay before a retry. It is random between minWait and twice that for
// the first retry. The range doubles with each further retry, until it is from maxWait to
// twice that.
func delay(retries int) time.Duration {
	wait := retryablehttp.DefaultBackoff(minWait, maxWait, retries, nil)
	return wait + rand.N(wait)
}

// retryAfter returns the Retry-After of a response with status 429 or 503, or 0. A value
// too long for a Duration becomes the longest Duration in whole seconds.
func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := resp.Header.Get("Retry-After")
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, math.MaxInt64/uint64(time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date")) // by the server's clock, as at is
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now))
}
