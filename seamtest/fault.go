package seamtest

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fault is something that goes wrong with a request. It has one of Status, Reset,
// Cut and Stall, or a Delay alone.
type Fault struct {
	Path  string // of the requests that it is for, as /client_sessions/get; empty for all
	Times int    // how many requests it is for; 0 for all until Heal
	// TakesEffect has the server carry out the request, and lose only its own
	// answer. Without it the request does nothing.
	TakesEffect bool

	Delay  time.Duration // before anything else happens
	Status int           // answers with this, Header and Body
	Header http.Header
	Body   string
	Reset  bool // resets the connection
	Cut    bool // breaks off in the middle of the answer's body
	Stall  bool // stops in the middle of the answer's body and keeps the connection open
}

// Fail lets requests fail. Of several faults for a request the one that was
// added first comes first. Fail panics if no request could ever meet the fault,
// so that a test does not pass without it.
func (s *Server) Fail(fault Fault) {
	if _, known := endpoints[fault.Path]; fault.Path != "" && !known {
		panic(fmt.Sprintf("seamtest: a fault is for the unknown path %q", fault.Path))
	}
	if fault.Status == 0 && (fault.Header != nil || fault.Body != "") {
		panic("seamtest: a fault has a Header or Body for no Status")
	}
	if fault.Status != 0 && (fault.Status < 200 || fault.Status > 599) {
		panic(fmt.Sprintf("seamtest: a fault cannot have the status %d", fault.Status))
	}
	kinds := 0
	for _, is := range []bool{fault.Status != 0, fault.Reset, fault.Cut, fault.Stall, fault.delays()} {
		if is {
			kinds++
		}
	}
	if kinds != 1 || fault.Times < 0 || fault.Delay < 0 {
		panic(fmt.Sprintf("seamtest: a fault must be of one kind: %+v", fault))
	}
	fault.Header = fault.Header.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
}

// delays reports whether the fault is nothing but a delay.
func (f *Fault) delays() bool {
	return f.Delay > 0 && f.Status == 0 && !f.Reset && !f.Cut && !f.Stall
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

// answerWrong answers in the fault's way; body is what the answer would have been.
func (f *Fault) answerWrong(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	switch {
	case f.Status != 0:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		write(w, f.Status, []byte(f.Body))
		return
	case f.Reset:
		if conn, ok := r.Context().Value(connKey{}).(*net.TCPConn); ok {
			_ = conn.SetLinger(0) // so that its end is a reset
		}
	default:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		write(w, status, body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		if f.Stall {
			pause(r, math.MaxInt64)
		}
	}
	panic(http.ErrAbortHandler)
}

// pause waits for d. If the connection ends before, so does the handler.
func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}
