package imkit

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// ErrInvalidParams means that an argument or option is invalid. No request was sent.
var ErrInvalidParams = errors.New("imkit: invalid parameters")

// invalid is an error that matches [ErrInvalidParams]. Its text says only what is
// wrong.
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalidParams }

// Error reports a response that does not confirm the revocation: one with a non-2xx
// status, with an RC other than 0, without the list of revoked tokens, or truncated.
// The tokens may have been revoked nevertheless. If the context ends while a response
// is read, or during the delay before a retry, the error also matches the context's
// error.
//
// The error text is one line. In the text and in Message, REDACTED replaces the API
// key, token and IMKIT client ID of the call, and everything that looks like a JWT.
// Their JSON, URL and HTML escapes are recognized. Other encodings, such as base64, and
// other spellings, such as upper case, are not.
type Error struct {
	StatusCode int    // HTTP status of the response
	Code       int    // RC of the response, or 0
	Message    string // message from IMKIT (RM), up to 200 bytes; empty if the body is not IMKIT's

	// RetryAfter is the Retry-After of a response with status 429 or 503, or 0.
	RetryAfter time.Duration
	// Attempts is the number of requests sent.
	Attempts int

	err error
}

// Error describes the request and what is wrong with the response, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "imkit: DELETE %s: %d", path, e.StatusCode)
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + text)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, ": RC %d", e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.err != nil {
		b.WriteString(": " + redact.Line(e.err.Error()))
	}
	if e.RetryAfter != 0 {
		fmt.Fprintf(&b, " (retry after %v)", e.RetryAfter)
	}
	return b.String() + transport.AttemptsNote(e.Attempts)
}

// Unwrap returns the error of reading or decoding the response, or of the context. It
// returns nil if the status or RC is the only error.
func (e *Error) Unwrap() error { return e.err }
