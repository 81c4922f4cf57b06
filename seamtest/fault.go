package seamtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault makes requests fail. Set exactly one of Status, Reset, Cut and Stall. Delay
// may be added, or set alone.
type Fault struct {
	// Path limits the fault to requests with this path, such as
	// /client_sessions/get. An empty Path matches every request.
	Path string
	// Match limits the fault to requests for which it returns true, such as those
	// of one user. A nil Match matches every request. Match must not modify the
	// request. It may be called concurrently, and may call methods of the server.
	Match func(Request) bool
	// Times limits the number of requests affected. 0 means no limit.
	Times int
	// TakesEffect makes the server process the request, so that only its response
	// is lost. Without it, the request is not processed. If only Delay is set, the
	// request is always processed.
	TakesEffect bool

	Delay  time.Duration // delay before the request is processed or fails
	Status int           // status of the response, from 200 to 599
	Header http.Header   // header of the response; requires Status
	Body   string        // body of the response; requires Status
	Reset  bool          // resets the connection instead of responding

	// Cut closes the connection in the middle of the response body. Without
	// TakesEffect, the body that is cut is {"ok":true}.
	Cut bool
	// Stall sends the same part of the response as Cut, but then keeps the connection
	// open until the client disconnects or the server is closed.
	Stall bool
}

// Fail adds a fault. If several faults match a request, the one added first is used.
// CORS preflights never fail. Fail panics if the fault is invalid, or if neither Seam's
// schema has its Path nor [Server.Handle] answers it.
func (s *Server) Fail(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, documented := endpoints()[fault.Path]
	if fault.Path != "" && !documented && s.handlers[fault.Path] == nil {
		panic(fmt.Sprintf("seamtest: Fail: unknown path %q; use one that Seam documents, such as /client_sessions/get", fault.Path))
	}
	if fault.Status == 0 && (fault.Header != nil || fault.Body != "") {
		panic("seamtest: Fail: Header and Body require Status")
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
	s.faults = append(s.faults, &fault)
}

// onlyDelays reports whether the fault is nothing but a delay.
func (f *Fault) onlyDelays() bool {
	return f.Delay > 0 && f.Status == 0 && !f.Reset && !f.Cut && !f.Stall
}

// ClearFaults removes all faults. Requests that are already delayed or stalled remain
// so.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault returns the fault for a request and counts it as used. It returns nil if
// there is none. It calls Match without holding mu.
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
// since.
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

// respond fails the request. Cut and Stall send a part of body, with status.
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

// pause waits for d. It aborts the handler if the request is canceled first.
func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}
