package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seam-go/seam/internal/redact"
)

// redactedError is an error whose text is one short line without secrets: net/http quotes
// a malformed response in full. errors.Is and errors.As find the cause. There is no
// Unwrap, and the cause is inside a func, so that loggers cannot print it.
type redactedError struct {
	text  string
	cause func() error
}

func (e *exchange[T]) redacted(err error) error {
	return &redactedError{redact.Line(e.request.Redact(err.Error())), func() error { return err }}
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.cause(), target) }
func (e *redactedError) As(target any) bool   { return errors.As(e.cause(), target) }

// contextError returns the error of ctx with its cause. It adds err, unless err says the
// same. It compares error texts, because == panics for uncomparable errors.
func contextError(ctx context.Context, err error) error {
	end, cause := ctx.Err(), context.Cause(ctx)
	repeated := err == nil || strings.Contains(err.Error(), end.Error()) || strings.Contains(err.Error(), cause.Error())
	if cause.Error() != end.Error() {
		end = fmt.Errorf("%w: %w", end, cause)
	}
	if !repeated {
		end = fmt.Errorf("%w (after: %w)", end, err)
	}
	return end
}

// AttemptsNote returns the suffix of an error text with the number of attempts, if there
// was more than one.
func AttemptsNote(attempts int) string {
	if attempts < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d attempts)", attempts)
}
