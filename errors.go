package seam

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seam-go/seam/internal/transport"
)

// What [errors.Is] finds in an error of this package. All but
// [ErrInvalidParams] stand for an [*APIError].
var (
	ErrUnauthorized  = errors.New("seam: unauthorized")       // status 401
	ErrForbidden     = errors.New("seam: forbidden")          // status 403
	ErrNotFound      = errors.New("seam: not found")          // status 404
	ErrConflict      = errors.New("seam: conflict")           // status 409
	ErrRateLimited   = errors.New("seam: rate limited")       // status 429
	ErrServer        = errors.New("seam: server error")       // status 5xx
	ErrInvalidInput  = errors.New("seam: invalid input")      // type invalid_input: the server's validator
	ErrInvalidParams = errors.New("seam: invalid parameters") // refused by this package
)

// invalid is an error that matches [ErrInvalidParams] and says only what is
// wrong.
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalidParams }

// APIError is an answer of the server that is not what was asked for: one with
// a status other than success, or a success that is cut short or lacks its
// content. If the context ends within an answer or while the next attempt is
// waited for, it is that answer, and matches the context's error too.
//
// Its text is one line and can be logged: of each thing that the server wrote it
// holds at most 200 bytes. Where the server repeats tokens or the call's credential
// they are masked, and so is the call's user identifier key, unless it is spelled in
// another way or stands where Seam names its types, fields and requests.
type APIError struct {
	Method     string // what was called: POST
	Path       string // and where: /client_sessions/get
	StatusCode int
	Type       string // such as client_session_not_found; empty if the body is not Seam's
	Message    string // for people; if the body is not Seam's, its first 200 bytes
	RequestID  string // names the request to Seam's support

	// ValidationErrors holds the messages of a refused input by field, as in
	// user_identifier_key or connect_webview_ids.0. Those about the input as a
	// whole are under the empty name.
	ValidationErrors map[string][]string

	// RetryAfter is how long the server asked to be left alone, 0 if it did not.
	RetryAfter time.Duration
	// Attempts is how many times the request was sent.
	Attempts int

	err error
}

// Error says what was called and what came back, in one line.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seam: %s %s: %d", e.Method, e.Path, e.StatusCode)
	kind := e.Type
	if kind == "" {
		kind = http.StatusText(e.StatusCode)
	}
	if kind != "" {
		b.WriteString(" " + transport.Brief(kind))
	}
	if e.Message != "" {
		b.WriteString(": " + transport.Brief(e.Message))
	}
	if e.err != nil {
		b.WriteString(": " + transport.Brief(e.err.Error()))
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + transport.Brief(e.RequestID) + ")")
	}
	if e.RetryAfter != 0 {
		fmt.Fprintf(&b, " (retry after %v)", e.RetryAfter)
	}
	b.WriteString(transport.Tries(e.Attempts))
	return b.String()
}

// Unwrap returns why the answer could not be used or waited out, nil if the
// answer itself is the error.
func (e *APIError) Unwrap() error { return e.err }

// Is reports whether target is the sentinel for e's status or type.
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
	case ErrInvalidInput:
		return e.Type == "invalid_input"
	}
	return false
}

// apiError makes the error of an answer to params; err says why the answer is not
// the end of the matter, if it is not.
func (c *call) apiError(answer transport.Answer, err error, params any) *APIError {
	e := &APIError{
		Method:     http.MethodPost,
		Path:       c.path,
		StatusCode: answer.StatusCode,
		RequestID:  c.requestID(answer),
		RetryAfter: answer.RetryAfter,
		Attempts:   answer.Attempts,
		err:        err,
	}
	if answer.Success() {
		return e
	}
	var body struct {
		Error struct {
			Type             string `json:"type"`
			Message          string `json:"message"`
			ValidationErrors any    `json:"validation_errors"`
		} `json:"error"`
	}
	_ = json.Unmarshal(answer.Body, &body) // what does decode is taken, a type of the wrong kind beside it is not
	key := c.key(params)
	mask := func(text string) string { return c.mask(text, key) }
	maskName := func(name string) string {
		if plainName.MatchString(name) { // Seam's own, which a user's key may equal
			return c.mask(name, "")
		}
		return mask(name)
	}
	e.Type, e.Message = maskName(body.Error.Type), mask(body.Error.Message)
	e.addValidationErrors("", body.Error.ValidationErrors, 0, mask, maskName)
	if e.Type == "" && e.Message == "" {
		e.Message = transport.Brief(mask(string(answer.Body)))
	}
	return e
}

// requestID is the server's name for the request.
func (c *call) requestID(answer transport.Answer) string {
	return c.mask(answer.Header.Get("Seam-Request-Id"), "")
}

var (
	// tokens are Seam's keys and tokens, which have a digit somewhere, and JWTs.
	tokens    = regexp.MustCompile(`seam_[\w-]*\d[\w-]*|\beyJ[\w-]+\.[\w-]+\.[\w-]*`)
	plainName = regexp.MustCompile(`^[a-z0-9_]+$`)
)

const masked = "REDACTED"

// key is the user identifier key that a call with params is about.
func (c *call) key(params any) string {
	if field := reflect.ValueOf(params).FieldByName("UserIdentifierKey"); field.IsValid() {
		return field.String()
	}
	return c.userIdentifierKey
}

// mask takes all tokens, this call's credential and a user identifier key, as it is
// and as JSON writes it, out of a text that the server may have written. Of a text
// beyond all reason it gives but the beginning.
func (c *call) mask(text, key string) string {
	const most, margin = 64 << 10, 4 << 10
	if len(text) > most { // it may end within a secret
		text = c.mask(text[:most], key)
		return text[:max(0, len(text)-margin)]
	}
	text = tokens.ReplaceAllString(strings.ReplaceAll(text, c.secret, masked), masked)
	if key == "" || len(key) > len(text) {
		return text
	}
	escaped, _ := json.Marshal(key) // of a text
	for _, key := range []string{string(escaped[1 : len(escaped)-1]), key} {
		if len(key) < 6 {
			text = maskWord(text, key)
		} else {
			text = strings.ReplaceAll(text, key, masked)
		}
	}
	return text
}

// maskWord masks a short word where it is no part of another one, as a key of one
// letter is of most.
func maskWord(text, word string) string {
	isWord := func(r rune, _ int) bool {
		return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
	}
	var replaced strings.Builder
	rest := 0
	for {
		i := strings.Index(text[rest:], word)
		if i < 0 {
			return replaced.String() + text[rest:]
		}
		begin := rest + i
		end := begin + len(word)
		replaced.WriteString(text[rest:begin])
		if isWord(utf8.DecodeLastRuneInString(text[:begin])) || isWord(utf8.DecodeRuneInString(text[end:])) {
			replaced.WriteString(word)
		} else {
			replaced.WriteString(masked)
		}
		rest = end
	}
}

// addValidationErrors flattens the tree of nodes that carry messages under
// _errors and further nodes under the names of fields. It stops where no input
// goes, since each name repeats all that lead to it.
func (e *APIError) addValidationErrors(name string, node any, depth int, mask, maskName func(string) string) {
	const most = 200 // messages of a field, fields, and bytes of a name
	children, _ := node.(map[string]any)
	if depth > 32 || len(name) > most || len(e.ValidationErrors) >= most {
		return
	}
	for key, child := range children {
		if key != "_errors" {
			e.addValidationErrors(strings.TrimPrefix(name+"."+maskName(key), "."), child, depth+1, mask, maskName)
			continue
		}
		messages, _ := child.([]any)
		for _, message := range messages[:min(len(messages), most)] {
			if text, ok := message.(string); ok {
				if e.ValidationErrors == nil {
					e.ValidationErrors = map[string][]string{}
				}
				e.ValidationErrors[name] = append(e.ValidationErrors[name], mask(text))
			}
		}
	}
}
