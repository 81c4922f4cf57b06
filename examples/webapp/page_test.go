package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/seamtest"
)

// TestJourney goes from sign-in to sign-out with nothing set up, in light mode on a
// desktop and in dark mode on a phone.
//
//nolint:paralleltest // one browser at a time is enough for a small machine
func TestJourney(t *testing.T) {
	browser := startBrowser(t)
	site := startProgram(t).site
	for _, tt := range []struct {
		name, scheme string
		width        int64
		options      []chromedp.EmulateViewportOption
	}{
		{"desktop", "light", 1280, nil},
		{"phone", "dark", 390, []chromedp.EmulateViewportOption{chromedp.EmulateMobile}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := browser.open(t, site)
			_, err := chromedp.Call(tab.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: tt.scheme}},
			})
			require.NoError(t, err)
			tab.do(chromedp.EmulateViewport(tt.width, 844, tt.options...))
			assert.Equal(t, tt.scheme == "dark", eval[bool](tab, "matchMedia('(prefers-color-scheme: dark)').matches"))
			tab.screenshot("signin-" + tt.name)

			tab.signIn("jane_" + tt.name)
			tab.screenshot("nodoors-" + tt.name)
			assert.Contains(t, tab.text("#status"), "You have no doors yet.")
			tab.connect()
			tab.screenshot("doors-" + tt.name)
			assert.Equal(t, "Locked", tab.text("#doors .status"))
			name := tab.text("#doors h2")
			assert.Equal(t, "Unlock "+name, eval[string](tab, `document.querySelector("#doors button").ariaLabel`))

			tab.do(chromedp.Focus("#doors button"), chromedp.KeyEvent(kb.Enter))
			tab.screenshot("unlocking-" + tt.name)
			tab.do(chromedp.WaitVisible(`#doors li[data-state="good"]`), chromedp.WaitNotVisible("#doors progress"))
			tab.screenshot("unlocked-" + tt.name)
			assert.Equal(t, "Unlocked", tab.text("#doors .status"))
			assert.True(t, eval[bool](tab, `document.activeElement === document.querySelector("#doors button")`), "keyboards stay there")
			assert.False(t, eval[bool](tab, "document.documentElement.scrollWidth > innerWidth"), "it fits the screen")
			assert.NotContains(t, read(tab, chromedp.OuterHTML("html")), "seam_", "the page holds neither the API key nor a token")

			tab.do(chromedp.Click("#signout button"), chromedp.WaitVisible("#signin"))
			tab.screenshot("signedout-" + tt.name)
			assert.Equal(t, "You are signed out on all devices.", tab.text("#notice"))
			assert.Equal(t, "name", eval[string](tab, "document.activeElement.id"))
			assert.False(t, eval[bool](tab, "document.getElementById('account').checkVisibility()"))
			assert.Empty(t, tab.doors())
			tab.signIn("jane_" + tt.name)
			assert.Equal(t, name, tab.text("#doors h2"), "the account is still connected")
		})
	}
}

// TestTwoUsers tests that users neither see nor open each other's doors, whatever their
// pages send.
//
//nolint:paralleltest // as above
func TestTwoUsers(t *testing.T) {
	site := startSite(t)
	browser := startBrowser(t)
	jane, joe := browser.open(t, site.url), browser.open(t, site.url)
	jane.signIn("jane_doe")
	joe.signIn("joe")
	jane.connect()
	joe.connect()
	janes, joes := jane.door(), joe.door()
	assert.NotEqual(t, janes, joes)
	jane.do(chromedp.Click("#refresh button"), chromedp.WaitVisible(ready))
	assert.Equal(t, janes, jane.door())

	forge := func(path, credential, body string) int {
		return eval[int](joe, fmt.Sprintf(`fetch("/seam/session", { method: "POST" }).then((response) => response.json()).then(({ token }) =>
			fetch(%q, { method: "POST", headers: { "Content-Type": "application/json", %s }, body: %q })).then(({ status }) => status)`,
			path, credential, body))
	}
	assert.Equal(t, http.StatusNotFound, forge("/unlock", "", `{"device_id": "`+janes+`"}`))
	joe.do(
		chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`void (document.querySelector("#doors li").dataset.id = %q)`, janes)),
		chromedp.Click("#doors button"), chromedp.WaitVisible(`#doors li[data-state="failed"]`),
	)
	assert.Equal(t, "You have no such door.", joe.text("#doors .status"))
	assert.Zero(t, site.sent("/locks/unlock_door"), "the backend asks Seam for nothing")
	const token = `"Authorization": "Bearer " + token`
	for _, path := range []string{"/devices/get", "/locks/unlock_door"} {
		assert.Equal(t, http.StatusNotFound, forge(site.seam.URL+path, token, `{"device_id": "`+janes+`"}`), path)
		assert.Equal(t, http.StatusOK, forge(site.seam.URL+path, token, `{"device_id": "`+joes+`"}`), path)
	}
	device, err := site.app.seam.Devices.Get(t.Context(), api.DeviceGetParams{DeviceID: janes})
	require.NoError(t, err)
	assert.True(t, *device.Properties.Locked)
}

// TestPendingUnlock tests what the page shows until a door has moved, and after.
//
//nolint:paralleltest // as above
func TestPendingUnlock(t *testing.T) {
	site := startSite(t)
	tab := startBrowser(t).open(t, site.url)
	tab.signIn("jane_doe")
	tab.connect()
	tab.connect()
	doors := tab.doors()
	require.Len(t, doors, 2)
	state := func(i int, state string) string {
		tab.t.Helper()
		item := fmt.Sprintf("#doors li:nth-child(%d)[data-state=%q]", i+1, state)
		tab.do(chromedp.WaitVisible(item))
		return tab.text(item + " .status")
	}
	site.seam.SetOutcome(seamtest.Outcome{DeviceID: doors[0], Pending: time.Hour})
	site.seam.SetOutcome(seamtest.Outcome{DeviceID: doors[1], ErrorType: "device_disconnected", ErrorMessage: "internal"})

	first := "#doors li:nth-child(1) button"
	tab.do(chromedp.Click(first))
	assert.Equal(t, "Unlocking…", state(0, "busy"))
	tab.do(chromedp.WaitVisible("#doors li:nth-child(1) progress"))
	tab.do(chromedp.Click(first), chromedp.Click("#doors li:nth-child(2) button"))
	assert.Equal(t, "The lock is not connected. Check its battery and network.", state(1, "failed"))
	tab.screenshot("pending")
	tab.do(chromedp.Click("#refresh button"), chromedp.WaitVisible(idle("refresh")))
	assert.Equal(t, "Unlocking…", state(0, "busy"), "a refresh does not hide it")
	site.seam.Advance(2 * time.Hour)
	assert.Equal(t, "Unlocked", state(0, "good"))
	assert.Equal(t, 2, site.sent("/locks/unlock_door"), "once for each door, although there were two clicks on one")
	tab.do(chromedp.Reload(), chromedp.WaitVisible(ready))
	assert.Equal(t, "Unlocked", state(0, "good"))
	assert.Equal(t, "Locked", state(1, ""))

	site.server.Close()
	tab.do(chromedp.Click(first))
	assert.Equal(t, "There was no answer. Look whether the door is open before you try again.", state(0, "failed"))
}

// TestRevokedToken revokes the token of a user who has a page open in two browsers.
//
//nolint:paralleltest // as above
func TestRevokedToken(t *testing.T) {
	site := startSite(t)
	browser := startBrowser(t)
	phone, laptop := browser.open(t, site.url), browser.open(t, site.url)
	phone.signIn("jane_doe")
	laptop.signIn("jane_doe")
	phone.connect()
	session, err := site.app.sessions.Session(t.Context(), "jane_doe")
	require.NoError(t, err)
	require.NoError(t, site.client.ClientSessions.Revoke(t.Context(), session.ClientSessionID))
	fetches := site.sent("/client_sessions/get_or_create")

	for name, tab := range map[string]*tab{"phone": phone, "laptop": laptop} {
		tab.stay()
		before := len(tab.sent("/seam/session"))
		tab.do(chromedp.Click("#refresh button"), chromedp.WaitVisible("#doors li"), chromedp.WaitVisible(idle("refresh")))
		assert.Equal(t, "Your doors are ready.", tab.text("#status"), name)
		assert.True(t, tab.stayed(), "no reload")
		assert.Equal(t, []string{`{"refused":"` + session.ClientSessionID + `"}`}, tab.sent("/seam/session")[before:], name)
	}
	assert.Equal(t, 1, site.sent("/client_sessions/get_or_create")-fetches, "they share the new session")
}

// TestTwoBrowsers signs a user out in one of two browsers.
//
//nolint:paralleltest // as above
func TestTwoBrowsers(t *testing.T) {
	site := startSite(t)
	browser := startBrowser(t)
	phone, laptop := browser.open(t, site.url), browser.open(t, site.url)
	phone.signIn("jane_doe")
	laptop.signIn("jane_doe")
	laptop.connect()
	laptop.stay()
	session, err := site.app.sessions.Session(t.Context(), "jane_doe")
	require.NoError(t, err)

	phone.do(chromedp.Click("#signout button"), chromedp.WaitVisible("#signin"))
	require.ErrorIs(t, site.check(session.Token), seam.ErrUnauthorized)
	laptop.do(chromedp.Click("#doors button"), chromedp.WaitVisible("#signin"))
	laptop.screenshot("elsewhere")
	assert.Equal(t, "You were signed out. Sign in again.", laptop.text("#notice"))
	assert.True(t, laptop.stayed(), "no reload")
	assert.Zero(t, site.sent("/locks/unlock_door"))
	laptop.signIn("jane_doe")
	assert.Len(t, laptop.doors(), 1)
}

// TestLateToken signs a user out while a page waits for its token.
//
//nolint:paralleltest // as above
func TestLateToken(t *testing.T) {
	site := startSite(t)
	browser := startBrowser(t)
	phone, laptop := browser.open(t, site.url), browser.open(t, site.url)
	asked, answer := site.hold("/client_sessions/get_or_create")
	for _, tab := range []*tab{laptop, phone} {
		tab.do(chromedp.SendKeys("#name", "jane_doe"), chromedp.Click("#signin button"), chromedp.WaitVisible("#signout"))
	}
	<-asked
	phone.do(chromedp.Click("#signout button"), chromedp.WaitVisible("#signin"))
	answer()
	laptop.do(chromedp.WaitVisible("#signin"))
	assert.Equal(t, "You were signed out. Sign in again.", laptop.text("#notice"))
	assert.Empty(t, laptop.sent("/devices/list"), "it has no token to call Seam with")
}

// TestTokenIsRefusedAgain tests that a page does not ask for tokens for ever.
//
//nolint:paralleltest // as above
func TestTokenIsRefusedAgain(t *testing.T) {
	site := startSite(t)
	tab := startBrowser(t).open(t, site.url)
	tab.signIn("jane_doe")
	site.seam.Fail(seamtest.Fault{Path: "/devices/list", Status: http.StatusUnauthorized})
	tab.do(chromedp.Click("#refresh button"), chromedp.WaitVisible("#signin"))
	assert.Len(t, tab.sent("/seam/session"), 2)
	assert.Len(t, tab.sent("/devices/list"), 3)
}

// idle selects the button of a form while its action does not run.
func idle(form string) string { return "#" + form + ` button:not([aria-disabled="true"])` }

// TestFailures tests that a page can try again after each failure.
//
//nolint:paralleltest // as above
func TestFailures(t *testing.T) {
	site := startSite(t)
	tab := startBrowser(t).open(t, site.url)
	tab.signIn("jane_doe")
	tab.stay()
	try := func(form string) string {
		t.Helper()
		tab.do(
			chromedp.Evaluate[chromedp.Void]("void (document.getElementById('status').dataset.state = '')"),
			chromedp.Click(idle(form)),
			chromedp.WaitVisible(`#status:not([data-state=""])`),
			chromedp.WaitVisible(idle(form)),
		)
		return tab.text("#status")
	}
	for path, words := range map[string]string{
		"/devices/list":                  "Your doors could not be loaded. Try again.",
		"/client_sessions/get_or_create": "Your doors could not be loaded. Try again.",
	} {
		session, err := site.app.sessions.Session(t.Context(), "jane_doe")
		require.NoError(t, err)
		require.NoError(t, site.client.ClientSessions.Revoke(t.Context(), session.ClientSessionID))
		site.seam.Fail(seamtest.Fault{Path: path, Status: http.StatusServiceUnavailable})
		assert.Equal(t, words, try("refresh"), path)
		tab.screenshot("failed")
		site.seam.ClearFaults()
		// The cache pauses for a moment after a failure of Seam. The time of the tab limits the loop.
		for try("refresh") == words {
			time.Sleep(200 * time.Millisecond)
		}
	}

	site.seam.Fail(seamtest.Fault{Path: "/connect_webviews/create", Status: http.StatusForbidden})
	assert.Equal(t, "That did not work. Try again in a moment.", try("connect"))
	site.seam.Fail(seamtest.Fault{Path: "/client_sessions/revoke", Status: http.StatusForbidden})
	assert.Equal(t, "You may still be signed in. Try again.", try("signout"))
	site.server.Close()
	assert.Equal(t, "You may still be signed in. Try again.", try("signout"), "the backend is gone")
	assert.Equal(t, "No account could be connected. Try again.", try("connect"))
	assert.True(t, tab.stayed(), "no reload")
}
