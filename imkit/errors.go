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

// ErrInvalidParams matches the errors for arguments that this package rejects
// without sending a request.
var ErrInvalidParams = errors.New("imkit: invalid parameters")

// invalid is an error that matches [ErrInvalidParams]. Its text says only what is
// wrong.
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalidParams }

// Error is a response that did not confirm the revocation: one with a non-2xx
// status, with an RC other than 0, without the list of revoked tokens, or one
// that was cut short. If the context ends while a response is read or before a
// retry, the error describes that response and also matches ctx.Err().
//
// Error returns one line that is safe to log. The call's API key, token and client
// ID and all JWTs are replaced by REDACTED, also where the server escaped them for
// JSON, a URL or HTML. They are not recognized if they are incomplete, written in
// another case, or encoded as base64 or hex. A client ID of fewer than 6 bytes is
// replaced only as a whole word.
type Error struct {
	StatusCode int    // HTTP status
	Code       int    // the response's RC, or 0 if there is none
	Message    string // the response's RM, truncated to 200 bytes; empty if the body is not IMKIT's

	// RetryAfter is the wait that the server asked for, or 0.
	RetryAfter time.Duration
	// Attempts is the number of requests sent.
	Attempts int

	err error
}

// Error describes the request and the response in one line.
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

// Unwrap returns the reason why the response could not be read or retried, or nil
// if the response itself reports the failure.
func (e *Error) Unwrap() error { return e.err }
