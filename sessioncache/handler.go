package sessioncache

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/redact"
)

const (
	// maxBody is the maximum length of a request body, in bytes.
	maxBody = 4 << 10
	// retryAfter is the minimum Retry-After of a 503 response.
	retryAfter = 5 * time.Second
)

// Handler returns a handler for a page that needs the session of its user. The page sends a POST
// request without a body to get a session. If Seam rejects the token of that session with 401,
// the page sends another request with the ID of the session:
//
//	{"refused": "<client_session_id>"}
//
// If that session is still in the cache, Handler calls [Cache.Forget] and gets a session from
// Seam. Otherwise the session was replaced already, and Handler returns the result of
// [Cache.Session]. The response is
//
//	{"token": "…", "expires_at": "2026-01-02T15:04:05Z", "client_session_id": "…"}
//
// or {"error": "…"}, with one of these statuses:
//
//	200  success
//	400  the body is longer than 4 KiB or is not the JSON above
//	401  userOf returned an error or a blank key
//	403  the request is cross-origin, see [http.CrossOriginProtection]
//	405  the method is not POST
//	500  the request to Seam is invalid, for example because of a wrong API key
//	503  any other failure, for example a timeout or a 429 or 5xx response from Seam
//
// A 503 response has a Retry-After header in seconds. Responses have "Cache-Control: no-store".
//
// userOf authenticates the request and returns the user identifier key. Handler panics if it is
// nil. Failures with status 500 or 503 are logged to [slog.Default], unless the client closed
// the connection. Logs and error responses contain no tokens, credentials or user identifier
// keys.
func (c *Cache) Handler(userOf func(*http.Request) (string, error)) http.Handler {
	if userOf == nil {
		panic("sessioncache: Handler: userOf is nil; pass a function")
	}
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			write(w, http.StatusMethodNotAllowed, failure{"method is not POST"})
			return
		}
		if err := crossOrigin.Check(r); err != nil {
			write(w, http.StatusForbidden, failure{"cross-origin request"})
			return
		}
		user, err := userOf(r)
		if err != nil || checkKey("Handler", user) != nil {
			write(w, http.StatusUnauthorized, failure{"not signed in"})
			return
		}
		var body struct {
			Refused string `json:"refused"`
		}
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil && len(text) > 0 {
			err = json.Unmarshal(text, &body)
		}
		if err != nil {
			write(w, http.StatusBadRequest, failure{`body is not {"refused": "<client_session_id>"}`})
			return
		}
		session, err := c.sessionUnless(r, user, body.Refused)
		if err != nil {
			writeError(w, r, user, err)
			return
		}
		write(w, http.StatusOK, struct {
			Token           string    `json:"token"`
			ExpiresAt       time.Time `json:"expires_at,omitzero"`
			ClientSessionID string    `json:"client_session_id"`
		}{session.Token, session.ExpiresAt, session.ClientSessionID})
	})
}

type failure struct {
	Error string `json:"error"`
}

func write(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has left
}

// sessionUnless returns the session of a user. It gets it from Seam if the cached session is the
// refused one. Seam returns that one again if it is still valid.
func (c *Cache) sessionUnless(r *http.Request, user, refused string) (*seam.ClientSession, error) {
	session, err := c.Session(r.Context(), user)
	if err != nil || session.ClientSessionID != refused {
		return session, err
	}
	if err := c.Forget(r.Context(), user); err != nil {
		return nil, err
	}
	return c.Session(r.Context(), user)
}

func writeError(w http.ResponseWriter, r *http.Request, user string, err error) {
	status, wait := http.StatusServiceUnavailable, retryAfter
	if apiErr, ok := errors.AsType[*seam.APIError](err); ok {
		wait = max(wait, apiErr.RetryAfter)
		if apiErr.StatusCode/100 == 4 && apiErr.StatusCode != http.StatusTooManyRequests {
			status = http.StatusInternalServerError
		}
	} else if errors.Is(err, seam.ErrInvalidParams) {
		status = http.StatusInternalServerError
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.FormatFloat(math.Ceil(wait.Seconds()), 'f', 0, 64))
	}
	if !errors.Is(r.Context().Err(), context.Canceled) { // else the client has left
		text := redact.Secrets{Identifiers: []string{user}}.Text(err.Error())
		slog.ErrorContext(r.Context(), "no client session for a page", "status", status, "error", text)
	}
	write(w, status, failure{strings.ToLower(http.StatusText(status))})
}
