package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/redact"
)

// ActionAttemptError reports an action that has failed, or whose end is not known because
// the context ended or its state could not be read.
type ActionAttemptError struct {
	// Attempt is the last known state. Its Status is [ActionAttemptStatusError] if the
	// action has failed, and [ActionAttemptStatusPending] if its end is not known.
	Attempt ActionAttempt

	Type    string // why the action failed, such as failed_attempt; empty if its end is not known
	Message string // a description of the failure

	err error
}

// Error describes the action and what is wrong with it, in one line.
func (e *ActionAttemptError) Error() string {
	var secrets redact.Secrets
	line := func(text string) string { return redact.Line(secrets.Text(text)) }
	text := fmt.Sprintf("seam: action attempt %s (%s)", line(e.Attempt.ActionAttemptID), line(e.Attempt.ActionType))
	if e.err != nil {
		return fmt.Sprintf("%s has not ended: %v", text, e.err)
	}
	return fmt.Sprintf("%s failed: %s: %s", text, line(e.Type), line(e.Message))
}

// Unwrap returns why the end of the action is not known, such as the error of the context.
// It returns nil if the action has failed.
func (e *ActionAttemptError) Unwrap() error { return e.err }

const (
	firstPoll = 250 * time.Millisecond
	lastPoll  = 5 * time.Second
	maxFinal  = 5 // errors in a row that another poll is unlikely to change
)

// Wait waits until an action has ended and returns its last state. If the action has failed,
// or the context ends first, the error is an [*ActionAttemptError].
//
// Wait asks Seam for the state at intervals that grow from 0.25 to 5 seconds. It goes on
// after an error of a request, but ends if Seam keeps answering that the request is not
// permitted or that there is no such action attempt.
//
// See https://docs.seam.co/latest/api/action_attempts/get.
func (s *ActionAttemptsService) Wait(ctx context.Context, attempt ActionAttempt, opts ...seam.Option) (*ActionAttempt, error) {
	interval, retryAfter, final := firstPoll, time.Duration(0), 0
	for {
		switch attempt.Status {
		case ActionAttemptStatusSuccess:
			return &attempt, nil
		case ActionAttemptStatusError:
			return nil, &ActionAttemptError{Attempt: attempt, Type: attempt.Error.Type, Message: attempt.Error.Message}
		case ActionAttemptStatusPending:
		default:
			return nil, &ActionAttemptError{Attempt: attempt, err: errors.New("its status is unknown")}
		}
		timer := time.NewTimer(max(interval, retryAfter) + rand.N(interval/4))
		interval, retryAfter = min(interval*3/2, lastPoll), 0
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, &ActionAttemptError{Attempt: attempt, err: context.Cause(ctx)}
		case <-timer.C:
		}
		now, err := s.Get(ctx, ActionAttemptGetParams{ActionAttemptID: attempt.ActionAttemptID}, opts...)
		switch {
		case err == nil:
			attempt, final = *now, 0
		case ctx.Err() != nil:
			return nil, &ActionAttemptError{Attempt: attempt, err: err}
		case isFinal(err):
			if final++; final == maxFinal {
				return nil, &ActionAttemptError{Attempt: attempt, err: err}
			}
		default:
			final = 0
			if apiErr, ok := errors.AsType[*seam.APIError](err); ok {
				retryAfter = apiErr.RetryAfter
			}
		}
	}
}

// isFinal reports whether another request is unlikely to have another outcome.
func isFinal(err error) bool {
	for _, target := range []error{seam.ErrUnauthorized, seam.ErrForbidden, seam.ErrNotFound, seam.ErrInvalidParams} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// act sends a call whose response has an action attempt, and waits until it has ended.
func (c call) act(ctx context.Context) (*ActionAttempt, error) {
	attempt, err := one[ActionAttempt](ctx, c, "action_attempt", "")
	if err != nil || c.noWait && attempt.Status != ActionAttemptStatusError {
		return attempt, err
	}
	return (&ActionAttemptsService{c.service}).Wait(ctx, *attempt, c.opts...)
}

// done is act for a call that has no other result. Seam documents such responses with an
// action attempt and without one.
func (c call) done(ctx context.Context) error {
	var attempt ActionAttempt
	err := c.send(ctx, c.params, &response{key: "action_attempt", value: &attempt, optional: true})
	if err != nil || attempt.ActionAttemptID == "" || c.noWait && attempt.Status != ActionAttemptStatusError {
		return err
	}
	_, err = (&ActionAttemptsService{c.service}).Wait(ctx, attempt, c.opts...)
	return err
}
