package seam_test

import (
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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
)

var record = flag.Bool("record", false, "write docs/faults.md instead of comparing with it")

// fault is a failure that lasts, and its consequences for a call.
type fault struct {
	name    string
	attempt fake.Transport
	again   again         // which operations retry
	gives   string        // the error, as describe says it
	longest time.Duration // until the call returns

	everywhere bool // tested with each operation; others are tested with three

	resends  int                                     // in each attempt, at once, since nothing was sent
	local    bool                                    // a server cannot cause it
	standard bool                                    // only an *http.Transport has it
	dial     func(context.Context) (net.Conn, error) // of an *http.Transport, in place of attempt
}

// transport returns a transport that does the same as next.
func (f fault) transport(next fake.Transport) http.RoundTripper {
	if !f.standard {
		return next
	}
	t := new(http.Transport)
	t.RegisterProtocol("https", next)
	return t
}

// again says which operations retry after a fault.
type again string

const (
	always     again = "all"
	ifSafe     again = "those that are safe to repeat"
	ifSafeList again = "those that are safe to repeat, except All"
	never      again = "none"
)

// requests returns how many requests an operation sends while a fault lasts.
func (a again) requests(op operation) int {
	if a == always || op.repeats && (a == ifSafe || a == ifSafeList && op.name != "ClientSessions.All") {
		return 3
	}
	return 1
}

const (
	twoWaits  = 1200 * time.Millisecond // 400 ms after the first attempt and 800 ms after the second, at most
	timeLimit = 30 * time.Second        // of an attempt
)

// faults are the failures of a request that docs/faults.md lists.
var faults = []fault{
	{name: "500", everywhere: true, attempt: fake.Responds(500, ""), again: ifSafe, gives: "APIError 500", longest: twoWaits},
	{name: "502 with HTML", attempt: fake.Responds(502, "<html>"), again: ifSafe, gives: "APIError 502", longest: twoWaits},
	{name: "503", attempt: fake.Responds(503, ""), again: ifSafe, gives: "APIError 503", longest: twoWaits},
	{name: "503, Retry-After: 1", attempt: fake.Responds(503, "").With("Retry-After", "1"), again: ifSafe, gives: "APIError 503", longest: 3 * time.Second},
	{name: "503, Retry-After: a date", attempt: dated, again: ifSafe, gives: "APIError 503", longest: 6 * time.Second},
	{name: "503, Retry-After: 0", attempt: fake.Responds(503, "").With("Retry-After", "0"), again: ifSafe, gives: "APIError 503", longest: twoWaits},
	{name: "503, Retry-After: -5", attempt: fake.Responds(503, "").With("Retry-After", "-5"), again: ifSafe, gives: "APIError 503", longest: twoWaits},
	{name: "503, Retry-After: 9223372037", attempt: fake.Responds(503, "").With("Retry-After", "9223372037"), again: never, gives: "APIError 503"},
	{name: "503, Retry-After: 86400", attempt: fake.Responds(503, "").With("Retry-After", "86400"), again: never, gives: "APIError 503"},
	{name: "503, Retry-After: soon", attempt: fake.Responds(503, "").With("Retry-After", "soon"), again: ifSafe, gives: "APIError 503", longest: twoWaits},
	{name: "429", everywhere: true, attempt: fake.Responds(429, ""), again: always, gives: "APIError 429", longest: twoWaits},
	{name: "429, Retry-After: 1", attempt: fake.Responds(429, "").With("Retry-After", "1"), again: always, gives: "APIError 429", longest: 3 * time.Second},
	{name: "429, Retry-After: 9223372037", attempt: fake.Responds(429, "").With("Retry-After", "9223372037"), again: never, gives: "APIError 429"},
	{name: "429, Retry-After: 86400", attempt: fake.Responds(429, "").With("Retry-After", "86400"), again: never, gives: "APIError 429"},
	{name: "429 with its body cut short", attempt: fake.Cut(429, `{"err`), again: always, gives: "APIError 429 (unexpected EOF)", longest: twoWaits},
	{name: "501", attempt: fake.Responds(501, ""), again: never, gives: "APIError 501"},
	{name: "504", attempt: fake.Responds(504, ""), again: ifSafe, gives: "APIError 504", longest: twoWaits},
	{name: "599", attempt: fake.Responds(599, ""), again: ifSafe, gives: "APIError 599", longest: twoWaits},
	{name: "400", everywhere: true, attempt: fake.Responds(400, ""), again: never, gives: "APIError 400"},
	{name: "401", attempt: fake.Responds(401, ""), again: never, gives: "APIError 401"},
	{name: "404", attempt: fake.Responds(404, ""), again: never, gives: "APIError 404"},
	{name: "404 with its body cut short", attempt: fake.Cut(404, `{"err`), again: ifSafe, gives: "APIError 404 (unexpected EOF)", longest: twoWaits},
	{name: "408", attempt: fake.Responds(408, ""), again: never, gives: "APIError 408"},
	{name: "409", attempt: fake.Responds(409, ""), again: never, gives: "APIError 409"},
	{name: "301 to another host", attempt: fake.Responds(301, "").With("Location", "http://127.0.0.2:1/elsewhere"), again: never, gives: "APIError 301"},
	{name: "302 to another host", attempt: fake.Responds(302, "").With("Location", "http://127.0.0.2:1/elsewhere"), again: never, gives: "APIError 302"},
	{name: "303 to another host", attempt: fake.Responds(303, "").With("Location", "http://127.0.0.2:1/elsewhere"), again: never, gives: "APIError 303"},
	{name: "307 to another host", attempt: fake.Responds(307, "").With("Location", "http://127.0.0.2:1/elsewhere"), again: never, gives: "APIError 307"},
	{name: "308 to another host", attempt: fake.Responds(308, "").With("Location", "http://127.0.0.2:1/elsewhere"), again: never, gives: "APIError 308"},
	{name: "200 with HTML", attempt: fake.Responds(200, "<html>"), again: never, gives: "APIError 200 (unusable)"},
	{name: "200 with JSON 100,000 levels deep", attempt: fake.Responds(200, strings.Repeat(`{"client_sessions":[`, 100_000)), again: never, gives: "APIError 200 (unusable)"},
	{name: "200 with 1 GiB", attempt: endless, again: never, gives: "APIError 200 (unusable)"},
	{name: "200 with its body cut short", everywhere: true, attempt: fake.Cut(200, `{"client_`), again: ifSafeList, gives: "APIError 200 (unexpected EOF)", longest: twoWaits},
	{name: "200 with JSON that ends too early", attempt: fake.Responds(200, `{"client_`), again: ifSafeList, gives: "APIError 200 (unexpected EOF)", longest: twoWaits},
	{name: "200 with its body stalled", attempt: fake.Stalls(`{"client_`), again: ifSafeList, gives: "APIError 200 (deadline exceeded)", longest: 3*timeLimit + twoWaits},
	{name: "no response in time", attempt: fake.Hangs, again: ifSafe, gives: "deadline exceeded", longest: 3*timeLimit + twoWaits},
	{name: "connection lost after the request", attempt: fake.Fails(io.EOF), again: ifSafe, gives: "connection error", longest: twoWaits},
	{
		name: "connection reset after the request", local: true, again: ifSafe, gives: "connection error", longest: twoWaits,
		attempt: fake.Connected(fake.Fails(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET})),
	},
	{
		name: "connection refused", everywhere: true, local: true, again: always, gives: "connection error", longest: twoWaits,
		attempt: fake.Dialing(fake.Fails(fake.DialError(os.NewSyscallError("connect", syscall.ECONNREFUSED)))),
	},
	{
		name: "proxy cannot be reached", local: true, again: always, gives: "connection error", longest: twoWaits,
		attempt: fake.Dialing(fake.Fails(&net.OpError{Op: "proxyconnect", Err: fake.DialError(syscall.ECONNREFUSED)})),
	},
	{
		name: "proxy answers CONNECT with 407", local: true, standard: true, again: never, gives: "connection error",
		attempt: fake.Dialing(fake.Fails(errors.New(http.StatusText(http.StatusProxyAuthRequired)))),
	},
	{
		name: "proxy answers CONNECT with 502", local: true, standard: true, again: always, gives: "connection error", longest: twoWaits,
		attempt: fake.Dialing(fake.Fails(errors.New(http.StatusText(http.StatusBadGateway)))),
	},
	{
		name: "no connection in time", local: true, again: always, gives: "deadline exceeded", longest: 3*timeLimit + twoWaits,
		dial: func(ctx context.Context) (net.Conn, error) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute): // net/http may go on dialing after the request ended
			}
			return nil, fake.DialError(os.ErrDeadlineExceeded)
		},
	},
	{
		name: "connection lost in the TLS handshake", local: true, again: always, gives: "connection error", longest: twoWaits,
		dial: func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			return here, there.Close()
		},
	},
	{
		name: "no connection in time, not an *http.Transport", local: true, again: ifSafe,
		attempt: fake.Dialing(fake.Hangs), gives: "deadline exceeded", longest: 3*timeLimit + twoWaits,
	},
	{
		name: "name server fails", local: true, again: always, gives: "connection error", longest: twoWaits,
		attempt: fake.Dialing(fake.Fails(fake.DialError(&net.DNSError{Err: "server misbehaving", IsTemporary: true}))),
	},
	{
		name: "no such host (NXDOMAIN)", local: true, again: never, gives: "connection error",
		attempt: fake.Dialing(fake.Fails(fake.DialError(&net.DNSError{Err: "no such host", IsNotFound: true}))),
	},
	{
		name: "certificate not trusted", local: true, again: never, gives: "connection error",
		attempt: fake.Dialing(fake.Fails(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})),
	},
	{
		name: "a server without TLS", local: true, again: never, gives: "connection error",
		attempt: fake.Dialing(fake.Fails(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"})),
	},
	{
		name: "connection refused, transport without httptrace", local: true, again: ifSafe,
		attempt: fake.Fails(fake.DialError(syscall.ECONNREFUSED)), gives: "connection error", longest: twoWaits,
	},
	{
		name: "connection refused, after the transport had another connection", local: true, again: ifSafe,
		attempt: fake.Connected(fake.Dialing(fake.Fails(fake.DialError(syscall.ECONNREFUSED)))), gives: "connection error", longest: twoWaits,
	},
	{
		name: "HTTP/2 REFUSED_STREAM", local: true, standard: true, again: ifSafe, gives: "connection error", longest: twoWaits,
		attempt: fake.Fails(errors.New("http2: Transport: cannot retry err [stream error: stream ID 1; REFUSED_STREAM; received from peer] after Request.Body was written; define Request.GetBody to avoid this error")),
	},
	{
		name: "HTTP/2 GOAWAY with a lower last stream", local: true, standard: true, again: always, resends: 16, gives: "connection error", longest: twoWaits,
		attempt: fake.Fails(errors.New("http2: Transport: cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written; define Request.GetBody to avoid this error")),
	},
	{
		name: "HTTP/2 connection closed before the request was written", local: true, standard: true, again: always, resends: 16,
		gives: "connection error", longest: twoWaits, attempt: fake.Fails(errors.New("net/http: cannot rewind body after connection loss")),
	},
	{
		name: "idle connection closed after the request was written", local: true, standard: true, again: ifSafe,
		gives: "connection error", longest: twoWaits, attempt: idleClosed,
	},
	{
		name: "HTTP/2 GOAWAY that includes the stream", local: true, standard: true, again: ifSafe, gives: "connection error", longest: twoWaits,
		attempt: fake.Fails(errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=\"\"")),
	},
	{
		name: "HTTP/2 PROTOCOL_ERROR", local: true, standard: true, again: ifSafe, gives: "connection error", longest: twoWaits,
		attempt: fake.Fails(errors.New("http2: Transport: cannot retry err [stream error: stream ID 1; PROTOCOL_ERROR; received from peer] after Request.Body was written; define Request.GetBody to avoid this error")),
	},
	{
		name: "HTTP/2 INTERNAL_ERROR", local: true, standard: true, again: ifSafe, gives: "connection error", longest: twoWaits,
		attempt: fake.Fails(errors.New("stream error: stream ID 1; INTERNAL_ERROR; received from peer")),
	},
	{
		name: "HTTP/2 CANCEL", local: true, standard: true, again: ifSafe, gives: "connection error", longest: twoWaits,
		attempt: fake.Fails(errors.New("stream error: stream ID 1; CANCEL; received from peer")),
	},
}

// dated responds with a Retry-After that is the date two seconds later.
func dated(req *http.Request) (*http.Response, error) {
	date := time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat)
	return fake.Responds(http.StatusServiceUnavailable, "").With("Retry-After", date)(req)
}

// endless responds with a JSON text that does not end.
var endless = fake.Reads(http.StatusOK, func(*http.Request) io.Reader {
	return io.MultiReader(strings.NewReader(`{"other": "`), fake.Reader(fake.Endless))
})

// idleClosed writes the request to a connection of the pool, which the server has closed.
func idleClosed(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.GetConn("api.test:443")
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
		trace.WroteHeaders()
	}
	return nil, errors.New("http: server closed idle connection")
}

// describe returns the description of err that faults uses.
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

// operations returns the operations that are tested with f: all of them, or one for each
// rule of retries.
func (f fault) operations() []operation {
	return slices.DeleteFunc(slices.Clone(faultOperations), func(op operation) bool {
		return !f.everywhere && op.name != "ClientSessions.Get" && op.name != "ClientSessions.Create" && op.name != "ClientSessions.All"
	})
}

// faultOperations are all operations, and GetOrCreate without a key.
var faultOperations = append([]operation{{
	name: "ClientSessions.GetOrCreate without a key", success: oneSession,
	smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
		return second(c.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentityID: identityID}, opts...))
	},
}}, operations...)

// TestFaults tests each fault without a network and without waiting.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range faults {
		for _, op := range fault.operations() {
			t.Run(fault.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var bodies []string
					var dials atomic.Int64
					rt := fault.transport(func(req *http.Request) (*http.Response, error) {
						body, err := io.ReadAll(req.Body)
						require.NoError(t, err)
						bodies = append(bodies, string(body))
						return fault.attempt(req)
					})
					if fault.dial != nil {
						rt = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
							dials.Add(1)
							return fault.dial(ctx)
						}}
					}
					var last seam.Response
					start := time.Now()
					err := op.smallest(t.Context(), newClient(t, seam.WithHTTPClient(&http.Client{Transport: rt})), seam.WithResponse(&last))
					took := time.Since(start)
					time.Sleep(time.Hour) // until net/http has ended what it does in the background

					require.Equal(t, fault.gives, describe(err), err)
					require.Equal(t, fault.again.requests(op), last.Attempts)
					assert.Equal(t, last.Attempts*(1+fault.resends), len(bodies)+int(dials.Load()))
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

// TestSecondAttemptSucceeds tests faults that end before the retry.
func TestSecondAttemptSucceeds(t *testing.T) {
	t.Parallel()
	for _, fault := range faults {
		for _, op := range fault.operations() {
			if fault.again.requests(op) == 1 || fault.attempt == nil {
				continue
			}
			t.Run(fault.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var last seam.Response
					rt := fault.transport(fake.Script(fault.attempt, fake.Responds(http.StatusOK, op.success)))
					client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: rt}))
					require.NoError(t, op.smallest(t.Context(), client, seam.WithResponse(&last)))
					want := 2
					if fault.resends > 0 {
						want = 1
					}
					assert.Equal(t, want, last.Attempts)
				})
			})
		}
	}
}

// attemptHandler is an attempt as a server.
type attemptHandler fake.Transport

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

// TestFaultsOverTheWire tests the faults that a server can cause, over HTTP/1.1 and
// HTTP/2. It skips faults with long waits.
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
				if fault.local || fault.longest > 2*time.Second { // the clock is real
					continue
				}
				for j, op := range fault.operations() {
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

// repeating lists the operations that are safe to repeat, or those that are not.
func repeating(safe bool) string {
	var names []string
	for _, op := range faultOperations {
		if op.repeats == safe {
			names = append(names, strings.TrimPrefix(op.name, "ClientSessions."))
		}
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// TestFaultsAreDocumented tests that docs/faults.md shows faults. With -record it
// writes the page.
func TestFaultsAreDocumented(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString(`# What a call does when something goes wrong

Each row is a failure that does not end, with the default options: which methods retry, which error the call returns, and how
long it takes at most. Methods that retry make three attempts, others one. A test checks each row.

- "Safe to repeat" are ` + repeating(true) + `.
- Not safe to repeat are ` + repeating(false) + `.
- "At once" means that nothing was sent. Each attempt then sends the request again without a delay, up to 16 times, before it
  fails. So does the only attempt of ` + "`WithMaxRetries(0)`" + `.

An ` + "`APIError`" + ` with "unexpected EOF" matches ` + "`io.ErrUnexpectedEOF`" + `. Any error with "deadline exceeded" matches
` + "`context.DeadlineExceeded`" + `. An ` + "`APIError`" + ` that is "unusable" says why in its text. A connection error matches the
error of net/http. A call also ends when its context does.

| failure | methods that retry | error, and the longest time |
|---|---|---|
`)
	for _, fault := range faults {
		retry := string(fault.again)
		if fault.resends > 0 {
			retry += ", and at once"
		}
		fmt.Fprintf(&page, "| %s | %s | %s, %v |\n", fault.name, retry, fault.gives, fault.longest)
	}
	if *record {
		require.NoError(t, os.WriteFile("docs/faults.md", []byte(page.String()), 0o644))
	}
	written, err := os.ReadFile("docs/faults.md")
	require.NoError(t, err)
	assert.Equal(t, page.String(), string(written), "make record writes it anew")
}
