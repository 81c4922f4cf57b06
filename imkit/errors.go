package imkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/seam-go/seam/internal/transport"
)

// ErrInvalidParams is what [errors.Is] finds in an error of this package for what
// was refused before anything was sent.
var ErrInvalidParams = errors.New("imkit: invalid parameters")

// invalid is an error that matches [ErrInvalidParams] and says only what is
// wrong.
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalidParams }

// Error is an answer of the server that is not what was asked for: one with a
// status other than success, or a success whose RC is not 0, that is cut short or
// lacks its content. If the context ends within an answer or while the next
// attempt is waited for, it is that answer, and matches the context's error too.
//
// Its text is one line and can be logged. Where the server repeats JWTs or the
// call's API key, token or client ID in its message, they are masked.
type Error struct {
	StatusCode int
	Code       int    // the server's RC, 0 if it sent none
	Message    string // its RM, up to 200 bytes; nothing of a body that is not IMKIT's

	// RetryAfter is how long the server asked to be left alone, 0 if it did not.
	RetryAfter time.Duration
	// Attempts is how many times the request was sent.
	Attempts int

	err error
}

// Error says what was called and what came back, in one line.
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
		b.WriteString(": " + transport.Brief(e.err.Error()))
	}
	if e.RetryAfter != 0 {
		fmt.Fprintf(&b, " (retry after %v)", e.RetryAfter)
	}
	return b.String() + transport.Tries(e.Attempts)
}

// Unwrap returns why the answer could not be used or waited out, nil if the
// answer itself is the error.
func (e *Error) Unwrap() error { return e.err }

const masked = "REDACTED"

var jwt = regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+\.[\w-]*`)

// mask takes the API key, the call's client ID and token and all JWTs out of a text
// that the server or a transport may have written.
func (c config) mask(text, clientID, token string) string {
	for _, secret := range []string{c.apiKey, token, clientID} {
		if secret == "" {
			continue
		}
		escaped, _ := json.Marshal(secret) // of a text
		for _, form := range []string{string(escaped[1 : len(escaped)-1]), url.PathEscape(secret), url.QueryEscape(secret), secret} {
			text = strings.ReplaceAll(text, form, masked)
		}
	}
	return jwt.ReplaceAllString(text, masked)
}
