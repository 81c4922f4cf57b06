package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
)

// TestMain keeps the tests away from the real service.
func TestMain(m *testing.M) {
	os.Clearenv()
	os.Exit(m.Run())
}

// site is the webapp with a fake Seam server.
type site struct {
	t      *testing.T
	url    string
	app    *app
	seam   *seamtest.Server
	client *seam.Client
	http   *http.Client
}

func startSite(t *testing.T) *site {
	t.Helper()
	return start(t, "http", (*httptest.Server).Start)
}

func start(t *testing.T, scheme string, start func(*httptest.Server)) *site {
	t.Helper()
	srv := seamtest.NewServer(t)
	server := httptest.NewUnstartedServer(nil)
	address, err := parseSite(scheme + "://" + server.Listener.Addr().String())
	require.NoError(t, err)
	client := srv.Client(t, seam.WithMaxRetries(0))
	sessions, err := sessioncache.New(client, sessioncache.Config{Lifetime: lifetime})
	require.NoError(t, err)
	app := newApp(sessions, srv.URL, address)
	server.Config.Handler = app.handler()
	start(server)
	t.Cleanup(server.Close)
	return &site{t: t, url: server.URL, app: app, seam: srv, client: client, http: server.Client()}
}

// visitor is a browser without scripts.
type visitor struct {
	*site
	http http.Client
}

func (s *site) visitor() *visitor {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &visitor{site: s, http: http.Client{Transport: s.http.Transport, Jar: jar}}
}

// reply is a response whose body was read.
type reply struct {
	*http.Response
	body string
}

func (v *visitor) send(method, path string, header http.Header, body string) reply {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(body))
	require.NoError(v.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := v.http.Do(req)
	require.NoError(v.t, err)
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	return reply{resp, string(read)}
}

func (v *visitor) get(path string) reply { return v.send(http.MethodGet, path, nil, "") }
func (v *visitor) signIn(name string) reply {
	return v.send(http.MethodPost, "/signin", nil, url.Values{"name": {name}}.Encode())
}
func (v *visitor) signOut() reply { return v.send(http.MethodPost, "/signout", nil, "") }

// session asks for a session as the page does. refused is the ID of the session whose
// token Seam has refused, or empty.
func (v *visitor) session(refused string) reply {
	v.t.Helper()
	return v.send(http.MethodPost, "/seam/session", http.Header{"Content-Type": {"application/json"}}, `{"refused": "`+refused+`"}`)
}

// token returns the token of the session, which the visitor must get.
func (v *visitor) token(refused string) string {
	v.t.Helper()
	reply := v.session(refused)
	require.Equal(v.t, http.StatusOK, reply.StatusCode, reply.body)
	var session struct{ Token string }
	require.NoError(v.t, json.Unmarshal([]byte(reply.body), &session))
	return session.Token
}

// check returns an error if Seam refuses a token.
func (s *site) check(token string) error {
	_, err := s.client.ClientSessions.Get(s.t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(token))
	return err
}

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
		app := newApp(nil, "", site)
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

func TestParseSite(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"http://127.0.0.1:8080":         true,
		"http://[::1]:8080":             true,
		"http://localhost:8080":         true,
		"https://shop.example.com":      true,
		"https://shop.example.com:8443": true,
		"https://shop.example.com/":     true,
		"http://shop.example.com":       false, // the cookie would cross the network unencrypted
		"http://[::]:8080":              false,
		"http://192.0.2.1:8080":         false,
		"https://shop.example.com/app":  false,
		"https://shop.example.com?a":    false,
		"https://jane@shop.example.com": false,
		"ftp://shop.example.com":        false,
		"shop.example.com":              false,
		"https://":                      false,
		"":                              false,
		"%":                             false,
	} {
		_, err := parseSite(address)
		if ok {
			require.NoError(t, err, address)
		} else {
			require.ErrorContains(t, err, "-url", address)
		}
	}
}

// TestOtherSites tests that no other site acts for a visitor, and that no other
// name leads here.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	visitor := site.visitor()
	visitor.signIn("jane_doe")
	for _, path := range []string{"/signin", "/signout", "/seam/session"} {
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
	assert.NotEqual(t, policy, visitor.get("/").Header.Get("Content-Security-Policy"), "each page has a nonce of its own")
	assert.Equal(t, "text/css; charset=utf-8", visitor.get("/style.css").Header.Get("Content-Type"))
}

// TestCredentials tests that the environment decides whom the webapp talks to.
func TestCredentials(t *testing.T) {
	srv := seamtest.NewServer(t)
	for _, tt := range []struct {
		name string
		env  map[string]string
		fake bool // whether it starts a fake Seam server
		err  string
	}{
		{"nothing", nil, true, ""},
		{"API key", map[string]string{"SEAM_API_KEY": srv.APIKey, "SEAM_ENDPOINT": srv.URL + "/"}, false, ""},
		{"personal access token", map[string]string{
			"SEAM_PERSONAL_ACCESS_TOKEN": srv.PersonalAccessToken, "SEAM_WORKSPACE_ID": srv.WorkspaceID, "SEAM_ENDPOINT": srv.URL,
		}, false, ""},
		{"no workspace", map[string]string{"SEAM_PERSONAL_ACCESS_TOKEN": srv.PersonalAccessToken}, false, "SEAM_WORKSPACE_ID"},
		{"both", map[string]string{"SEAM_API_KEY": srv.APIKey, "SEAM_PERSONAL_ACCESS_TOKEN": srv.PersonalAccessToken}, false, "both"},
		{"endpoint alone", map[string]string{"SEAM_ENDPOINT": srv.URL}, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			client, endpoint, stop, err := connect()
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			defer stop()
			assert.Equal(t, tt.fake, endpoint != srv.URL, endpoint)
			_, err = client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
			require.NoError(t, err)
		})
	}
}
