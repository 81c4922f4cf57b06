package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Retry is an operation's rule for sending its request again.
type Retry int

const (
	// RetryUnsent sends again only what surely had no effect: no connection was
	// made, or the server answered 429.
	RetryUnsent Retry = iota
	// RetryTransient sends again after any failure that may pass: no connection,
	// a connection lost, a timeout, an answer cut short, 429, 5xx but 501.
	RetryTransient
)

const (
	minWait       = 200 * time.Millisecond // doubled for each further attempt,
	maxWait       = 10 * time.Second       // up to this
	maxRetryAfter = 60 * time.Second       // a server that asks for more ends the call
)

var errNoAnswer = errors.New("the transport gave an answer without a status")

// checkRetry decides whether another attempt follows, and after what wait.
func (c *call) checkRetry(ctx context.Context, _ *http.Response, err error) (bool, error) {
	if c.answer.StatusCode == 0 && c.err == nil { // net/http itself refused, or a hand-made transport said nothing
		c.err = c.brief(cmp.Or(err, errNoAnswer))
	}
	c.wait = max(jitter(c.answer.Attempts-1), c.answer.RetryAfter)
	retry := c.answer.Attempts <= c.MaxRetries && ctx.Err() == nil && c.mayPass() && c.wait <= maxRetryAfter
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= c.wait {
		retry = false
	}
	if c.Logger != nil {
		c.log(ctx, retry)
	}
	return retry, nil
}

// backoff is called once the next attempt is decided on.
func (c *call) backoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
	c.waiting = true
	return c.wait
}

// mayPass reports whether what the last attempt met allows another.
func (c *call) mayPass() bool {
	status := c.answer.StatusCode
	switch {
	case c.refused || c.Stream && c.answer.Success():
		return false
	case status == http.StatusTooManyRequests:
		return true
	case c.Retry == RetryUnsent:
		return c.conn.neverMade(c.Transport, c.err) && !permanent(c.err)
	case c.err != nil:
		return !permanent(c.err)
	default:
		return status >= 500 && status != http.StatusNotImplemented
	}
}

// connection is what httptrace tells of an attempt. Transports may tell it from
// several goroutines.
type connection struct{ asked, made atomic.Bool }

func (c *connection) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { c.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { c.made.Store(true) },
	})
}

// neverMade reports whether an attempt surely had no connection, so that nothing
// was sent. net/http's own word is enough. Another transport may have ways to
// send that it does not tell of, and so must also have failed for that reason.
func (c *connection) neverMade(transport http.RoundTripper, err error) bool {
	_, known := transport.(*http.Transport)
	op, ok := errors.AsType[*net.OpError](err)
	dialed := ok && (op.Op == "dial" || op.Op == "proxyconnect")
	return c.asked.Load() && !c.made.Load() && (known || dialed)
}

// permanent reports whether err, of an attempt, will be the same in the next.
func permanent(err error) bool {
	var (
		dns    *net.DNSError
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	return errors.As(err, &dns) && dns.IsNotFound ||
		errors.As(err, &verify) ||
		errors.As(err, &record) // the other side does not speak TLS
}

// jitter spreads the waits of clients that failed together: the first lasts
// from minWait to twice that, and each further one begins where the last ends.
func jitter(retries int) time.Duration {
	wait := retryablehttp.DefaultBackoff(minWait, maxWait, retries, nil)
	return wait + rand.N(wait)
}

// retryAfter reads how long a server asks to be left alone. What is no such
// wish is 0; what is too long for a Duration is the longest.
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

// log writes a line about the attempt that has just ended.
func (c *call) log(ctx context.Context, retry bool) {
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("method", c.Method),
		slog.String("url", cmp.Or(c.LogURL, c.URL)),
		slog.Int("attempt", c.answer.Attempts),
	}
	if c.answer.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", c.answer.StatusCode))
	}
	if c.err != nil {
		attrs = append(attrs, slog.Any("error", c.err))
	}
	if retry {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Duration("retry_in", c.wait))
	}
	c.Logger.LogAttrs(ctx, level, "HTTP request", attrs...)
}
