// Package loopback runs an HTTP server inside of a program or test, on this
// machine's loopback.
package loopback

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a server that runs. Its methods are safe for concurrent use.
type Server struct {
	URL     string
	http    *http.Server
	running sync.WaitGroup // the listener and each connection
}

// Start starts server on a free port, where it runs until Close is called.
func Start(server *http.Server) (*Server, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), http: server}
	server.ConnState = s.track
	server.ReadHeaderTimeout = time.Minute
	s.running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic("loopback: " + err.Error()) // its listener is nobody else's
		}
	})
	return s, nil
}

// Close breaks all connections off and returns when nothing of the server runs
// any more. It may be called more than once.
func (s *Server) Close() {
	_ = s.http.Close() // all it could tell is that a listener was closed already
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
