package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/internal/transport"
)

// TestRetryRules tests after which failures a request is sent again.
func TestRetryRules(t *testing.T) {
	t.Parallel()
	refused := fake.DialError(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	notFound := fake.DialError(&net.DNSError{Err: "no such host", IsNotFound: true})
	const never, transient, always = 0, 1, 2
	for _, tt := range []struct {
		name    string
		attempt fake.Transport
		dial    func(context.Context) (net.Conn, error) // of an *http.Transport
		retry   int
		reject  bool // whether the decoder returns an error
	}{
		{name: "200", attempt: fake.Responds(200, ""), retry: never},
		{name: "200 that is rejected", attempt: fake.Responds(200, "x"), reject: true, retry: never},
		{name: "307", attempt: fake.Responds(307, ""), retry: never},
		{name: "400", attempt: fake.Responds(400, ""), retry: never},
		{name: "408", attempt: fake.Responds(408, ""), retry: never},
		{name: "429", attempt: fake.Responds(429, ""), retry: always},
		{name: "429, cut", attempt: fake.Cut(429, "x"), retry: always},
		{name: "404, cut", attempt: fake.Cut(404, "x"), retry: transient},
		{name: "499", attempt: fake.Responds(499, ""), retry: never},
		{name: "500", attempt: fake.Responds(500, ""), retry: transient},
		{name: "501", attempt: fake.Responds(501, ""), retry: never},
		{name: "502", attempt: fake.Responds(502, ""), retry: transient},
		{name: "503", attempt: fake.Responds(503, ""), retry: transient},
		{name: "599", attempt: fake.Responds(599, ""), retry: transient},
		{name: "200, cut", attempt: fake.Cut(200, "x"), retry: transient},
		{name: "200, cut, rejected", attempt: fake.Cut(200, "x"), reject: true, retry: transient},
		{name: "200, stalled", attempt: fake.Stalls("x"), retry: transient},
		{name: "no response in time", attempt: fake.Hangs, retry: transient},
		{name: "connection lost", attempt: fake.Connected(fake.Fails(io.EOF)), retry: transient},
		{name: "connection reset", attempt: fake.Connected(fake.Fails(&net.OpError{Op: "read", Err: syscall.ECONNRESET})), retry: transient},

		{name: "connection refused", attempt: fake.Dialing(fake.Fails(refused)), retry: always},
		{name: "connection refused, not reported", attempt: fake.Fails(refused), retry: transient},
		{name: "connection refused, after another one", attempt: fake.Connected(fake.Fails(refused)), retry: transient},
		{name: "proxy refuses", attempt: fake.Dialing(fake.Fails(&net.OpError{Op: "proxyconnect", Err: refused})), retry: always},
		{name: "name server fails", attempt: fake.Dialing(fake.Fails(fake.DialError(&net.DNSError{Err: "server misbehaving"}))), retry: always},
		{name: "no such host", attempt: fake.Dialing(fake.Fails(notFound)), retry: never},
		{name: "untrusted certificate", attempt: fake.Dialing(fake.Fails(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})), retry: never},
		{name: "server without TLS", attempt: fake.Dialing(fake.Fails(tls.RecordHeaderError{Msg: "not TLS"})), retry: never},
		{name: "no connection in time", attempt: fake.Dialing(fake.Hangs), retry: transient},
		{
			name: "no connection in time of net/http", retry: always,
			dial: func(ctx context.Context) (net.Conn, error) {
				select {
				case <-ctx.Done():
				case <-time.After(time.Minute): // net/http may go on dialing after the request ended
				}
				return nil, fake.DialError(os.ErrDeadlineExceeded)
			},
		},
		{
			name: "connection lost in the TLS handshake", retry: always,
			dial: func(context.Context) (net.Conn, error) {
				here, there := net.Pipe()
				return here, there.Close()
			},
		},
	} {
		for _, rule := range []transport.Retry{transport.RetryUnprocessed, transport.RetryTransient} {
			t.Run(tt.name+map[transport.Retry]string{transport.RetryUnprocessed: "/unprocessed", transport.RetryTransient: "/transient"}[rule], func(t *testing.T) {
				t.Parallel()
				want := 1
				if tt.retry == always || tt.retry == transient && rule == transport.RetryTransient {
					want = 3
				}
				synctest.Test(t, func(t *testing.T) {
					var attempts atomic.Int64
					r := newRequest(func(req *http.Request) (*http.Response, error) {
						attempts.Add(1)
						sent, err := io.ReadAll(req.Body)
						assert.Equal(t, `{"a":1}`, string(sent), err)
						return tt.attempt(req)
					})
					if tt.dial != nil {
						r.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
							attempts.Add(1)
							return tt.dial(ctx)
						}}
					}
					r.Retry = rule
					decode := readText
					if tt.reject {
						decode = reject
					}
					_, resp, err := transport.Do(t.Context(), r, decode)
					time.Sleep(time.Hour) // until net/http has ended what it does in the background
					assert.Equal(t, want, resp.Attempts, err)
					assert.Equal(t, int64(want), attempts.Load())
				})
			})
		}
	}
}

// TestClosedIdleConnection tests a pooled connection that was closed before the request
// was written to it: the request is sent again at once, also without retries.
func TestClosedIdleConnection(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retry      transport.Retry
		maxRetries int
		reused     bool
		attempts   int
	}{
		"unprocessed":             {transport.RetryUnprocessed, 2, true, 1},
		"unprocessed, no retries": {transport.RetryUnprocessed, 0, true, 1},
		"transient, no retries":   {transport.RetryTransient, 0, true, 1},
		"new connection":          {transport.RetryUnprocessed, 2, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pooled := new(http.Transport)
				pooled.RegisterProtocol("https", fake.Script(func(req *http.Request) (*http.Response, error) {
					trace := httptrace.ContextClientTrace(req.Context())
					trace.GetConn("api.test:443")
					trace.GotConn(httptrace.GotConnInfo{Reused: tt.reused})
					return nil, errors.New("http: server closed idle connection")
				}, fake.Responds(http.StatusOK, "text")))
				r := newRequest(nil)
				r.Transport, r.Retry, r.MaxRetries = pooled, tt.retry, tt.maxRetries
				value, resp, err := transport.Do(t.Context(), r, readText)
				require.NoError(t, err)
				assert.Equal(t, "text", value)
				assert.Equal(t, tt.attempts, resp.Attempts)
			})
		})
	}
}

// TestStreamsAreNotRepeated tests that a stream is retried until the response
// begins, and then no more.
func TestStreamsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		attempt fake.Transport
		want    int
	}{
		"500":         {fake.Responds(500, ""), 3},
		"404, cut":    {fake.Cut(404, "x"), 3},
		"no response": {fake.Fails(io.EOF), 3},
		"200, cut":    {fake.Cut(200, "x"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRequest(tt.attempt)
				r.Stream = true
				_, resp, err := transport.Do(t.Context(), r, readText)
				assert.Equal(t, tt.want, resp.Attempts, err)
			})
		})
	}
}

func TestMaxRetries(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1, 5, 40} {
		synctest.Test(t, func(t *testing.T) {
			r := newRequest(fake.Responds(http.StatusInternalServerError, ""))
			r.MaxRetries = retries
			_, resp, err := transport.Do(t.Context(), r, readText)
			require.NoError(t, err)
			assert.Equal(t, retries+1, resp.Attempts)
		})
	}
}

// TestBackoff tests the range of each wait, and that waits differ.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		r := newRequest(func(req *http.Request) (*http.Response, error) {
			times = append(times, time.Now())
			return fake.Responds(http.StatusInternalServerError, "")(req)
		})
		r.MaxRetries = 8
		waits := make([]map[time.Duration]bool, r.MaxRetries)
		for range 20 {
			times = nil
			_, _, err := transport.Do(t.Context(), r, readText)
			require.NoError(t, err)
			least := 200 * time.Millisecond
			for i := range waits {
				wait := times[i+1].Sub(times[i])
				assert.GreaterOrEqual(t, wait, least)
				assert.Less(t, wait, 2*least)
				least = min(2*least, 10*time.Second)
				if waits[i] == nil {
					waits[i] = map[time.Duration]bool{}
				}
				waits[i][wait] = true
			}
		}
		for i, seen := range waits {
			assert.Greater(t, len(seen), 1, "wait %d has no jitter", i)
		}
	})
}

// TestRetryAfter tests the wait that a server asks for.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where the clock of synctest begins
	for _, tt := range []struct {
		header string
		status int           // 503 if 0
		want   time.Duration // Response.RetryAfter; the usual wait if 0
		ends   bool          // the call ends at once
	}{
		{header: "3", want: 3 * time.Second},
		{header: "3", status: http.StatusTooManyRequests, want: 3 * time.Second},
		{header: "3", status: http.StatusInternalServerError},
		{header: "60", want: 60 * time.Second},
		{header: start.Add(5 * time.Second).Format(http.TimeFormat), want: 5 * time.Second},
		{header: start.Add(-5 * time.Second).Format(http.TimeFormat)},
		{header: "0"},
		{header: ""},
		{header: "-3"},
		{header: "soon"},
		{header: "1.5"},
		{header: "61", ends: true, want: 61 * time.Second},
		{header: "86400", ends: true, want: 24 * time.Hour},
		{header: start.Add(time.Hour).Format(http.TimeFormat), ends: true, want: time.Hour},
		{header: "9223372037", ends: true, want: 9223372036 * time.Second},
		{header: "99999999999999999999999", ends: true, want: 9223372036 * time.Second},
	} {
		t.Run(tt.header+" "+http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var times []time.Time
				var first time.Duration
				status := tt.status
				if status == 0 {
					status = http.StatusServiceUnavailable
				}
				r := newRequest(func(req *http.Request) (*http.Response, error) {
					times = append(times, time.Now())
					return fake.Responds(status, "").With("Retry-After", tt.header)(req)
				})
				r.MaxRetries = 1
				r.Observe = func(_ context.Context, attempt transport.Attempt) {
					if attempt.Number == 1 {
						first = attempt.RetryIn
					}
				}
				_, resp, err := transport.Do(t.Context(), r, readText)
				require.NoError(t, err)
				if tt.ends {
					assert.Len(t, times, 1)
					assert.Zero(t, time.Since(start))
					assert.Zero(t, first)
					assert.Equal(t, tt.want, resp.RetryAfter)
					return
				}
				require.Len(t, times, 2)
				wait := times[1].Sub(times[0])
				assert.Equal(t, first, wait)
				if tt.want == 0 {
					assert.GreaterOrEqual(t, wait, 200*time.Millisecond)
					assert.Less(t, wait, 400*time.Millisecond)
					assert.Zero(t, resp.RetryAfter)
				} else {
					assert.GreaterOrEqual(t, wait, tt.want)
					assert.Less(t, wait, tt.want*3/2)
				}
			})
		})
	}
}

// TestRetryAfterDate tests that a date is compared with the clock of the server.
func TestRetryAfterDate(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"ahead": 2 * time.Minute, "behind": -2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				now := time.Now().Add(skew)
				r := newRequest(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{
						"Date": {now.UTC().Format(http.TimeFormat)}, "Retry-After": {now.Add(5 * time.Second).UTC().Format(http.TimeFormat)},
					}}, nil
				})
				_, resp, err := transport.Do(t.Context(), r, readText)
				require.NoError(t, err)
				assert.Equal(t, 5*time.Second, resp.RetryAfter)
				assert.Equal(t, 3, resp.Attempts)
			})
		})
	}
}

// TestRetryAfterSpreads tests that calls that were told the same wait do not come back
// together.
func TestRetryAfterSpreads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		for range 100 {
			start := time.Now()
			r := newRequest(fake.Responds(http.StatusTooManyRequests, "").With("Retry-After", "2"))
			r.MaxRetries = 1
			_, _, err := transport.Do(t.Context(), r, readText)
			require.NoError(t, err)
			waits = append(waits, time.Since(start))
		}
		assert.GreaterOrEqual(t, slices.Min(waits), 2*time.Second)
		assert.Greater(t, slices.Max(waits)-slices.Min(waits), 500*time.Millisecond)
	})
}

// TestCleanlyCut tests that JSON that ends too early is a truncation, even if the body
// ended regularly.
func TestCleanlyCut(t *testing.T) {
	t.Parallel()
	decode := func(r io.Reader) (struct{}, error) {
		return struct{}{}, transport.DecodeObject(r, func(_ string, d *transport.Decoder) error { return d.Skip() })
	}
	for _, tt := range []struct {
		body  string
		retry transport.Retry
		want  int
	}{
		{`{"a": [1, 2`, transport.RetryTransient, 3},
		{`{"a": [1, 2`, transport.RetryUnprocessed, 1},
		{`{"a": [1, 2}`, transport.RetryTransient, 1},
		{`{"a": [1, 2]}`, transport.RetryTransient, 1},
		{``, transport.RetryTransient, 1}, // such as a 204
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRequest(fake.Responds(http.StatusOK, tt.body))
			r.Retry = tt.retry
			_, resp, err := transport.Do(t.Context(), r, decode)
			assert.Equal(t, tt.want, resp.Attempts, "%s: %v", tt.body, err)
		})
	}
}

// TestProxyRefuses tests responses to CONNECT: they are errors that name the proxy, and
// since nothing was sent to the server, a transient one is retried by any rule.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int64{http.StatusProxyAuthRequired: 1, http.StatusForbidden: 1, http.StatusBadGateway: 3, http.StatusServiceUnavailable: 3} {
		for name, base := range map[string]*http.Transport{"default": transport.DefaultTransport().(*http.Transport), "net/http": {}} {
			t.Run(http.StatusText(status)+" "+name, func(t *testing.T) {
				t.Parallel()
				var connects atomic.Int64
				proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					assert.Equal(t, http.MethodConnect, req.Method)
					connects.Add(1)
					w.WriteHeader(status)
				}))
				t.Cleanup(proxy.Close)
				address, err := url.Parse(proxy.URL)
				require.NoError(t, err)
				pooled := base.Clone()
				pooled.Proxy = http.ProxyURL(address)
				r := newRequest(nil)
				r.Transport, r.Retry = pooled, transport.RetryUnprocessed
				_, resp, err := transport.Do(t.Context(), r, readText)
				require.ErrorContains(t, err, "the proxy refused to connect: ")
				require.ErrorContains(t, err, http.StatusText(status))
				assert.Equal(t, int(want), resp.Attempts)
				assert.Equal(t, want, connects.Load())
			})
		}
	}
}

// FuzzRetryAfter tests that no Retry-After is negative, and that a number is
// read as seconds.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"0", "120", "-1", "9223372037", "1e3", "Fri, 31 Dec 1999 23:59:59 GMT", "Sun Nov  6 08:49:37 1994", " 5", "٣"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := newRequest(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {value}}}, nil
		})
		r.MaxRetries = 0
		_, resp, err := transport.Do(t.Context(), r, readText)
		require.NoError(t, err)
		require.GreaterOrEqual(t, resp.RetryAfter, time.Duration(0))
		if seconds, err := time.ParseDuration(value + "s"); err == nil && !strings.ContainsAny(value, "+-.hmnuµμs") {
			require.Equal(t, seconds, resp.RetryAfter)
		}
	})
}

// TestTransportsThatSendAgain tests RetryUnprocessed over transports that send a
// request in several ways. What the first way reports does not tell of the others.
func TestTransportsThatSendAgain(t *testing.T) {
	t.Parallel()
	refuses := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, fake.DialError(syscall.ECONNREFUSED)
	}}
	dial := func(req *http.Request) error {
		resp, err := refuses.RoundTrip(req.Clone(req.Context()))
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	var sent atomic.Int64
	r := newRequest(func(req *http.Request) (*http.Response, error) {
		if dial(req) != nil {
			sent.Add(1)
		}
		return nil, io.ErrUnexpectedEOF
	})
	r.Retry = transport.RetryUnprocessed
	_, _, err := transport.Do(t.Context(), r, readText)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, int64(1), sent.Load())

	r.MaxRetries = 0
	r.Transport = fake.Transport(func(req *http.Request) (*http.Response, error) { // the race detector watches
		errs := make(chan error, 2)
		for range 2 {
			go func() { errs <- dial(req) }()
		}
		return nil, errors.Join(<-errs, <-errs)
	})
	_, _, err = transport.Do(t.Context(), r, readText)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
