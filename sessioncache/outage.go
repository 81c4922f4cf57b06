package sessioncache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seam-go/seam"
)

const (
	// pause is how long nothing is sent to Seam after it failed. Seam can ask for more.
	pause    = 2 * time.Second
	maxPause = time.Minute
)

// outage pauses fetches after a failure that concerns all users. After the pause it lets one
// through. The first success ends it.
type outage struct {
	logger *slog.Logger
	probe  time.Duration // what a fetch takes at most

	mu    sync.Mutex
	until time.Time // zero if there is no outage
	cause error
}

// outageError is the error during a pause.
type outageError struct {
	cause error
	wait  time.Duration // until the end of the pause
}

func (e *outageError) Error() string {
	return fmt.Sprintf("sessioncache: Session: nothing is sent for %v after this failure: %v", e.wait.Round(time.Millisecond), e.cause)
}
func (e *outageError) Unwrap() error { return e.cause }

// err returns an error during a pause.
func (o *outage) err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.errLocked()
}

func (o *outage) errLocked() error {
	if wait := time.Until(o.until); wait > 0 {
		return &outageError{o.cause, wait}
	}
	return nil
}

// begin is err for a caller that is about to fetch. After a pause it lets one fetch through, and
// extends the pause for all others until that fetch has a result.
func (o *outage) begin() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.errLocked()
	if err == nil && !o.until.IsZero() {
		o.until = time.Now().Add(o.probe)
	}
	return err
}

// end receives the result of a fetch.
func (o *outage) end(ctx context.Context, err error) {
	if errors.Is(err, context.Canceled) {
		return // by a sign-out
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	began := o.until.IsZero()
	if !isOutage(err) {
		if o.until, o.cause = (time.Time{}), nil; !began {
			o.logger.InfoContext(ctx, "Seam responds again")
		}
		return
	}
	wait := pause
	if apiErr, ok := errors.AsType[*seam.APIError](err); ok {
		wait = min(max(pause, apiErr.RetryAfter), maxPause)
	}
	if o.until, o.cause = time.Now().Add(wait), err; began {
		o.logger.ErrorContext(ctx, "Seam fails; requests are paused, and users with a session keep it", "error", err)
	}
}

// isOutage reports whether err concerns all users.
func isOutage(err error) bool {
	if apiErr, ok := errors.AsType[*seam.APIError](err); ok {
		switch apiErr.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
			return true
		}
		return apiErr.StatusCode/100 != 4
	}
	return err != nil && !errors.Is(err, seam.ErrInvalidParams)
}
