// Package loopback runs HTTP servers inside of a program or test: on this
// machine's loopback or, in a testing/synctest bubble, in memory.
//
// It exists because httptest.Server does not fit. The Close of that waits for
// requests instead of ending them. It also closes the idle connections of
// http.DefaultTransport, which ends the program if they are those of a bubble.
package loopback

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	// URL is where other clients and processes find the server. In memory it is
	// a URL that net/http refuses.
	URL string
	// Client sends requests to the server if their URL begins with Endpoint.
	// It has connections of its own.
	Client   *http.Client
	Endpoint string
	InMemory bool

	bubble   bool // whether it was started in one
	http     *http.Server
	requests context.Context // parent of the contexts of all requests
	cancel   context.CancelFunc
	running  sync.WaitGroup // the listener and each connection
}

// Start starts server, in memory if the caller is in a testing/synctest bubble
// and else on a free port. The server runs until Close is called.
func Start(server *http.Server) (*Server, error) {
	if inBubble() {
		return StartInMemory(server), nil
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	s := start(server, listener, new(net.Dialer).DialContext)
	s.URL = "http://" + listener.Addr().String()
	s.Endpoint = s.URL
	return s, nil
}

// StartInMemory starts server in memory, where Client alone reaches it.
func StartInMemory(server *http.Server) *Server {
	listener := newMemory()
	s := start(server, listener, listener.dial)
	s.URL = "in-a-synctest-bubble://use-Server.Client"
	s.Endpoint = "http://" + address.String() // port 0: nothing else can be there
	s.InMemory = true
	return s
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func start(server *http.Server, listener net.Listener, dial dialFunc) *Server {
	s := &Server{http: server, bubble: inBubble()}
	s.Client = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 1024, // the only host
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if inBubble() != s.bubble {
				return nil, errBubble
			}
			return dial(ctx, network, address)
		},
	}}
	s.requests, s.cancel = context.WithCancel(context.Background())
	server.BaseContext = func(net.Listener) context.Context { return s.requests }
	server.ConnState = s.track
	server.ReadHeaderTimeout = time.Minute
	s.running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic("loopback: " + err.Error()) // nobody else closes its listener
		}
	})
	return s
}

var errBubble = errors.New("the server and its client must be in the same testing/synctest bubble, or both in none; start the server where it is used")

// Close cancels the contexts of all requests, closes all connections and returns
// when the server's goroutines have ended. It may be called more than once. It
// panics outside of the server's bubble, where the runtime would end the program.
func (s *Server) Close() {
	if s.bubble && !inBubble() {
		panic("a server must be closed in the testing/synctest bubble in which it was started; give NewServer the *testing.T of the bubble")
	}
	s.cancel() // net/http does not while the body of a request is unread
	_ = s.http.Close()
	s.running.Wait()
}

// track counts the connections that are served. A new one is counted while the
// listener still runs, so that Close misses none.
func (s *Server) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed: // after its handler has returned
		s.running.Done()
	}
}

// inBubble reports whether the caller is in a testing/synctest bubble. Only the
// first line of a stack trace tells: "goroutine 7 [running, synctest bubble 1]:".
func inBubble() bool {
	var stack [256]byte
	first, _, _ := bytes.Cut(stack[:runtime.Stack(stack[:], false)], []byte("\n"))
	return bytes.Contains(first, []byte(", synctest bubble "))
}
