package seam_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

var record = flag.Bool("record", false, "write docs/faults.md instead of comparing with it")

// attempt is what a transport without a network does with a request.
type attempt = func(*http.Request) (*http.Response, error)

func fails(err error) attempt {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// unconnected is an attempt for which net/http has no connection yet.
func unconnected(then attempt) attempt {
	return func(req *http.Request) (*http.Response, error) {
		asksForConnection(req, false)
		return then(req)
	}
}

// connected is an attempt for which net/http has made a connection.
func connected(then attempt) attempt {
	return func(req *http.Request) (*http.Response, error) {
		asksForConnection(req, true)
		return then(req)
	}
}

// asksForConnection calls the hooks that net/http calls.
func asksForConnection(req *http.Request, gets bool) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.GetConn("connect.getseam.com:443")
		if gets {
			trace.GotConn(httptrace.GotConnInfo{})
		}
	}
}

func answers(status int, body string) attempt {
	return func(*http.Request) (*http.Response, error) { return response(status, body) }
}

// asksToWait answers with a Retry-After, which may be a date in so many seconds.
func asksToWait(status int, retryAfter string) attempt {
	return func(*http.Request) (*http.Response, error) {
		resp, err := response(status, "")
		var seconds int
		if _, err := fmt.Sscanf(retryAfter, "in %d s", &seconds); err == nil {
			resp.Header.Set("Retry-After", time.Now().Add(time.Duration(seconds)*time.Second).UTC().Format(http.TimeFormat))
		} else {
			resp.Header.Set("Retry-After", retryAfter)
		}
		return resp, err
	}
}

func redirects(status int) attempt {
	return func(*http.Request) (*http.Response, error) {
		resp, err := response(status, "")
		resp.Header.Set("Location", "http://127.0.0.2:1/elsewhere")
		return resp, err
	}
}

// endless answers with a gibibyte.
func endless(*http.Request) (*http.Response, error) {
	resp, err := response(http.StatusOK, "")
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"other": "`), io.LimitReader(reader(func(p []byte) (int, error) {
		return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
	}), 1<<30)))
	return resp, err
}

// hangs answers nothing until the request's context ends.
func hangs(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

// stalls answers with the begin of a body and no more until the request's
// context ends.
func stalls(begin string) attempt {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := response(http.StatusOK, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(begin), reader(func([]byte) (int, error) {
			<-req.Context().Done()
			return 0, context.Cause(req.Context())
		})))
		return resp, err
	}
}

type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// cutsOff answers with the begin of a body and then breaks off.
func cutsOff(status int, begin string) attempt {
	return func(*http.Request) (*http.Response, error) {
		resp, err := response(status, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(begin), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp, err
	}
}

func dialing(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

// Which operations send a request again after a fault.
type again string

const (
	all3        again = "all"
	safeOnes    again = "those safe to repeat"
	notStreamed again = "those safe to repeat, but All"
	nobody      again = "none"
)

// requests is how many requests an operation makes in the face of a fault.
func (a again) requests(op operation) int {
	if a == all3 || op.repeats && (a == safeOnes || a == notStreamed && op.name != "ClientSessions.All") {
		return 3
	}
	return 1
}

const (
	twoWaits  = 1200 * time.Millisecond // at most 400 and 800 ms, after the first attempt and the second
	timeLimit = 30 * time.Second        // of an attempt
)

// faults are what may happen to a request, and what becomes of the call: which
// operations send it again, what comes back, and after how long at most. The
// page docs/faults.md shows them.
var faults = []struct {
	name    string
	attempt attempt
	again   again
	gives   string
	longest time.Duration
	// local faults happen before a server could have a part in them, and those of
	// dial to net/http's own transport.
	local bool
	dial  func(context.Context) (net.Conn, error)
	// endsStream is what an HTTP/2 server sends in place of a response.
	endsStream func(stream) []byte
}{
	{name: "500", attempt: answers(500, ""), again: safeOnes, gives: "APIError 500", longest: twoWaits},
	{name: "502 with HTML", attempt: answers(502, "<html>"), again: safeOnes, gives: "APIError 502", longest: twoWaits},
	{name: "503", attempt: answers(503, ""), again: safeOnes, gives: "APIError 503", longest: twoWaits},
	{name: "503, Retry-After: 1", attempt: asksToWait(503, "1"), again: safeOnes, gives: "APIError 503", longest: 2 * time.Second},
	{name: "503, Retry-After: a date", attempt: asksToWait(503, "in 2 s"), again: safeOnes, gives: "APIError 503", longest: 4 * time.Second},
	{name: "503, Retry-After: 0", attempt: asksToWait(503, "0"), again: safeOnes, gives: "APIError 503", longest: twoWaits},
	{name: "503, Retry-After: -5", attempt: asksToWait(503, "-5"), again: safeOnes, gives: "APIError 503", longest: twoWaits},
	{name: "503, Retry-After: 9223372037", attempt: asksToWait(503, "9223372037"), again: nobody, gives: "APIError 503"},
	{name: "503, Retry-After: 86400", attempt: asksToWait(503, "86400"), again: nobody, gives: "APIError 503"},
	{name: "503, Retry-After: soon", attempt: asksToWait(503, "soon"), again: safeOnes, gives: "APIError 503", longest: twoWaits},
	{name: "429", attempt: answers(429, ""), again: all3, gives: "APIError 429", longest: twoWaits},
	{name: "429, Retry-After: 1", attempt: asksToWait(429, "1"), again: all3, gives: "APIError 429", longest: 2 * time.Second},
	{name: "429, Retry-After: 9223372037", attempt: asksToWait(429, "9223372037"), again: nobody, gives: "APIError 429"},
	{name: "429, Retry-After: 86400", attempt: asksToWait(429, "86400"), again: nobody, gives: "APIError 429"},
	{name: "429 with its body cut short", attempt: cutsOff(429, `{"err`), again: all3, gives: "APIError 429 (unexpected EOF)", longest: twoWaits},
	{name: "501", attempt: answers(501, ""), again: nobody, gives: "APIError 501"},
	{name: "504", attempt: answers(504, ""), again: safeOnes, gives: "APIError 504", longest: twoWaits},
	{name: "599", attempt: answers(599, ""), again: safeOnes, gives: "APIError 599", longest: twoWaits},
	{name: "400", attempt: answers(400, ""), again: nobody, gives: "APIError 400"},
	{name: "401", attempt: answers(401, ""), again: nobody, gives: "APIError 401"},
	{name: "404", attempt: answers(404, ""), again: nobody, gives: "APIError 404"},
	{name: "404 with its body cut short", attempt: cutsOff(404, `{"err`), again: safeOnes, gives: "APIError 404 (unexpected EOF)", longest: twoWaits},
	{name: "408", attempt: answers(408, ""), again: nobody, gives: "APIError 408"},
	{name: "409", attempt: answers(409, ""), again: nobody, gives: "APIError 409"},
	{name: "301 to another host", attempt: redirects(301), again: nobody, gives: "APIError 301"},
	{name: "302 to another host", attempt: redirects(302), again: nobody, gives: "APIError 302"},
	{name: "303 to another host", attempt: redirects(303), again: nobody, gives: "APIError 303"},
	{name: "307 to another host", attempt: redirects(307), again: nobody, gives: "APIError 307"},
	{name: "308 to another host", attempt: redirects(308), again: nobody, gives: "APIError 308"},
	{name: "200 with HTML", attempt: answers(200, "<html>"), again: nobody, gives: "APIError 200 (unusable)"},
	{name: "200 with JSON 100,000 levels deep", attempt: answers(200, strings.Repeat(`{"client_sessions":[`, 100_000)), again: nobody, gives: "APIError 200 (unusable)"},
	{name: "200 with 1 GiB", attempt: endless, again: nobody, gives: "APIError 200 (unusable)"},
	{name: "200 with its body cut short", attempt: cutsOff(200, `{"client_`), again: notStreamed, gives: "APIError 200 (unexpected EOF)", longest: twoWaits},
	{name: "200 with its body stalled", attempt: stalls(`{"client_`), again: notStreamed, gives: "APIError 200 (deadline exceeded)", longest: 3*timeLimit + twoWaits},
	{name: "no answer in time", attempt: hangs, again: safeOnes, gives: "deadline exceeded", longest: 3*timeLimit + twoWaits},
	{name: "connection lost after the request", attempt: fails(io.EOF), again: safeOnes, gives: "connection error", longest: twoWaits},
	{
		name: "connection reset after the request", local: true, again: safeOnes, gives: "connection error", longest: twoWaits,
		attempt: connected(fails(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET})),
	},
	{
		name: "connection refused", local: true, again: all3, gives: "connection error", longest: twoWaits,
		attempt: unconnected(fails(dialing(os.NewSyscallError("connect", syscall.ECONNREFUSED)))),
	},
	{
		name: "proxy refuses the connection", local: true, again: all3, gives: "connection error", longest: twoWaits,
		attempt: unconnected(fails(&net.OpError{Op: "proxyconnect", Err: dialing(syscall.ECONNREFUSED)})),
	},
	{
		name: "no connection in time", local: true, again: all3, gives: "deadline exceeded", longest: 3*timeLimit + twoWaits,
		dial: func(ctx context.Context) (net.Conn, error) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute): // net/http may go on after its caller
			}
			return nil, dialing(os.ErrDeadlineExceeded)
		},
	},
	{
		name: "connection lost in the TLS handshake", local: true, again: all3, gives: "connection error", longest: twoWaits,
		dial: func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			return here, there.Close()
		},
	},
	{
		name: "no connection in time, of a transport of another type", local: true, again: safeOnes,
		attempt: unconnected(hangs), gives: "deadline exceeded", longest: 3*timeLimit + twoWaits,
	},
	{
		name: "name server out of order", local: true, again: all3, gives: "connection error", longest: twoWaits,
		attempt: unconnected(fails(dialing(&net.DNSError{Err: "server misbehaving", IsTemporary: true}))),
	},
	{
		name: "no such host (NXDOMAIN)", local: true, again: nobody, gives: "connection error",
		attempt: unconnected(fails(dialing(&net.DNSError{Err: "no such host", IsNotFound: true}))),
	},
	{
		name: "certificate not trusted", local: true, again: nobody, gives: "connection error",
		attempt: unconnected(fails(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})),
	},
	{
		name: "a server without TLS", local: true, again: nobody, gives: "connection error",
		attempt: unconnected(fails(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"})),
	},
	{
		name: "connection refused, of a transport that does not report its connections", local: true, again: safeOnes,
		attempt: fails(dialing(syscall.ECONNREFUSED)), gives: "connection error", longest: twoWaits,
	},
	{
		name: "connection refused, in a second try of the transport's own", local: true, again: safeOnes,
		attempt: connected(unconnected(fails(dialing(syscall.ECONNREFUSED)))), gives: "connection error", longest: twoWaits,
	},
	{name: "HTTP/2 REFUSED_STREAM", endsStream: resets(7), again: all3, gives: "connection error", longest: twoWaits},
	{name: "HTTP/2 GOAWAY with a lower last stream", endsStream: goesAway(false), again: all3, gives: "connection error", longest: twoWaits},
	{name: "HTTP/2 GOAWAY that includes the stream", endsStream: goesAway(true), again: safeOnes, gives: "connection error", longest: twoWaits},
	{name: "HTTP/2 PROTOCOL_ERROR", endsStream: resets(1), again: safeOnes, gives: "connection error", longest: twoWaits},
	{name: "HTTP/2 INTERNAL_ERROR", endsStream: resets(2), again: safeOnes, gives: "connection error", longest: twoWaits},
	{name: "HTTP/2 CANCEL", endsStream: resets(8), again: safeOnes, gives: "connection error", longest: twoWaits},
}

// describe says what an error is, in the words of the table.
func describe(err error) string {
	kind := "connection error"
	switch {
	case err == nil:
		return "no error"
	case errors.Is(err, context.DeadlineExceeded):
		kind = "deadline exceeded"
	case errors.Is(err, io.ErrUnexpectedEOF):
		kind = "unexpected EOF"
	}
	var apiErr *seam.APIError
	if !errors.As(err, &apiErr) {
		return kind
	}
	switch {
	case apiErr.Unwrap() == nil:
		return fmt.Sprintf("APIError %d", apiErr.StatusCode)
	case kind == "connection error":
		kind = "unusable"
	}
	return fmt.Sprintf("APIError %d (%s)", apiErr.StatusCode, kind)
}

// callers are all operations, and GetOrCreate without what makes it repeatable.
var callers = append([]operation{{
	name: "ClientSessions.GetOrCreate without a key", success: oneSession,
	smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
		return second(c.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentityID: identityID}, opts...))
	},
}}, operations...)

// TestFaults has every fault happen to every operation, without a network and
// with a clock that does not wait.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range faults {
		if fault.endsStream != nil {
			continue
		}
		for _, op := range callers {
			t.Run(fault.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var bodies []string
					var dials atomic.Int64
					client := offline(t, func(req *http.Request) (*http.Response, error) {
						body, err := io.ReadAll(req.Body)
						require.NoError(t, err)
						bodies = append(bodies, string(body))
						return fault.attempt(req)
					})
					if fault.dial != nil {
						transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
							dials.Add(1)
							return fault.dial(ctx)
						}}
						client = newClient(t, seam.WithHTTPClient(&http.Client{Transport: transport}))
					}
					var last seam.Response
					start := time.Now()
					err := op.smallest(t.Context(), client, seam.WithResponse(&last))
					took := time.Since(start)
					time.Sleep(time.Hour) // for what net/http still does in the background

					require.Equal(t, fault.gives, describe(err), err)
					require.Equal(t, fault.again.requests(op), last.Attempts)
					assert.Equal(t, last.Attempts, len(bodies)+int(dials.Load()))
					for _, body := range bodies {
						assert.Equal(t, bodies[0], body, "each attempt sends the same bytes")
					}
					if last.Attempts > 1 {
						assert.Contains(t, err.Error(), "(3 attempts)")
					}
					assert.LessOrEqual(t, took, fault.longest)
				})
			})
		}
	}
}

// TestSecondAttemptSucceeds makes up for each fault that is worth another try.
func TestSecondAttemptSucceeds(t *testing.T) {
	t.Parallel()
	for _, fault := range faults {
		for _, op := range operations {
			if fault.again.requests(op) == 1 || fault.attempt == nil {
				continue
			}
			t.Run(fault.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					script := []attempt{fault.attempt, answers(http.StatusOK, op.success)}
					client := offline(t, func(req *http.Request) (*http.Response, error) {
						now := script[0]
						script = script[1:]
						return now(req)
					})
					require.NoError(t, op.smallest(t.Context(), client))
					assert.Empty(t, script)
				})
			})
		}
	}
}

// handler has a server do what an attempt does.
func (then attemptHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	resp, err := then(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	for name := range resp.Header {
		w.Header().Set(name, resp.Header.Get(name))
	}
	w.WriteHeader(resp.StatusCode)
	buffer := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buffer)
		_, failed := w.Write(buffer[:n])
		if err == io.EOF {
			return
		}
		if err != nil || failed != nil || http.NewResponseController(w).Flush() != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

type attemptHandler attempt

// TestFaultsOverTheWire has a real server do the faults that one can do, over
// HTTP/1.1 and HTTP/2, to all operations at once.
func TestFaultsOverTheWire(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			var requests [256][16]atomic.Int64 // by fault and operation
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, protocol, r.Proto)
				var fault, op int
				_, err := fmt.Sscan(r.Header.Get("X-Test"), &fault, &op)
				assert.NoError(t, err)
				requests[fault][op].Add(1)
				attemptHandler(faults[fault].attempt).ServeHTTP(w, r)
			}))
			server.EnableHTTP2 = protocol == "HTTP/2.0"
			server.StartTLS()
			defer server.Close()
			client := newClient(t, seam.WithEndpoint(server.URL), seam.WithHTTPClient(server.Client()), seam.WithTimeout(time.Hour))

			var group sync.WaitGroup
			for i, fault := range faults {
				if fault.local || fault.endsStream != nil || fault.longest > timeLimit { // a real clock would have to run out
					continue
				}
				for j, op := range callers {
					group.Go(func() {
						err := op.smallest(t.Context(), client, seam.WithHeader("X-Test", fmt.Sprint(i, j)))
						assert.Equal(t, fault.gives, describe(err), "%s/%s: %v", fault.name, op.name, err)
						assert.Equal(t, int64(fault.again.requests(op)), requests[i][j].Load(), "%s/%s: %v", fault.name, op.name, err)
					})
				}
			}
			group.Wait()
		})
	}
}

// TestFaultsAreDocumented holds docs/faults.md against the table. With -record
// it writes the page.
func TestFaultsAreDocumented(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString(`# What becomes of a call when something goes wrong

Each row is a fault that lasts. The columns say how often each operation is tried in the face of it with the default
options, what comes back in the end, and after how long at most. A test holds this page and the package to the same table.

An ` + "`APIError`" + ` with "unexpected EOF" or "deadline exceeded" matches ` + "`io.ErrUnexpectedEOF`" + ` or
` + "`context.DeadlineExceeded`" + `; an "unusable" one has the reason in its text. A connection error matches what net/http
says, and a deadline ` + "`context.DeadlineExceeded`" + `. If the caller's context ends before, so does the call.

| fault |`)
	for _, op := range callers {
		fmt.Fprintf(&page, " %s |", strings.TrimPrefix(op.name, "ClientSessions."))
	}
	page.WriteString(" comes back | after at most |\n|---|" + strings.Repeat("---|", len(callers)+2) + "\n")
	for _, fault := range faults {
		fmt.Fprintf(&page, "| %s |", fault.name)
		for _, op := range callers {
			fmt.Fprintf(&page, " %d |", fault.again.requests(op))
		}
		fmt.Fprintf(&page, " %s | %v |\n", fault.gives, fault.longest)
	}
	if *record {
		require.NoError(t, os.WriteFile("docs/faults.md", []byte(page.String()), 0o644))
	}
	written, err := os.ReadFile("docs/faults.md")
	require.NoError(t, err)
	assert.Equal(t, page.String(), string(written), "make record writes it anew")
}
