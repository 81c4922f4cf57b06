package api_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
)

// attempt returns a response with an action attempt.
func attempt(status string) map[string]any {
	fields := map[string]any{"action_attempt_id": "attempt_1", "action_type": "UNLOCK_DOOR", "status": status}
	if status == api.ActionAttemptStatusError {
		fields["error"] = map[string]any{"type": "failed_attempt", "message": "the bolt is stuck"}
	}
	return map[string]any{"action_attempt": fields, "ok": true}
}

// lock returns a server whose door answers each poll with the next of polls, and then for
// ever with the last.
func lock(polls ...func() (int, any, error)) *server {
	return &server{answer: func(r request) (int, any, error) {
		if r.Path == "/action_attempts/get" {
			return polls[min(r.Number, len(polls))-1]()
		}
		return http.StatusOK, attempt(api.ActionAttemptStatusPending), nil
	}}
}

func status(status string) func() (int, any, error) {
	return func() (int, any, error) { return http.StatusOK, attempt(status), nil }
}

var unlock = api.LockUnlockDoorParams{DeviceID: "device_1"}

func repeat(poll func() (int, any, error), times int) []func() (int, any, error) {
	return slices.Repeat([]func() (int, any, error){poll}, times)
}

// TestWaiting unlocks a door. Whatever happens to the polls, the unlock is sent once.
func TestWaiting(t *testing.T) {
	t.Parallel()
	pending, success, failed := status("pending"), status("success"), status("error")
	lost := func() (int, any, error) { return 0, nil, errLost }
	down := func() (int, any, error) { return http.StatusServiceUnavailable, "", nil }
	broken := func() (int, any, error) { return http.StatusOK, "<html>", nil }
	other := func() (int, any, error) {
		return http.StatusOK, map[string]any{"action_attempt": map[string]any{"action_attempt_id": "attempt_2", "status": "success"}}, nil
	}
	denied := func() (int, any, error) { return http.StatusUnauthorized, "", nil }
	for _, tt := range []struct {
		name    string
		polls   []func() (int, any, error)
		status  string // of the attempt that is returned, or that is in the error
		failure string // of the error
		err     error
	}{
		{"at once", []func() (int, any, error){success}, "success", "", nil},
		{"after a while", []func() (int, any, error){pending, pending, success}, "success", "", nil},
		{"polls that fail in three ways", []func() (int, any, error){lost, lost, lost, down, down, down, broken, success}, "success", "", nil},
		{"another attempt in between", []func() (int, any, error){other, success}, "success", "", nil},
		{"a failure", []func() (int, any, error){pending, failed}, "error", "failed_attempt", nil},
		{"a failure after failed polls", []func() (int, any, error){lost, lost, lost, failed}, "error", "failed_attempt", nil},
		{"a short loss of permission", []func() (int, any, error){denied, denied, success}, "success", "", nil},
		{"losses of permission between good polls", slices.Concat(repeat(denied, 4), []func() (int, any, error){pending}, repeat(denied, 4), []func() (int, any, error){success}), "success", "", nil},
		{"losses of permission between lost answers", slices.Concat(repeat(denied, 4), repeat(lost, 3), repeat(denied, 4), []func() (int, any, error){success}), "success", "", nil},
		{"a loss of permission", []func() (int, any, error){denied}, "pending", "", seam.ErrUnauthorized},
		{"no end", []func() (int, any, error){pending}, "pending", "", context.DeadlineExceeded},
		{"no end, and no polls", []func() (int, any, error){lost}, "pending", "", context.DeadlineExceeded},
		{"an unknown state", []func() (int, any, error){status("paused")}, "paused", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := lock(tt.polls...)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				got, err := srv.client(t).Locks.UnlockDoor(ctx, unlock)
				if tt.status == "success" {
					require.NoError(t, err)
					assert.Equal(t, "success", got.Status)
				} else {
					var failed *api.ActionAttemptError
					require.ErrorAs(t, err, &failed)
					assert.Nil(t, got)
					assert.Equal(t, "attempt_1", failed.Attempt.ActionAttemptID)
					assert.Equal(t, tt.status, failed.Attempt.Status)
					assert.Equal(t, tt.failure, failed.Type)
					if tt.err != nil {
						assert.ErrorIs(t, err, tt.err)
					}
				}
			})
			unlocks := 0
			for _, path := range srv.paths() {
				if path == "/locks/unlock_door" {
					unlocks++
				}
			}
			assert.Equal(t, 1, unlocks)
		})
	}
}

func TestActionAttemptErrorText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := lock(status("error")).client(t).Locks.UnlockDoor(t.Context(), unlock)
		require.EqualError(t, err, "seam: action attempt attempt_1 (UNLOCK_DOOR) failed: failed_attempt: the bolt is stuck")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("the user went away"))
		_, err = lock(status("pending")).client(t).ActionAttempts.Wait(ctx, api.ActionAttempt{ActionAttemptID: "attempt_1", ActionType: "NEW", Status: "pending"})
		assert.EqualError(t, err, "seam: action attempt attempt_1 (NEW) has not ended: the user went away")
	})
}

// TestNoWait gets the action attempt at once, and waits for it later.
func TestNoWait(t *testing.T) {
	t.Parallel()
	srv := lock(status("pending"), status("success"))
	client := srv.client(t)
	pending, err := client.NoWait().Locks.UnlockDoor(t.Context(), unlock)
	require.NoError(t, err)
	assert.Equal(t, api.ActionAttemptStatusPending, pending.Status)
	assert.Equal(t, []string{"/locks/unlock_door"}, srv.paths())
	synctest.Test(t, func(t *testing.T) {
		ended, err := client.ActionAttempts.Wait(t.Context(), *pending)
		require.NoError(t, err)
		assert.Equal(t, api.ActionAttemptStatusSuccess, ended.Status)
	})

	failed := answering(attempt("error"))
	_, err = failed.client(t).NoWait().Locks.UnlockDoor(t.Context(), unlock)
	assert.ErrorContains(t, err, "the bolt is stuck", "a failure that is known at once is an error")
}

// TestResponseOfAction is the response that says how the action ended.
func TestResponseOfAction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var response seam.Response
		_, err := lock(status("pending"), status("error")).client(t).Locks.UnlockDoor(t.Context(), unlock, seam.WithResponse(&response))
		require.ErrorContains(t, err, "the bolt is stuck")
		assert.Contains(t, string(response.Body), "the bolt is stuck")
	})
}

// TestQuietActions waits for actions whose method returns only an error. Seam documents
// their responses with an action attempt and without one.
func TestQuietActions(t *testing.T) {
	t.Parallel()
	params := api.AccessCodeDeleteParams{AccessCodeID: "code_1"}
	synctest.Test(t, func(t *testing.T) {
		srv := lock(status("pending"), status("error"))
		require.ErrorContains(t, srv.client(t).AccessCodes.Delete(t.Context(), params), "the bolt is stuck")
		assert.Len(t, srv.requests, 3)
		require.NoError(t, lock(status("success")).client(t).AccessCodes.Delete(t.Context(), params))
		require.NoError(t, answering(map[string]any{"ok": true}).client(t).AccessCodes.Delete(t.Context(), params))
		require.NoError(t, answering(attempt("pending")).client(t).NoWait().AccessCodes.Delete(t.Context(), params))
		require.ErrorContains(t, answering(attempt("error")).client(t).NoWait().AccessCodes.Delete(t.Context(), params), "the bolt is stuck")
	})
}

// TestWaitIntervals asks more seldom the longer an action takes.
func TestWaitIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := lock(status("pending"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		_, err := srv.client(t).Locks.UnlockDoor(ctx, unlock)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.InDelta(t, 110, len(srv.requests), 20)
	})
}

// TestWaitHonoursRetryAfter also if it is longer than what a single call waits.
func TestWaitHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := lock(func() (int, any, error) { return http.StatusTooManyRequests, "", nil }, status("success"))
		srv.header = http.Header{"Retry-After": {"120"}}
		start := time.Now()
		_, err := srv.client(t).Locks.UnlockDoor(t.Context(), unlock)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Minute)
		assert.Len(t, srv.requests, 3)
	})
}

// TestUnknownActionType hands over what a later version of Seam may send.
func TestUnknownActionType(t *testing.T) {
	t.Parallel()
	srv := answering(map[string]any{"action_attempt": map[string]any{
		"action_attempt_id": "attempt_1", "action_type": "OPEN_GATE", "status": "success", "result": map[string]any{"gate": "west"},
	}})
	attempt, err := srv.client(t).Locks.UnlockDoor(t.Context(), unlock)
	require.NoError(t, err)
	assert.Equal(t, "OPEN_GATE", attempt.ActionType)
}
