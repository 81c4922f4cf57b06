package imkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/internal/fake"
)

// faults are failures of either operation, the same in each attempt.
var faults = []struct {
	name    string
	attempt fake.Transport
	want    *imkit.Error // nil if there was no response
	is      error
	text    string // of the error, after its prefix
}{
	{
		name:    "RC beside a success",
		attempt: fake.Responds(200, `{"RC": 7, "RM": "no such client"}`),
		want:    &imkit.Error{StatusCode: 200, Code: 7, Message: "no such client", Attempts: 1},
		text:    "200 OK: RC 7: no such client",
	},
	{
		name:    "negative RC with tokens beside it",
		attempt: fake.Responds(200, `{"RC": -1, "RM": "half done", "result": {"data": [{"token": "a"}]}}`),
		want:    &imkit.Error{StatusCode: 200, Code: -1, Message: "half done", Attempts: 1},
		text:    "200 OK: RC -1: half done",
	},
	{
		name:    "RC with a result of the wrong type",
		attempt: fake.Responds(200, `{"result": "none", "RC": 7}`),
		want:    &imkit.Error{StatusCode: 200, Code: 7, Attempts: 1},
		text:    "200 OK: RC 7",
	},
	{
		name:    "RC beside a failure",
		attempt: fake.Responds(401, `{"RC": 401, "RM": "bad key"}`),
		want:    &imkit.Error{StatusCode: 401, Code: 401, Message: "bad key", Attempts: 1},
		text:    "401 Unauthorized: RC 401: bad key",
	},
	{
		name:    "RC 0 beside a failure",
		attempt: fake.Responds(403, `{"RC": 0, "RM": "OK", "result": {"data": []}}`),
		want:    &imkit.Error{StatusCode: 403, Message: "OK", Attempts: 1},
		text:    "403 Forbidden: OK",
	},
	{
		name:    "RC of the wrong type beside a failure",
		attempt: fake.Responds(400, `{"RC": "bad", "RM": "no"}`),
		want:    &imkit.Error{StatusCode: 400, Message: "no", Attempts: 1},
		text:    "400 Bad Request: no",
	},
	{
		name:    "RC of the wrong type",
		attempt: fake.Responds(200, `{"RC": "0", "result": {"data": []}}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response cannot be decoded: value of the wrong type, expected an integer",
	},
	{
		name:    "no RC",
		attempt: fake.Responds(200, `{"RM": "OK", "result": {"data": []}}`),
		want:    &imkit.Error{StatusCode: 200, Message: "OK", Attempts: 1},
		text:    "200 OK: OK: response has no RC",
	},
	{
		name:    "null RC",
		attempt: fake.Responds(200, `{"RC": null, "result": {"data": []}}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response has no RC",
	},
	{
		name:    "null",
		attempt: fake.Responds(200, `null`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response has no RC",
	},
	{
		name:    "no result",
		attempt: fake.Responds(200, `{"RC": 0}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response has no list of tokens",
	},
	{
		name:    "null result",
		attempt: fake.Responds(200, `{"RC": 0, "result": null}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response has no list of tokens",
	},
	{
		name:    "result of the wrong type",
		attempt: fake.Responds(200, `{"RC": 0, "result": []}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response cannot be decoded: value of the wrong type, expected an object",
	},
	{
		name:    "no data",
		attempt: fake.Responds(200, `{"RC": 0, "result": {}}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response has no list of tokens",
	},
	{
		name:    "null data",
		attempt: fake.Responds(200, `{"RC": 0, "result": {"data": null}}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response has no list of tokens",
	},
	{
		name:    "data of the wrong type",
		attempt: fake.Responds(200, `{"RC": 0, "result": {"data": {"token": "a"}}}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response cannot be decoded: value of the wrong type, expected an array",
	},
	{
		name:    "null token",
		attempt: fake.Responds(200, `{"RC": 0, "result": {"data": [{"token": "a"}, null]}}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response has a token without a value",
	},
	{
		name:    "empty 200",
		attempt: fake.Responds(200, ""),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response cannot be decoded: unexpected EOF",
	},
	{
		name:    "204",
		attempt: fake.Responds(204, ""),
		want:    &imkit.Error{StatusCode: 204, Attempts: 1},
		text:    "204 No Content: response cannot be decoded: unexpected EOF",
	},
	{
		name:    "200 HTML",
		attempt: fake.Responds(200, "<html>Welcome to the hotel's network</html>"),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response cannot be decoded: invalid JSON",
	},
	{
		name:    "two JSON values",
		attempt: fake.Responds(200, nothing+nothing),
		want:    &imkit.Error{StatusCode: 200, Attempts: 1},
		text:    "200 OK: response cannot be decoded: invalid JSON",
	},
	{
		name:    "redirect",
		attempt: fake.Responds(307, "").With("Location", "https://elsewhere.test/"),
		want:    &imkit.Error{StatusCode: 307, Attempts: 1},
		text:    "307 Temporary Redirect",
	},
	{
		name:    "status that net/http has no name for",
		attempt: fake.Responds(499, ""),
		want:    &imkit.Error{StatusCode: 499, Attempts: 1},
		text:    "499",
	},
	{
		name:    "502 HTML",
		attempt: fake.Responds(502, "<html>\n<h1>Bad Gateway</h1>"+strings.Repeat("x", 3<<20)),
		want:    &imkit.Error{StatusCode: 502, Attempts: 3},
		text:    "502 Bad Gateway (3 attempts)",
	},
	{
		name:    "500",
		attempt: fake.Responds(500, `{"RC": 1, "RM": "down"}`),
		want:    &imkit.Error{StatusCode: 500, Code: 1, Message: "down", Attempts: 3},
		text:    "500 Internal Server Error: RC 1: down (3 attempts)",
	},
	{
		name:    "429 with a wait",
		attempt: fake.Responds(429, `{"RC": 1}`).With("Retry-After", "7"),
		want:    &imkit.Error{StatusCode: 429, Code: 1, RetryAfter: 7 * time.Second, Attempts: 3},
		text:    "429 Too Many Requests: RC 1 (retry after 7s) (3 attempts)",
	},
	{
		name:    "429 with a wait that is too long",
		attempt: fake.Responds(429, "").With("Retry-After", "61"),
		want:    &imkit.Error{StatusCode: 429, RetryAfter: 61 * time.Second, Attempts: 1},
		text:    "429 Too Many Requests (retry after 1m1s)",
	},
	{
		name:    "cut body",
		attempt: fake.Cut(200, `{"RC": 0, "RM": "OK", "result": {"data": [`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 3},
		is:      io.ErrUnexpectedEOF,
		text:    "200 OK: unexpected EOF (3 attempts)",
	},
	{
		name:    "cut body that says no before",
		attempt: fake.Cut(200, `{"RC": 7}`),
		want:    &imkit.Error{StatusCode: 200, Attempts: 3},
		is:      io.ErrUnexpectedEOF,
		text:    "200 OK: unexpected EOF (3 attempts)",
	},
	{
		name:    "cut body of a failure",
		attempt: fake.Cut(403, `{"RC": 4`),
		want:    &imkit.Error{StatusCode: 403, Attempts: 3},
		is:      io.ErrUnexpectedEOF,
		text:    "403 Forbidden: unexpected EOF (3 attempts)",
	},
	{
		name:    "no connection",
		attempt: fake.Fails(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		is:      syscall.ECONNREFUSED,
		text:    "dial: connection refused (3 attempts)",
	},
	{
		name:    "no such host",
		attempt: fake.Fails(&net.DNSError{Name: "imkit.test", Err: "no such host", IsNotFound: true}),
		text:    "lookup imkit.test: no such host",
	},
	{
		name: "no response in time",
		attempt: func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		},
		is:   context.DeadlineExceeded,
		text: "timed out after 5s: context deadline exceeded (3 attempts)",
	},
}

// TestFaults tests each operation with each fault.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range faults {
		for name, call := range operations {
			t.Run(fault.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					requests := 0
					client, err := imkit.NewClient("https://imkit.test", apiKey, imkit.WithHTTPClient(&http.Client{
						Timeout: 5 * time.Second,
						Transport: fake.Transport(func(req *http.Request) (*http.Response, error) {
							requests++
							return fault.attempt(req)
						}),
					}))
					require.NoError(t, err)
					tokens, err := call(t.Context(), client, clientID)
					assert.Nil(t, tokens)
					require.EqualError(t, err, "imkit: DELETE /admin/clients/:client-id/token: "+fault.text)
					if fault.is != nil {
						require.ErrorIs(t, err, fault.is)
					}
					require.ErrorIs(t, fmt.Errorf("sign out: %w", err), err)
					got, ok := errors.AsType[*imkit.Error](err)
					require.Equal(t, fault.want != nil, ok)
					if ok {
						assert.Equal(t, fault.want.Attempts, requests)
						assert.Empty(t, cmp.Diff(fault.want, got, cmpopts.IgnoreUnexported(imkit.Error{})))
					}
				})
			})
		}
	}
}

// TestTimeout tests the default timeout of an attempt.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		_, err := client.Tokens.RevokeAll(t.Context(), clientID)
		require.ErrorContains(t, err, "timed out after 30s")
	})
}

// TestSecondAttemptSucceeds checks that nothing of a failed attempt remains.
func TestSecondAttemptSucceeds(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]fake.Transport{
		"503":        fake.Responds(503, `{"RC": 5, "RM": "down", "result": {"data": [{"token": "old"}]}}`),
		"cut body":   fake.Cut(200, `{"RC": 0, "result": {"data": [{"token": "old"}]}}`),
		"lost":       fake.Fails(io.ErrUnexpectedEOF),
		"rate limit": fake.Responds(429, "").With("Retry-After", "60"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := []fake.Transport{first, fake.Responds(200, `{"RC": 0, "result": {"data": [{"token": "new"}]}}`)}
				var sent []string
				tokens, err := offline(t, func(req *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(req.Body)
					require.NoError(t, err)
					sent = append(sent, string(body))
					now := script[0]
					script = script[1:]
					return now(req)
				}).Tokens.Revoke(t.Context(), clientID, token)
				require.NoError(t, err)
				assert.Equal(t, []imkit.Token{{Token: "new"}}, tokens)
				assert.Equal(t, []string{`{"token":"test-token$123"}`, `{"token":"test-token$123"}`}, sent)
			})
		})
	}
}

// TestContext ends the context before, during and between attempts.
func TestContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := offline(t, fake.Responds(200, nothing)).Tokens.RevokeAll(ended, clientID)
		require.ErrorIs(t, err, context.Canceled)
		require.EqualError(t, err, "imkit: DELETE /admin/clients/:client-id/token: context canceled")

		for name, attempt := range map[string]fake.Transport{
			"during": func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			},
			"between": fake.Responds(429, "").With("Retry-After", "50"),
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(20*time.Second, func() { cancel(errors.New("shut\ndown")) })
			_, err := offline(t, attempt).Tokens.RevokeAll(ctx, clientID)
			require.ErrorIs(t, err, context.Canceled, name)
			assert.Contains(t, err.Error(), "context canceled: shut")
			apiErr, ok := errors.AsType[*imkit.Error](err)
			assert.Equal(t, name == "between", ok)
			if ok {
				assert.Equal(t, 429, apiErr.StatusCode)
				assert.NotContains(t, err.Error(), "\n", "one line")
			}
		}
	})
}
