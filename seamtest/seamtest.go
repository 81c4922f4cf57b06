// Package seamtest provides a Seam API server that runs in a test or program,
// without an account.
//
// A [Server] has all endpoints of client sessions. It accepts each method and
// encoding that the API accepts, so browsers and Seam's SDKs for other languages
// can use it too. It also has /connect_webviews/create, /connect_webviews/get and
// /devices/list.
//
//	func TestSignIn(t *testing.T) {
//		srv := seamtest.NewServer(t)
//		backend := NewBackend(srv.Client(t))
//		srv.Fail(seamtest.Fault{Path: "/client_sessions/get", Status: 503, Times: 1})
//		…
//	}
//
// The server also delivers webhooks for deleted sessions: see
// [Server.AddWebhook]. [SignWebhook] signs any other event.
//
// # Time
//
// In a [testing/synctest] bubble, tests of retries and timeouts take no real time.
// Call [NewServer] in the bubble, with the bubble's [testing.T]:
//
//	synctest.Test(t, func(t *testing.T) {
//		srv := seamtest.NewServer(t)
//		client := srv.Client(t)
//		srv.Fail(seamtest.Fault{Status: 503}) // retries wait on the bubble's clock
//		…
//	})
//
// A server that is started in a bubble does not use the network. Only clients from
// [Server.Client] can reach it, and only in the same bubble. Its URL cannot be used.
// Receive webhooks with [Server.AddWebhookHandler]. The server uses the bubble's
// clock, so sessions expire during time.Sleep.
//
// # Behavior
//
// The server follows the API's documentation and Seam's own fake server. Where
// those say nothing:
//
//   - A revoked session cannot be found, but can be revoked again and deleted.
//   - An expired session can be found, but its token is rejected.
//   - A user identifier key whose session was revoked or has expired can be used
//     for a new session.
//   - A session expires after one year unless the request says otherwise.
package seamtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/loopback"
)

// TB is the part of [testing.TB] that this package uses.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Workspace holds the credentials for one workspace of a [Server]. A workspace
// cannot see the sessions, connect webviews and devices of another.
type Workspace struct {
	WorkspaceID         string
	APIKey              string
	PublishableKey      string // creates sessions without access to anything; allows nothing else
	PersonalAccessToken string // is used together with the WorkspaceID
	WebhookSecret       string // signs webhooks, which only the first workspace sends
}

// Server is a Seam API server. Its methods are safe for concurrent use.
type Server struct {
	// URL is the address of the server on this machine's loopback, for
	// [seam.WithEndpoint], browsers and other processes. In a testing/synctest
	// bubble there is no such address: seam.NewClient and net/http return an error
	// for this URL.
	URL       string
	Workspace // the first workspace; see NewWorkspace

	http    *loopback.Server
	running sync.WaitGroup // deliveries

	mu         sync.Mutex
	workspaces []Workspace
	sessions   []*session
	created    int // number of sessions created so far
	webviews   []*connectWebview
	devices    []*device
	ahead      time.Duration // of the real clock
	requests   []Request
	faults     []*Fault

	closing    context.Context // ends with Close, as deliveries do
	close      context.CancelFunc
	webhooks   []hook
	events     int       // number of events sent so far
	messages   []message // still to be delivered
	delivering bool
	delivered  *sync.Cond // signaled when delivering becomes false
	deliveries []Delivery
}

// Start starts a server for a program. Call Close to stop it. Tests use
// [NewServer]. Start returns an error if it cannot listen on loopback.
func Start() (*Server, error) {
	s := &Server{}
	s.Workspace = s.NewWorkspace()
	s.closing, s.close = context.WithCancel(context.Background())
	s.delivered = sync.NewCond(&s.mu)
	var err error
	s.http, err = loopback.Start(&http.Server{
		Handler: http.HandlerFunc(s.serve),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("seamtest: %w", err)
	}
	s.URL = s.http.URL
	return s, nil
}

// NewServer starts a server for a test and closes it when the test ends. It calls
// tb.Fatalf if the server cannot start.
func NewServer(tb TB) *Server {
	tb.Helper()
	s, err := Start()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Client returns a client of the server. It authenticates with the APIKey unless
// opts have another credential. Client calls tb.Fatalf if [seam.NewClient] returns
// an error.
//
// In a testing/synctest bubble do not use [seam.WithHTTPClient]: the client must use
// the http.Client of the server, which needs no network.
func (s *Server) Client(tb TB, opts ...seam.Option) *seam.Client {
	tb.Helper()
	client, err := seam.NewClient(append([]seam.Option{
		seam.WithEndpoint(s.http.Endpoint),
		seam.WithHTTPClient(s.http.Client),
		seam.WithAPIKey(s.APIKey),
	}, opts...)...)
	if err != nil {
		tb.Fatalf("seamtest: %v", err)
	}
	return client
}

// Close stops the server. It closes all connections, ends deliveries and returns
// when the server's goroutines have ended, including those that run a handler from
// AddWebhookHandler. The contexts of their requests are canceled. Close may be
// called more than once. A server that was started in a testing/synctest bubble must
// be closed in that bubble.
func (s *Server) Close() {
	s.http.Close()
	s.close()
	s.running.Wait()
	s.mu.Lock()
	webhooks := s.webhooks
	s.mu.Unlock()
	for _, webhook := range webhooks {
		webhook.close()
	}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// NewWorkspace adds a workspace and returns its credentials.
func (s *Server) NewWorkspace() Workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.workspaces) + 1
	workspace := Workspace{
		WorkspaceID:         fmt.Sprintf("00000000-0000-4000-8000-%012d", n),
		APIKey:              fmt.Sprintf("seam_test%dkey_%s", n, scramble("key", n)),
		PublishableKey:      fmt.Sprintf("seam_pk%d_%s", n, scramble("publishable", n)),
		PersonalAccessToken: fmt.Sprintf("seam_at%d_%s", n, scramble("personal", n)),
		WebhookSecret:       "whsec_" + scramble("webhook", n), // hexadecimal is base64 as well, here of 24 bytes
	}
	s.workspaces = append(s.workspaces, workspace)
	return workspace
}

// Advance moves the server's clock forward by d, so that sessions expire. After
// Advance(2*time.Hour), a session created to expire in one hour has already
// expired. The clock of the test does not move.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// Request is a request that the server received, which may be a CORS preflight.
type Request struct {
	Method string
	Path   string
	Query  string // encoded, without the question mark
	Header http.Header
	Body   []byte // up to 1 MiB
}

// Requests returns the requests that the server has received, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
