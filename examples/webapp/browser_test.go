package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser is headless Chromium.
type browser struct{ ctx context.Context }

func startBrowser(t *testing.T) browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		const missing = "no chromium: the page was not tried in a browser"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	require.NoError(t, chromedp.Do(ctx))
	return browser{ctx}
}

// tab is a page in a browser context of its own, which shares no cookies with others.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site string

	mu       sync.Mutex
	requests []request
	blocked  []string // what the Content-Security-Policy has blocked
}

type request struct{ url, body string }

func (b browser) open(t *testing.T, site string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	tab := &tab{t: t, ctx: ctx, site: site}
	require.NoError(t, chromedp.Listen(ctx, tab.listen))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	tab.do(chromedp.Navigate(site), chromedp.WaitVisible("#name"))
	t.Cleanup(func() {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		assert.Empty(t, tab.blocked)
		for _, request := range tab.requests {
			assert.NotContains(t, request.url, "seam_", "a URL with a token")
		}
	})
	return tab
}

func (tab *tab) listen(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch event := event.(type) {
	case *network.EventRequestWillBeSent:
		if event.Request.Method == http.MethodOptions {
			return
		}
		seen := request{url: event.Request.URL}
		for _, part := range event.Request.PostDataEntries {
			seen.body += string(part.Bytes)
		}
		tab.requests = append(tab.requests, seen)
	case *log.EventEntryAdded:
		if strings.Contains(event.Entry.Text, "Content Security Policy") {
			tab.blocked = append(tab.blocked, event.Entry.Text)
		}
	}
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
	ctx, stop := context.WithTimeout(tab.ctx, time.Minute)
	defer stop()
	require.NoError(tab.t, chromedp.Do(ctx, steps...))
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

// eval returns the value of an expression, or what it resolves to.
func eval[T any](tab *tab, expression string) T {
	tab.t.Helper()
	return read(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

const ready = `#status[data-state="good"]`

func (tab *tab) signIn(name string) {
	tab.t.Helper()
	tab.do(chromedp.SendKeys("#name", name), chromedp.Click("#signin button"), chromedp.WaitVisible(ready))
	require.Equal(tab.t, name, tab.text("#user"))
}

// connect connects an account in a Connect Webview, and waits for the doors.
func (tab *tab) connect() {
	tab.t.Helper()
	tab.do(
		chromedp.Click("#connect button"),
		chromedp.Click("//button[.='Log in, with one lock']"),
		chromedp.WaitVisible("#doors li"),
		chromedp.WaitVisible(ready),
	)
}

// door returns the ID of the only door.
func (tab *tab) door() string {
	tab.t.Helper()
	doors := tab.doors()
	require.Len(tab.t, doors, 1)
	return doors[0]
}

func (tab *tab) doors() []string {
	tab.t.Helper()
	return eval[[]string](tab, `[...document.querySelectorAll("#doors li")].map((item) => item.dataset.id)`)
}

// stay marks the page, so that stayed can tell whether it was loaded again.
func (tab *tab) stay() { tab.do(chromedp.Evaluate[chromedp.Void]("void (window.marked = true)")) }

func (tab *tab) stayed() bool { return eval[bool](tab, "window.marked === true") }

// screenshot leaves a picture in the folder SCREENSHOTS, if that is set.
func (tab *tab) screenshot(name string) {
	tab.t.Helper()
	if folder := os.Getenv("SCREENSHOTS"); folder != "" {
		require.NoError(tab.t, os.MkdirAll(folder, 0o700))
		png := read(tab, chromedp.FullScreenshot(100))
		require.NoError(tab.t, os.WriteFile(filepath.Join(folder, "webapp-"+name+".png"), png, 0o600))
	}
}
