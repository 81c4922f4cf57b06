// Package seamtest is the Seam API for tests and for programs that must run
// with nothing set up: an in-process server with all seven endpoints of client
// sessions, in each method and encoding that the API has, so that browsers and
// the vendor's SDKs for other languages can use it as well.
//
//	func TestSignIn(t *testing.T) {
//		srv := seamtest.NewServer(t)
//		backend := NewBackend(srv.Client(t))
//		srv.Fail(seamtest.Fault{Path: "/client_sessions/get", Status: 503, Times: 1})
//		…
//	}
//
// It also tells webhooks of deleted sessions: see [Server.AddWebhook], and
// [SignWebhook] for other events.
//
// What it knows and refuses is modelled on the vendor's documents and on the
// vendor's own fake server. Where those are silent it does the following. A
// revoked session is found no more, but can be revoked again and deleted. An
// expired one is found, while its token is refused. Neither keeps a user
// identifier key from getting a new session. A session lives for a year unless
// it was given another end.
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

// TB is what the package needs of a [testing.TB].
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Workspace holds the credentials for a workspace of a [Server]. Sessions of one
// workspace cannot be seen from another.
type Workspace struct {
	WorkspaceID         string
	APIKey              string
	PublishableKey      string // may make empty sessions, and nothing else
	PersonalAccessToken string // needs the WorkspaceID beside it
	WebhookSecret       string // signs the events that are sent to webhooks, for the first workspace
}

// Server is a Seam API on this machine's loopback. Its methods are safe for
// concurrent use.
type Server struct {
	URL       string // for [seam.WithEndpoint]
	Workspace        // the first one; see NewWorkspace

	http    *loopback.Server
	running sync.WaitGroup // deliveries

	mu         sync.Mutex
	workspaces []Workspace
	sessions   []*session
	devices    map[string]int // by connected account
	created    int            // how many sessions there ever were
	ahead      time.Duration  // of the real clock
	requests   []Request
	faults     []*Fault

	closing    context.Context // ends with Close, as deliveries do
	close      context.CancelFunc
	webhooks   []string  // URLs
	events     int       // how many there ever were
	messages   []message // still to be delivered
	delivering bool
	delivered  *sync.Cond // when no more are
	deliveries []Delivery
}

// Start starts a server, which runs until its Close is called. Tests have
// [NewServer]. The error is that of listening on a free port.
func Start() (*Server, error) {
	s := &Server{devices: map[string]int{}}
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

// NewServer starts a server that is closed when the test ends.
func NewServer(tb TB) *Server {
	tb.Helper()
	s, err := Start()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Client returns a client with the server's API key, or with what opts say.
func (s *Server) Client(tb TB, opts ...seam.Option) *seam.Client {
	tb.Helper()
	client, err := seam.NewClient(append([]seam.Option{seam.WithEndpoint(s.URL), seam.WithAPIKey(s.APIKey)}, opts...)...)
	if err != nil {
		tb.Fatalf("seamtest: %v", err)
	}
	return client
}

// Close breaks all connections and deliveries off and returns when nothing of the
// server runs any more. It may be called more than once.
func (s *Server) Close() {
	s.close()
	s.http.Close()
	s.running.Wait()
}

// connKey is where a request's context has its connection.
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

// AddDevice puts a device under a connected account. The sessions that have
// access to the account count it in their DeviceCount.
func (s *Server) AddDevice(connectedAccountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[connectedAccountID]++
}

// Advance moves the server's clock ahead, so that sessions expire. The clock of
// whoever makes sessions stays where it is: one that is to live for an hour of
// that is born expired if the server is two hours ahead.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// Request is a request as the server saw it, preflights included.
type Request struct {
	Method string
	Path   string
	Query  string // encoded, without the question mark
	Header http.Header
	Body   []byte
}

// Requests returns what the server was sent so far, the oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
