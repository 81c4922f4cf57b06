package seam_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// addFixtures seeds f with the bodies of all recorded answers and documents.
func addFixtures(f *testing.F) {
	f.Helper()
	for _, folder := range []string{"recorded", "documented"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(f, err)
			var recorded struct {
				Response struct{ Body json.RawMessage }
			}
			require.NoError(f, json.Unmarshal(text, &recorded))
			if recorded.Response.Body != nil {
				text = recorded.Response.Body
			}
			f.Add(text)
		}
	}
}

// fuzzed makes a client whose server answers with a body, whatever it is.
func fuzzed(t *testing.T, status int, body []byte) *seam.ClientSessionsService {
	t.Helper()
	return offline(t, func(*http.Request) (*http.Response, error) {
		return response(status, string(body))
	}, seam.WithMaxRetries(0)).ClientSessions
}

// FuzzSession decodes answers to Get. What decodes is a session, and encodes to
// what decodes to the same.
func FuzzSession(f *testing.F) {
	addFixtures(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		session, err := fuzzed(t, http.StatusOK, body).Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken("seam_cst1_token"))
		if err != nil {
			require.Nil(t, session)
			require.Less(t, len(err.Error()), 1000)
			return
		}
		require.NotEmpty(t, session.ClientSessionID)
		text, err := json.Marshal(session)
		require.NoError(t, err)
		again, err := fuzzed(t, http.StatusOK, fmt.Appendf(nil, `{"client_session": %s}`, text)).
			Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken("seam_cst1_token"))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(session, again))
	})
}

// FuzzList decodes answers to List and All, which must give the same, but that
// All gives what came before an error.
func FuzzList(f *testing.F) {
	addFixtures(f)
	for _, body := range []string{
		twoSessions, listOf(3), twoSessions + "{}", `{"a":[[[]]],"client_sessions":[]}`, quotedByPointer,
		`{"client_sessions":[],"pagination":{"has_next_page":true}}`, `{"client_sessions":[],"ok":false}`,
		`{"client_sessions":[{"client_session_id":"1","token":"t","connect_webview_ids":["","",""]}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sessions := fuzzed(t, http.StatusOK, body)
		list, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
		var walked []seam.ClientSession
		var walkErr error
		for session, err := range sessions.All(t.Context(), seam.ClientSessionListParams{}) {
			require.NoError(t, walkErr, "an error is the last item")
			if walkErr = err; err == nil {
				walked = append(walked, session)
			}
		}
		if err != nil {
			require.Nil(t, list)
			require.EqualError(t, walkErr, err.Error())
			return
		}
		require.NoError(t, walkErr)
		require.Empty(t, cmp.Diff(list, append([]seam.ClientSession{}, walked...)))
		text, err := json.Marshal(map[string]any{"client_sessions": list})
		require.NoError(t, err)
		again, err := fuzzed(t, http.StatusOK, text).List(t.Context(), seam.ClientSessionListParams{})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(list, again))
	})
}

// FuzzError decodes answers with every status. Those that are no success are an
// APIError with that status and a short line of text.
func FuzzError(f *testing.F) {
	addFixtures(f)
	f.Add([]byte(invalidInput))
	f.Add([]byte("<html>\x00\xff</html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, status := range []int{302, 400, 401, 404, 429, 500, 503} {
			var apiErr *seam.APIError
			err := fuzzed(t, status, body).Revoke(t.Context(), sessionID)
			require.ErrorAs(t, err, &apiErr)
			require.Equal(t, status, apiErr.StatusCode)
			require.Less(t, len(err.Error()), 1000)
			require.NotContains(t, err.Error(), "\n")
			size := 0
			for name, messages := range apiErr.ValidationErrors {
				size += len(name) + len(strings.Join(messages, ""))
			}
			require.LessOrEqual(t, size, 300*(len(body)+1))
		}
	})
}

// FuzzRetryAfter reads what servers ask for. It is never negative, and numbers
// mean seconds.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"0", "120", "-1", "9223372037", "1e3", "Fri, 31 Dec 1999 23:59:59 GMT", "Sun Nov  6 08:49:37 1994", " 5", "٣"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		client := offline(t, func(*http.Request) (*http.Response, error) {
			resp, err := response(http.StatusServiceUnavailable, "")
			resp.Header["Retry-After"] = []string{value}
			return resp, err
		}, seam.WithMaxRetries(0))
		var apiErr *seam.APIError
		require.ErrorAs(t, client.ClientSessions.Revoke(t.Context(), sessionID), &apiErr)
		require.GreaterOrEqual(t, apiErr.RetryAfter, time.Duration(0))
		if seconds, err := time.ParseDuration(value + "s"); err == nil && !strings.ContainsAny(value, "+-.hmnuµμs") {
			require.Equal(t, seconds, apiErr.RetryAfter)
		}
	})
}

// FuzzEndpoint parses endpoints. One that is taken is where requests go, with
// the API's path at its end, and over plain http only on this machine.
func FuzzEndpoint(f *testing.F) {
	for _, endpoint := range []string{
		"https://connect.getseam.com", "http://localhost:8080/", "http://[::1]", "https://u:p@h", "http://127.0.0.1.evil.example",
		"https://h/a%2Fb", "https://h/?q", "https://h#f", "http://[fe80::1%25lo]", "https://h/../x", "//h", "https:h",
	} {
		f.Add(endpoint)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		sent := 0
		client, err := seam.NewClient(seam.WithAPIKey("seam_test_key"), seam.WithEndpoint(endpoint), seam.WithMaxRetries(0),
			seam.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				sent++
				require.True(t, strings.HasSuffix(req.URL.Path, "/client_sessions/revoke"), req.URL.Path)
				require.Empty(t, req.URL.RawQuery)
				require.Nil(t, req.URL.User)
				host := req.URL.Hostname()
				require.NotEmpty(t, host)
				if req.URL.Scheme != "https" {
					require.Equal(t, "http", req.URL.Scheme)
					loopback := host == "localhost" || strings.HasPrefix(host, "127.") || strings.Contains(host, ":")
					require.True(t, loopback, host)
				}
				parsed, err := url.Parse(endpoint)
				require.NoError(t, err)
				require.Equal(t, parsed.Hostname(), host)
				return response(http.StatusOK, done)
			})}))
		if err != nil {
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			return
		}
		require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
		require.Equal(t, 1, sent)
	})
}

// FuzzCredential gives every text to every option for a credential. One of them
// at most takes it, and then sends it unchanged; a refusal does not quote it.
func FuzzCredential(f *testing.F) {
	for _, value := range []string{"", "seam_key", "seam_cst1", "seam_at1", "seam_pk1", "eyJ", "seam_a b", "seam_\n", "seam_é", "seam_\x7f", "sk_live"} {
		f.Add(value)
	}
	const end = "Zq7Zq7" // in no message of the package
	f.Fuzz(func(t *testing.T, value string) {
		value += end
		taken := 0
		for header, options := range map[string][]seam.Option{
			"Authorization": {
				seam.WithAPIKey(value), seam.WithPersonalAccessToken(value, "w"), seam.WithClientSessionToken(value),
			},
			"Seam-Publishable-Key": {seam.WithPublishableKey(value)},
		} {
			for _, option := range options {
				client, err := seam.NewClient(option, seam.WithEndpoint("https://seam.test"),
					seam.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
						require.Equal(t, value, strings.TrimPrefix(req.Header.Get(header), "Bearer "))
						return response(http.StatusOK, done)
					})}))
				if err != nil {
					require.ErrorIs(t, err, seam.ErrInvalidParams)
					require.NotContains(t, err.Error(), end)
					continue
				}
				taken++
				require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
			}
		}
		require.LessOrEqual(t, taken, 1)
	})
}
