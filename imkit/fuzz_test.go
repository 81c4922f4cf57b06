package imkit_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/imkit"
)

// rewritten applies the rewrites that proxies are known for.
func rewritten(escaped string) string {
	for range 3 { // several proxies may decode the path
		if decoded, err := url.PathUnescape(escaped); err == nil {
			escaped = decoded
		}
	}
	escaped, _, _ = strings.Cut(escaped, "?")
	escaped, _, _ = strings.Cut(escaped, "#")
	escaped = regexp.MustCompile(`;[^/]*`).ReplaceAllString(escaped, "")
	return path.Clean(strings.ReplaceAll(escaped, `\`, "/"))
}

// FuzzClientID sends client IDs to a server. Each accepted ID must arrive as one
// segment of the path, and rewriting the path must not change it.
func FuzzClientID(f *testing.F) {
	for _, id := range []string{
		clientID, "a/b", "/", "//", "a//b", "..", ".", "...", "..a", "a/../b", `a\b`, `..\a`, "%2F", "%2E%2E", "%", "%zz", "a b", " a ", "+", "é", "日本",
		"?", "a?b=c", "#", ";v=1", "a,b", ":", "@", "&=$!*'()~", "\x00", "\r\nX: y", "\x7f", "\u202e", "a\xff", "", " ", "token", "*",
		"/victim", "victim/", "x/..;/victim", "victim;x", "x/%2e%2e/victim", "x%252f%252e.%255cvictim", "victim%00", "victim/token?", "%2525", strings.Repeat("é", 1000),
	} {
		f.Add(id)
	}
	type seen struct{ escaped, decoded, query string }
	arrived := make(chan seen, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- seen{r.URL.EscapedPath(), r.URL.Path, r.URL.RawQuery}
		_, _ = io.WriteString(w, nothing)
	}))
	f.Cleanup(server.Close)
	client, err := imkit.NewClient(server.URL, apiKey)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id string) {
		if len(id) > 100<<10 { // longer than the headers that net/http accepts
			return
		}
		if _, err := client.Tokens.RevokeAll(t.Context(), id); err != nil {
			require.ErrorIs(t, err, imkit.ErrInvalidParams)
			return
		}
		got := <-arrived
		segments := strings.Split(got.escaped, "/")
		require.Len(t, segments, 5, got.escaped)
		require.Equal(t, []string{"", "admin", "clients"}, segments[:3])
		require.Equal(t, "token", segments[4])
		decoded, err := url.PathUnescape(segments[3])
		require.NoError(t, err)
		require.Equal(t, id, decoded)
		require.Equal(t, "/admin/clients/"+id+"/token", got.decoded)
		require.Empty(t, got.query)
		require.Equal(t, "/admin/clients/"+id+"/token", rewritten(got.escaped))
	})
}
