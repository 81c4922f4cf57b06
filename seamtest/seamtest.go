// Package seamtest provides a fake Seam server for tests. It needs no Seam account.
//
//	func TestSignIn(t *testing.T) {
//		srv := seamtest.NewServer(t)
//		backend := NewBackend(srv.Client(t))
//		srv.Fail(seamtest.Fault{Path: "/client_sessions/get", Status: 503, Times: 1})
//		…
//	}
//
// A [Server] simulates client sessions and what a backend with client sessions uses besides:
//
//   - client_sessions: all endpoints
//   - connect_webviews: create, get, list, delete. [Workspace.CompleteWebview] logs the user in.
//   - connected_accounts: get, list, update, delete
//   - devices: get, list, update. [Workspace.AddDevice] adds a lock.
//   - locks: get, list, lock_door, unlock_door
//   - access_codes: create, get, list, update, delete
//   - action_attempts: get, list. [Server.SetOutcome] says how long they are pending and how they end.
//   - events: get, list
//
// user_identifier_key limits the lists that have this param to what the user's sessions have
// access to. An empty one limits nothing. Browsers and Seam's SDKs for other languages can use
// the server too.
//
// Requests to all endpoints that Seam documents are checked by its published schema. A
// param that the endpoint does not have is refused with invalid_input, which Seam may
// ignore instead. IDs need not be UUIDs. The server refuses what it does not simulate: other
// endpoints, and params that it would have to ignore, such as sync and the filters by space and
// access grant. Such a request fails the test, unless [Server.Handle] answers it.
//
// [Server.Fail] makes requests fail. [Workspace.AddWebhook] delivers the events of a
// workspace. [SignWebhook] signs an event of any type.
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
// [Server.Client] in the same bubble can connect to it, and [Server.ServeHTTP] can be called
// there. Receive webhooks with [Workspace.AddWebhookHandler]. Sessions expire on the bubble's
// clock, for example during time.Sleep. Outside a bubble, use [Server.Advance] to expire
// sessions.
//
// # Behavior
//
// The server follows the API's documentation, and where that is silent, Seam's own fake
// server. The documentation does not say the following, and Seam may differ:
//
//   - get_or_create adds no access to an existing session.
//   - A session expires after one year, unless the request sets expires_at.
//   - A revoked session is not found, but can be revoked again and deleted.
//   - An expired session is found, but its token is rejected.
//   - A user whose session was revoked or has expired can get a new one.
//   - Sessions with a deleted Connect Webview lose the access that they had through it.
//   - A change to an access code takes effect when its action attempt succeeds.
//   - The param search ignores case.
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

// TB is the part of [testing.TB] that this package uses. It exists so that this
// package does not import testing.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Workspace is a workspace of a [Server], with its credentials. A workspace cannot
// access the sessions, Connect Webviews and devices of another workspace. A Workspace
// that no Server made has no methods: they panic.
type Workspace struct {
	WorkspaceID         string // ID of the workspace
	APIKey              string // has full access to the workspace
	PublishableKey      string // can only create sessions that have access to nothing
	PersonalAccessToken string // like APIKey; requires WorkspaceID
	WebhookSecret       string // signs webhooks

	server *Server
}

// Server is a fake Seam server. Its methods are safe for concurrent use.
type Server struct {
	// URL is the base URL of the server, on loopback, for [seam.WithEndpoint],
	// browsers and other processes. It is unusable in a testing/synctest bubble.
	URL       string
	Workspace // the first workspace, whose methods the server has; NewWorkspace adds others

	http    *loopback.Server
	running sync.WaitGroup // deliveries

	mu         sync.Mutex
	workspaces []Workspace
	sessions   []*session
	ofUsers    map[string][]*session  // by user identifier key; has deleted sessions too
	created    int                    // number of sessions created so far
	resources  map[string][]*resource // by kind, in the order of their creation
	made       map[string]int         // number of resources of each kind created so far
	outcomes   []Outcome              // the newest last
	handlers   map[string]func(Request) (int, any)

	unansweredRequests []string
	unansweredAllowed  bool

	ahead    time.Duration // of time.Now
	requests []Request
	faults   []*Fault

	closing    context.Context // canceled by Close; parent of all deliveries
	close      context.CancelFunc
	webhooks   []hook
	messages   []message // pending
	delivering bool
	delivered  *sync.Cond // signaled when delivering becomes false
	deliveries []Delivery
}

// Start starts a server. The caller must call Close. In tests, use [NewServer]. Start
// returns an error if it cannot listen on loopback.
func Start() (*Server, error) { return Listen("") }

// Listen is like [Start], but listens at addr, such as 127.0.0.1:9000.
func Listen(addr string) (*Server, error) {
	s := &Server{
		ofUsers: map[string][]*session{}, resources: map[string][]*resource{}, made: map[string]int{}, handlers: map[string]func(Request) (int, any){},
	}
	s.Workspace = s.NewWorkspace()
	s.closing, s.close = context.WithCancel(context.Background())
	s.delivered = sync.NewCond(&s.mu)
	var err error
	s.http, err = loopback.Start(&http.Server{
		Addr:    addr,
		Handler: s,
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

// NewServer starts a server and closes it when the test ends. It calls tb.Fatalf if
// the server cannot start, and tb.Errorf in the end for each request that nothing
// answered, unless [Server.AllowUnanswered] was called.
func NewServer(tb TB) *Server {
	tb.Helper()
	s, err := Start()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() {
		tb.Helper()
		s.Close()
		if !s.unansweredAllowed {
			for _, text := range s.unansweredRequests {
				tb.Errorf("seamtest: %s, or call Server.AllowUnanswered", text)
			}
		}
	})
	return s
}

// Client returns a client of the workspace. It authenticates with its APIKey, unless opts set
// a credential. Client calls tb.Fatalf if [seam.NewClient] returns an error.
//
// In a testing/synctest bubble, do not use [seam.WithHTTPClient]: it would bypass the
// in-memory connection.
func (w Workspace) Client(tb TB, opts ...seam.Option) *seam.Client {
	tb.Helper()
	client, err := seam.NewClient(append([]seam.Option{
		seam.WithEndpoint(w.server.http.Endpoint),
		seam.WithHTTPClient(w.server.http.Client),
		seam.WithAPIKey(w.APIKey),
	}, opts...)...)
	if err != nil {
		tb.Fatalf("seamtest: %v", err)
	}
	return client
}

// Close stops the server, cancels pending deliveries and waits for its goroutines.
// It cancels the requests to handlers of [Workspace.AddWebhookHandler] and waits for
// them too. Close may be called more than once. A server that was started in a
// testing/synctest bubble must be closed in that bubble.
func (s *Server) Close() {
	s.http.Close()
	s.mu.Lock() // an action may be about to end
	s.close()
	s.mu.Unlock()
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
		server:              s,
	}
	s.workspaces = append(s.workspaces, workspace)
	return workspace
}

// workspace returns the workspace with an ID that is known to exist.
func (s *Server) workspace(id string) Workspace {
	i := slices.IndexFunc(s.workspaces, func(w Workspace) bool { return w.WorkspaceID == id })
	return s.workspaces[i]
}

// Advance moves the server's clock forward by d, or back if d is negative. After
// Advance(2*time.Hour), a session that was created to expire in one hour has
// expired, and an action that was pending for one hour has ended. [time.Now] is not affected.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
	s.settle()
}

// Request is a request that the server received.
type Request struct {
	Method string      // such as POST
	Path   string      // such as /client_sessions/get
	Query  string      // encoded, without the question mark
	Header http.Header // as received
	Body   []byte      // as received, but at most 1 MiB
}

// Requests returns all requests that the server has received, in order. They include
// failed requests, CORS preflights and the requests of all workspaces. The Header and
// Body of a Request must not be modified.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
