package seam_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
)

// addFixtures seeds f with the bodies of all recorded and documented responses.
func addFixtures(f *testing.F) {
	f.Helper()
	text, err := os.ReadFile("testdata/recorded.json")
	require.NoError(f, err)
	var recorded map[string]struct {
		Response struct{ Body json.RawMessage }
	}
	require.NoError(f, json.Unmarshal(text, &recorded))
	for _, step := range slices.Sorted(maps.Keys(recorded)) {
		f.Add([]byte(recorded[step].Response.Body))
	}
	files, err := filepath.Glob("testdata/documented/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
}

// fuzzed returns the service of a client whose server responds with body.
func fuzzed(t *testing.T, status int, body []byte) *seam.ClientSessionsService {
	t.Helper()
	return offline(t, func(*http.Request) (*http.Response, error) {
		return response(status, string(body))
	}, seam.WithMaxRetries(0)).ClientSessions
}

// FuzzSession tests responses to Get. A session that decodes must encode to JSON that
// decodes to the same session.
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

// FuzzList tests that List and All return the same, except that All also yields what
// came before an error.
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
		var streamed []seam.ClientSession
		var streamErr error
		for session, err := range sessions.All(t.Context(), seam.ClientSessionListParams{}) {
			require.NoError(t, streamErr, "an error is the last item")
			if streamErr = err; err == nil {
				streamed = append(streamed, session)
			}
		}
		if err != nil {
			require.Nil(t, list)
			require.EqualError(t, streamErr, err.Error())
			return
		}
		require.NoError(t, streamErr)
		require.Empty(t, cmp.Diff(list, append([]seam.ClientSession{}, streamed...)))
		text, err := json.Marshal(map[string]any{"client_sessions": list})
		require.NoError(t, err)
		again, err := fuzzed(t, http.StatusOK, text).List(t.Context(), seam.ClientSessionListParams{})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(list, again))
	})
}

// FuzzError tests that any body of a non-2xx response is an APIError with a short line
// of text.
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

// FuzzCredential tests that at most one option accepts a credential and sends it
// unchanged, and that errors do not quote it.
func FuzzCredential(f *testing.F) {
	for _, value := range []string{"", "seam_key", "seam_cst1", "seam_at1", "seam_pk1", "eyJ", "seam_a b", "seam_\n", "seam_é", "seam_\x7f", "sk_live"} {
		f.Add(value)
	}
	const end = "Zq7Zq7" // no error text of the package contains it
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
					seam.WithHTTPClient(&http.Client{Transport: fake.Transport(func(req *http.Request) (*http.Response, error) {
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
