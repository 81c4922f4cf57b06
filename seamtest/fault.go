package seamtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault makes requests fail. Set exactly one of Status, Reset, Cut and Stall, or
// set Delay alone. Delay can also be combined with one of the others.
type Fault struct {
	// Path limits the fault to requests for one path, such as
	// /client_sessions/get. If it is empty, the fault is for all paths.
	Path string
	// Match limits the fault to requests for which it returns true, such as those
	// of one user. If it is nil, the fault is for all requests. Match must not
	// change the request. It is called in goroutines of the server, possibly
	// several at once, and may call methods of the server.
	Match func(Request) bool
	// Times is the number of requests that the fault is for. If it is 0, the fault
	// lasts until [Server.ClearFaults].
	Times int
	// TakesEffect makes the server carry out the request and lose only the
	// response. Otherwise the request has no effect.
	TakesEffect bool

	Delay  time.Duration // waits first
	Status int           // responds with this status, Header and Body
	Header http.Header
	Body   string
	Reset  bool // resets the connection
	Cut    bool // closes the connection in the middle of the response body
	Stall  bool // stops in the middle of the response body and keeps the connection open
}

// Fail adds a fault. If several faults are for a request, the one added first is
// used. CORS preflights never fail.
//
// Fail panics if the fault is invalid or its Path is unknown: no request would
// fail, and the test would pass without testing anything.
func (s *Server) Fail(fault Fault) {
	if _, known := endpoints[fault.Path]; fault.Path != "" && !known {
		panic(fmt.Sprintf("seamtest: Fail: unknown path %q; use one that the server has, such as /client_sessions/get", fault.Path))
	}
	if fault.Status == 0 && (fault.Header != nil || fault.Body != "") {
		panic("seamtest: Fail: Header and Body need a Status")
	}
	if fault.Status != 0 && (fault.Status < 200 || fault.Status > 599) {
		panic(fmt.Sprintf("seamtest: Fail: invalid Status %d; use 200 to 599", fault.Status))
	}
	if fault.Times < 0 || fault.Delay < 0 {
		panic("seamtest: Fail: Times and Delay must not be negative")
	}
	kinds := 0
	for _, is := range []bool{fault.Status != 0, fault.Reset, fault.Cut, fault.Stall, fault.onlyDelays()} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		panic("seamtest: Fail: set exactly one of Status, Reset, Cut and Stall, or Delay alone")
	}
	fault.Header = fault.Header.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
}

// onlyDelays reports whether the fault is nothing but a delay.
func (f *Fault) onlyDelays() bool {
	return f.Delay > 0 && f.Status == 0 && !f.Reset && !f.Cut && !f.Stall
}

// ClearFaults removes all faults. Requests that a fault has already delayed or
// stalled are not released.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault returns the fault for a request and counts it as used, or returns
// nil. It calls Match without holding mu.
func (s *Server) nextFault(r Request) *Fault {
	s.mu.Lock()
	faults := slices.Clone(s.faults)
	s.mu.Unlock()
	for _, fault := range faults {
		if (fault.Path == "" || fault.Path == r.Path) && (fault.Match == nil || fault.Match(r)) && s.use(fault) {
			return fault
		}
	}
	return nil
}

// use counts a fault as used. It returns false if the fault was used up or removed
// in the meantime.
func (s *Server) use(fault *Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.faults, fault)
	if i < 0 {
		return false
	}
	if fault.Times == 1 {
		s.faults = slices.Delete(s.faults, i, i+1)
	} else if fault.Times > 1 {
		fault.Times--
	}
	return true
}

// respond fails the request. status and body are what the response would have
// been.
func (f *Fault) respond(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	switch {
	case f.Status != 0:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		write(w, f.Status, []byte(f.Body))
		return
	case f.Reset:
		if conn, ok := r.Context().Value(connKey{}).(interface{ SetLinger(sec int) error }); ok {
			_ = conn.SetLinger(0) // closing the connection then resets it
		}
	default:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		write(w, status, body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		if f.Stall {
			<-r.Context().Done()
		}
	}
	panic(http.ErrAbortHandler)
}

// pause waits for d. It ends the handler if the client or the server closes the
// connection first.
func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}
