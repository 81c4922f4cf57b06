// Package imkittest provides an in-process IMKIT server for tests and demos.
//
//	func TestSignOut(t *testing.T) {
//		srv := imkittest.NewServer(t)
//		srv.AddToken("jane_doe")
//		backend := NewBackend(srv.Client(t))
//		…
//	}
//
// The server responds as the API documentation shows. Where that is silent, the
// server decides: an unknown client or token is not an error, but nothing is
// revoked; a wrong API key is status 401 and a malformed body status 400, both with
// the status as RC.
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

// APIKey is the only API key that a [Server] accepts.
const APIKey = "imkittest+key/0000000000000000000000000000="

// TB is the part of [testing.TB] that this package uses.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Server is an IMKIT server that listens on a loopback address. Its methods are safe
// for concurrent use.
type Server struct {
	URL string // the endpoint for [imkit.NewClient]

	http *loopback.Server

	mu       sync.Mutex
	tokens   []token // in order of creation
	added    int     // number of tokens ever added
	requests []Request
}

// token is an access token as the API encodes it. It does not use imkit's own type,
// whose mistakes tests would then not find.
type token struct {
	Token            string `json:"token"`
	UpdatedAt        string `json:"updatedAt"`
	ExpirationDate   string `json:"expirationDate"`
	CreatedAt        string `json:"createdAt"`
	ExpirationDateMS int64  `json:"expirationDateMS"`

	clientID string
}

// Start starts a server on a free port. Call [Server.Close] to stop it. In tests,
// use [NewServer].
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

// NewServer starts a server that is closed when the test ends. It fails the test if
// the server cannot listen.
func NewServer(tb TB) *Server {
	tb.Helper()
	s, err := Start()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Client returns a client for the server. It uses the http.Client of the server,
// which works in a testing/synctest bubble too. Client fails the test if an option
// is invalid.
func (s *Server) Client(tb TB, opts ...imkit.Option) *imkit.Client {
	tb.Helper()
	opts = append([]imkit.Option{imkit.WithHTTPClient(s.http.Client)}, opts...)
	client, err := imkit.NewClient(s.http.Endpoint, APIKey, opts...)
	if err != nil {
		tb.Fatalf("imkittest: %v", err)
	}
	return client
}

// Close closes all connections and waits for the server to stop. It may be called
// more than once.
func (s *Server) Close() { s.http.Close() }

// AddToken adds a token to a client and returns its text. The token expires in a
// week.
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

// Request is a request that the server received.
type Request struct {
	ClientID string // unescaped
	Header   http.Header
	Body     []byte
}

// Requests returns the requests received so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// revoke handles a request to revoke tokens.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	var params struct{ Token string }
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &params)
	}
	clientID := r.PathValue("client")

	s.mu.Lock()
	s.requests = append(s.requests, Request{clientID, r.Header.Clone(), body})
	status, response := http.StatusOK, map[string]any{}
	switch {
	case r.Header.Get("Im-Api-Key") != APIKey:
		status = http.StatusUnauthorized
		response["RC"], response["RM"] = status, "Unauthorized"
	case err != nil:
		status = http.StatusBadRequest
		response["RC"], response["RM"] = status, "Bad Request"
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
		response["RC"], response["RM"], response["result"] = 0, "OK", map[string]any{"data": revoked}
	}
	s.mu.Unlock()

	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(response) // the client may be gone
}
