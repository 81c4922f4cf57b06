package seam_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/seamtest"
)

const invalidInput = `{"ok": false, "error": {
	"type": "invalid_input",
	"message": "2 Input Errors",
	"validation_errors": {
		"_errors": ["Too many fields"],
		"user_identifier_key": {"_errors": ["Expected string, received number", "Required"]},
		"connect_webview_ids": {"_errors": [], "1": {"_errors": ["Invalid"]}}
	},
	"stack": "Error: 2 Input Errors\n    at handler (/srv/app.js:1:1)"
}}`

// failures lists what can go wrong with any operation. Each must be an error that
// says what happened.
var failures = []struct {
	name    string
	handler http.HandlerFunc
	call    func(operation, context.Context, *seam.Client) error // smallest, if nil
	// mayPassUnchecked says that operations that check no content may succeed.
	mayPassUnchecked bool
	is               []error
	want             *seam.APIError // without Method, Path, RequestID and Attempts; nil if the error is not an APIError
	unsent           bool
}{
	{
		name: "invalid params",
		call: func(op operation, ctx context.Context, client *seam.Client) error {
			return op.invalid(ctx, client)
		},
		is:     []error{seam.ErrInvalidParams},
		unsent: true,
	},
	{
		name: "invalid option",
		call: func(op operation, ctx context.Context, client *seam.Client) error {
			return op.smallest(ctx, client, seam.WithTimeout(0))
		},
		is:     []error{seam.ErrInvalidParams},
		unsent: true,
	},
	{
		name: "canceled context",
		call: func(op operation, ctx context.Context, client *seam.Client) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return op.smallest(ctx, client)
		},
		is:     []error{context.Canceled},
		unsent: true,
	},
	{
		name:    "400 with nested validation errors",
		handler: respond(http.StatusBadRequest, invalidInput),
		is:      []error{seam.ErrInvalidParams},
		want: &seam.APIError{StatusCode: 400, Type: "invalid_input", Message: "2 Input Errors", ValidationErrors: map[string][]string{
			"":                      {"Too many fields"},
			"user_identifier_key":   {"Expected string, received number", "Required"},
			"connect_webview_ids.1": {"Invalid"},
		}},
	},
	{
		name:    "401 with a type",
		handler: respond(http.StatusUnauthorized, `{"error": {"type": "client_session_revoked", "message": "Revoked"}}`),
		is:      []error{seam.ErrUnauthorized},
		want:    &seam.APIError{StatusCode: 401, Type: "client_session_revoked", Message: "Revoked"},
	},
	{
		name:    "403",
		handler: respond(http.StatusForbidden, `{"error": {"type": "publishable_keys_must_create_empty_client_sessions"}}`),
		is:      []error{seam.ErrForbidden},
		want:    &seam.APIError{StatusCode: 403, Type: "publishable_keys_must_create_empty_client_sessions"},
	},
	{
		name:    "404",
		handler: respond(http.StatusNotFound, `{"error": {"type": "client_session_not_found", "message": "No such session"}}`),
		is:      []error{seam.ErrNotFound},
		want:    &seam.APIError{StatusCode: 404, Type: "client_session_not_found", Message: "No such session"},
	},
	{
		name:    "409",
		handler: respond(http.StatusConflict, `{"error": {"type": "conflict", "message": "Busy"}}`),
		is:      []error{seam.ErrConflict},
		want:    &seam.APIError{StatusCode: 409, Type: "conflict", Message: "Busy"},
	},
	{
		name: "429",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			respond(http.StatusTooManyRequests, `{"error": {"type": "rate_limit_exceeded", "message": "Slow down"}}`)(w, r)
		},
		is:   []error{seam.ErrRateLimited},
		want: &seam.APIError{StatusCode: 429, Type: "rate_limit_exceeded", Message: "Slow down", RetryAfter: 7 * time.Second},
	},
	{
		name:    "500 without a body",
		handler: respond(http.StatusInternalServerError, ""),
		is:      []error{seam.ErrServer},
		want:    &seam.APIError{StatusCode: 500},
	},
	{
		name:    "502 HTML",
		handler: respond(http.StatusBadGateway, "<html>\n<h1>Bad Gateway</h1>"+strings.Repeat("x", 3<<20)),
		is:      []error{seam.ErrServer},
		want:    &seam.APIError{StatusCode: 502, Message: "<html> <h1>Bad Gateway</h1>" + strings.Repeat("x", 173) + "…"},
	},
	{
		name:    "error of another shape",
		handler: respond(http.StatusServiceUnavailable, `{"error": "upstream", "code": 7}`),
		is:      []error{seam.ErrServer},
		want:    &seam.APIError{StatusCode: 503, Message: `{"error": "upstream", "code": 7}`},
	},
	{
		name: "redirect to another host",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://127.0.0.2/elsewhere")
			respond(http.StatusTemporaryRedirect, "")(w, r)
		},
		want: &seam.APIError{StatusCode: 307},
	},
	{
		name: "redirect without a valid Location",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "://")
			respond(http.StatusFound, "")(w, r)
		},
		want: &seam.APIError{StatusCode: 302},
	},
	{
		name: "cut body",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			respond(http.StatusOK, `{"client_session": {"client_session_id": "`)(w, r)
		},
		is:   []error{io.ErrUnexpectedEOF},
		want: &seam.APIError{StatusCode: 200},
	},
	{
		name: "cut body of an error",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			respond(http.StatusForbidden, `{"error": {"type": "forb`)(w, r)
		},
		is:   []error{seam.ErrForbidden, io.ErrUnexpectedEOF},
		want: &seam.APIError{StatusCode: 403, Message: `{"error": {"type": "forb`},
	},
	{
		name:             "success without its key",
		handler:          respond(http.StatusOK, `{"ok": true}`),
		mayPassUnchecked: true,
		want:             &seam.APIError{StatusCode: 200},
	},
	{
		name:             "null session",
		handler:          respond(http.StatusOK, `{"client_session": null, "client_sessions": null, "ok": true}`),
		mayPassUnchecked: true,
		want:             &seam.APIError{StatusCode: 200},
	},
	{
		name:             "session without an ID",
		handler:          respond(http.StatusOK, `{"client_session": {"token": "t"}, "client_sessions": [{"token": "t"}], "ok": true}`),
		mayPassUnchecked: true,
		want:             &seam.APIError{StatusCode: 200},
	},
	{
		name:             "session of the wrong type",
		handler:          respond(http.StatusOK, `{"client_session": [], "client_sessions": {}, "ok": true}`),
		mayPassUnchecked: true,
		want:             &seam.APIError{StatusCode: 200},
	},
	{
		name:    "success that says it failed",
		handler: respond(http.StatusOK, `{"ok": false}`),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "empty 200",
		handler: respond(http.StatusOK, ""),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "204",
		handler: respond(http.StatusNoContent, ""),
		want:    &seam.APIError{StatusCode: 204},
	},
	{
		name:    "null",
		handler: respond(http.StatusOK, "null"),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "200 HTML",
		handler: respond(http.StatusOK, "<html>Welcome to the network</html>"),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "two JSON values",
		handler: respond(http.StatusOK, strings.Replace(oneSession, "{", `{"client_sessions": [], `, 1)+"{}"),
		want:    &seam.APIError{StatusCode: 200},
	},
}

// TestFailures tests each failure with each operation.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, failure := range failures {
		for _, op := range operations {
			t.Run(failure.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				var requests atomic.Int64
				client := serve(t, func(w http.ResponseWriter, r *http.Request) {
					requests.Add(1)
					failure.handler(w, r)
				}, seam.WithMaxRetries(0))
				call := failure.call
				if call == nil {
					call = func(op operation, ctx context.Context, client *seam.Client) error {
						return op.smallest(ctx, client)
					}
				}
				err := call(op, t.Context(), client)

				if failure.unsent {
					assert.Zero(t, requests.Load(), "nothing was sent")
				} else {
					assert.Equal(t, int64(1), requests.Load())
				}
				if failure.mayPassUnchecked && op.unchecked() && err == nil {
					return
				}
				require.Error(t, err)
				for _, target := range failure.is {
					require.ErrorIs(t, err, target)
				}
				assert.NotContains(t, err.Error(), "\n", "one line")
				assert.NotContains(t, err.Error(), "app.js", "no stack trace")
				var got *seam.APIError
				if !assert.Equal(t, failure.want != nil, errors.As(err, &got)) || got == nil {
					assert.Contains(t, err.Error(), "seam: ")
					return
				}
				want := *failure.want
				want.Method, want.Path, want.RequestID, want.Attempts = http.MethodPost, op.path, "request1", 1
				assert.Empty(t, cmp.Diff(want, *got, cmpopts.IgnoreUnexported(seam.APIError{})))
				assert.ErrorIs(t, fmt.Errorf("handler: %w", err), err)
			})
		}
	}
}

// TestSentinelsAreDistinct tests which statuses match which errors.
func TestSentinelsAreDistinct(t *testing.T) {
	t.Parallel()
	sentinels := map[error]func(status int) bool{
		seam.ErrUnauthorized:  func(status int) bool { return status == 401 },
		seam.ErrForbidden:     func(status int) bool { return status == 403 },
		seam.ErrNotFound:      func(status int) bool { return status == 404 },
		seam.ErrConflict:      func(status int) bool { return status == 409 },
		seam.ErrRateLimited:   func(status int) bool { return status == 429 },
		seam.ErrServer:        func(status int) bool { return status >= 500 },
		seam.ErrInvalidParams: func(int) bool { return false },
	}
	for status := 300; status < 600; status++ {
		err := fmt.Errorf("handler: %w", &seam.APIError{StatusCode: status})
		for sentinel, matches := range sentinels {
			assert.Equal(t, matches(status), errors.Is(err, sentinel), "%d %v", status, sentinel)
		}
	}
}

// TestErrorsByType tests the errors for types of Seam's errors.
func TestErrorsByType(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	jane, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	_, exists := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	asJane := seam.WithClientSessionToken(jane.Token)
	require.NoError(t, sessions.Revoke(t.Context(), jane.ClientSessionID))
	_, revoked := sessions.Get(t.Context(), seam.ClientSessionGetParams{}, asJane)
	john, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "john_doe", ExpiresAt: expiry.AddDate(-20, 0, 0)})
	require.NoError(t, err)
	_, expired := sessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(john.Token))

	byType := []error{seam.ErrClientSessionExists, seam.ErrClientSessionRevoked, seam.ErrClientSessionExpired}
	for i, err := range []error{exists, revoked, expired} {
		for j, target := range byType {
			assert.Equal(t, i == j, errors.Is(err, target), "%v is %v", err, target)
		}
		require.ErrorAs(t, err, new(*seam.APIError))
	}
	require.ErrorIs(t, revoked, seam.ErrUnauthorized)
	assert.ErrorIs(t, expired, seam.ErrUnauthorized)
}

// TestErrorText tests the text of an APIError.
func TestErrorText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  *seam.APIError
		want string
	}{
		{
			&seam.APIError{
				Method: "POST", Path: "/client_sessions/get", StatusCode: 404, Type: "client_session_not_found",
				Message: "Could not find client session", RequestID: "request1", Attempts: 1,
			},
			"seam: POST /client_sessions/get: 404 client_session_not_found: Could not find client session (request request1)",
		},
		{
			&seam.APIError{Method: "POST", Path: "/client_sessions/list", StatusCode: 503, Attempts: 3, RetryAfter: 2 * time.Minute},
			"seam: POST /client_sessions/list: 503 Service Unavailable (retry after 2m0s) (3 attempts)",
		},
		{
			&seam.APIError{Method: "POST", Path: "/p", StatusCode: 409, Type: "a\nb", RequestID: "c\nd", Attempts: 2},
			"seam: POST /p: 409 a b (request c d) (2 attempts)",
		},
		{
			&seam.APIError{Method: "POST", Path: "/p", StatusCode: 599, Message: "é\r\nseam: forged line\x1b[31m\u202e"},
			"seam: POST /p: 599: é  seam: forged line [31m",
		},
		{
			&seam.APIError{Method: "POST", Path: "/p", StatusCode: 400, Type: "t", Message: strings.Repeat("é", 101)},
			"seam: POST /p: 400 t: " + strings.Repeat("é", 100) + "…",
		},
	} {
		assert.EqualError(t, tt.err, tt.want)
	}
}

// TestErrorBodies tests bodies of errors that failures does not have.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 40) + `{"_errors": ["lost"]}` + strings.Repeat("}", 40)
	for _, tt := range []struct {
		name, body string
		want       seam.APIError
	}{
		{"type alone", `{"error": {"type": "t"}}`, seam.APIError{Type: "t"}},
		{"message alone", `{"error": {"message": "m"}}`, seam.APIError{Message: "m"}},
		{"message of the wrong type", `{"error": {"message": 5, "type": "t"}}`, seam.APIError{Type: "t"}},
		{"validation errors of the wrong type", `{"error": {"type": "t", "validation_errors": ["x"]}}`, seam.APIError{Type: "t"}},
		{
			"messages of the wrong type",
			`{"error": {"type": "t", "validation_errors": {"a": {"_errors": [1, "x", null]}, "b": {"_errors": "y"}, "c": 3}}}`,
			seam.APIError{Type: "t", ValidationErrors: map[string][]string{"a": {"x"}}},
		},
		{"too deep", `{"error": {"type": "t", "validation_errors": ` + deep + `}}`, seam.APIError{Type: "t"}},
		{
			"a long name, which those below would repeat",
			`{"error": {"type": "t", "validation_errors": {"` + strings.Repeat("n", 300) + `": {"a": {"_errors": ["lost"]}}, "b": {"_errors": ["kept"]}}}}`,
			seam.APIError{Type: "t", ValidationErrors: map[string][]string{"b": {"kept"}}},
		},
		{"cut inside of a letter", strings.Repeat("x", 199) + "é", seam.APIError{Message: strings.Repeat("x", 199) + "…"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := serve(t, respond(http.StatusTeapot, tt.body)).ClientSessions.Revoke(t.Context(), sessionID)
			got := *requireAPIError(t, err)
			tt.want.Method, tt.want.Path, tt.want.StatusCode = "POST", "/client_sessions/revoke", http.StatusTeapot
			tt.want.RequestID, tt.want.Attempts = "request1", 1
			assert.Empty(t, cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(seam.APIError{})))
		})
	}
}

// TestQuotation tests that an error quotes up to 200 bytes of a response.
func TestQuotation(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]string{200: strings.Repeat("x", 200), 201: strings.Repeat("x", 200) + "…"} {
		client := offline(t, fake.Responds(http.StatusForbidden, strings.Repeat("x", length)))
		assert.Equal(t, want, requireAPIError(t, client.ClientSessions.Revoke(t.Context(), sessionID)).Message)
	}
}

// TestLongErrors tests that errors and log lines are short, however much a server or
// transport writes.
func TestLongErrors(t *testing.T) {
	t.Parallel()
	for name, attempt := range map[string]fake.Transport{
		"transport":     fake.Fails(errors.New("malformed HTTP response\n" + strings.Repeat("x", 1<<20))),
		"number":        fake.Responds(http.StatusOK, `{"client_session": {"client_session_id": "1", "device_count": `+strings.Repeat("1", 1<<20)+`}}`),
		"time":          fake.Responds(http.StatusOK, `{"client_session": {"client_session_id": "1", "created_at": "`+strings.Repeat("x", 1<<20)+`"}}`),
		"error":         fake.Responds(http.StatusBadRequest, `{"error": {"type": "`+strings.Repeat("x", 1<<19)+`", "message": "`+strings.Repeat("y", 1<<19)+`"}}`),
		"invalid UTF-8": fake.Responds(http.StatusBadRequest, strings.Repeat("\xff", 1<<20)),
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

// TestLastAttemptIsReported tests that the error is that of the last attempt.
func TestLastAttemptIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := fake.DialError(os.NewSyscallError("connect", syscall.ECONNREFUSED))
		attempts := []fake.Transport{
			fake.Responds(http.StatusServiceUnavailable, "first"), fake.Fails(refused), fake.Responds(http.StatusBadGateway, "last"),
			fake.Responds(http.StatusServiceUnavailable, "first"), fake.Responds(http.StatusBadGateway, "second"), fake.Fails(refused),
		}
		client := offline(t, fake.Script(attempts...))

		err := client.ClientSessions.Revoke(t.Context(), sessionID)
		apiErr := requireAPIError(t, err)
		assert.Equal(t, http.StatusBadGateway, apiErr.StatusCode)
		assert.Equal(t, "last", apiErr.Message)
		assert.Equal(t, 3, apiErr.Attempts)
		require.NotErrorIs(t, err, syscall.ECONNREFUSED)

		err = client.ClientSessions.Revoke(t.Context(), sessionID)
		require.EqualError(t, err, "seam: POST /client_sessions/revoke: dial tcp: connect: connection refused (3 attempts)")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.NotErrorAs(t, err, new(*seam.APIError), "the last attempt got no response")
	})
}

// TestErrorsAreComparable tests that errors can be keys of a map, as error trackers
// use them.
func TestErrorsAreComparable(t *testing.T) {
	t.Parallel()
	err := offline(t, fake.Fails(io.EOF), seam.WithMaxRetries(0)).ClientSessions.Revoke(t.Context(), sessionID)
	for ; err != nil; err = errors.Unwrap(err) {
		assert.NotPanics(t, func() { _ = map[error]bool{err: true} })
	}
}
