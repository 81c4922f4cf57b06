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

// talkative are all ways in which a text of the server gets into an error.
var talkative = map[string]attempt{
	"message":          echo(http.StatusBadRequest, nil, `{"error": {"type": "t", "message": ECHO}}`),
	"type":             echo(http.StatusBadRequest, nil, `{"error": {"type": ECHO}}`),
	"validation error": echo(http.StatusBadRequest, nil, `{"error": {"type": "t", "validation_errors": {"a": {"_errors": [ECHO]}, "b": {"seam_cst2_of_somebody": {"_errors": ["x"]}}}}}`),
	"another body":     echo(http.StatusBadGateway, nil, `<html>ECHO</html>`),
	"time": echo(http.StatusOK, nil, `{"client_session": {"client_session_id": "1", "created_at": ECHO},
		"client_sessions": [{"client_session_id": "1", "created_at": ECHO}]}`),
	"request ID": echo(http.StatusNotFound, http.Header{"Seam-Request-Id": {"seam_cst2_of_somebody"}}, `{}`),
	"wait":       echo(http.StatusTooManyRequests, http.Header{"Retry-After": {"1000"}}, `{"error": {"type": "t", "message": ECHO}}`),
	"transport": func(req *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(req.Body)
		return nil, errors.Join(err, fmt.Errorf("malformed HTTP response: %v %s seam_cst2_of_somebody", req.Header, sent))
	},
}

// TestErrorsAndLogsHideSecrets calls a server that repeats all secrets, with
// each kind of credential, and looks for them in all prints of what comes back.
func TestErrorsAndLogsHideSecrets(t *testing.T) {
	t.Parallel()
	credentials := map[string]seam.Option{
		"API key":               seam.WithAPIKey("seam_k-secret"),
		"personal access token": seam.WithPersonalAccessToken("seam_at1_secret", "workspace_1"),
		"client session token":  seam.WithClientSessionToken("seam_cst1_secret"),
		"publishable key":       seam.WithPublishableKey("seam_pk1_secret"),
	}
	for kind, attempt := range talkative {
		for name, credential := range credentials {
			for _, op := range operations {
				t.Run(kind+"/"+name+"/"+op.name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						var log bytes.Buffer
						var last seam.Response
						client := offline(t, attempt, credential, seam.WithLogger(newTestLogger(&log)))
						err := op.fullest(t.Context(), client.ClientSessions, seam.WithResponse(&last))
						require.Equal(t, kind == "time" && op.givesNothing(), err == nil)
						values := []any{client, *client, client.ClientSessions, *client.ClientSessions, credential, last, &last}
						if err != nil {
							values = append(values, err, errors.Unwrap(err))
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

// leaks returns the secrets that a text has.
func leaks(text string) []string {
	var found []string
	for _, secret := range secrets {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			found = append(found, secret)
		}
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
	for key, want := range map[string]string{
		"a":       "Could not find REDACTED session of REDACTED REDACTED, use seam_at or seam-workspace",
		"session": "Could not find a REDACTED of a a, use seam_at or seam-workspace",
		"(":       "Could not find a session of a a, use seam_at or seam-workspace",
	} {
		client := serve(t, answer(http.StatusNotFound,
			`{"error": {"type": "client_session_not_found", "message": "Could not find a session of a a, use seam_at or seam-workspace"}}`))
		_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: key})
		apiErr := requireAPIError(t, err)
		assert.Equal(t, want, apiErr.Message)
		assert.Equal(t, "client_session_not_found", apiErr.Type)
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
