package seam_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestLastFailureComesBack sees that what ends a call is told, not what went
// wrong before.
func TestLastFailureComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := dialing(os.NewSyscallError("connect", syscall.ECONNREFUSED))
		script := []attempt{
			answers(http.StatusServiceUnavailable, "first"), fails(refused), answers(http.StatusBadGateway, "last"),
			answers(http.StatusServiceUnavailable, "first"), answers(http.StatusBadGateway, "second"), fails(refused),
		}
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			now := script[0]
			script = script[1:]
			return now(req)
		})

		err := client.ClientSessions.Revoke(t.Context(), sessionID)
		apiErr := requireAPIError(t, err)
		assert.Equal(t, http.StatusBadGateway, apiErr.StatusCode)
		assert.Equal(t, "last", apiErr.Message)
		assert.Equal(t, 3, apiErr.Attempts)
		require.NotErrorIs(t, err, syscall.ECONNREFUSED)

		err = client.ClientSessions.Revoke(t.Context(), sessionID)
		require.EqualError(t, err, "seam: POST /client_sessions/revoke: dial tcp: connect: connection refused (3 attempts)")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.NotErrorAs(t, err, new(*seam.APIError), "the server did not answer the last attempt")
	})
}

func TestMaxRetries(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1, 5, 40} {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			client := offline(t, func(*http.Request) (*http.Response, error) {
				requests++
				return response(http.StatusInternalServerError, "")
			}, seam.WithMaxRetries(retries))
			require.ErrorIs(t, client.ClientSessions.Revoke(t.Context(), sessionID), seam.ErrServer)
			assert.Equal(t, retries+1, requests)
		})
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		client := offline(t, func(*http.Request) (*http.Response, error) {
			times = append(times, time.Now())
			return response(http.StatusInternalServerError, "")
		}, seam.WithMaxRetries(8))
		waits := make([]map[time.Duration]bool, 8)
		for range 20 {
			times = nil
			require.Error(t, client.ClientSessions.Revoke(t.Context(), sessionID))
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

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where synctest's clock begins
	const own = -1                                       // the wait that there would be anyway
	for _, tt := range []struct {
		header string
		status int
		want   time.Duration // the wait, if it is waited out
		tells  time.Duration // the error's RetryAfter
		ends   bool
	}{
		{header: "3", want: 3 * time.Second, tells: 3 * time.Second},
		{header: "3", status: http.StatusTooManyRequests, want: 3 * time.Second, tells: 3 * time.Second},
		{header: "3", status: http.StatusInternalServerError, want: own},
		{header: "60", want: 60 * time.Second, tells: 60 * time.Second},
		{header: start.Add(5 * time.Second).Format(http.TimeFormat), want: 5 * time.Second, tells: 5 * time.Second},
		{header: start.Add(-5 * time.Second).Format(http.TimeFormat), want: own},
		{header: "0", want: own},
		{header: "", want: own},
		{header: "-3", want: own},
		{header: "soon", want: own},
		{header: "1.5", want: own},
		{header: "61", ends: true, tells: 61 * time.Second},
		{header: "86400", ends: true, tells: 24 * time.Hour},
		{header: start.Add(time.Hour).Format(http.TimeFormat), ends: true, tells: time.Hour},
		{header: "9223372037", ends: true, tells: 9223372036 * time.Second},
		{header: "99999999999999999999999", ends: true, tells: 9223372036 * time.Second},
	} {
		t.Run(tt.header+" "+http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var times []time.Time
				client := offline(t, func(req *http.Request) (*http.Response, error) {
					times = append(times, time.Now())
					resp, err := asksToWait(http.StatusServiceUnavailable, tt.header)(req)
					if tt.status != 0 {
						resp.StatusCode = tt.status
					}
					return resp, err
				}, seam.WithMaxRetries(1))
				err := client.ClientSessions.Revoke(t.Context(), sessionID)

				apiErr := requireAPIError(t, err)
				if tt.ends {
					assert.Len(t, times, 1)
					assert.Zero(t, time.Since(start), "it ends at once")
					assert.Equal(t, tt.tells, apiErr.RetryAfter)
					return
				}
				require.Len(t, times, 2)
				wait := times[1].Sub(times[0])
				if tt.want == own {
					assert.GreaterOrEqual(t, wait, 200*time.Millisecond)
					assert.Less(t, wait, 400*time.Millisecond)
					assert.Zero(t, apiErr.RetryAfter)
				} else {
					assert.Equal(t, tt.want, wait)
				}
			})
		})
	}
}

// TestContext ends the context at every moment of a call. The call must return
// at that moment, with the context's error.
func TestContext(t *testing.T) {
	t.Parallel()
	why := errors.New("the user left")
	for _, op := range operations {
		for _, tt := range []struct {
			name    string
			attempt attempt
			status  int // of the APIError that is there too
		}{
			{name: "before the answer", attempt: hangs},
			{name: "in the answer", attempt: stalls("{"), status: 200},
			{name: "waiting to try again", attempt: asksToWait(503, "20"), status: 503},
			{name: "waiting after no answer", attempt: unconnected(fails(dialing(syscall.ECONNREFUSED)))},
		} {
			if tt.status == 503 && !op.repeats {
				continue
			}
			t.Run(tt.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
					client := offline(t, tt.attempt)
					err := op.smallest(ctx, client)

					require.ErrorIs(t, err, context.Canceled)
					require.ErrorIs(t, err, why)
					assert.Equal(t, 100*time.Millisecond, time.Since(start))
					var apiErr *seam.APIError
					if errors.As(err, &apiErr) || tt.status != 0 {
						assert.Equal(t, tt.status, apiErr.StatusCode)
					}
				})
			})
		}
	}
}

// TestContextThatHasEnded sends nothing, and tells why the context ended.
func TestContextThatHasEnded(t *testing.T) {
	t.Parallel()
	why := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	for _, op := range operations {
		err := op.smallest(ctx, offline(t, func(*http.Request) (*http.Response, error) {
			t.Error("a request was sent")
			return response(http.StatusOK, op.success)
		}))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.EqualError(t, err, "seam: POST "+op.path+": context canceled: the user left")
	}
}

// TestDeadline gives less time than the next wait would take, which is then not
// begun, and less than the attempt's own timeout.
func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := offline(t, asksToWait(503, "20")).ClientSessions.Revoke(ctx, sessionID)
		assert.Equal(t, 20*time.Second, requireAPIError(t, err).RetryAfter)
		assert.Zero(t, time.Since(start), "the wait is not begun")

		err = offline(t, asksToWait(503, "19")).ClientSessions.Revoke(ctx, sessionID)
		require.ErrorIs(t, err, seam.ErrServer)
		assert.Equal(t, 19*time.Second, time.Since(start), "only one wait fits")

		err = offline(t, hangs).ClientSessions.Revoke(ctx, sessionID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 20*time.Second, time.Since(start))
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []seam.Option
		want time.Duration
	}{
		{name: "default", want: 30 * time.Second},
		{name: "given", opts: []seam.Option{seam.WithTimeout(7 * time.Second)}, want: 7 * time.Second},
		{
			name: "of the http.Client",
			opts: []seam.Option{seam.WithHTTPClient(&http.Client{Transport: roundTripper(hangs), Timeout: 9 * time.Second})},
			want: 9 * time.Second,
		},
	} {
		for _, slow := range []attempt{hangs, stalls("{")} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					client := offline(t, slow, append(tt.opts, seam.WithMaxRetries(0))...)
					err := client.ClientSessions.Revoke(t.Context(), sessionID)
					assert.Equal(t, tt.want, time.Since(start))
					require.ErrorIs(t, err, context.DeadlineExceeded)
					assert.Contains(t, err.Error(), "timed out after "+tt.want.String())
					var timeout net.Error
					require.ErrorAs(t, err, &timeout)
					assert.True(t, timeout.Timeout())
				})
			})
		}
	}
}

// TestAnswerAsTheContextEnds gives a whole answer in the moment in which the
// context ends: it counts.
func TestAnswerAsTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	body := &closing{Reader: strings.NewReader(oneSession)}
	client := offline(t, func(*http.Request) (*http.Response, error) {
		resp, err := response(http.StatusOK, "")
		resp.Body = body
		cancel()
		return resp, err
	})
	session, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: sessionID})
	require.NoError(t, err)
	assert.Equal(t, sessionID, session.ClientSessionID)
	assert.True(t, body.closed)
}

// TestSecondAnswerAsTheContextEnds does the same after a first attempt that failed.
func TestSecondAnswerAsTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		attempts := 0
		client := offline(t, func(*http.Request) (*http.Response, error) {
			if attempts++; attempts == 1 {
				return response(http.StatusServiceUnavailable, "")
			}
			cancel()
			return response(http.StatusOK, oneSession)
		})
		_, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: sessionID})
		require.NoError(t, err)
	})
}

// TestSwitchedProtocols answers with a connection that is for another protocol, and
// that net/http would read without heed of any context.
func TestSwitchedProtocols(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		assert.NoError(t, err)
		conn, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		assert.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	})
	for _, op := range operations {
		err := op.smallest(t.Context(), client)
		assert.Equal(t, http.StatusSwitchingProtocols, requireAPIError(t, err).StatusCode)
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

// TestHandMadeTransports has what people's own transports leave out.
func TestHandMadeTransports(t *testing.T) {
	t.Parallel()
	noBody := offline(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusForbidden}, nil
	})
	require.ErrorIs(t, noBody.ClientSessions.Revoke(t.Context(), sessionID), seam.ErrForbidden)

	nothing := offline(t, func(*http.Request) (*http.Response, error) { return nil, nil }, seam.WithMaxRetries(0))
	require.ErrorContains(t, nothing.ClientSessions.Revoke(t.Context(), sessionID), "neither a response with a status nor an error")

	noStatus := offline(t, func(*http.Request) (*http.Response, error) { return &http.Response{}, nil }, seam.WithMaxRetries(0))
	require.EqualError(t, noStatus.ClientSessions.Revoke(t.Context(), sessionID),
		"seam: POST /client_sessions/revoke: http.RoundTripper returned neither a response with a status nor an error")
}

// TestTransportMayChangeHeaders has a transport that adds to the header of what
// it sends, as it should not: no other attempt and no other call may see that.
func TestTransportMayChangeHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			req.Header.Add("X-Trace", "1")
			assert.Len(t, req.Header["X-Trace"], 1)
			return response(http.StatusInternalServerError, "")
		})
		for range 2 {
			require.ErrorIs(t, client.ClientSessions.Revoke(t.Context(), sessionID), seam.ErrServer)
		}
	})
}

// TestLongErrors has transports and servers that write without end.
func TestLongErrors(t *testing.T) {
	t.Parallel()
	for name, attempt := range map[string]attempt{
		"transport":     fails(errors.New("malformed HTTP response\n" + strings.Repeat("x", 1<<20))),
		"number":        answers(http.StatusOK, `{"client_session": {"client_session_id": "1", "device_count": `+strings.Repeat("1", 1<<20)+`}}`),
		"time":          answers(http.StatusOK, `{"client_session": {"client_session_id": "1", "created_at": "`+strings.Repeat("x", 1<<20)+`"}}`),
		"error":         answers(http.StatusBadRequest, `{"error": {"type": "`+strings.Repeat("x", 1<<19)+`", "message": "`+strings.Repeat("y", 1<<19)+`"}}`),
		"invalid UTF-8": answers(http.StatusBadRequest, strings.Repeat("\xff", 1<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			client := offline(t, attempt, seam.WithMaxRetries(0), seam.WithLogger(newTestLogger(&log)))
			_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: "1"})
			require.Error(t, err)
			assert.Less(t, len(err.Error()), 700)
			assert.NotContains(t, err.Error(), "\n")
			assert.Less(t, log.Len(), 700)
			assert.Equal(t, 1, strings.Count(log.String(), "\n"))
		})
	}
}

// TestQuotation has errors that are as long as a quotation may be, and one byte longer.
func TestQuotation(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]string{200: strings.Repeat("x", 200), 201: strings.Repeat("x", 200) + "…"} {
		client := offline(t, answers(http.StatusForbidden, strings.Repeat("x", length)))
		assert.Equal(t, want, requireAPIError(t, client.ClientSessions.Revoke(t.Context(), sessionID)).Message)
	}
}

// TestErrorBodyIsReadInPart counts what is read of an error without an end.
func TestErrorBodyIsReadInPart(t *testing.T) {
	t.Parallel()
	read := 0
	client := offline(t, func(*http.Request) (*http.Response, error) {
		resp, err := response(http.StatusBadGateway, "")
		resp.Body = io.NopCloser(reader(func(p []byte) (int, error) {
			read += len(p)
			return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
		}))
		return resp, err
	}, seam.WithMaxRetries(0))
	var last seam.Response
	err := client.ClientSessions.Revoke(t.Context(), sessionID, seam.WithResponse(&last))
	require.ErrorIs(t, err, seam.ErrServer)
	assert.LessOrEqual(t, read, 1<<20)
	assert.Len(t, last.Body, 1<<20)
}

// TestCreateIsSentOnceOverHTTP2 loses the connection after each create arrived.
func TestCreateIsSentOnceOverHTTP2(t *testing.T) {
	t.Parallel()
	var created atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		if r.URL.Path == "/client_sessions/create" {
			created.Add(1)
			panic(http.ErrAbortHandler)
		}
		answer(http.StatusOK, oneSession)(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, seam.WithEndpoint(server.URL), seam.WithHTTPClient(server.Client()))
	for calls := range int64(3) {
		_, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{})
		require.Error(t, err)
		assert.Equal(t, calls+1, created.Load())
		_, err = client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: sessionID})
		require.NoError(t, err)
	}
}

// TestTransportsWithWaysOfTheirOwn to send a create: one that falls back on
// something that tells nothing of its connections, and one that sends twice at
// once.
func TestTransportsWithWaysOfTheirOwn(t *testing.T) {
	t.Parallel()
	refuses := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, dialing(syscall.ECONNREFUSED)
	}}
	sent := 0
	fallsBack := offline(t, func(req *http.Request) (*http.Response, error) {
		again := req.Clone(req.Context())
		again.Body = http.NoBody
		resp, err := refuses.RoundTrip(again)
		if err == nil {
			return resp, nil
		}
		sent++
		return nil, io.ErrUnexpectedEOF
	})
	_, err := fallsBack.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, 1, sent)

	hedges := offline(t, func(req *http.Request) (*http.Response, error) {
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				resp, err := refuses.RoundTrip(req.Clone(req.Context()))
				if err == nil {
					_ = resp.Body.Close()
				}
				errs <- err
			}()
		}
		return nil, errors.Join(<-errs, <-errs)
	}, seam.WithMaxRetries(0))
	_, err = hedges.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// TestCreateIsSentAgainWhereNobodyListens dials for real.
func TestCreateIsSentAgainWhereNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	client := newClient(t, seam.WithEndpoint(server.URL), seam.WithMaxRetries(1))
	_, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	var refused *net.OpError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "dial", refused.Op)
	assert.ErrorContains(t, err, "(2 attempts)")
}

func TestLogger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		script := []attempt{asksToWait(503, "2"), fails(dialing(syscall.ECONNREFUSED)), answers(http.StatusOK, oneSession)}
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			now := script[0]
			script = script[1:]
			return now(req)
		}, seam.WithLogger(newTestLogger(&log)))
		_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
		require.NoError(t, err)

		const call = `msg="HTTP attempt" operation=ClientSessions.Get attempt=`
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 3)
		assert.Equal(t, `level=WARN `+call+`1 status=503 request_id=request1 duration=0s retry_in=2s`, lines[0])
		assert.Regexp(t, `^level=WARN `+call+`2 duration=0s retry_in=[4-7]\d\d\.\d+ms error="dial tcp: connection refused"$`, lines[1])
		assert.Equal(t, `level=DEBUG `+call+`3 status=200 request_id=request1 duration=0s`, lines[2])
	})
}
