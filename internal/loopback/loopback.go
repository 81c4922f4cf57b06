// Package loopback runs HTTP servers in a program or test. They listen on this
// machine's loopback or, in a testing/synctest bubble, in memory.
//
// An httptest.Server cannot replace them. Its Close waits for requests and does not
// end them. It also closes the idle connections of http.DefaultTransport, and if one of
// these was made in another bubble, the runtime ends the program.
package loopback

import (
	"bytes"
	"cmp"
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
	// URL is the address of the server for any client. No client can use that of a server
	// in memory.
	URL string
	// Client sends all requests to the server. Endpoint is the URL for them.
	Client   *http.Client
	Endpoint string
	InMemory bool

	bubble   bool // whether it was started in one
	http     *http.Server
	requests context.Context // parent of the contexts of all requests
	cancel   context.CancelFunc
	running  sync.WaitGroup // the listener and each connection
}

// Start starts server at its Addr, or on a free port of loopback if that is empty. In a
// testing/synctest bubble, it starts server in memory. The server runs until Close is
// called.
func Start(server *http.Server) (*Server, error) {
	if inBubble() {
		return StartInMemory(server), nil
	}
	listener, err := net.Listen("tcp", cmp.Or(server.Addr, "127.0.0.1:0")) //nolint:noctx // it ends with the server
	if err != nil {
		return nil, err
	}
	s := start(server, listener, new(net.Dialer).DialContext)
	s.URL = "http://" + listener.Addr().String()
	s.Endpoint = s.URL
	return s, nil
}

// StartInMemory starts server in memory. Only Client can reach it.
func StartInMemory(server *http.Server) *Server {
	listener := newMemory()
	s := start(server, listener, listener.dial)
	s.URL = "in-a-synctest-bubble://use-Server.Client"
	s.Endpoint = "http://" + address.String() // without Client, nothing can connect to it
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

var errBubble = errors.New("a server and its client must be in the same testing/synctest bubble or both outside of one; start the server in the bubble in which it is used")

// Close cancels the contexts of all requests, closes all connections and returns
// when the server's goroutines have ended. It may be called more than once. It
// panics outside of the server's bubble, where the runtime would end the program.
func (s *Server) Close() {
	if s.bubble && !inBubble() {
		panic("a server must be closed in the testing/synctest bubble in which it was started; give NewServer the *testing.T of the bubble")
	}
	s.cancel() // net/http does not cancel a request whose body is unread
	_ = s.http.Close()
	s.running.Wait()
}

// track counts the open connections. It counts a new one in the goroutine of the
// listener, so Close cannot miss it.
func (s *Server) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed, http.StateHijacked: // its handler has returned or has taken over the connection
		s.running.Done()
	}
}

// inBubble reports whether the caller is in a testing/synctest bubble. The standard library
// has no function for that, but the first line of a stack trace says so:
// "goroutine 7 [running, synctest bubble 1]:".
func inBubble() bool {
	var stack [256]byte
	first, _, _ := bytes.Cut(stack[:runtime.Stack(stack[:], false)], []byte("\n"))
	return bytes.Contains(first, []byte(", synctest bubble "))
}
