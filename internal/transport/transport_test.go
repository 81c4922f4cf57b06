package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/internal/transport"
)

// newRequest returns a request to a transport.
func newRequest(a fake.Transport) *transport.Request {
	return &transport.Request{
		Method:     http.MethodPost,
		URL:        "https://api.test/path",
		Header:     http.Header{"X-Test": {"1"}},
		Body:       []byte(`{"a":1}`),
		Retry:      transport.RetryTransient,
		MaxRetries: transport.DefaultMaxRetries,
		Timeout:    transport.DefaultTimeout,
		Transport:  a,
		Redact:     func(text string) string { return strings.ReplaceAll(text, "secret", "REDACTED") },
	}
}

// readText decodes a response as what it is.
func readText(r io.Reader) (string, error) {
	text, err := io.ReadAll(r)
	return string(text), err
}

// errRejected is the error of a decoder that accepts no response.
var errRejected = errors.New("rejected")

func reject(r io.Reader) (string, error) {
	_, err := io.Copy(io.Discard, r)
	return "", errors.Join(errRejected, err)
}

// TestDo tests what is sent, and what is returned for each kind of response.
func TestDo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status   int
		keepBody bool
		value    string
		body     []byte
	}{
		"success":                 {status: 200, value: "text"},
		"success, body kept":      {status: 299, keepBody: true, value: "text", body: []byte("text")},
		"redirect":                {status: 307, body: []byte("text")},
		"error":                   {status: 404, body: []byte("text")},
		"error, body kept anyway": {status: 404, keepBody: true, body: []byte("text")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &closing{Reader: strings.NewReader("text")}
			r := newRequest(func(req *http.Request) (*http.Response, error) {
				assert.Equal(t, http.MethodPost, req.Method)
				assert.Equal(t, "https://api.test/path", req.URL.String())
				assert.Equal(t, http.Header{"X-Test": {"1"}}, req.Header)
				assert.Equal(t, int64(7), req.ContentLength)
				assert.Nil(t, req.GetBody, "with it, net/http repeats the request by itself")
				sent, err := io.ReadAll(req.Body)
				assert.Equal(t, `{"a":1}`, string(sent), err)
				return &http.Response{StatusCode: tt.status, Header: http.Header{"Location": {"https://other.test"}}, Body: body}, nil
			})
			r.KeepBody = tt.keepBody
			value, resp, err := transport.Do(t.Context(), r, readText)
			require.NoError(t, err)
			assert.Equal(t, tt.value, value)
			assert.Equal(t, transport.Response{
				StatusCode: tt.status, Header: http.Header{"Location": {"https://other.test"}}, Body: tt.body, Attempts: 1,
			}, resp)
			assert.Equal(t, tt.status < 300, resp.Success())
			assert.True(t, body.closed)
		})
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// TestInvalidRequest tests that a request that net/http rejects is an error
// without secrets.
func TestInvalidRequest(t *testing.T) {
	t.Parallel()
	r := newRequest(fake.Responds(http.StatusOK, ""))
	r.URL = "https://secret:x/"
	_, resp, err := transport.Do(t.Context(), r, readText)
	require.ErrorContains(t, err, "REDACTED")
	require.NotContains(t, err.Error(), "secret")
	assert.Zero(t, resp)
}

// TestLastAttempt tests that nothing of earlier attempts is returned.
func TestLastAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unavailable := fake.Responds(http.StatusServiceUnavailable, "").With("Retry-After", "1")
		_, resp, err := transport.Do(t.Context(), newRequest(fake.Script(unavailable, unavailable, fake.Fails(syscall.ECONNREFUSED))), readText)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, transport.Response{Attempts: 3}, resp)

		value, resp, err := transport.Do(t.Context(), newRequest(fake.Script(fake.Fails(io.EOF), fake.Cut(200, "first"), fake.Responds(200, "last"))), readText)
		require.NoError(t, err)
		assert.Equal(t, "last", value)
		assert.Equal(t, 3, resp.Attempts)
	})
}

// TestDecodeError tests that an error of the decoder is returned with the
// response, after one attempt.
func TestDecodeError(t *testing.T) {
	t.Parallel()
	_, resp, err := transport.Do(t.Context(), newRequest(fake.Responds(http.StatusOK, "text")), reject)
	require.ErrorIs(t, err, errRejected)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, 1, resp.Attempts)
}

// TestContextEnds tests that Do returns in the moment in which the context ends,
// with the reason and with what went wrong before.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	reason := errors.New("the user left")
	for _, tt := range []struct {
		name    string
		attempt fake.Transport
		status  int
		want    string
	}{
		{"before the response", fake.Hangs, 0, "context canceled: the user left"},
		{"in the response", fake.Stalls("{"), 200, "context canceled: the user left"},
		{"before a retry after a response", fake.Responds(503, "").With("Retry-After", "20"), 503, "context canceled: the user left"},
		{
			"before a retry after a failure", fake.Dialing(fake.Fails(fake.DialError(syscall.ECONNREFUSED))), 0,
			"context canceled: the user left (after: dial tcp: connection refused)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(100*time.Millisecond, func() { cancel(reason) })
				_, resp, err := transport.Do(ctx, newRequest(tt.attempt), readText)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, reason)
				require.ErrorContains(t, err, tt.want)
				assert.Equal(t, tt.status, resp.StatusCode)
				assert.Equal(t, 100*time.Millisecond, time.Since(start))
			})
		})
	}
}

// TestEndedContext tests that nothing is sent once the context has ended.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("secret"))
	_, resp, err := transport.Do(ctx, newRequest(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.EOF
	}), readText)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "context canceled: REDACTED")
	assert.Zero(t, resp)
}

// uncomparable is an error that panics when compared with ==.
type uncomparable struct{ reason any }

func (uncomparable) Error() string { return "the user left" }

// TestUncomparableCause tests causes of a context that cannot be compared.
func TestUncomparableCause(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{uncomparable{[]string{"a"}}, errors.Join(uncomparable{[]string{"a"}})} {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := newRequest(func(req *http.Request) (*http.Response, error) {
			cancel(cause)
			return nil, context.Cause(req.Context())
		})
		for range 2 { // during the call, and before it
			_, _, err := transport.Do(ctx, r, readText)
			require.ErrorIs(t, err, context.Canceled)
			require.EqualError(t, err, "context canceled: the user left")
		}
	}
}

// TestResponseAsTheContextEnds tests that a complete response counts, even if the
// context has ended by then.
func TestResponseAsTheContextEnds(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]fake.Transport{
		"first attempt":  nil,
		"second attempt": {fake.Responds(http.StatusServiceUnavailable, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				body := &closing{Reader: strings.NewReader("text")}
				value, _, err := transport.Do(ctx, newRequest(fake.Script(append(before, func(*http.Request) (*http.Response, error) {
					cancel()
					return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
				})...)), readText)
				require.NoError(t, err)
				assert.Equal(t, "text", value)
				assert.True(t, body.closed)
			})
		})
	}
}

// TestDeadline tests that no wait begins that would not end before the deadline
// of the context.
func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, resp, err := transport.Do(ctx, newRequest(fake.Responds(503, "").With("Retry-After", "20")), readText)
		require.NoError(t, err)
		assert.Equal(t, 20*time.Second, resp.RetryAfter)
		assert.Equal(t, 1, resp.Attempts)
		assert.Zero(t, time.Since(start))

		_, resp, err = transport.Do(ctx, newRequest(fake.Responds(503, "").With("Retry-After", "19")), readText)
		require.NoError(t, err)
		assert.Equal(t, 2, resp.Attempts, "only one wait fits")
		assert.GreaterOrEqual(t, time.Since(start), 19*time.Second)
		assert.Less(t, time.Since(start), 20*time.Second, "the spread of the wait does not exceed the deadline")

		_, _, err = transport.Do(ctx, newRequest(fake.Hangs), readText)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 20*time.Second, time.Since(start))
	})
}

// TestTimeout tests the limit of each attempt.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]fake.Transport{
		"no response":   fake.Hangs,
		"stalled body":  fake.Stalls("{"),
		"trickled body": fake.Reads(200, func(req *http.Request) io.Reader { return trickle(req, time.Second) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := newRequest(slow)
				r.Timeout, r.MaxRetries = 7500*time.Millisecond, 0
				_, _, err := transport.Do(t.Context(), r, readText)
				assert.Equal(t, r.Timeout, time.Since(start))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.EqualError(t, err, "timed out after 7.5s: context deadline exceeded")
				var timeout net.Error
				require.ErrorAs(t, err, &timeout)
				assert.True(t, timeout.Timeout())
			})
		})
	}
}

// trickle returns a body of 20 bytes, each of which arrives after a pause.
func trickle(req *http.Request, pause time.Duration) io.Reader {
	sent := 0
	return fake.Reader(func(p []byte) (int, error) {
		select {
		case <-time.After(pause):
		case <-req.Context().Done():
			return 0, context.Cause(req.Context())
		}
		if sent++; sent > 20 {
			return 0, io.EOF
		}
		return copy(p, "x"), nil
	})
}

// TestStream tests that only reads count towards the timeout of a stream.
func TestStream(t *testing.T) {
	t.Parallel()
	slowly := func(r io.Reader) (n int, err error) {
		for err == nil {
			_, err = r.Read(make([]byte, 1))
			n++
			time.Sleep(time.Hour)
		}
		if err == io.EOF {
			return n, nil
		}
		return n, err
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRequest(fake.Reads(200, func(req *http.Request) io.Reader { return trickle(req, 20*time.Second) }))
		r.Stream = true
		n, _, err := transport.Do(t.Context(), r, slowly)
		require.NoError(t, err)
		assert.Equal(t, 21, n)

		r.Transport = fake.Stalls("x")
		start := time.Now()
		_, resp, err := transport.Do(t.Context(), r, slowly)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 2*time.Hour+r.Timeout, time.Since(start)) // two reads
		assert.Equal(t, 1, resp.Attempts)

		r.Transport = fake.Transport(fake.Hangs)
		r.MaxRetries = 0
		start = time.Now()
		_, _, err = transport.Do(t.Context(), r, slowly)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, r.Timeout, time.Since(start))
	})
}

// TestBodyLimits tests how much is read of a response.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	discard := func(r io.Reader) (int64, error) { return io.Copy(io.Discard, io.LimitReader(r, 257<<20)) }
	for name, tt := range map[string]struct {
		status int
		stream bool
		read   int64 // by the decoder
		body   int
		want   string
	}{
		"success": {status: 200, read: 256 << 20, want: "response has more than 268435456 bytes"},
		"stream":  {status: 200, stream: true, read: 257 << 20},
		"error":   {status: 502, body: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRequest(fake.Reads(tt.status, func(*http.Request) io.Reader { return fake.Reader(fake.Endless) }))
			r.Stream, r.MaxRetries, r.Timeout = tt.stream, 0, time.Hour
			read, resp, err := transport.Do(t.Context(), r, discard)
			assert.Equal(t, tt.read, read)
			assert.Len(t, resp.Body, tt.body)
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.want)
			}
		})
	}
}

// TestIncompleteTransports tests transports that leave out what net/http has.
func TestIncompleteTransports(t *testing.T) {
	t.Parallel()
	const nothing = "http.RoundTripper returned neither a response with a status nor an error"
	for name, tt := range map[string]struct {
		resp *http.Response
		want string
	}{
		"no body":     {resp: &http.Response{StatusCode: http.StatusForbidden}},
		"no response": {want: nothing},
		"no status":   {resp: &http.Response{}, want: nothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRequest(func(*http.Request) (*http.Response, error) { return tt.resp, nil })
			r.MaxRetries = 0
			_, resp, err := transport.Do(t.Context(), r, readText)
			if tt.want != "" {
				require.EqualError(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		})
	}
}

// TestTransportChangesHeader tests that a transport that changes the header of a
// request changes it for that attempt only.
func TestTransportChangesHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRequest(func(req *http.Request) (*http.Response, error) {
			req.Header.Add("X-Test", "2")
			assert.Equal(t, []string{"1", "2"}, req.Header["X-Test"])
			return fake.Responds(http.StatusInternalServerError, "")(req)
		})
		_, resp, err := transport.Do(t.Context(), r, readText)
		require.NoError(t, err)
		assert.Equal(t, 3, resp.Attempts)
		assert.Equal(t, http.Header{"X-Test": {"1"}}, r.Header)
	})
}

// TestObserve tests what is observed of each attempt.
func TestObserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		var seen []transport.Attempt
		r := newRequest(fake.Script(
			fake.Responds(503, "").With("Retry-After", "5").After(time.Second),
			fake.Fails(fake.DialError(syscall.ECONNREFUSED)).After(2*time.Second),
			fake.Responds(404, "").After(3*time.Second),
		))
		r.Observe = func(ctx context.Context, attempt transport.Attempt) {
			assert.Equal(t, "value", ctx.Value(key{}), "it is the context of the call")
			seen = append(seen, attempt)
		}
		_, _, err := transport.Do(ctx, r, readText)
		require.NoError(t, err)
		require.Len(t, seen, 3)
		assert.GreaterOrEqual(t, seen[0].RetryIn, 5*time.Second)
		assert.Equal(t, transport.Attempt{Number: 1, StatusCode: 503, Header: seen[0].Header, Duration: time.Second, RetryIn: seen[0].RetryIn}, seen[0])
		assert.Equal(t, "5", seen[0].Header.Get("Retry-After"))
		require.ErrorIs(t, seen[1].Err, syscall.ECONNREFUSED)
		assert.Equal(t, 2*time.Second, seen[1].Duration)
		assert.GreaterOrEqual(t, seen[1].RetryIn, 400*time.Millisecond)
		assert.Equal(t, transport.Attempt{Number: 3, StatusCode: 404, Header: seen[2].Header, Duration: 3 * time.Second}, seen[2])

		seen = nil
		r.Transport = fake.Transport(fake.Hangs)
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		for range 2 { // the second sends nothing
			_, _, err = transport.Do(ctx, r, readText)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Len(t, seen, 1)
		require.ErrorIs(t, seen[0].Err, context.DeadlineExceeded)
		assert.Zero(t, seen[0].RetryIn)
	})
}

// TestLog tests the log line of each kind of attempt.
func TestLog(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attempt transport.Attempt
		id      string
		want    string
	}{
		{
			transport.Attempt{Number: 1, StatusCode: 503, Duration: time.Second, RetryIn: 2 * time.Second}, "request1",
			"level=WARN msg=\"HTTP attempt\" operation=Get attempt=1 status=503 request_id=request1 duration=1s retry_in=2s\n",
		},
		{
			transport.Attempt{Number: 2, Err: io.EOF}, "",
			"level=DEBUG msg=\"HTTP attempt\" operation=Get attempt=2 duration=0s error=EOF\n",
		},
	} {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
			Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
				if attr.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return attr
			},
		}))
		tt.attempt.Log(t.Context(), logger, "Get", tt.id)
		assert.Equal(t, tt.want, log.String())
	}
}

// TestErrorsAreRedacted tests that the error of Do and of an attempt is one short
// line without secrets, which does not unwrap to the cause.
func TestErrorsAreRedacted(t *testing.T) {
	t.Parallel()
	cause := &net.OpError{Op: "read", Err: errors.New("malformed HTTP response\nsecret" + strings.Repeat("x", 1<<20))}
	r := newRequest(fake.Fails(cause))
	r.MaxRetries = 0
	var observed error
	r.Observe = func(_ context.Context, attempt transport.Attempt) { observed = attempt.Err }
	_, _, err := transport.Do(t.Context(), r, readText)
	for _, err := range []error{err, observed} {
		require.ErrorContains(t, err, "read: malformed HTTP response REDACTEDxxx")
		assert.Less(t, len(err.Error()), 300)
		require.ErrorIs(t, err, cause)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		assert.NoError(t, errors.Unwrap(err))
	}
}

func TestAttemptsNote(t *testing.T) {
	t.Parallel()
	assert.Empty(t, transport.AttemptsNote(1))
	assert.Equal(t, " (2 attempts)", transport.AttemptsNote(2))
}
