package seam_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
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

// failures is what may go wrong with any operation. Each must come back as an
// error that tells what happened; none may be mistaken for a result.
var failures = []struct {
	name    string
	handler http.HandlerFunc
	call    func(operation, context.Context, *seam.Client) error // smallest, if nil
	// unlessUnchecked: an operation that expects nothing may succeed.
	unlessUnchecked bool
	is              []error
	want            *seam.APIError // but for Method, Path, RequestID; nil if there is none
	unsent          bool
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
		name: "cancelled context",
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
		handler: answer(http.StatusBadRequest, invalidInput),
		is:      []error{seam.ErrInvalidParams},
		want: &seam.APIError{StatusCode: 400, Type: "invalid_input", Message: "2 Input Errors", ValidationErrors: map[string][]string{
			"":                      {"Too many fields"},
			"user_identifier_key":   {"Expected string, received number", "Required"},
			"connect_webview_ids.1": {"Invalid"},
		}},
	},
	{
		name:    "401 with a type",
		handler: answer(http.StatusUnauthorized, `{"error": {"type": "client_session_revoked", "message": "Revoked"}}`),
		is:      []error{seam.ErrUnauthorized},
		want:    &seam.APIError{StatusCode: 401, Type: "client_session_revoked", Message: "Revoked"},
	},
	{
		name:    "403",
		handler: answer(http.StatusForbidden, `{"error": {"type": "publishable_keys_must_create_empty_client_sessions"}}`),
		is:      []error{seam.ErrForbidden},
		want:    &seam.APIError{StatusCode: 403, Type: "publishable_keys_must_create_empty_client_sessions"},
	},
	{
		name:    "404",
		handler: answer(http.StatusNotFound, `{"error": {"type": "client_session_not_found", "message": "No such session"}}`),
		is:      []error{seam.ErrNotFound},
		want:    &seam.APIError{StatusCode: 404, Type: "client_session_not_found", Message: "No such session"},
	},
	{
		name:    "409",
		handler: answer(http.StatusConflict, `{"error": {"type": "conflict", "message": "Busy"}}`),
		is:      []error{seam.ErrConflict},
		want:    &seam.APIError{StatusCode: 409, Type: "conflict", Message: "Busy"},
	},
	{
		name: "429",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			answer(http.StatusTooManyRequests, `{"error": {"type": "rate_limit_exceeded", "message": "Slow down"}}`)(w, r)
		},
		is:   []error{seam.ErrRateLimited},
		want: &seam.APIError{StatusCode: 429, Type: "rate_limit_exceeded", Message: "Slow down", RetryAfter: 7 * time.Second},
	},
	{
		name:    "500 without a body",
		handler: answer(http.StatusInternalServerError, ""),
		is:      []error{seam.ErrServer},
		want:    &seam.APIError{StatusCode: 500},
	},
	{
		name:    "502 HTML",
		handler: answer(http.StatusBadGateway, "<html>\n<h1>Bad Gateway</h1>"+strings.Repeat("x", 3<<20)),
		is:      []error{seam.ErrServer},
		want:    &seam.APIError{StatusCode: 502, Message: "<html> <h1>Bad Gateway</h1>" + strings.Repeat("x", 173) + "…"},
	},
	{
		name:    "error of another shape",
		handler: answer(http.StatusServiceUnavailable, `{"error": "upstream", "code": 7}`),
		is:      []error{seam.ErrServer},
		want:    &seam.APIError{StatusCode: 503, Message: `{"error": "upstream", "code": 7}`},
	},
	{
		name: "redirect to another host",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://127.0.0.2/elsewhere")
			answer(http.StatusTemporaryRedirect, "")(w, r)
		},
		want: &seam.APIError{StatusCode: 307},
	},
	{
		name: "redirect to nowhere",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "://")
			answer(http.StatusFound, "")(w, r)
		},
		want: &seam.APIError{StatusCode: 302},
	},
	{
		name: "cut body",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			answer(http.StatusOK, `{"client_session": {"client_session_id": "`)(w, r)
		},
		is:   []error{io.ErrUnexpectedEOF},
		want: &seam.APIError{StatusCode: 200},
	},
	{
		name: "cut body of an error",
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			answer(http.StatusForbidden, `{"error": {"type": "forb`)(w, r)
		},
		is:   []error{seam.ErrForbidden, io.ErrUnexpectedEOF},
		want: &seam.APIError{StatusCode: 403, Message: `{"error": {"type": "forb`},
	},
	{
		name:            "success without its key",
		handler:         answer(http.StatusOK, `{"ok": true}`),
		unlessUnchecked: true,
		want:            &seam.APIError{StatusCode: 200},
	},
	{
		name:            "null session",
		handler:         answer(http.StatusOK, `{"client_session": null, "client_sessions": null, "ok": true}`),
		unlessUnchecked: true,
		want:            &seam.APIError{StatusCode: 200},
	},
	{
		name:            "session without an ID",
		handler:         answer(http.StatusOK, `{"client_session": {"token": "t"}, "client_sessions": [{"token": "t"}], "ok": true}`),
		unlessUnchecked: true,
		want:            &seam.APIError{StatusCode: 200},
	},
	{
		name:            "session of the wrong type",
		handler:         answer(http.StatusOK, `{"client_session": [], "client_sessions": {}, "ok": true}`),
		unlessUnchecked: true,
		want:            &seam.APIError{StatusCode: 200},
	},
	{
		name:    "success that denies itself",
		handler: answer(http.StatusOK, `{"ok": false}`),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "empty 200",
		handler: answer(http.StatusOK, ""),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "204",
		handler: answer(http.StatusNoContent, ""),
		want:    &seam.APIError{StatusCode: 204},
	},
	{
		name:    "null as a whole",
		handler: answer(http.StatusOK, "null"),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "200 HTML",
		handler: answer(http.StatusOK, "<html>Welcome to the hotel's network</html>"),
		want:    &seam.APIError{StatusCode: 200},
	},
	{
		name:    "more than one answer",
		handler: answer(http.StatusOK, strings.Replace(oneSession, "{", `{"client_sessions": [], `, 1)+"{}"),
		want:    &seam.APIError{StatusCode: 200},
	},
}

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
				if failure.unlessUnchecked && op.unchecked() && err == nil {
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

// TestSentinelsAreDistinct holds every status against every sentinel.
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
		seam.ErrInvalidParams: func(int) bool { return false },
	}
	for status := 300; status < 600; status++ {
		err := fmt.Errorf("handler: %w", &seam.APIError{StatusCode: status})
		for sentinel, matches := range sentinels {
			assert.Equal(t, matches(status), errors.Is(err, sentinel), "%d %v", status, sentinel)
		}
	}
}

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

// TestWhatCountsAsDone holds the answers of the operations that give nothing
// back against what Seam may answer.
func TestWhatCountsAsDone(t *testing.T) {
	t.Parallel()
	for body, done := range map[string]bool{
		`{}`:                            true,
		`{"ok": true}`:                  true,
		`{"ok": true, "more": 1}`:       true,
		`{"client_session": {"a": 1}}`:  false,
		`{"ok": true, "error": {}}`:     false,
		`{"ok": false}`:                 false,
		`{"ok": null}`:                  false,
		`{"ok": "true"}`:                false,
		`{"error": {"type": "x"}}`:      false,
		`{"message": "down for today"}`: false,
		`[]`:                            false,
		`true`:                          false,
	} {
		err := serve(t, answer(http.StatusOK, body)).ClientSessions.Revoke(t.Context(), sessionID)
		assert.Equal(t, done, err == nil, body)
	}
}

// TestBadAnswersAreNotQuoted has a token where something else belongs.
func TestBadAnswersAreNotQuoted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"client_session_id": "1", "created_at": "seam_cst_secret"}`:            "malformed time",
		`{"client_session_id": "1", "device_count": "seam_cst_secret"}`:          "value of the wrong type, expected an integer",
		`{"client_session_id": "1", "connect_webview_ids": "seam_cst_secret"}`:   "value of the wrong type, expected an array",
		`{"client_session_id": "1", "connect_webview_ids": "seam_cst_secret"`:    "value of the wrong type, expected an array",
		`{"client_session_id": "1", "connect_webview_ids": ["seam_cst_secret}}}`: "unexpected EOF",
	} {
		_, err := serve(t, answer(http.StatusOK, `{"client_session": `+body+`}`), seam.WithMaxRetries(0)).ClientSessions.
			Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: "1"})
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// TestErrorBodies decodes what the failure matrix has no row for.
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
			err := serve(t, answer(http.StatusTeapot, tt.body)).ClientSessions.Revoke(t.Context(), sessionID)
			got := *requireAPIError(t, err)
			tt.want.Method, tt.want.Path, tt.want.StatusCode = "POST", "/client_sessions/revoke", http.StatusTeapot
			tt.want.RequestID, tt.want.Attempts = "request1", 1
			assert.Empty(t, cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(seam.APIError{})))
		})
	}
}
