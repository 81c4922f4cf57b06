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
	// maxBody bounds the body of a request to a Handler, in bytes.
	maxBody = 4 << 10
	// retryAfter is when a page is to try again, unless Seam says when.
	retryAfter = 5 * time.Second
)

// Handler returns a handler that gives a page the session of its user. The page sends a POST
// request when it needs a token, and again when Seam refuses that token with 401. Then it says
// in a JSON body which session was refused:
//
//	{"refused": "<client_session_id>"}
//
// If that is the session in the cache, the cache asks Seam for another one. Without a body, or
// with the ID of an older session, the answer comes from the cache. The answer to a success is
//
//	{"token": "…", "expires_at": "2026-01-02T15:04:05Z", "client_session_id": "…"}
//
// and to a failure {"error": "…"}. No answer is cached by browsers or proxies.
//
//	200  the session
//	400  the body is not such JSON, or is longer than 4 KiB
//	401  userOf returned an error or a blank key
//	403  the request comes from a page of another origin, see [http.CrossOriginProtection]
//	405  the method is not POST
//	500  Seam rejects the backend's own request, such as its API key; logged
//	503  Seam cannot be reached, has an error or limits the rate, or anything else failed, such
//	     as Config.Params; logged. Retry-After says when to try again, in seconds.
//
// userOf returns the user identifier key of whoever sent the request, from the backend's own
// sign-in. Handler panics if it is nil. Failures are logged to [slog.Default] without tokens,
// credentials and user identifier keys.
func (c *Cache) Handler(userOf func(*http.Request) (string, error)) http.Handler {
	if userOf == nil {
		panic("sessioncache: Handler: userOf is nil; give a func that returns the user of a request")
	}
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			answer(w, http.StatusMethodNotAllowed, failure{"method is not POST"})
			return
		}
		if err := crossOrigin.Check(r); err != nil {
			answer(w, http.StatusForbidden, failure{"cross-origin request"})
			return
		}
		user, err := userOf(r)
		if err != nil || checkKey("Handler", user) != nil {
			answer(w, http.StatusUnauthorized, failure{"not signed in"})
			return
		}
		var claim struct {
			Refused string `json:"refused"`
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil && len(body) > 0 {
			err = json.Unmarshal(body, &claim)
		}
		if err != nil {
			answer(w, http.StatusBadRequest, failure{`body is not {"refused": "<client_session_id>"}`})
			return
		}
		session, err := c.sessionUnless(r, user, claim.Refused)
		if err != nil {
			answerError(w, r, user, err)
			return
		}
		answer(w, http.StatusOK, struct {
			Token           string    `json:"token"`
			ExpiresAt       time.Time `json:"expires_at,omitzero"`
			ClientSessionID string    `json:"client_session_id"`
		}{session.Token, session.ExpiresAt, session.ClientSessionID})
	})
}

type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // if it fails, the client is gone
}

// sessionUnless returns the user's session. If it is the refused one, it asks Seam, which returns
// it again only if it is still valid.
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

func answerError(w http.ResponseWriter, r *http.Request, user string, err error) {
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
	answer(w, status, failure{strings.ToLower(http.StatusText(status))})
}
