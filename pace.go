package seam

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// pace slows the concurrent calls of RevokeAll down together when one of them is rate
// limited.
type pace struct {
	mu    sync.Mutex
	until time.Time // no call begins before
	ended int       // calls that were not rate limited
}

// slow makes the calls that have not begun wait.
func (p *pace) slow(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(wait); until.After(p.until) {
		p.until = until
	}
}

// run runs call, and repeats it if it is rate limited even after its retries. It gives up
// when that has happened three times in a row and no other call got through meanwhile.
func (p *pace) run(ctx context.Context, call func() error) error {
	for stalled := 0; ; {
		p.mu.Lock()
		wait, ended := time.Until(p.until), p.ended
		p.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-ctx.Done(): // call returns the error
		}
		err := call()
		p.mu.Lock()
		if !errors.Is(err, ErrRateLimited) {
			p.ended++
		}
		if p.ended > ended {
			stalled = 0
		} else {
			stalled++
		}
		p.mu.Unlock()
		apiErr, _ := errors.AsType[*APIError](err)
		// A call that was not retried had no retries, or was told to wait too long.
		if !errors.Is(err, ErrRateLimited) || stalled == 3 || apiErr.Attempts == 1 || ctx.Err() != nil {
			return err
		}
		p.slow(max(apiErr.RetryAfter, time.Second))
	}
}

// observe returns an observer that tells p about attempts that are rate limited, and then
// calls next unless it is nil.
func (p *pace) observe(next func(context.Context, Attempt)) func(context.Context, Attempt) {
	return func(ctx context.Context, attempt Attempt) {
		if attempt.StatusCode == http.StatusTooManyRequests {
			p.slow(attempt.RetryIn)
		}
		if next != nil {
			next(ctx, attempt)
		}
	}
}
