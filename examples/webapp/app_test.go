package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor := site.visitor()
	assert.NotContains(t, visitor.get("/").body, "<script", "a visitor who is not signed in calls nothing")

	page := visitor.signIn(" jane_doe ")
	assert.Equal(t, http.StatusOK, page.StatusCode)
	assert.Contains(t, page.body, ">jane_doe<")
	assert.Equal(t, "no-store", page.Header.Get("Cache-Control"))
	assert.NotContains(t, page.body, "seam_", "the page holds neither the API key nor a token")
	assert.Empty(t, site.seam.Requests(), "signing in does not depend on Seam")
}

// TestSession gives a page its token, and another one if that is revoked.
func TestSession(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor, other := site.visitor(), site.visitor()
	assert.Equal(t, http.StatusUnauthorized, visitor.session("").StatusCode)
	assert.Empty(t, site.seam.Requests())

	visitor.signIn("jane_doe")
	other.signIn("jane_doe")
	first := visitor.token("")
	assert.Equal(t, first, visitor.token(""))
	assert.Equal(t, first, other.token(""))
	assert.Len(t, site.seam.Requests(), 1, "the others come from the cache")
	session, err := site.client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	assert.Equal(t, session.Token, first)
	assert.InDelta(t, lifetime.Hours(), time.Until(session.ExpiresAt).Hours(), 1)

	require.NoError(t, site.client.ClientSessions.Revoke(t.Context(), session.ClientSessionID))
	second := visitor.token(session.ClientSessionID)
	require.NoError(t, site.check(second))
	assert.Equal(t, second, other.token(session.ClientSessionID))
}

// TestSignOut signs a user with two browsers out in one of them.
func TestSignOut(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	phone, laptop, joe := site.visitor(), site.visitor(), site.visitor()
	phone.signIn("jane_doe")
	laptop.signIn("jane_doe")
	joe.signIn("joe")
	token, joes := laptop.token(""), joe.token("")
	assert.Equal(t, token, phone.token(""))

	page := phone.signOut()
	assert.Equal(t, http.StatusOK, page.StatusCode)
	assert.NotContains(t, page.body, ">jane_doe<")
	require.ErrorIs(t, site.check(token), seam.ErrUnauthorized)
	assert.Equal(t, http.StatusUnauthorized, phone.session("").StatusCode)
	assert.Equal(t, http.StatusUnauthorized, laptop.session("").StatusCode)
	require.NoError(t, site.check(joes))
	joe.token("")

	assert.Equal(t, http.StatusOK, phone.signOut().StatusCode, "signing out twice does no harm")
}

func TestSignOutFails(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor := site.visitor()
	visitor.signIn("jane_doe")
	token := visitor.token("")
	site.seam.Fail(seamtest.Fault{Path: "/client_sessions/revoke", Status: http.StatusServiceUnavailable, Times: 1})

	reply := visitor.signOut()
	assert.Equal(t, http.StatusServiceUnavailable, reply.StatusCode)
	assert.Contains(t, visitor.get("/").body, ">jane_doe<", "the visitor must be able to try again")
	require.NoError(t, site.check(token))

	visitor.signOut()
	require.ErrorIs(t, site.check(token), seam.ErrUnauthorized)
}

// TestBadName tests that a mistake of the visitor is called one.
func TestBadName(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"empty": "", "blank": " \t", "not UTF-8": "\xff", "a control character": "jane\x00doe", "too long": strings.Repeat("x", 61),
		"far too long": strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			visitor := startSite(t).visitor()
			page := visitor.signIn(value)
			assert.Equal(t, http.StatusBadRequest, page.StatusCode)
			assert.Contains(t, page.body, "1 to 60")
			assert.Contains(t, page.body, `action="/signin"`)
			assert.Empty(t, page.Cookies())
		})
	}
}

func TestNamesAreEscaped(t *testing.T) {
	t.Parallel()
	page := startSite(t).visitor().signIn(`<script>alert(1)</script>`)
	assert.NotContains(t, page.body, "<script>alert")
	assert.Contains(t, page.body, "&lt;script&gt;alert")
}

// TestNewSignIn tests that whoever has the cookie of an earlier sign-in has
// nothing after the next one.
func TestNewSignIn(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor, thief := site.visitor(), site.visitor()
	address, err := url.Parse(site.url)
	require.NoError(t, err)
	visitor.signIn("jane_doe")
	old := visitor.http.Jar.Cookies(address)
	thief.http.Jar.SetCookies(address, old)
	thief.token("")

	visitor.signIn("jane_doe")
	assert.NotEqual(t, old, visitor.http.Jar.Cookies(address))
	visitor.token("")
	assert.Equal(t, http.StatusUnauthorized, thief.session("").StatusCode)
}

func TestSignInExpires(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor, other := site.visitor(), site.visitor()
	visitor.signIn("jane_doe")
	for cookie, signIn := range site.app.signIns {
		signIn.expires = time.Now().Add(-time.Second)
		site.app.signIns[cookie] = signIn
	}
	assert.NotContains(t, visitor.get("/").body, ">jane_doe<")
	assert.Equal(t, http.StatusUnauthorized, visitor.session("").StatusCode)
	other.signIn("joe")
	assert.Len(t, site.app.signIns, 1, "the next sign-in forgets what has expired")
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://127.0.0.1:8080":    "visitor=x; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax",
		"https://shop.example.com": "__Host-visitor=x; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax",
	} {
		site, err := parseSite(address)
		require.NoError(t, err)
		app := &app{site: site}
		assert.Equal(t, want, app.cookie("x").String())
		assert.Contains(t, app.cookie("").String(), "Max-Age=0", "an empty one removes it")
	}
}

// TestHTTPS tests that browsers send the cookie back over TLS.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	visitor := start(t, "https", (*httptest.Server).StartTLS).visitor()
	visitor.signIn("jane_doe")
	visitor.token("")
	visitor.signOut()
	address, err := url.Parse(visitor.url)
	require.NoError(t, err)
	assert.Empty(t, visitor.http.Jar.Cookies(address))
}

// TestOtherSites tests that no other site acts for a visitor, and that no other
// name leads here.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor := site.visitor()
	visitor.signIn("jane_doe")
	for _, path := range []string{"/signin", "/signout", "/seam/session", "/connect", "/unlock"} {
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://elsewhere.example.com"}},
		} {
			assert.Equal(t, http.StatusForbidden, visitor.send(http.MethodPost, path, header, "name=joe").StatusCode, path)
		}
	}
	reply := visitor.send(http.MethodGet, "/", http.Header{"Host": {"elsewhere.example.com"}}, "")
	assert.Equal(t, http.StatusMisdirectedRequest, reply.StatusCode)
	assert.Contains(t, reply.body, site.url, "it says where to go")
	assert.NotContains(t, reply.body, "jane_doe")
	visitor.token("")
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor := site.visitor()
	for _, reply := range []reply{
		visitor.get("/"), visitor.signIn(""), visitor.signIn("jane_doe"), visitor.session(""), visitor.get("/style.css"), visitor.get("/nothing"),
		visitor.get("/page.js"), visitor.get("/doors"),
		visitor.send(http.MethodGet, "/", http.Header{"Host": {"elsewhere.example.com"}}, ""),
	} {
		path := reply.Request.URL.Path
		assert.Equal(t, "nosniff", reply.Header.Get("X-Content-Type-Options"), path)
		assert.Equal(t, "same-origin", reply.Header.Get("Referrer-Policy"), path)
		assert.Contains(t, reply.Header.Get("Content-Security-Policy"), "default-src 'none'", path)
		assert.Contains(t, reply.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
	}
	policy := visitor.get("/").Header.Get("Content-Security-Policy")
	assert.Contains(t, policy, "connect-src 'self' "+site.seam.URL+"/;")
	assert.NotContains(t, policy, "unsafe")
	assert.Equal(t, "text/javascript; charset=utf-8", visitor.get("/page.js").Header.Get("Content-Type"))
	assert.Equal(t, "text/css; charset=utf-8", visitor.get("/style.css").Header.Get("Content-Type"))
}
