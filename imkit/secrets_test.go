package imkit_test

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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
	"github.com/seam-go/seam/internal/fake"
)

// foreign is a token that the client does not know.
const foreign = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6InNzcyJ9.bu8q6pZAHfJT2ut-AVlwhoJ2kIVoJUcJbmE2jsJT"

// leaks returns the secrets that text contains, also in hex and as numbers.
func leaks(text string) []string {
	var found []string
	for _, secret := range []string{apiKey, token, foreign} {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")} {
			if strings.Contains(text, form) {
				found = append(found, secret)
			}
		}
	}
	return found
}

// printed prints value with fmt, log/slog and encoding/json.
func printed(t *testing.T, value any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		fmt.Fprintf(&out, verb+"\n", value)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).LogAttrs(context.Background(), slog.LevelInfo, "value", slog.Any("value", value))
	}
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return out.String() + string(text)
}

// recorder records what testify prints, which follows pointers and calls no methods.
type recorder struct{ text string }

func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

func diffed(value any) string {
	var diff recorder
	assert.Equal(&diff, recorder{}, value)
	return diff.text
}

// contents returns everything in a request, and a foreign token.
func contents(req *http.Request) string {
	text := fmt.Sprint(req.Header, " ", req.URL, " ", foreign)
	if req.Body != nil {
		sent, err := io.ReadAll(req.Body)
		text += fmt.Sprint(string(sent), err)
	}
	return text
}

// echo responds with everything in the request, in place of ECHO in shape.
func echo(status int, shape string) fake.Transport {
	return func(req *http.Request) (*http.Response, error) {
		quoted, err := json.Marshal(contents(req))
		if err != nil {
			return nil, err
		}
		return fake.Responds(status, strings.ReplaceAll(shape, "ECHO", string(quoted)))(req)
	}
}

// TestErrorsAndLogsHideSecrets calls a server that echoes all secrets, and searches
// for them in logs and in everything returned.
func TestErrorsAndLogsHideSecrets(t *testing.T) {
	t.Parallel()
	for kind, attempt := range map[string]fake.Transport{
		"RM":              echo(400, `{"RC": 1, "RM": ECHO}`),
		"RM of a success": echo(200, `{"RC": 1, "RM": ECHO}`),
		"another body":    echo(502, `<html>ECHO</html>`),
		"wrong type":      echo(200, `{"RC": ECHO, "RM": ECHO, "result": {"data": [ECHO]}}`),
		"transport": func(req *http.Request) (*http.Response, error) {
			return nil, errors.New("malformed HTTP response: " + contents(req))
		},
	} {
		for name, call := range operations {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var log bytes.Buffer
					logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
					client := offline(t, attempt, imkit.WithLogger(logger))
					_, err := call(t.Context(), client, "client-of-jane")
					require.Error(t, err)
					assert.Empty(t, leaks(log.String()))
					assert.NotContains(t, log.String(), "client-of-jane")
					assert.Contains(t, log.String(), "level=")
					assert.NotContains(t, err.Error(), "client-of-jane")
					for _, value := range []any{client, *client, client.Tokens, *client.Tokens, err, errors.Unwrap(err)} {
						assert.Empty(t, leaks(printed(t, value)+diffed(value)), "%T", value)
					}
				})
			})
		}
	}
}

// TestMask tests which parts of the server's message an error contains.
func TestMask(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ clientID, token, message, want string }{
		{clientID, token, "no test-token$123 of " + apiKey, "no REDACTED of REDACTED"},
		{clientID, `a"b&c`, `no a"b&c, or "a\"b\u0026c"`, `no REDACTED, or "REDACTED"`},
		{clientID, token, "no " + foreign + ", no xeyJa.b.c", "no REDACTED, no xeyJa.b.c"},
		{clientID, strings.Repeat("t", 2<<20), "long", "long"},
		{clientID, token, strings.Repeat("x", 190) + token, strings.Repeat("x", 190) + "REDACTED"},
		{clientID, token, strings.Repeat("x", 195) + token, strings.Repeat("x", 195) + "REDAC…"},
		{clientID, token, "two\nlines", "two lines"},
		{clientID, token, "Cannot DELETE /admin/clients/1485248560558%7D/token of 1485248560558}", "Cannot DELETE /admin/clients/REDACTED/token of REDACTED"},
		{clientID, token, "test-token%24123 of 2JYpYhDaQlIQlDSvVLCLLo2MPzFfVm9jYpxw2vuBrmk&#61;", "REDACTED of REDACTED"},
		{"1", token, "dial tcp 127.0.0.81:3100: no client 1", "dial tcp 127.0.0.81:3100: no client REDACTED"},
		{"eyJa.b.c:jane_doe", token, "no client eyJa.b.c:jane_doe", "no client REDACTED"},
		{"test-token$123", token, "no test-token$123", "no REDACTED"},
	} {
		body, err := json.Marshal(map[string]any{"RC": 1, "RM": tt.message})
		require.NoError(t, err)
		_, err = offline(t, fake.Responds(http.StatusOK, string(body))).Tokens.Revoke(t.Context(), tt.clientID, tt.token)
		apiErr, ok := errors.AsType[*imkit.Error](err)
		require.True(t, ok)
		assert.Equal(t, tt.want, apiErr.Message)
	}
}

// TestPrintedClientHidesItsKey prints a client after a call, when net/http has the
// key in its buffers.
func TestPrintedClientHidesItsKey(t *testing.T) {
	t.Parallel()
	srv := imkittest.NewServer(t)
	client := srv.Client(t)
	_, err := client.Tokens.RevokeAll(t.Context(), clientID)
	require.NoError(t, err)
	for _, value := range []any{client, *client, client.Tokens, *client.Tokens} {
		assert.NotContains(t, printed(t, value)+diffed(value), imkittest.APIKey)
	}
}

// TestPrintedTokenHidesItsText prints a token and values that contain one.
func TestPrintedTokenHidesItsText(t *testing.T) {
	t.Parallel()
	revoked := imkit.Token{Token: foreign, CreatedAt: time.Date(2020, 6, 11, 7, 3, 9, 831e6, time.UTC)}
	for _, value := range []any{
		revoked, &revoked, []imkit.Token{revoked}, map[string]*imkit.Token{"a": &revoked}, struct{ T imkit.Token }{revoked},
	} {
		text := printed(t, value)
		assert.Empty(t, leaks(text), "%T", value)
		assert.Contains(t, text, "REDACTED")
	}
	assert.Contains(t, fmt.Sprint(revoked), "2020-06-11")
	assert.NotContains(t, fmt.Sprint(imkit.Token{}), "REDACTED", "there is nothing to hide")

	text, err := json.Marshal(revoked)
	require.NoError(t, err)
	assert.JSONEq(t, `{"token": "REDACTED", "createdAt": "2020-06-11T07:03:09.831Z",
		"updatedAt": "0001-01-01T00:00:00Z", "expirationDate": "0001-01-01T00:00:00Z"}`, string(text))
}
