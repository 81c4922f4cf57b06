// Package imkittest is the IMKIT API for tests and for programs that must run
// with nothing set up: an in-process server that revokes tokens.
//
//	func TestSignOut(t *testing.T) {
//		srv := imkittest.NewServer(t)
//		srv.AddToken("jane_doe")
//		backend := NewBackend(srv.Client(t))
//		…
//	}
//
// It answers as the documents of the API show. Where those are silent it does the
// following. A client or token that it does not know has no tokens to revoke, and
// that is a success. Another API key is a 401, and a body that is no JSON a 400,
// both with an RC of the same number.
package imkittest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/internal/loopback"
)

// APIKey is the one key that a [Server] takes.
const APIKey = "imkittest+key/0000000000000000000000000000="

// TB is what the package needs of a [testing.TB].
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Server is an IMKIT API on this machine's loopback. Its methods are safe for
// concurrent use.
type Server struct {
	URL string // for [imkit.NewClient], with APIKey

	http *loopback.Server

	mu       sync.Mutex
	tokens   []token // the oldest first
	added    int     // how many tokens there ever were
	requests []Request
}

// token is an access token in the words of the API. It does without the SDK's own
// type, which could otherwise not be wrong here.
type token struct {
	Token            string `json:"token"`
	UpdatedAt        string `json:"updatedAt"`
	ExpirationDate   string `json:"expirationDate"`
	CreatedAt        string `json:"createdAt"`
	ExpirationDateMS int64  `json:"expirationDateMS"`

	clientID string
}

// Start starts a server, which runs until its Close is called. Tests have
// [NewServer]. The error is that of listening on a free port.
func Start() (*Server, error) {
	s := &Server{}
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /admin/clients/{client}/token", s.revoke)
	mux.HandleFunc("DELETE /admin/clients/{client}/token/{$}", s.revoke)
	var err error
	if s.http, err = loopback.Start(&http.Server{Handler: mux}); err != nil {
		return nil, fmt.Errorf("imkittest: %w", err)
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

// Client returns a client of the server.
func (s *Server) Client(tb TB, opts ...imkit.Option) *imkit.Client {
	tb.Helper()
	client, err := imkit.NewClient(s.URL, APIKey, opts...)
	if err != nil {
		tb.Fatalf("imkittest: %v", err)
	}
	return client
}

// Close breaks all connections off and returns when nothing of the server runs
// any more. It may be called more than once.
func (s *Server) Close() { s.http.Close() }

// AddToken gives a client one more token, which expires in a week, and returns
// its text.
func (s *Server) AddToken(clientID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added++
	now := time.Now().UTC()
	expires := now.AddDate(0, 0, 7)
	const format = "2006-01-02T15:04:05.000Z"
	added := token{
		Token:            fmt.Sprintf("eyJhbGciOiJIUzI1NiJ9.%d.%x", s.added, sha256.Sum256(fmt.Append(nil, s.added))),
		UpdatedAt:        now.Format(format),
		ExpirationDate:   expires.Format(format),
		CreatedAt:        now.Format(format),
		ExpirationDateMS: expires.UnixMilli(),
		clientID:         clientID,
	}
	s.tokens = append(s.tokens, added)
	return added.Token
}

// Request is a request to revoke tokens, as the server saw it.
type Request struct {
	ClientID string
	Header   http.Header
	Body     []byte
}

// Requests returns what the server was sent so far, the oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// revoke answers a request with the tokens that are gone then.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	var params struct{ Token string }
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &params)
	}
	clientID := r.PathValue("client")

	s.mu.Lock()
	s.requests = append(s.requests, Request{clientID, r.Header.Clone(), body})
	status, answer := http.StatusOK, map[string]any{}
	switch {
	case r.Header.Get("Im-Api-Key") != APIKey:
		status = http.StatusUnauthorized
		answer["RC"], answer["RM"] = status, "Unauthorized"
	case err != nil:
		status = http.StatusBadRequest
		answer["RC"], answer["RM"] = status, "Bad Request"
	default:
		revoked, kept := []token{}, []token(nil)
		for _, t := range s.tokens {
			if t.clientID == clientID && (params.Token == "" || t.Token == params.Token) {
				revoked = append(revoked, t)
			} else {
				kept = append(kept, t)
			}
		}
		s.tokens = kept
		answer["RC"], answer["RM"], answer["result"] = 0, "OK", map[string]any{"data": revoked}
	}
	s.mu.Unlock()

	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // a client that does not wait for it is no fault
}
