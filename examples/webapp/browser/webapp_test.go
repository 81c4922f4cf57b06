// Package browser tests the webapp in headless Chromium.
package browser

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
)

// binary is the webapp, and chromium the browser, empty if there is none.
var binary, chromium string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "webapp")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binary = filepath.Join(folder, "webapp")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, ".")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintln(os.Stderr, string(out), err)
		return 1
	}
	chromium, _ = exec.LookPath("chromium")
	return m.Run()
}

// startWebapp starts the webapp for srv, or for a fake Seam server of its own if srv
// is nil. It returns its URL and a function that kills it.
func startWebapp(t *testing.T, srv *seamtest.Server) (site string, kill func()) {
	t.Helper()
	if chromium == "" {
		const missing = "no chromium: the webapp was not tried in a browser"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	ctx, cancel := context.WithCancel(t.Context())
	app := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0")
	if srv != nil {
		app.Env = []string{"SEAM_API_KEY=" + srv.APIKey, "SEAM_ENDPOINT=" + srv.URL}
	} else {
		app.Env = []string{"NO_SEAM=1"} // an empty list would be the whole environment
	}
	app.Stderr = os.Stderr
	stdout, err := app.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, app.Start())
	kill = sync.OnceFunc(func() {
		cancel()
		_ = app.Wait()
	})
	t.Cleanup(kill)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if site, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			return site, kill
		}
	}
	t.Fatal("the webapp did not start")
	return "", nil
}

// tab is a page in a browser of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site string

	mu       sync.Mutex
	requests []request
}

type request struct{ url, body string }

func open(t *testing.T, site string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	tab := &tab{t: t, ctx: ctx, site: site}
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok && sent.Request.Method != http.MethodOptions {
			seen := request{url: sent.Request.URL}
			for _, part := range sent.Request.PostDataEntries {
				seen.body += string(part.Bytes)
			}
			tab.mu.Lock()
			defer tab.mu.Unlock()
			tab.requests = append(tab.requests, seen)
		}
	}))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	tab.do(chromedp.Navigate(site), chromedp.WaitVisible("#name"))
	return tab
}

// sent returns the bodies of the requests to URLs that end in path.
func (tab *tab) sent(path string) []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var bodies []string
	for _, request := range tab.requests {
		if strings.HasSuffix(request.url, path) {
			bodies = append(bodies, request.body)
		}
	}
	return bodies
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

func (tab *tab) text(selector string) string {
	tab.t.Helper()
	return read(tab, chromedp.Text(selector))
}

func (tab *tab) signIn() {
	tab.t.Helper()
	tab.do(
		chromedp.SendKeys("#name", "jane_doe"),
		chromedp.Click("#signin button"),
		chromedp.WaitVisible(`#status[data-state="good"]`),
	)
	require.Equal(tab.t, "jane_doe", tab.text("#user"))
}

// stay marks the page, so that stayed can tell whether it was loaded again.
func (tab *tab) stay() { tab.do(chromedp.Evaluate[chromedp.Void]("void (window.marked = true)")) }

func (tab *tab) stayed() bool { return read(tab, chromedp.Evaluate[bool]("window.marked === true")) }

// screenshot leaves a picture in the folder SCREENSHOTS, if that is set.
func (tab *tab) screenshot(name string) {
	tab.t.Helper()
	if folder := os.Getenv("SCREENSHOTS"); folder != "" {
		require.NoError(tab.t, os.MkdirAll(folder, 0o700))
		png := read(tab, chromedp.FullScreenshot(100))
		require.NoError(tab.t, os.WriteFile(filepath.Join(folder, "webapp-"+name+".png"), png, 0o600))
	}
}

// TestWebapp signs in and out in light and dark mode and on a phone.
//
//nolint:paralleltest // one browser at a time is enough for a small machine
func TestWebapp(t *testing.T) {
	site, _ := startWebapp(t, nil)
	for _, tt := range []struct {
		name, scheme string
		width        int64
		phone        bool
	}{
		{"light", "light", 1280, false},
		{"dark", "dark", 1280, false},
		{"phone", "light", 390, true},
		{"phone-dark", "dark", 390, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := open(t, site)
			_, err := chromedp.Call(tab.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: tt.scheme}},
			})
			require.NoError(t, err)
			if tt.phone {
				tab.do(chromedp.EmulateViewport(tt.width, 844, chromedp.EmulateMobile))
			} else {
				tab.do(chromedp.EmulateViewport(tt.width, 844))
			}
			assert.Equal(t, tt.scheme == "dark", read(tab, chromedp.Evaluate[bool]("matchMedia('(prefers-color-scheme: dark)').matches")))
			tab.screenshot("signin-" + tt.name)

			tab.signIn()
			tab.screenshot("session-" + tt.name)
			assert.Equal(t, "Seam knows you.", tab.text("#status"))
			assert.Contains(t, tab.text("#session"), "-0000-4000-8000-000000000000")
			assert.Equal(t, "0", tab.text("#devices"))
			assert.False(t, read(tab, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > innerWidth")), "it fits the screen")
			assert.NotContains(t, read(tab, chromedp.OuterHTML("html")), "seam_", "the page holds neither the API key nor a token")
			assert.Len(t, tab.sent("/client_sessions/get"), 1)
			assert.Empty(t, tab.sent(site+"/client_sessions/get"), "the browser calls Seam itself")

			tab.do(chromedp.Click("#signout button"), chromedp.WaitVisible("#signin"))
			tab.screenshot("signedout-" + tt.name)
			assert.Equal(t, "You are signed out on all devices.", tab.text("#notice"))
			assert.False(t, read(tab, chromedp.Evaluate[bool]("document.getElementById('account').checkVisibility()")))
			tab.signIn()
		})
	}
}

// TestRevokedToken revokes the token of a user who has a page open in two browsers.
//
//nolint:paralleltest // as above
func TestRevokedToken(t *testing.T) {
	srv := seamtest.NewServer(t)
	site, _ := startWebapp(t, srv)
	phone, laptop := open(t, site), open(t, site)
	phone.signIn()
	laptop.signIn()
	first := phone.text("#session")
	require.Equal(t, first, laptop.text("#session"))
	require.NoError(t, srv.Client(t).ClientSessions.Revoke(t.Context(), first))

	for name, tab := range map[string]*tab{"phone": phone, "laptop": laptop} {
		tab.stay()
		tab.do(
			chromedp.Click("#refresh button"),
			chromedp.WaitNotPresent(fmt.Sprintf("//dd[@id='session' and .=%q]", first)),
			chromedp.WaitVisible("#refresh button:enabled"),
		)
		assert.Equal(t, "Seam knows you.", tab.text("#status"), name)
		assert.True(t, tab.stayed(), "no reload")
		assert.Equal(t, []string{"{}", `{"refused":"` + first + `"}`}, tab.sent("/seam/session"), name)
		assert.Len(t, tab.sent("/client_sessions/get"), 3, name)
	}
	laptop.screenshot("renewed")
	assert.Equal(t, phone.text("#session"), laptop.text("#session"), "they share the new session")
	fetches := 0
	for _, request := range srv.Requests() {
		if request.Path == "/client_sessions/get_or_create" {
			fetches++
		}
	}
	assert.Equal(t, 2, fetches, "one for each session, although four times a page asked for one")
}

// TestTwoBrowsers signs a user out in one of two browsers.
//
//nolint:paralleltest // as above
func TestTwoBrowsers(t *testing.T) {
	srv := seamtest.NewServer(t)
	site, _ := startWebapp(t, srv)
	phone, laptop := open(t, site), open(t, site)
	phone.signIn()
	laptop.signIn()
	laptop.stay()
	assert.Equal(t, phone.text("#session"), laptop.text("#session"), "they share a session")

	phone.do(chromedp.Click("#signout button"), chromedp.WaitVisible("#signin"))
	laptop.do(chromedp.Click("#refresh button"), chromedp.WaitVisible("#signin"))
	laptop.screenshot("elsewhere")
	assert.Equal(t, "You were signed out. Sign in again.", laptop.text("#notice"))
	assert.True(t, laptop.stayed(), "no reload")
	assert.Len(t, laptop.sent("/seam/session"), 2)
	laptop.signIn()
}

// TestTokenIsRefusedAgain tests that a page does not ask for tokens for ever.
//
//nolint:paralleltest // as above
func TestTokenIsRefusedAgain(t *testing.T) {
	srv := seamtest.NewServer(t)
	site, _ := startWebapp(t, srv)
	tab := open(t, site)
	tab.signIn()
	srv.Fail(seamtest.Fault{Path: "/client_sessions/get", Status: http.StatusUnauthorized})
	tab.do(chromedp.Click("#refresh button"), chromedp.WaitVisible("#signin"))
	assert.Len(t, tab.sent("/seam/session"), 2)
	assert.Len(t, tab.sent("/client_sessions/get"), 3)
}

// TestFailures tests that a page can try again after each failure.
//
//nolint:paralleltest // as above
func TestFailures(t *testing.T) {
	srv := seamtest.NewServer(t)
	site, kill := startWebapp(t, srv)
	tab := open(t, site)
	tab.signIn()
	tab.stay()
	try := func(button string) {
		t.Helper()
		tab.do(
			chromedp.Evaluate[chromedp.Void]("void (document.getElementById('status').dataset.state = '')"),
			chromedp.Click(button+":enabled"),
			chromedp.WaitVisible(`#status:not([data-state=""])`),
			chromedp.WaitVisible(button+":enabled"),
		)
	}
	for _, path := range []string{"/client_sessions/get", "/client_sessions/get_or_create"} {
		require.NoError(t, srv.Client(t).ClientSessions.Revoke(t.Context(), tab.text("#session")))
		srv.Fail(seamtest.Fault{Path: path, Status: http.StatusServiceUnavailable})
		try("#refresh button")
		tab.screenshot("failed")
		assert.Equal(t, "Your session could not be loaded. Try again.", tab.text("#status"), path)
		srv.ClearFaults()
		// The cache pauses for a moment after a failure of Seam. The time of the tab limits the loop.
		for try("#refresh button"); tab.text("#status") != "Seam knows you."; try("#refresh button") {
			time.Sleep(200 * time.Millisecond)
		}
	}

	srv.Fail(seamtest.Fault{Path: "/client_sessions/revoke", Status: http.StatusForbidden})
	try("#signout button")
	assert.Equal(t, "You may still be signed in. Try again.", tab.text("#status"))
	kill()
	try("#signout button")
	assert.Equal(t, "You may still be signed in. Try again.", tab.text("#status"), "the backend is gone")
	assert.True(t, tab.stayed(), "no reload")
}
