package seam

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// Errors that [errors.Is] finds in the errors of this package. All but
// ErrInvalidParams stand for an [*APIError].
var (
	ErrUnauthorized = errors.New("seam: unauthorized") // status 401
	ErrForbidden    = errors.New("seam: forbidden")    // status 403
	ErrNotFound     = errors.New("seam: not found")    // status 404
	ErrConflict     = errors.New("seam: conflict")     // status 409
	ErrRateLimited  = errors.New("seam: rate limited") // status 429
	ErrServer       = errors.New("seam: server error") // status 5xx

	ErrClientSessionExists  = errors.New("seam: client session exists")  // the user has a session already
	ErrClientSessionExpired = errors.New("seam: client session expired") // the client session token has expired
	ErrClientSessionRevoked = errors.New("seam: client session revoked") // the client session token was revoked

	// ErrInvalidParams means that params or options are invalid. If this package
	// found that, nothing was sent. If Seam did (type invalid_input), the error is
	// an *APIError too.
	ErrInvalidParams = errors.New("seam: invalid parameters")
)

// invalid is an error that matches [ErrInvalidParams].
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalidParams }

// APIError is an unusable response: one with a non-2xx status, or a 2xx response
// that is cut short or lacks the expected data. If the context ends while a
// response is read or before a retry, the error describes that response and also
// matches the context's error.
//
// Its text is one line that is safe to log. It quotes at most 200 bytes of each
// thing that the server wrote. In the text and in the fields, REDACTED replaces
// everything that looks like a Seam token or a JWT, the credential of the call
// and the user identifier keys that the call sent. That includes their JSON, URL
// and HTML escapes. A copy that is encoded in another way, such as base64 or a
// different letter case, is not recognized. A field name or type in Seam's
// style, such as user_identifier_key, stays even if it equals a user identifier
// key.
type APIError struct {
	Method     string // the method of the request: POST
	Path       string // the path of the request, such as /client_sessions/get
	StatusCode int
	Type       string // such as client_session_not_found; empty if the body is not Seam's
	Message    string // the explanation; the first 200 bytes of the body if that is not Seam's
	RequestID  string // identifies the request for Seam's support

	// ValidationErrors holds messages about invalid input by field, such as
	// user_identifier_key or connect_webview_ids.0. Messages about the input as a
	// whole have the empty name.
	ValidationErrors map[string][]string

	// RetryAfter is how long the server asked to wait, 0 if it did not.
	RetryAfter time.Duration
	// Attempts is how many times the request was sent.
	Attempts int

	err error
}

// Error returns the request and what is wrong with the response, in one line.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seam: %s %s: %d", e.Method, e.Path, e.StatusCode)
	kind := e.Type
	if kind == "" {
		kind = http.StatusText(e.StatusCode)
	}
	if kind != "" {
		b.WriteString(" " + redact.Line(kind))
	}
	if e.Message != "" {
		b.WriteString(": " + redact.Line(e.Message))
	}
	if e.err != nil {
		b.WriteString(": " + redact.Line(e.err.Error()))
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + redact.Line(e.RequestID) + ")")
	}
	if e.RetryAfter != 0 {
		fmt.Fprintf(&b, " (retry after %v)", e.RetryAfter)
	}
	b.WriteString(transport.AttemptsNote(e.Attempts))
	return b.String()
}

// Unwrap returns why the response could not be read or decoded, or the error of
// the context. It returns nil if the status is what is wrong.
func (e *APIError) Unwrap() error { return e.err }

// Is reports whether target is the error for the status or type of e.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrServer:
		return e.StatusCode >= 500
	case ErrClientSessionExists:
		return e.Type == "client_session_token_already_exists"
	case ErrClientSessionExpired:
		return e.Type == "client_session_expired"
	case ErrClientSessionRevoked:
		return e.Type == "client_session_revoked"
	case ErrInvalidParams:
		return e.Type == "invalid_input"
	}
	return false
}

// decodeBody fills in what the body of a non-2xx response says. It ignores
// fields of the wrong type.
func (e *APIError) decodeBody(body []byte, secrets redact.Secrets) {
	var envelope struct {
		Error struct {
			Type             string `json:"type"`
			Message          string `json:"message"`
			ValidationErrors any    `json:"validation_errors"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &envelope)
	e.Type, e.Message = secrets.Name(envelope.Error.Type), secrets.Text(envelope.Error.Message)
	e.addValidationErrors("", envelope.Error.ValidationErrors, 0, secrets)
	if e.Type == "" && e.Message == "" {
		e.Message = redact.Line(secrets.Text(string(body)))
	}
}

// addValidationErrors flattens a tree of validation errors. Each node has its
// messages under _errors, and its children under the names of fields.
func (e *APIError) addValidationErrors(name string, node any, depth int, secrets redact.Secrets) {
	const limit = 200 // messages of a field, fields, and bytes of a name: hostile trees grow when flattened
	children, _ := node.(map[string]any)
	if depth > 32 || len(name) > limit || len(e.ValidationErrors) >= limit {
		return
	}
	for key, child := range children {
		if key != "_errors" {
			e.addValidationErrors(strings.TrimPrefix(name+"."+secrets.Name(key), "."), child, depth+1, secrets)
			continue
		}
		messages, _ := child.([]any)
		for _, message := range messages[:min(len(messages), limit)] {
			if text, ok := message.(string); ok {
				if e.ValidationErrors == nil {
					e.ValidationErrors = map[string][]string{}
				}
				e.ValidationErrors[name] = append(e.ValidationErrors[name], secrets.Text(text))
			}
		}
	}
}
