package seamtest

import (
	"math"
	"net"
	"net/http"
	"time"
)

// Fault is something that goes wrong with a request. At most one of Status,
// Reset, Cut and Stall should be set; with none of them, a Fault is but a delay.
type Fault struct {
	Path  string // of the requests that it is for, as /client_sessions/get; empty for all
	Times int    // how many requests it is for; 0 for all until Heal
	// TakesEffect has the server carry out the request, and lose only its own
	// answer. Without it the request does nothing.
	TakesEffect bool

	Delay  time.Duration // before all else
	Status int           // answers with this, Header and Body
	Header http.Header
	Body   string
	Reset  bool // resets the connection
	Cut    bool // breaks off in the middle of the answer's body
	Stall  bool // stops in the middle of the answer's body and keeps the connection open
}

// Fail lets requests fail. Of several faults for a request the one that was
// added first comes first.
func (s *Server) Fail(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
}

// Heal ends all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault uses up a fault for a request, if there is one. The caller holds mu.
func (s *Server) nextFault(path string) *Fault {
	for i, fault := range s.faults {
		if fault.Path != "" && fault.Path != path {
			continue
		}
		if fault.Times == 1 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if fault.Times > 1 {
			fault.Times--
		}
		return fault
	}
	return nil
}

// ownAnswer reports whether the request is carried out as if nothing was wrong.
func (f *Fault) ownAnswer() bool {
	return f == nil || f.TakesEffect || f.Status == 0 && !f.Reset && !f.Cut && !f.Stall
}

// spoil answers in the fault's way; body is what the answer would have been.
func (s *Server) spoil(w http.ResponseWriter, r *http.Request, f *Fault, status int, body []byte) {
	switch {
	case f.Status != 0:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		write(w, f.Status, []byte(f.Body))
	case f.Reset:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err) // net/http lets HTTP/1 connections go
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an orderly end
		}
		_ = conn.Close()
	case f.Cut, f.Stall:
		w.Header().Set("Content-Length", length(body))
		write(w, status, body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		if f.Stall {
			s.pause(r, math.MaxInt64)
		}
		panic(http.ErrAbortHandler)
	default:
		write(w, status, body)
	}
}

// pause waits for d. If the client or the server ends before, so does the
// handler.
func (s *Server) pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return
	case <-r.Context().Done():
	case <-s.closed:
	}
	panic(http.ErrAbortHandler)
}
