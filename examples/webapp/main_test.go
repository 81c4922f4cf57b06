package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// visitor is a browser without scripts.
type visitor struct {
	t    *testing.T
	http http.Client
	site string
}

func (v *visitor) read(resp *http.Response, err error) (int, string) {
	v.t.Helper()
	require.NoError(v.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	return resp.StatusCode, string(body)
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.site+path, http.NoBody)
	require.NoError(v.t, err)
	return v.read(v.http.Do(req))
}

func (v *visitor) post(path string, header http.Header, form url.Values) (int, string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.site+path+"?"+form.Encode(), http.NoBody)
	require.NoError(v.t, err)
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	return v.read(v.http.Do(req))
}

func open(t *testing.T) (*visitor, *seamtest.Server) {
	t.Helper()
	srv := seamtest.NewServer(t)
	app := &app{
		sessions: srv.Client(t, seam.WithMaxRetries(0)).ClientSessions,
		endpoint: srv.URL,
		signedIn: map[string]*seam.ClientSession{},
	}
	site := httptest.NewServer(app.handler())
	t.Cleanup(site.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t: t, http: http.Client{Jar: jar}, site: site.URL}, srv
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	visitor, srv := open(t)
	_, page := visitor.get("/")
	assert.Contains(t, page, `action="/signin"`)

	status, page := visitor.post("/signin", nil, url.Values{"name": {" jane_doe "}})
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, "jane_doe")
	assert.NotContains(t, page, srv.APIKey)
	session, err := srv.Client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	assert.Contains(t, page, session.Token)

	_, page = visitor.post("/signout", nil, nil)
	assert.Contains(t, page, `action="/signin"`)
	_, err = srv.Client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(session.Token))
	require.ErrorIs(t, err, seam.ErrUnauthorized)
	_, page = visitor.post("/signout", nil, nil)
	assert.Contains(t, page, `action="/signin"`, "signing out twice does no harm")
}

func TestNoName(t *testing.T) {
	t.Parallel()
	visitor, srv := open(t)
	_, page := visitor.post("/signin", nil, url.Values{"name": {" "}})
	assert.Contains(t, page, `action="/signin"`)
	assert.Empty(t, srv.Requests())
}

func TestSeamIsDown(t *testing.T) {
	t.Parallel()
	visitor, srv := open(t)
	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Status: http.StatusServiceUnavailable, Times: 1})
	status, page := visitor.post("/signin", nil, url.Values{"name": {"jane_doe"}})
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, page, "try again")

	visitor.post("/signin", nil, url.Values{"name": {"jane_doe"}})
	srv.Fail(seamtest.Fault{Path: "/client_sessions/revoke", Status: http.StatusServiceUnavailable, Times: 1})
	status, page = visitor.post("/signout", nil, nil)
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, page, "has not ended")
	_, page = visitor.get("/")
	assert.Contains(t, page, "jane_doe", "whoever is still signed in must see that")
}

func TestOtherSitesCannotSignAnybodyIn(t *testing.T) {
	t.Parallel()
	visitor, srv := open(t)
	status, _ := visitor.post("/signin", http.Header{"Sec-Fetch-Site": {"cross-site"}}, url.Values{"name": {"jane_doe"}})
	assert.Equal(t, http.StatusForbidden, status)
	assert.Empty(t, srv.Requests())
}

func TestStyle(t *testing.T) {
	t.Parallel()
	visitor, _ := open(t)
	status, style := visitor.get("/style.css")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, style, "color-scheme: light dark")
}
