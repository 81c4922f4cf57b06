package transport_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/transport"
)

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	const notURL = "the endpoint is not an http or https URL; use one such as https://example.test"
	for _, tt := range []struct {
		endpoint, base string
		insecure       bool
		problem        string
	}{
		{endpoint: "https://api.test", base: "https://api.test"},
		{endpoint: "https://api.test/a%2Fb/v1//", base: "https://api.test/a%2Fb/v1"},
		{endpoint: "HTTPS://api.test:8443/base", base: "https://api.test:8443/base"},
		{endpoint: "http://localhost:8080", base: "http://localhost:8080"},
		{endpoint: "http://127.1.2.3", base: "http://127.1.2.3"},
		{endpoint: "http://[::1]:8080/", base: "http://[::1]:8080"},

		{endpoint: "http://api.test", base: "http://api.test", insecure: true},
		{endpoint: "http://localhost.example", base: "http://localhost.example", insecure: true},
		{endpoint: "http://127.0.0.1.example", base: "http://127.0.0.1.example", insecure: true},
		{endpoint: "http://LOCALHOST:8080", base: "http://LOCALHOST:8080", insecure: true}, // net/http may use a proxy for it
		{endpoint: "http://0.0.0.0", base: "http://0.0.0.0", insecure: true},

		{endpoint: "", problem: notURL},
		{endpoint: "api.test", problem: notURL},
		{endpoint: "ftp://api.test", problem: notURL},
		{endpoint: "https://:443/", problem: notURL},
		{endpoint: "https://api.test:secret/", problem: notURL},
		{endpoint: "https://secret@api.test", problem: "the endpoint has a user or password; use an option"},
		{endpoint: "https://api.test/?key=secret", problem: "the endpoint has a query or fragment; remove it"},
		{endpoint: "https://api.test/?", problem: "the endpoint has a query or fragment; remove it"},
		{endpoint: "https://api.test/#x", problem: "the endpoint has a query or fragment; remove it"},
	} {
		base, insecure, problem := transport.ParseEndpoint(tt.endpoint, "https://example.test", "use an option")
		assert.Equal(t, tt.base, base, tt.endpoint)
		assert.Equal(t, tt.insecure, insecure, tt.endpoint)
		assert.Equal(t, tt.problem, problem, tt.endpoint)
	}
}

// FuzzEndpoint tests that a request to a valid endpoint goes to its host, with the
// path of the API at the end, and over plain http only to this machine.
func FuzzEndpoint(f *testing.F) {
	for _, endpoint := range []string{
		"https://api.test", "http://localhost:8080/", "http://[::1]", "https://u:p@h", "http://127.0.0.1.example",
		"https://h/a%2Fb", "https://h/?q", "https://h#f", "http://[fe80::1%25lo]", "https://h/../x", "//h", "https:h",
	} {
		f.Add(endpoint)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		base, insecure, problem := transport.ParseEndpoint(endpoint, "", "")
		if problem != "" {
			require.Empty(t, base)
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/path", http.NoBody)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(req.URL.Path, "/path"), req.URL.Path)
		require.Empty(t, req.URL.RawQuery)
		require.Nil(t, req.URL.User)
		parsed, err := url.Parse(endpoint)
		require.NoError(t, err)
		host := req.URL.Hostname()
		require.NotEmpty(t, host)
		require.Equal(t, parsed.Hostname(), host)
		if req.URL.Scheme != "https" && !insecure {
			require.Equal(t, "http", req.URL.Scheme)
			require.True(t, host == "localhost" || strings.HasPrefix(host, "127.") || strings.Contains(host, ":"), host)
		}
	})
}

func TestHeaderValueProblem(t *testing.T) {
	t.Parallel()
	const invalid = "it has a space, a line break or another invalid character; remove it"
	for value, want := range map[string]string{
		"seam_key!~": "",
		"":           "it is empty; set it",
		" ":          invalid,
		"a b":        invalid,
		"a\n":        invalid,
		"é":          invalid,
		"a\x7f":      invalid,
	} {
		assert.Equal(t, want, transport.HeaderValueProblem("it", value), "%q", value)
	}
}

func TestStringProblem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"é a":    "",
		"":       "it is blank; set it",
		"\u00a0": "it is blank; set it",
		"a\xff":  "it is not valid UTF-8; pass UTF-8",
	} {
		assert.Equal(t, want, transport.StringProblem("it", text), "%q", text)
	}
}
