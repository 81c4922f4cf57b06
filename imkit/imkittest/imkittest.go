// Package imkittest provides a fake IMKIT server for tests.
//
//	func TestSignOut(t *testing.T) {
//		srv := imkittest.NewServer(t)
//		srv.AddToken("jane_doe")
//		backend := NewBackend(srv.Client(t))
//		…
//	}
//
// The server follows the API's documentation. Where that is silent, it behaves as
// follows, and IMKIT may differ:
//
//   - An unknown client or token is not an error. No token is revoked.
//   - An expired token can be revoked.
//   - A wrong API key is rejected with status 401 and RC 401.
//   - A malformed body is rejected with status 400 and RC 400.
//
// The server cannot inject faults. To test failures, pass [imkit.WithHTTPClient] an
// http.Client with a failing Transport.
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

// TB is the part of [testing.TB] that this package uses. It exists so that this
// package does not import testing.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Server is a fake IMKIT server. Its methods are safe for concurrent use.
type Server struct {
	// URL is the base URL of the server, on loopback, for [imkit.NewClient]. It is
	// unusable in a testing/synctest bubble: use [Server.Client] there.
	URL string

	http *loopback.Server

	mu       sync.Mutex
	tokens   []token // in order of creation
	added    int     // number of tokens ever added
	requests []Request
}

// token is an access token as the API encodes it. It is not an imkit.Token, so that
// tests find mistakes in that type.
type token struct {
	Token            string `json:"token"`
	UpdatedAt        string `json:"updatedAt"`
	ExpirationDate   string `json:"expirationDate"`
	CreatedAt        string `json:"createdAt"`
	ExpirationDateMS int64  `json:"expirationDateMS"`

	clientID string
}

// Start starts a server. The caller must call Close. In tests, use [NewServer]. Start
// returns an error if it cannot listen on loopback.
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

// NewServer starts a server and closes it when the test ends. It calls tb.Fatalf if
// the server cannot start.
func NewServer(tb TB) *Server {
	tb.Helper()
	s, err := Start()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Client returns a client of the server. It calls tb.Fatalf if [imkit.NewClient]
// returns an error.
//
// Client also works in a testing/synctest bubble. There, [imkit.WithHTTPClient]
// bypasses the in-memory connection.
func (s *Server) Client(tb TB, opts ...imkit.Option) *imkit.Client {
	tb.Helper()
	opts = append([]imkit.Option{imkit.WithHTTPClient(s.http.Client)}, opts...)
	client, err := imkit.NewClient(s.http.Endpoint, APIKey, opts...)
	if err != nil {
		tb.Fatalf("imkittest: %v", err)
	}
	return client
}

// Close stops the server and waits for its goroutines. It may be called more than
// once. A server that was started in a testing/synctest bubble must be closed in that
// bubble.
func (s *Server) Close() { s.http.Close() }

// AddToken issues a token to the client with the given ID and returns it. The token
// expires after a week.
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
	ClientID string      // unescaped
	Header   http.Header // as received
	Body     []byte      // as received, but at most 1 MiB
}

// Requests returns all requests to revoke tokens that the server has received, in order.
// They include rejected requests. The Header and Body of a Request must not be modified.
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
	_ = json.NewEncoder(w).Encode(response) // the client may have disconnected
}
