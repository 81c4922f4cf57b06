package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestRun runs the server, completes a Connect Webview as a browser does, and reads the
// page.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	output, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-users", "jane_doe,joe", "-locks", "2", "-latency", "1ms", "-pending", "0"}, out)
	}()
	lines := bufio.NewScanner(output)
	value := func(name string) string {
		require.True(t, lines.Scan())
		value, found := strings.CutPrefix(lines.Text(), name+"=")
		require.True(t, found, lines.Text())
		return value
	}
	endpoint := value("SEAM_ENDPOINT")
	client, err := seam.NewClient(seam.WithEndpoint(endpoint), seam.WithAPIKey(value("SEAM_API_KEY")))
	require.NoError(t, err)

	var created struct {
		ConnectWebview struct {
			ConnectWebviewID string `json:"connect_webview_id"`
			URL              string
		} `json:"connect_webview"`
	}
	params := map[string]any{"custom_redirect_url": endpoint + "/?done"}
	require.NoError(t, client.Post(ctx, "/connect_webviews/create", params, &created))
	require.NoError(t, client.ClientSessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{
		UserIdentifierKey: "joe", ConnectWebviewIDs: []string{created.ConnectWebview.ConnectWebviewID},
	}))
	webview := page(t, http.MethodGet, created.ConnectWebview.URL)
	assert.Contains(t, webview, "<button>")
	assert.Contains(t, webview, `<link rel="icon" href="data:,">`, "browsers request no icon")
	state := page(t, http.MethodPost, created.ConnectWebview.URL) // redirected to the page of the server
	assert.Contains(t, state, "<td>jane_doe<")
	assert.Contains(t, state, "<td>/client_sessions/grant_access<")
	assert.Equal(t, 5, strings.Count(state, "<td>locked<"))
	assert.NotContains(t, page(t, http.MethodGet, created.ConnectWebview.URL), "<button>", "it is complete")

	joe, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{UserIdentifierKey: "joe"})
	require.NoError(t, err)
	assert.Equal(t, 3, joe.DeviceCount)
	stop()
	require.NoError(t, <-ended)
}

func page(t *testing.T, method, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func TestInvalidFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-addr", "nowhere"}, {"-latency", "-1s"}, {"-pending", "-1s"}, {"-unknown"}} {
		require.Error(t, run(t.Context(), args, new(bytes.Buffer)), args)
	}
}
