package seam_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// secrets are what no print may show: each credential, a token that only the
// server knows, and the user identifier key that is in the params.
var secrets = []string{
	"seam_k-secret", "seam_at1_secret", "seam_cst1_secret", "seam_pk1_secret", "seam_cst2_of_somebody", "jane_doe",
}

// echo is a server that puts all that it was told, and more, into its answer.
func echo(status int, header http.Header, shape string) attempt {
	return func(req *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		told, err := json.Marshal(fmt.Sprint(req.Header, string(sent), " seam_cst2_of_somebody"))
		if err != nil {
			return nil, err
		}
		resp, err := response(status, strings.ReplaceAll(shape, "ECHO", string(told)))
		for name := range header {
			resp.Header.Set(name, header.Get(name))
		}
		return resp, err
	}
}

// escapes are the ways in which servers and proxies escape a text, here all of it.
var escapes = []func(string) string{
	escapeWith("%%%02X"), escapeWith("%%%02x"), escapeWith(`\u%04x`), escapeWith(`\u%04X`), escapeWith("&#%d;"), escapeWith("&#x%X;"),
}

func escapeWith(format string) func(string) string {
	return func(text string) string {
		var escaped strings.Builder
		for _, char := range []byte(text) {
			fmt.Fprintf(&escaped, format, char)
		}
		return escaped.String()
	}
}

// quotedByPointer is a list in which a member has the credential in its name, so
// that a JSON pointer to the error, cut in the middle, has most of it.
var quotedByPointer = `{"client_sessions":[{"` + strings.Repeat("p", 60) + "seam_k-secret" + strings.Repeat(".", 18) + `":NaN}]}`

// talkative are all ways in which a text of the server gets into an error.
var talkative = map[string]attempt{
	"message":          echo(http.StatusBadRequest, nil, `{"error": {"type": "t", "message": ECHO}}`),
	"type":             echo(http.StatusBadRequest, nil, `{"error": {"type": ECHO}}`),
	"validation error": echo(http.StatusBadRequest, nil, `{"error": {"type": "t", "validation_errors": {"a": {"_errors": [ECHO]}, "b": {"seam_cst2_of_somebody": {"_errors": ["x"]}}}}}`),
	"bare key": func(req *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		word := "nothing"
		if strings.Contains(string(sent), "jane_doe") {
			word = "jane_doe"
		}
		return response(http.StatusBadRequest, `{"error": {"type": "t", "validation_errors": {"a": {"_errors": ["`+word+`"]}}}}`)
	},
	"escapes": func(req *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		words := strings.FieldsFunc(fmt.Sprint(req.Header, string(sent), " seam_cst2_of_somebody"), func(r rune) bool {
			return strings.ContainsRune(` "{}[]:`, r)
		})
		var message strings.Builder
		for _, escape := range escapes {
			for _, word := range words {
				message.WriteString(" " + escape(word))
			}
		}
		body, err := json.Marshal(map[string]any{"error": map[string]string{"type": "t", "message": message.String()}})
		if err != nil {
			return nil, err
		}
		return response(http.StatusBadRequest, string(body))
	},
	"name that a decoder quotes": answers(http.StatusOK, quotedByPointer),
	"another body":               echo(http.StatusBadGateway, nil, `<html>ECHO</html>`),
	"time": echo(http.StatusOK, nil, `{"client_session": {"client_session_id": "1", "created_at": ECHO},
		"client_sessions": [{"client_session_id": "1", "created_at": ECHO}]}`),
	"request ID": echo(http.StatusNotFound, http.Header{"Seam-Request-Id": {"seam_cst2_of_somebody"}}, `{}`),
	"wait":       echo(http.StatusTooManyRequests, http.Header{"Retry-After": {"1000"}}, `{"error": {"type": "t", "message": ECHO}}`),
	"transport": func(req *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(req.Body)
		return nil, errors.Join(err, fmt.Errorf("malformed HTTP response: %v %s seam_cst2_of_somebody", req.Header, sent))
	},
}

// TestErrorsAndLogsHideSecrets calls a server that repeats all secrets, and lets
// each fault happen and none, with each kind of credential, and looks for them
// in all prints of what comes back.
func TestErrorsAndLogsHideSecrets(t *testing.T) {
	t.Parallel()
	attempts := maps.Clone(talkative)
	attempts["success"] = func(req *http.Request) (*http.Response, error) {
		for _, op := range operations {
			if op.path == req.URL.Path {
				return response(http.StatusOK, op.success)
			}
		}
		return response(http.StatusNotFound, "")
	}
	for _, fault := range faults {
		if fault.attempt != nil {
			attempts[fault.name] = fault.attempt
		}
	}
	credentials := map[string]seam.Option{
		"API key":               seam.WithAPIKey("seam_k-secret"),
		"personal access token": seam.WithPersonalAccessToken("seam_at1_secret", "workspace_1"),
		"client session token":  seam.WithClientSessionToken("seam_cst1_secret"),
		"publishable key":       seam.WithPublishableKey("seam_pk1_secret"),
	}
	for kind, attempt := range attempts {
		for name, credential := range credentials {
			for _, op := range operations {
				t.Run(kind+"/"+name+"/"+op.name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						var log bytes.Buffer
						var last seam.Response
						client := offline(t, attempt, credential, seam.WithLogger(newTestLogger(&log)))
						err := op.fullest(t.Context(), client, seam.WithResponse(&last))
						require.Equal(t, kind == "success", err == nil, err)
						require.NotEmpty(t, log.String())
						values := []any{client, *client, client.ClientSessions, *client.ClientSessions, credential, last, &last}
						for ; err != nil; err = errors.Unwrap(err) {
							values = append(values, err)
						}
						assert.Empty(t, leaks(log.String()))
						for _, value := range values {
							assert.Empty(t, leaks(printed(t, value)), "%T", value)
						}
					})
				})
			}
		}
	}
}

// TestCauseIsMasked has a caller end the context with words that no log should have.
func TestCauseIsMasked(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		cancel(errors.New("signed out jane_doe\nof seam_cst2_of_somebody"))
		return nil, context.Cause(req.Context())
	})
	for range 2 { // in the call, and before it
		_, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, leaks(err.Error()))
		assert.NotContains(t, err.Error(), "\n")
	}
}

// leaks returns the secrets that a text has.
func leaks(text string) []string {
	var found []string
	for _, secret := range secrets {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			found = append(found, secret)
		}
	}
	for _, escape := range escapes {
		for _, secret := range secrets {
			if strings.Contains(text, escape(secret)) {
				found = append(found, escape(secret))
			}
		}
	}
	if strings.Contains(text, "k-secr") { // a part of it
		found = append(found, "k-secr")
	}
	return found
}

// printed prints a value in each way that there is.
func printed(t *testing.T, value any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", value)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).LogAttrs(context.Background(), slog.LevelInfo, "value", slog.Any("value", value))
	}
	var diff recorder // of testify, which follows pointers and calls no methods
	switch value.(type) {
	case seam.Response, *seam.Response: // their fields are the caller's
	case seam.Option: // a func
	default:
		text, err := json.Marshal(value)
		require.NoError(t, err)
		out.Write(text)
		assert.Equal(&diff, recorder{}, value)
	}
	return out.String() + diff.text
}

type recorder struct{ text string }

func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

// TestMaskLeavesTheRest masks a key that is a word of the message, and no more.
func TestMaskLeavesTheRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, message, want string }{
		{"a", "no a of a a, or aa", "no REDACTED of REDACTED REDACTED, or aa"},
		{"jane", "jane_1 is not jane", "jane_1 is not REDACTED"},
		{"janet", "xjanetx is not janet", "xjanetx is not REDACTED"},
		{"janet1", "no xjanet1x", "no xREDACTEDx"},
		{"jane", "no ‘jane’, jane— jane… «jane» éjane janeé", "no ‘REDACTED’, REDACTED— REDACTED… «REDACTED» éjane janeé"},
		{"jane@example.com", "no user_jane@example.com", "no user_REDACTED"},
		{"(", "no ( here", "no REDACTED here"},
		{`o"brien`, `got {"user_identifier_key":"o\"brien"}`, `got {"user_identifier_key":"REDACTED"}`},
		{"o'b & sons", `got "o'b \u0026 sons"`, `got "REDACTED"`},
		{"zz", "set seam_publishable_key or seam_workspace", "set seam_publishable_key or seam_workspace"},
		{"zz", "lookup turnkey-services.example.com: no such host", "lookup turnkey-services.example.com: no such host"},
		{"zz", "got xseam_cst1_ab-cdefgh-x.", "got xREDACTED."},
		{"zz", "got eyJhbGciOi.eyJz.x-1", "got REDACTED"},
		{"zz", "", ""},
		{"invalid_input", "the type stays", "the type stays"},
	} {
		body, err := json.Marshal(map[string]any{"error": map[string]any{
			"type": "invalid_input", "message": tt.message,
			"validation_errors": map[string]any{"user_identifier_key": map[string]any{"_errors": []string{"bad"}}},
		}})
		require.NoError(t, err)
		_, err = serve(t, answer(http.StatusBadRequest, string(body))).ClientSessions.
			Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: tt.key})
		apiErr := requireAPIError(t, err)
		assert.Equal(t, tt.want, apiErr.Message)
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		assert.Contains(t, apiErr.ValidationErrors, "user_identifier_key")
	}
}

// TestMaskIsQuick has a key and an error that are as large as can be.
func TestMaskIsQuick(t *testing.T) {
	t.Parallel()
	messages := strings.Repeat(`"a",`, 250_000) + `"a"`
	client := serve(t, answer(http.StatusBadRequest, `{"error": {"type": "t", "validation_errors": {"_errors": [`+messages+`]}}}`))
	for _, key := range []string{"a", strings.Repeat("k", 40<<20)} {
		_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: key})
		assert.Less(t, len(requireAPIError(t, err).ValidationErrors[""]), 1000)
	}
}

// TestErrorsCanBeKeys of a map, as error trackers have them.
func TestErrorsCanBeKeys(t *testing.T) {
	t.Parallel()
	err := offline(t, fails(io.EOF), seam.WithMaxRetries(0)).ClientSessions.Revoke(t.Context(), sessionID)
	for ; err != nil; err = errors.Unwrap(err) {
		assert.NotPanics(t, func() { _ = map[error]bool{err: true} })
	}
}

func TestPrintedClientHidesItsCredential(t *testing.T) {
	t.Parallel()
	option := seam.WithAPIKey("seam_k-secret")
	client := serve(t, answer(http.StatusOK, done), option) // over net/http, whose buffers hold what was sent
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	for _, value := range []any{client, *client, client.ClientSessions, *client.ClientSessions, option} {
		assert.Empty(t, leaks(printed(t, value)), "%T", value)
	}
}
