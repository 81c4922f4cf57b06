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

// Errors for use with [errors.Is]. Except for ErrInvalidParams, an error that matches
// one of them is an [*APIError]. It can match several.
var (
	// ErrUnauthorized is status 401: the credential is invalid.
	ErrUnauthorized = errors.New("seam: unauthorized")
	// ErrForbidden is status 403: the credential lacks a permission.
	ErrForbidden = errors.New("seam: forbidden")
	// ErrNotFound is status 404.
	ErrNotFound = errors.New("seam: not found")
	// ErrConflict is status 409.
	ErrConflict = errors.New("seam: conflict")
	// ErrRateLimited is status 429.
	ErrRateLimited = errors.New("seam: rate limited")
	// ErrServer is status 5xx.
	ErrServer = errors.New("seam: server error")

	// ErrClientSessionExists is the type client_session_token_already_exists: the
	// user has a session already.
	ErrClientSessionExists = errors.New("seam: client session exists")
	// ErrClientSessionExpired is the type client_session_expired: the client session
	// token that authenticates the call has expired.
	ErrClientSessionExpired = errors.New("seam: client session expired")
	// ErrClientSessionRevoked is the type client_session_revoked: the session of the
	// client session token that authenticates the call was revoked.
	ErrClientSessionRevoked = errors.New("seam: client session revoked")

	// ErrInvalidParams means that params or options are invalid. Nothing was sent,
	// unless the error is also an *APIError: then Seam rejected the request, with the
	// type invalid_input.
	ErrInvalidParams = errors.New("seam: invalid parameters")
)

// invalid is an error that matches [ErrInvalidParams].
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalidParams }

// APIError reports a response with a non-2xx status, or a 2xx response that is
// truncated or lacks the expected data. If the context ends while a response is read,
// or during the delay before a retry, the error also matches the context's error.
//
// The error text is one line. It quotes at most 200 bytes of each value in the
// response. In the text and in the fields, REDACTED replaces the credential of the
// call, the user identifier keys that the call sent, and everything that looks like a
// Seam token or a JWT. A key of fewer than 6 bytes is replaced only as a whole word.
//
// JSON, URL and HTML escapes of these secrets are recognized. Other encodings, such as
// base64, other spellings, such as upper case, and parts of a secret are not. User
// identifier keys are not redacted in RequestID. They are not redacted in Type or in a key
// of ValidationErrors either, if it looks like a name from Seam, such as
// client_session_not_found.
type APIError struct {
	Method     string // HTTP method of the request, always POST
	Path       string // path of the request, such as /client_sessions/get
	StatusCode int    // HTTP status of the response
	Type       string // error type from Seam, such as client_session_not_found; empty if the body is not Seam's
	Message    string // error message from Seam; the first 200 bytes of the body if it is not Seam's
	RequestID  string // ID of the request, for Seam's support

	// ValidationErrors holds messages about invalid params by field, such as
	// user_identifier_key or connect_webview_ids.0. The empty key holds messages that
	// concern no single field.
	ValidationErrors map[string][]string

	// RetryAfter is the Retry-After of a response with status 429 or 503, or 0.
	RetryAfter time.Duration
	// Attempts is the number of attempts, including those that failed before the last one.
	Attempts int

	err error
}

// Error describes the request and what is wrong with the response, in one line.
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

// Unwrap returns the error of reading or decoding the response, or of the context. It
// returns nil if the status is the only error.
func (e *APIError) Unwrap() error { return e.err }

// Is reports whether target is an Err variable of this package that e matches.
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

// decodeBody sets Type, Message and ValidationErrors from the body of a non-2xx response. It
// ignores values of the wrong type.
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
	// limit is for the messages of a field, the number of fields and the bytes of a name: a
	// hostile tree is much larger when it is flat.
	const limit = 200
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
