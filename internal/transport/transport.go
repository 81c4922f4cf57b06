// Package transport is the one path to the wire: it sends a request, sends it
// again when the request's own rule allows, reads the answer under a deadline
// and a bound, and says what became of it. It knows HTTP and nothing of Seam.
//
// An attempt is one RoundTrip: it writes the request, reads the whole answer
// and closes it. go-retryablehttp runs the attempts, and so never holds an open
// body that it could drop, leak or return late. It takes its decisions from the
// hooks of call, which trust only what the attempt itself has seen.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-retryablehttp"
)

// maxErrorBody bounds what is read of an answer that is not a success, in bytes.
const maxErrorBody = 1 << 20

// Request is one call: what to send, over what, and when to send it again.
type Request struct {
	Method string
	URL    string
	LogURL string      // stands for URL in logs, if that has what they must not
	Header http.Header // shared by all calls and never changed
	Body   []byte      // the bytes that every attempt sends; empty for none, which only a DELETE or GET may have

	Retry      Retry
	MaxRetries int
	Timeout    time.Duration // of each attempt, its answer's body included

	Transport http.RoundTripper
	Logger    *slog.Logger // nil for no logs
	// Mask takes secrets out of a text that an error or a log will show.
	Mask func(string) string

	// Decode reads a success to its end. An error of its own ends the call; a
	// failure of the reader is one of the attempt, after which Decode may be
	// called again for the next attempt's answer.
	Decode func(io.Reader) error
	// Stream says that Decode hands out what it reads as it goes: once it has
	// begun the request is not sent again, and Timeout bounds each wait for
	// more, so that the time Decode itself spends counts for nothing.
	Stream bool
	// KeepBody keeps the body of a success in the Answer too.
	KeepBody bool
}

// Answer is what the server said last.
type Answer struct {
	StatusCode int // 0 if the last attempt got no answer
	Header     http.Header
	Body       []byte        // of a failure, up to 1 MiB; of a success with KeepBody alone
	RetryAfter time.Duration // 0 if the server did not ask for a wait
	Attempts   int           // how many times the request was sent
}

// Success reports whether the server accepted the request.
func (a Answer) Success() bool { return a.StatusCode/100 == 2 }

// Do sends r until an attempt succeeds or may not be repeated. The error says
// why the last attempt gave no complete answer, why Decode refused it, or that
// ctx ended; it is nil for any answer that was read to its end, a failure too.
func Do(ctx context.Context, r *Request) (Answer, error) {
	c := &call{Request: r}
	if ctx.Err() != nil {
		return Answer{}, c.brief(ended(ctx, nil))
	}
	// Without r.Body this is an empty body to net/http, and must not be nil or
	// http.NoBody: over HTTP/2 such a request is sent again without end too.
	req, err := retryablehttp.NewRequestWithContext(ctx, r.Method, r.URL, r.Body)
	if err != nil {
		return Answer{}, err
	}
	req.Header = r.Header

	c.http.Transport = c
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.client.HTTPClient = &c.http
	c.client.RetryMax = r.MaxRetries
	c.client.CheckRetry = c.checkRetry
	c.client.Backoff = c.backoff

	if resp, err := c.client.Do(req); err == nil {
		_ = resp.Body.Close() // http.NoBody, as every attempt leaves it
	}
	if ctx.Err() != nil && (c.waiting || c.err != nil) {
		c.err = c.brief(ended(ctx, c.err))
	}
	return c.answer, c.err
}

// call is one run of Do. It lies under the call's own http.Client as its
// transport, where it also shields the connections of all other calls:
// go-retryablehttp closes the idle ones after each failure, and call offers no
// CloseIdleConnections to pass that on.
type call struct {
	*Request
	client retryablehttp.Client
	http   http.Client

	// What the last attempt left.
	answer  Answer
	err     error
	conn    *connection   // nil unless it matters
	refused bool          // err is Decode's own, not the reader's
	wait    time.Duration // before the next attempt
	waiting bool
}

// errTimeout is the cause that an attempt's own timer gives to its context.
var errTimeout = errors.New("attempt timed out")

// RoundTrip makes one attempt. What it learns goes into c; to go-retryablehttp
// it gives a response without a body.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	c.answer = Answer{Attempts: c.answer.Attempts + 1}
	c.err, c.conn, c.refused, c.waiting = nil, nil, false, false

	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	timer := time.AfterFunc(c.Timeout, func() { cancel(errTimeout) })
	defer timer.Stop()
	if c.Retry == RetryUnsent {
		c.conn = new(connection)
		ctx = c.conn.trace(ctx)
	}
	req = req.WithContext(ctx)
	req.Header = c.Header.Clone() // for this attempt alone, as some transports change it
	req.GetBody = nil             // or net/http sends it again by itself, over HTTP/2 without end

	resp, err := c.Transport.RoundTrip(req)
	if err == nil && resp != nil {
		err = c.read(resp, timer)
		resp.Body = http.NoBody
	}
	if err == nil {
		return resp, nil
	}
	if errors.Is(context.Cause(ctx), errTimeout) {
		err = fmt.Errorf("timed out after %v: %w", c.Timeout, context.DeadlineExceeded)
	}
	c.err = c.brief(err)
	return nil, c.err
}

// read takes in the answer and closes it.
func (c *call) read(resp *http.Response, timer *time.Timer) error {
	if resp.Body == nil { // as hand-made transports leave it
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()
	c.answer.StatusCode, c.answer.Header = resp.StatusCode, resp.Header
	c.answer.RetryAfter = retryAfter(resp)

	b := &body{Reader: resp.Body, call: c, left: maxAnswer}
	if resp.StatusCode < http.StatusOK { // a connection for another protocol, which no context ends
		return nil
	}
	if !c.answer.Success() {
		var err error
		c.answer.Body, err = io.ReadAll(io.LimitReader(b, maxErrorBody))
		return err
	}
	if c.Stream {
		b.timer, b.left = timer, math.MaxInt
	}
	err := c.Decode(b)
	if err != nil && b.err != nil {
		return b.err
	}
	c.refused = err != nil
	return err
}

// body is the body of an answer while it is read. It remembers a failure to
// read, which decoders disguise as bad input.
type body struct {
	io.Reader
	call  *call
	timer *time.Timer // of the attempt, if it is a stream: runs only while a read waits
	left  int         // bytes that may still come
	err   error
}

func (b *body) Read(p []byte) (int, error) {
	if b.timer != nil {
		b.timer.Reset(b.call.Timeout)
		defer b.timer.Stop()
	}
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	if b.call.KeepBody && b.call.answer.Success() {
		b.call.answer.Body = append(b.call.answer.Body, p[:n]...)
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	b.err = err
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		b.err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err) // as HTTP/2 has other words for it
	}
	return n, b.err
}

// ended gives the reason why ctx ended, together with what went wrong before.
func ended(ctx context.Context, err error) error {
	end, cause := ctx.Err(), context.Cause(ctx)
	known := err == nil || errors.Is(err, end) || errors.Is(err, cause)
	if !errors.Is(cause, end) {
		end = fmt.Errorf("%w: %w", end, cause)
	}
	if !known {
		end = fmt.Errorf("%w (after: %w)", end, err)
	}
	return end
}

// brief is an error that prints as one short line without secrets, whatever the
// server made of it: net/http quotes a malformed answer in full. errors.Is and
// errors.As find its cause. What unwraps or dumps an error to log all of it does
// not, as it has no Unwrap and holds the cause inside of a func.
type brief struct {
	text  string
	cause func() error
}

func (c *call) brief(err error) error {
	return &brief{Brief(c.Mask(err.Error())), func() error { return err }}
}

func (b *brief) Error() string        { return b.text }
func (b *brief) Is(target error) bool { return errors.Is(b.cause(), target) }
func (b *brief) As(target any) bool   { return errors.As(b.cause(), target) }

// Tries is the part of an error's text that says how often it was tried.
func Tries(attempts int) string {
	if attempts < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d attempts)", attempts)
}

// Brief makes one short line of what someone else wrote, for a log or an error:
// its first 200 bytes, printable.
func Brief(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}
