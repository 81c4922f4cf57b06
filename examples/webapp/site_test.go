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
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/seamtest"
)

// TestMain keeps the tests away from the real service.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "SEAM_") {
			_ = os.Unsetenv(name)
		}
	}
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
	server *httptest.Server
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
	app, err := newApp(api.New(client), srv.URL, address)
	require.NoError(t, err)
	server.Config.Handler = app.handler()
	start(server)
	t.Cleanup(server.Close)
	return &site{t: t, url: server.URL, app: app, seam: srv, client: client, http: server.Client(), server: server}
}

// check returns an error if Seam refuses a token.
func (s *site) check(token string) error {
	_, err := s.client.ClientSessions.Get(s.t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(token))
	return err
}

// sent returns how many requests to path Seam has received.
func (s *site) sent(path string) int {
	count := 0
	for _, request := range s.seam.Requests() {
		if request.Path == path && request.Method == http.MethodPost {
			count++
		}
	}
	return count
}

// hold holds the requests to path until answer is called. The channel is closed when Seam
// has received one.
func (s *site) hold(path string) (asked <-chan struct{}, answer func()) {
	received, released := make(chan struct{}), make(chan struct{})
	closed := sync.OnceFunc(func() { close(received) })
	answer = sync.OnceFunc(func() { close(released) })
	s.t.Cleanup(answer)
	s.seam.Fail(seamtest.Fault{Path: path, Match: func(seamtest.Request) bool {
		closed()
		<-released
		return false
	}, Status: http.StatusTeapot})
	return received, answer
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

// post sends JSON, as the page does.
func (v *visitor) post(path, body string) reply {
	v.t.Helper()
	return v.send(http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, body)
}

// session asks for a session. refused is the ID of the session whose token Seam has
// refused, or empty.
func (v *visitor) session(refused string) reply {
	v.t.Helper()
	return v.post("/seam/session", `{"refused": "`+refused+`"}`)
}

// token returns the token of the session, which the visitor must get.
func (v *visitor) token(refused string) string {
	v.t.Helper()
	return decode[struct{ Token string }](v.t, v.session(refused)).Token
}

// connect connects an account with a door, and returns the ID of the door.
func (v *visitor) connect() string {
	v.t.Helper()
	address := decode[struct{ URL string }](v.t, v.post("/connect", "{}")).URL
	webview, err := url.Parse(address)
	require.NoError(v.t, err)
	return v.seam.AddDevice(v.seam.CompleteWebview(webview.Query().Get("connect_webview_id"), ""))
}

// doors returns the IDs of the doors that the visitor sees.
func (v *visitor) doors() []string {
	v.t.Helper()
	ids := []string{}
	for _, door := range decode[[]door](v.t, v.get("/doors")) {
		ids = append(ids, door.ID)
	}
	return ids
}

func (v *visitor) unlock(deviceID string) reply {
	v.t.Helper()
	return v.post("/unlock", `{"device_id": "`+deviceID+`"}`)
}

// later starts a request, and returns a function that waits for its reply.
func (v *visitor) later(send func() reply) func() reply {
	replies := make(chan reply, 1)
	go func() {
		defer close(replies) // also if it fails
		replies <- send()
	}()
	return func() reply {
		v.t.Helper()
		late := <-replies
		require.NotNil(v.t, late.Response, "the request failed")
		return late
	}
}

// decode decodes the response, which must be a success.
func decode[T any](t *testing.T, reply reply) T {
	t.Helper()
	require.Equal(t, http.StatusOK, reply.StatusCode, reply.body)
	var value T
	require.NoError(t, json.Unmarshal([]byte(reply.body), &value))
	return value
}
