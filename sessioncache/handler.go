package sessioncache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/redact"
)

const (
	// maxBody is the maximum length of a request body, in bytes.
	maxBody = 4 << 10
	// bodyTimeout is how long reading a request body can take, unless the server has a limit.
	bodyTimeout = 10 * time.Second
	// retryAfter is the minimum Retry-After of a 503 response.
	retryAfter = 5 * time.Second
)

// ErrNotSignedIn is what the userOf of [Cache.Handler] returns for a request of nobody.
var ErrNotSignedIn = errors.New("sessioncache: not signed in")

// HandlerOption configures a handler, see [Cache.Handler].
type HandlerOption func(*handler)

// WithTrustedOrigins lets pages of other origins, such as https://app.example.com, use the handler,
// with cookies. Register the handler for all methods: browsers send an OPTIONS request before the
// POST request.
func WithTrustedOrigins(origins ...string) HandlerOption {
	return func(h *handler) { h.origins = append(h.origins, origins...) }
}

// Handler returns a handler for a page that needs the session of its user. The page sends a POST
// request without a body to get a session. If Seam rejects the token of that session with 401,
// the page sends another request with the ID of the session:
//
//	{"refused": "<client_session_id>"}
//
// If that session is still in the cache, Handler gets the user's session from Seam, but at most once
// in 5 seconds for the same session. The response is
//
//	{"token": "…", "expires_at": "2026-01-02T15:04:05Z", "client_session_id": "…"}
//
// or {"error": "…"}, with one of these statuses:
//
//	200  success
//	400  the body is longer than 4 KiB, is not the JSON above, or was not read within 10 seconds
//	401  userOf returned an error that matches ErrNotSignedIn or a blank key, or the user was signed out
//	403  the request is cross-origin, see [http.CrossOriginProtection] and [WithTrustedOrigins]
//	405  the method is not POST
//	500  the request to Seam is invalid, for example because of a wrong API key
//	503  any other failure, for example a timeout, a 429 or 5xx response from Seam, or another error of userOf
//
// A 503 response has a Retry-After header in seconds. Responses have "Cache-Control: no-store".
//
// userOf authenticates the request and returns the user identifier key. It is called after
// the body was read, and again before the token is written, so that a user who was signed out
// meanwhile gets none. Failures with status 500 or 503 are logged to Config.Logger, unless the
// client closed the connection or the failure is that of an earlier call. Logs and error
// responses contain no tokens, credentials or user identifier keys.
//
// Handler panics if c was not created with New, if userOf is nil, or if an origin is invalid.
func (c *Cache) Handler(userOf func(*http.Request) (string, error), opts ...HandlerOption) http.Handler {
	if err := c.check("Handler", "any"); err != nil {
		panic(err.Error())
	}
	if userOf == nil {
		panic("sessioncache: Handler: userOf is nil; pass a function")
	}
	h := &handler{cache: c, userOf: userOf, crossOrigin: http.NewCrossOriginProtection()}
	for _, opt := range opts {
		opt(h)
	}
	for _, origin := range h.origins {
		err := h.crossOrigin.AddTrustedOrigin(origin)
		switch parsed, _ := url.Parse(origin); {
		case err != nil:
		case origin != strings.ToLower(origin):
			err = errors.New("browsers send origins in lower case")
		case parsed.Scheme == "https" && parsed.Port() == "443", parsed.Scheme == "http" && parsed.Port() == "80":
			err = errors.New("browsers omit the default port")
		}
		if err != nil {
			panic(fmt.Sprintf("sessioncache: Handler: WithTrustedOrigins(%q): %v; pass origins such as https://app.example.com", origin, err))
		}
	}
	return h
}

// handler is the handler of a [Cache].
type handler struct {
	cache       *Cache
	userOf      func(*http.Request) (string, error)
	origins     []string
	crossOrigin *http.CrossOriginProtection
}

type failure struct {
	Error string `json:"error"`
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if isPreflight := h.allowOrigin(w, r); isPreflight {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		write(w, http.StatusMethodNotAllowed, failure{"method is not POST"})
		return
	}
	if err := h.crossOrigin.Check(r); err != nil {
		write(w, http.StatusForbidden, failure{"cross-origin request"})
		return
	}
	refused, err := readRefused(w, r)
	if err != nil {
		write(w, http.StatusBadRequest, failure{`body is not {"refused": "<client_session_id>"}`})
		return
	}
	session, err := h.session(r, refused)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	write(w, http.StatusOK, struct {
		Token           string    `json:"token"`
		ExpiresAt       time.Time `json:"expires_at,omitzero"`
		ClientSessionID string    `json:"client_session_id"`
	}{session.Token, session.ExpiresAt, session.ClientSessionID})
}

// allowOrigin lets a page of a trusted origin read the response. It reports whether r is a
// preflight, which the browser sends before the request of the page.
func (h *handler) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	if len(h.origins) == 0 {
		return false
	}
	header, origin := w.Header(), r.Header.Get("Origin")
	header.Add("Vary", "Origin")
	if !slices.Contains(h.origins, origin) {
		return false
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	header.Set("Access-Control-Allow-Methods", http.MethodPost)
	header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	header.Set("Access-Control-Max-Age", "600")
	return true
}

// readRefused reads the body of r, within bodyTimeout. Connections that do not support deadlines
// are not bounded.
func readRefused(w http.ResponseWriter, r *http.Request) (string, error) {
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); !ok || server.ReadTimeout <= 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // net/http ends it with the body
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var body struct {
		Refused string `json:"refused"`
	}
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &body)
	}
	return body.Refused, err
}

func write(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has left
}

// session returns the session of the user of r. userOf must return the same user before and after.
func (h *handler) session(r *http.Request, refused string) (*seam.ClientSession, error) {
	user, err := h.user(r)
	if err != nil {
		return nil, err
	}
	session, err := h.cache.session(r.Context(), h.cache.key(user), refused)
	if err != nil {
		return nil, masked{err, user}
	}
	again, err := h.user(r)
	if err != nil {
		return nil, masked{err, user}
	}
	if again != user {
		return nil, ErrNotSignedIn
	}
	return session, nil
}

func (h *handler) user(r *http.Request) (string, error) {
	user, err := h.userOf(r)
	if err != nil {
		return "", masked{fmt.Errorf("sessioncache: Handler: userOf: %w", err), user}
	}
	if h.cache.check("Handler", user) != nil {
		return "", ErrNotSignedIn
	}
	return user, nil
}

// masked is an error whose text does not contain the key of a user.
type masked struct {
	error
	user string
}

func (m masked) Error() string {
	return redact.Secrets{Identifiers: []string{m.user}}.Text(m.error.Error())
}
func (m masked) Unwrap() error { return m.error }

func (h *handler) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNotSignedIn) || errors.Is(err, ErrSignedOut) {
		write(w, http.StatusUnauthorized, failure{"not signed in"})
		return
	}
	status, wait := http.StatusServiceUnavailable, retryAfter
	if apiErr, ok := errors.AsType[*seam.APIError](err); ok {
		wait = max(wait, apiErr.RetryAfter)
		if apiErr.StatusCode/100 == 4 && apiErr.StatusCode != http.StatusTooManyRequests {
			status = http.StatusInternalServerError
		}
	} else if errors.Is(err, seam.ErrInvalidParams) {
		status = http.StatusInternalServerError
	}
	paused, isPaused := errors.AsType[*outageError](err)
	if isPaused {
		wait = max(retryAfter, paused.wait)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.FormatFloat(math.Ceil(wait.Seconds()), 'f', 0, 64))
	}
	if !isPaused && !errors.Is(r.Context().Err(), context.Canceled) { // else it was logged, or the client has left
		h.cache.logger.LogAttrs(r.Context(), slog.LevelError, "no client session for a page", slog.Int("status", status), slog.String("error", err.Error()))
	}
	write(w, status, failure{strings.ToLower(http.StatusText(status))})
}
