package seam_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
)

// secrets are the credentials of the calls, a token in the responses, and the user
// identifier key in the params.
var secrets = []string{
	"seam_k-secret", "seam_at1_secret", "seam_cst1_secret", "seam_pk1_secret", "seam_cst2_of_somebody", "jane_doe",
}

// echo responds with everything that it received, and a token, in place of ECHO in
// shape.
func echo(status int, header http.Header, shape string) fake.Transport {
	return func(req *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		created, err := json.Marshal(fmt.Sprint(req.Header, string(sent), " seam_cst2_of_somebody"))
		if err != nil {
			return nil, err
		}
		resp, err := response(status, strings.ReplaceAll(shape, "ECHO", string(created)))
		for name := range header {
			resp.Header.Set(name, header.Get(name))
		}
		return resp, err
	}
}

// escapes are the ways in which servers and proxies escape a text.
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

// quotedByPointer is a list with the credential in the name of a member. A decoder's
// error has it as a JSON pointer, and may cut it in the middle.
var quotedByPointer = `{"client_sessions":[{"` + strings.Repeat("p", 60) + "seam_k-secret" + strings.Repeat(".", 18) + `":NaN}]}`

// echoes are the ways in which a text of a server or transport gets into an error.
var echoes = map[string]fake.Transport{
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
	"name that a decoder quotes": fake.Responds(http.StatusOK, quotedByPointer),
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

// TestErrorsAndLogsHideSecrets tests everything that a program may print of a call: each
// operation with each way to echo a secret, and Get with each credential and fault.
func TestErrorsAndLogsHideSecrets(t *testing.T) {
	t.Parallel()
	hides := func(kind string, attempt fake.Transport, credential seam.Option, op operation) {
		t.Run(kind+"/"+op.name, func(t *testing.T) {
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
	withKey := seam.WithAPIKey("seam_k-secret")
	get := operations[slices.IndexFunc(operations, func(op operation) bool { return op.name == "ClientSessions.Get" })]
	for _, op := range operations {
		hides("success", fake.Responds(http.StatusOK, op.success), withKey, op)
	}
	for kind, attempt := range echoes {
		for _, op := range operations {
			hides(kind, attempt, withKey, op)
		}
		for name, credential := range map[string]seam.Option{
			"personal access token": seam.WithPersonalAccessToken("seam_at1_secret", "workspace_1"),
			"client session token":  seam.WithClientSessionToken("seam_cst1_secret"),
			"publishable key":       seam.WithPublishableKey("seam_pk1_secret"),
		} {
			hides(kind+"/"+name, attempt, credential, get)
		}
	}
	for _, fault := range faults {
		if fault.attempt != nil {
			hides(fault.name, fault.attempt, withKey, get)
		}
	}
}

// TestObserverSeesNoSecrets tests the error of an attempt, and what it unwraps to.
func TestObserverSeesNoSecrets(t *testing.T) {
	t.Parallel()
	for name, attempt := range echoes {
		var seen []seam.Attempt
		client := offline(t, attempt, seam.WithMaxRetries(0), seam.WithAPIKey("seam_k-secret"),
			seam.WithObserver(func(_ context.Context, attempt seam.Attempt) { seen = append(seen, attempt) }))
		for _, op := range operations {
			_ = op.fullest(t.Context(), client) // most fail
		}
		for _, attempt := range seen {
			assert.Empty(t, leaks(printed(t, attempt)), name)
			for err := attempt.Err; err != nil; err = errors.Unwrap(err) {
				assert.Empty(t, leaks(printed(t, err)), name)
			}
		}
	}
}

// TestContextCauseIsRedacted tests secrets in the cause of a context.
func TestContextCauseIsRedacted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		cancel(errors.New("signed out jane_doe\nof seam_cst2_of_somebody"))
		return nil, context.Cause(req.Context())
	})
	for range 2 { // during the call, and before it
		_, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, leaks(err.Error()))
		assert.NotContains(t, err.Error(), "\n")
	}
}

// TestResponsesAreNotQuoted tests a token in place of another value.
func TestResponsesAreNotQuoted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"client_session_id": "1", "created_at": "seam_cst_secret"}`:            "malformed time",
		`{"client_session_id": "1", "device_count": "seam_cst_secret"}`:          "value of the wrong type, expected an integer",
		`{"client_session_id": "1", "connect_webview_ids": "seam_cst_secret"}`:   "value of the wrong type, expected an array",
		`{"client_session_id": "1", "connect_webview_ids": "seam_cst_secret"`:    "unexpected EOF",
		`{"client_session_id": "1", "connect_webview_ids": ["seam_cst_secret}}}`: "unexpected EOF",
	} {
		_, err := serve(t, respond(http.StatusOK, `{"client_session": `+body+`}`), seam.WithMaxRetries(0)).ClientSessions.
			Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: "1"})
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// quoting is a type whose UnmarshalJSON quotes its input.
type quoting struct{}

func (*quoting) UnmarshalJSON(text []byte) error { return errors.New("cannot decode " + string(text)) }

// TestPostResultErrorsAreHidden tests a result whose type quotes the response.
func TestPostResultErrorsAreHidden(t *testing.T) {
	t.Parallel()
	var result struct{ Token quoting }
	err := offline(t, fake.Responds(http.StatusOK, `{"token": "a secret without a shape"}`)).Post(t.Context(), "/devices/list", nil, &result)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
}

// TestPrintedClientHidesItsCredential tests clients, services and options.
func TestPrintedClientHidesItsCredential(t *testing.T) {
	t.Parallel()
	option := seam.WithAPIKey("seam_k-secret")
	client := serve(t, respond(http.StatusOK, done), option) // over net/http, which keeps the request in buffers
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	for _, value := range []any{client, *client, client.ClientSessions, *client.ClientSessions, option} {
		assert.Empty(t, leaks(printed(t, value)), "%T", value)
	}
}

// TestPrintedSessionHidesItsToken tests a session, and values that contain one.
func TestPrintedSessionHidesItsToken(t *testing.T) {
	t.Parallel()
	prints := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t"} {
		for name, value := range map[string]any{
			"value": documented, "pointer": &documented,
			"slice": []seam.ClientSession{documented}, "map": map[string]*seam.ClientSession{"a": &documented},
			"field": struct{ S seam.ClientSession }{documented},
		} {
			prints[name+" "+verb] = fmt.Sprintf(verb, value)
		}
	}
	var text, object bytes.Buffer
	newTestLogger(&text).Info("signed in", "session", documented, "list", []*seam.ClientSession{&documented})
	slog.New(slog.NewJSONHandler(&object, nil)).Info("signed in", "session", documented, "pointer", &documented)
	prints["slog text"], prints["slog JSON"] = text.String(), object.String()

	hex := fmt.Sprintf("%x", documented.Token)
	for name, print := range prints {
		assert.NotContains(t, print, documented.Token, name)
		assert.NotContains(t, print, hex, name)
		assert.NotContains(t, print, fmt.Sprintf("%X", documented.Token), name)
	}
	assert.Contains(t, prints["value %v"], "jane_doe")
	assert.Contains(t, prints["slog JSON"], `"user_identifier_key":"jane_doe"`)
	assert.Contains(t, prints["slog JSON"], `"token":"REDACTED"`)
	assert.NotContains(t, fmt.Sprint(seam.ClientSession{}), "REDACTED", "an empty value is not redacted")
}

// TestPrintedResponseHidesItsBody tests that a Response is printed without its body.
func TestPrintedResponseHidesItsBody(t *testing.T) {
	t.Parallel()
	response := seam.Response{StatusCode: 200, RequestID: "request1", Body: []byte("seam_cst_secret")}
	var text, object bytes.Buffer
	newTestLogger(&text).Info("called", "response", response)
	slog.New(slog.NewJSONHandler(&object, nil)).Info("called", "response", &response)
	prints := []string{text.String(), object.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		prints = append(prints, fmt.Sprintf(verb, response), fmt.Sprintf(verb, &response))
	}
	for _, print := range prints {
		assert.NotContains(t, print, "secret")
		assert.NotContains(t, print, fmt.Sprintf("%x", "secret"))
		assert.NotContains(t, print, "115 101 99 114 101 116")
	}
	assert.Contains(t, prints[0], "request1")
	assert.Equal(t, "{StatusCode:200 Header: RequestID:request1 Attempts:0 Body:REDACTED}", fmt.Sprintf("%+v", response))
	assert.NotContains(t, fmt.Sprintf("%+v", seam.Response{}), "REDACTED", "an empty value is not redacted")
}

// TestRedirectsAreNotFollowed tests that another host gets no request, and so no
// credential.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		for _, op := range operations {
			err := op.smallest(t.Context(), client)
			assert.Equal(t, status, requireAPIError(t, err).StatusCode)
		}
	}
	assert.Zero(t, elsewhere.Load())
}

// TestRedactionKeepsTheRest tests that only secrets are redacted, even if a user
// identifier key is a part of other words.
func TestRedactionKeepsTheRest(t *testing.T) {
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
		_, err = serve(t, respond(http.StatusBadRequest, string(body))).ClientSessions.
			Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: tt.key})
		apiErr := requireAPIError(t, err)
		assert.Equal(t, tt.want, apiErr.Message)
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		assert.Contains(t, apiErr.ValidationErrors, "user_identifier_key")
	}
}

// TestRedactionOfLargeInput tests a large error with a short and with a long key.
// It would take minutes if redaction took quadratic time.
func TestRedactionOfLargeInput(t *testing.T) {
	t.Parallel()
	messages := strings.Repeat(`"a",`, 250_000) + `"a"`
	client := serve(t, respond(http.StatusBadRequest, `{"error": {"type": "t", "validation_errors": {"_errors": [`+messages+`]}}}`))
	for _, key := range []string{"a", strings.Repeat("k", 1<<20)} {
		_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: key})
		assert.Less(t, len(requireAPIError(t, err).ValidationErrors[""]), 1000)
	}
}

// leaks returns the secrets that text contains, escaped or not.
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
	if strings.Contains(text, "k-secr") { // a part of the API key
		found = append(found, "k-secr")
	}
	return found
}

// printed returns everything that package fmt, log/slog, JSON and testify print of
// value.
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

// recorder collects what testify prints of two values. It follows pointers and
// calls no methods.
type recorder struct{ text string }

func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }
