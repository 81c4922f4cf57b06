package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seam-go/seam/internal/redact"
)

// redactedError is an error whose text is one short line without secrets:
// net/http quotes a malformed response in full. errors.Is and errors.As find the
// cause. Loggers that unwrap or dump errors do not, since there is no Unwrap and
// the cause is inside a func.
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

// contextError returns why ctx ended, and err, what went wrong before. It
// compares texts, as comparing errors panics for some types.
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

// AttemptsNote returns the part of an error text that gives the number of
// attempts, if there was more than one.
func AttemptsNote(attempts int) string {
	if attempts < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d attempts)", attempts)
}
