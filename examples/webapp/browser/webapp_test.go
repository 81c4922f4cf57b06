// Package browser drives the webapp in headless Chromium.
package browser

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startWebapp builds and starts the webapp with a Seam server of its own.
func startWebapp(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "webapp")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	app := exec.CommandContext(t.Context(), binary, "-addr", "127.0.0.1:0")
	app.Env = append(os.Environ(), "SEAM_API_KEY=", "SEAM_ENDPOINT=")
	app.Stderr = os.Stderr
	stdout, err := app.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, app.Start())
	t.Cleanup(func() { _ = app.Wait() }) // killed as the test's context ends
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if site, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			return site
		}
	}
	t.Fatal("the webapp did not start")
	return ""
}

// apiKey is what the keys of the webapp's own Seam server begin with.
const apiKey = "seam_test"

// TestWebapp signs in and out as a visitor with a phone would, in light and in
// dark mode. With SCREENSHOTS set to a folder it leaves pictures there.
//
//nolint:paralleltest // one browser at a time is enough for a small machine
func TestWebapp(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		const missing = "no chromium: the webapp was not tried in a browser"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	site := startWebapp(t)
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			tab := open(t, chromium)
			_, err := chromedp.Call(tab.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			require.NoError(t, err)
			tab.do(
				chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile),
				chromedp.Navigate(site),
				chromedp.WaitVisible("#name"),
			)
			tab.screenshot("signin-" + scheme)
			assert.NotContains(t, read(tab, chromedp.OuterHTML("html")), "seam_", "a stranger gets nothing")

			tab.do(
				chromedp.SendKeys("#name", "jane_doe"),
				chromedp.Click("#signin button"),
				chromedp.WaitVisible(`#status[data-state="good"]`),
			)
			tab.screenshot("session-" + scheme)
			assert.Equal(t, "jane_doe", read(tab, chromedp.Text("#user")))
			assert.Equal(t, "Seam knows you.", read(tab, chromedp.Text("#status")))
			assert.Contains(t, read(tab, chromedp.Text("#session")), "-0000-4000-8000-000000000000")
			assert.Equal(t, "0", read(tab, chromedp.Text("#devices")))
			assert.False(t, read(tab, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > innerWidth")), "it fits a phone")
			assert.Equal(t, scheme == "dark", read(tab, chromedp.Evaluate[bool]("matchMedia('(prefers-color-scheme: dark)').matches")))
			page := read(tab, chromedp.OuterHTML("html"))
			assert.Contains(t, page, "seam_cst")
			assert.NotContains(t, page, apiKey, "the API key stays in the backend")

			tab.do(
				chromedp.Click("#signout button"),
				chromedp.WaitVisible(`#status[data-state="ended"]`),
			)
			tab.screenshot("ended-" + scheme)
			assert.Equal(t, "Seam refuses the token now: client_session_revoked", read(tab, chromedp.Text("#status")))
			assert.Equal(t, "SIGNED OUT", read(tab, chromedp.Text("#where")))
			tab.do(chromedp.Click("#signout a"), chromedp.WaitVisible("#name"))

			calls := 0
			for _, url := range tab.requests() {
				if strings.HasSuffix(url, "/client_sessions/get") {
					assert.False(t, strings.HasPrefix(url, site), "the browser asks Seam itself")
					calls++
				}
			}
			assert.Equal(t, 2, calls)
		})
	}
}

// tab is a page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu   sync.Mutex
	urls []string
}

func open(t *testing.T, chromium string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	tab := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		if request, ok := event.(*network.EventRequestWillBeSent); ok && request.Request.Method != http.MethodOptions {
			tab.mu.Lock()
			defer tab.mu.Unlock()
			tab.urls = append(tab.urls, request.Request.URL)
		}
	}))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	return tab
}

func (tab *tab) requests() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return slices.Clone(tab.urls)
}

func (tab *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	require.NoError(tab.t, chromedp.Do(tab.ctx, steps...))
}

func read[T any](tab *tab, action chromedp.Action[T]) T {
	tab.t.Helper()
	value, err := chromedp.Run(tab.ctx, action)
	require.NoError(tab.t, err)
	return value
}

func (tab *tab) screenshot(name string) {
	tab.t.Helper()
	if folder := os.Getenv("SCREENSHOTS"); folder != "" {
		png := read(tab, chromedp.FullScreenshot(100))
		require.NoError(tab.t, os.WriteFile(filepath.Join(folder, "webapp-"+name+".png"), png, 0o600))
	}
}
