package imkittest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func texts(tokens []imkit.Token) []string {
	texts := []string{}
	for _, token := range tokens {
		texts = append(texts, token.Token)
	}
	return texts
}

// TestBubble uses a server in a bubble, where a retry takes no real time.
func TestBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := imkittest.NewServer(t)
		srv.AddToken("jane_doe")
		tokens, err := srv.Client(t).Tokens.RevokeAll(t.Context(), "jane_doe")
		require.NoError(t, err)
		assert.Len(t, tokens, 1)
		srv.Close()
		_, err = srv.Client(t).Tokens.RevokeAll(t.Context(), "jane_doe")
		require.ErrorContains(t, err, "(3 attempts)")
	})
}

// TestRevocation revokes the tokens of two clients, one of which has a slash in its
// ID.
func TestRevocation(t *testing.T) {
	t.Parallel()
	srv := imkittest.NewServer(t)
	tokens := srv.Client(t).Tokens
	first, second, third, other := srv.AddToken("a/b"), srv.AddToken("a/b"), srv.AddToken("a/b"), srv.AddToken("a")

	revoked, err := tokens.Revoke(t.Context(), "a", first)
	require.NoError(t, err)
	assert.Empty(t, revoked, "the token is of another client")

	revoked, err = tokens.Revoke(t.Context(), "a/b", second)
	require.NoError(t, err)
	require.Equal(t, []string{second}, texts(revoked))
	assert.WithinDuration(t, time.Now(), revoked[0].CreatedAt, time.Minute)
	assert.Equal(t, revoked[0].CreatedAt, revoked[0].UpdatedAt)
	assert.Equal(t, revoked[0].CreatedAt.AddDate(0, 0, 7), revoked[0].ExpiresAt)

	revoked, err = tokens.Revoke(t.Context(), "a/b", second)
	require.NoError(t, err)
	assert.Empty(t, revoked, "it is already revoked")

	revoked, err = tokens.RevokeAll(t.Context(), "a/b")
	require.NoError(t, err)
	assert.Equal(t, []string{first, third}, texts(revoked))

	revoked, err = tokens.RevokeAll(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, []string{other}, texts(revoked))

	requests := srv.Requests()
	require.Len(t, requests, 5)
	assert.Equal(t, "a/b", requests[1].ClientID)
	assert.Equal(t, imkittest.APIKey, requests[1].Header.Get("IM-API-KEY"))
	assert.JSONEq(t, `{"token": "`+second+`"}`, string(requests[1].Body))
	assert.Empty(t, requests[3].Body)
}

// TestResponses sends requests that package imkit would not send.
func TestResponses(t *testing.T) {
	t.Parallel()
	srv := imkittest.NewServer(t)
	const empty = `{"RC": 0, "RM": "OK", "result": {"data": []}}`
	for _, tt := range []struct {
		name, method, path, key, body string
		status                        int
		want                          string // empty if the body is not JSON
	}{
		{"documented request", "DELETE", "/admin/clients/1485248560558%7D/token/", imkittest.APIKey, `{"token":"test-token$123"}`, 200, empty},
		{"no slash at the end", "DELETE", "/admin/clients/1485248560558%7D/token", imkittest.APIKey, `{"token":"test-token$123"}`, 200, empty},
		{"no token in the body", "DELETE", "/admin/clients/a/token", imkittest.APIKey, `{}`, 200, empty},
		{"another key", "DELETE", "/admin/clients/a/token", "another", "", 401, `{"RC": 401, "RM": "Unauthorized"}`},
		{"no key", "DELETE", "/admin/clients/a/token", "", "", 401, `{"RC": 401, "RM": "Unauthorized"}`},
		{"not JSON", "DELETE", "/admin/clients/a/token", imkittest.APIKey, "token=a", 400, `{"RC": 400, "RM": "Bad Request"}`},
		{"too much", "DELETE", "/admin/clients/a/token", imkittest.APIKey, `"` + strings.Repeat("x", 2<<20) + `"`, 400, `{"RC": 400, "RM": "Bad Request"}`},
		{"another method", "POST", "/admin/clients/a/token", imkittest.APIKey, "", 405, ""},
		{"another path", "DELETE", "/admin/clients/a", imkittest.APIKey, "", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body := send(t, tt.method, srv.URL+tt.path, tt.key, tt.body)
			assert.Equal(t, tt.status, status)
			if tt.want != "" {
				assert.JSONEq(t, tt.want, string(body))
			}
		})
	}
}

func send(t *testing.T, method, url, key, body string) (status int, response []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("IM-API-KEY", key)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	response, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, response
}

// TestResponseIsAsDocumented ignores the text of the token.
func TestResponseIsAsDocumented(t *testing.T) {
	t.Parallel()
	srv := imkittest.NewServer(t)
	text := srv.AddToken("a")
	srv.AddToken("a")
	var got, want struct {
		RC     int
		RM     string
		Result struct{ Data []map[string]any }
	}
	_, body := send(t, http.MethodDelete, srv.URL+"/admin/clients/a/token", imkittest.APIKey, "")
	require.NoError(t, json.Unmarshal(body, &got))
	documented, err := os.ReadFile("../../testdata/imkit/revoked.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(documented, &want))

	token := got.Result.Data[0]
	assert.Equal(t, text, token["token"])
	assert.Equal(t, token["createdAt"], token["updatedAt"])
	assert.Equal(t, token["expirationDate"], time.UnixMilli(int64(token["expirationDateMS"].(float64))).UTC().Format("2006-01-02T15:04:05.000Z"))
	assert.Equal(t, want.RC, got.RC)
	assert.Equal(t, want.RM, got.RM)
	assert.Len(t, token, len(want.Result.Data[0]))
	for name, value := range token {
		assert.IsType(t, want.Result.Data[0][name], value, name)
	}
}

// TestClose closes a server twice. No goroutine may be left.
func TestClose(t *testing.T) {
	t.Parallel()
	srv, err := imkittest.Start()
	require.NoError(t, err)
	client := srv.Client(t)
	_, err = client.Tokens.RevokeAll(t.Context(), "a")
	require.NoError(t, err)
	srv.Close()
	srv.Close()
	_, err = client.Tokens.RevokeAll(t.Context(), "a")
	require.Error(t, err)
	_, answered := errors.AsType[*imkit.Error](err)
	assert.False(t, answered)
}

// failed is a TB that records its failure.
type failed struct{ text string }

func (f *failed) Helper()                           {}
func (f *failed) Cleanup(func())                    {}
func (f *failed) Fatalf(format string, args ...any) { f.text = fmt.Sprintf(format, args...) }

func TestClientWithAWrongOption(t *testing.T) {
	t.Parallel()
	var tb failed
	assert.Nil(t, imkittest.NewServer(t).Client(&tb, nil))
	assert.Equal(t, "imkittest: imkit: NewClient: an Option is nil", tb.text)
}
