package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
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
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= e.wait {
		retry = false
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
	case e.err != nil:
		return true
	default:
		return e.StatusCode >= 500 && e.StatusCode != http.StatusNotImplemented
	}
}

// connection records what httptrace reports of an attempt. Transports may
// report from several goroutines.
type connection struct{ requested, obtained atomic.Bool }

func (c *connection) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { c.requested.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { c.obtained.Store(true) },
	})
}

// notConnected reports whether an attempt that failed with err had no connection, so that
// nothing was sent. For an *http.Transport it relies on httptrace. Another transport may
// not report all connections, so its err must also be an error of dialing.
func (c *connection) notConnected(transport http.RoundTripper, err error) bool {
	_, standard := transport.(*http.Transport)
	op, ok := errors.AsType[*net.OpError](err)
	dialing := ok && (op.Op == "dial" || op.Op == "proxyconnect")
	return c.requested.Load() && !c.obtained.Load() && (standard || dialing)
}

// streamError is net/http's error for an HTTP/2 stream that ended without a response. Its
// text omits the advice to define Request.GetBody.
type streamError struct {
	reason string
	error
}

func (e *streamError) Error() string { return "HTTP/2 stream ended: " + e.reason }
func (e *streamError) Unwrap() error { return e.error }

// unprocessed reports whether the server did not process the request: it sent
// REFUSED_STREAM, or a GOAWAY whose last stream ID is lower than that of the request.
// net/http shows that only in the text of its error.
func (e *streamError) unprocessed() bool {
	return e.reason == "http2: Transport received Server's graceful shutdown GOAWAY" ||
		strings.HasPrefix(e.reason, "stream error: ") && strings.HasSuffix(e.reason, "; REFUSED_STREAM; received from peer")
}

// asStreamError returns err as a streamError if it is from an *http.Transport. Another
// transport may have sent the request more than once.
func asStreamError(transport http.RoundTripper, err error) (*streamError, bool) {
	_, standard := transport.(*http.Transport)
	reason, found := strings.CutPrefix(err.Error(), "http2: Transport: cannot retry err [")
	if !standard || !found {
		return nil, false
	}
	reason, _, _ = strings.Cut(reason, "] after ")
	return &streamError{reason, err}, true
}

// permanent reports whether another attempt would fail with err too.
func permanent(err error) bool {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	return isDNS && dns.IsNotFound || untrusted || notTLS
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
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
