// Package browser tests the pages of seamd in headless Chromium.
package browser

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestPages watches the page of seamd while a backend uses it, and a user connects an account.
func TestPages(t *testing.T) {
	t.Parallel()
	const user = "<b>jane</b>" // is shown as it is
	endpoint, key := startSeamd(t, "-users", user, "-pending", "0")
	client, err := seam.NewClient(seam.WithEndpoint(endpoint), seam.WithAPIKey(key))
	require.NoError(t, err)
	state := open(t, endpoint)
	state.shows("#sessions", user, "account_of_"+user)
	state.shows("#devices", "Lock 1", "locked")
	state.shows("#requests", "/client_sessions/create")

	// The page follows by itself.
	var devices struct {
		Devices []struct {
			DeviceID string `json:"device_id"`
		}
	}
	require.NoError(t, client.Post(t.Context(), "/devices/list", nil, &devices))
	require.Len(t, devices.Devices, 1)
	lock := map[string]string{"device_id": devices.Devices[0].DeviceID}
	require.NoError(t, client.Post(t.Context(), "/locks/unlock_door", lock, nil))
	state.shows("#devices", "unlocked")
	state.shows("#requests", "/locks/unlock_door", lock["device_id"])
	var created struct {
		ConnectWebview struct{ URL string } `json:"connect_webview"`
	}
	require.NoError(t, client.Post(t.Context(), "/connect_webviews/create", nil, &created))
	webview := open(t, created.ConnectWebview.URL)
	webview.shows("#status", "pending")
	webview.do(chromedp.Click("button"))
	webview.shows("#status", "authorized")
	state.shows("#devices", "Lock 2")
	require.NoError(t, client.ClientSessions.Delete(t.Context(), state.text("#sessions td")))
	state.lacks("#sessions", user)
}

// startSeamd runs seamd in another process.
func startSeamd(t *testing.T, args ...string) (endpoint, key string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "seamd")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/seam-go/seam/seamtest/seamd").CombinedOutput()
	require.NoError(t, err, string(output))
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // killed as the test's context ends
	lines := bufio.NewScanner(stdout)
	value := func(name string) string {
		require.True(t, lines.Scan(), "seamd ended")
		value, found := strings.CutPrefix(lines.Text(), name+"=")
		require.True(t, found, lines.Text())
		return value
	}
	return value("SEAM_ENDPOINT"), value("SEAM_API_KEY")
}

// page is a page in headless Chromium.
type page struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T, address string) page {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		const missing = "no chromium: the pages of seamd were not tried in a browser"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU)...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	opened := page{t, ctx}
	opened.do(chromedp.Navigate(address))
	return opened
}

func (p page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, steps...))
}

func (p page) text(selector string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Text(selector))
	require.NoError(p.t, err)
	return text
}

// shows waits until the element has the texts, without a step of the test.
func (p page) shows(selector string, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		require.Eventually(p.t, func() bool { return strings.Contains(p.now(selector), text) }, time.Minute, 100*time.Millisecond, text)
	}
}

// lacks waits until the element does not have the text.
func (p page) lacks(selector, text string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		now := p.now(selector)
		return now != "" && !strings.Contains(now, text)
	}, time.Minute, 100*time.Millisecond)
}

// now returns the text of an element, or nothing while the page loads.
func (p page) now(selector string) string {
	text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.querySelector('"+selector+"')?.innerText ?? ''"))
	return text
}
