package seam_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// after is an attempt that takes some time.
func after(d time.Duration, then attempt) attempt {
	return func(req *http.Request) (*http.Response, error) {
		time.Sleep(d)
		return then(req)
	}
}

func TestObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := dialing(syscall.ECONNREFUSED)
		script := []attempt{
			after(time.Second, asksToWait(503, "5")), after(2*time.Second, fails(refused)), after(3*time.Second, answers(200, oneSession)),
			after(time.Second, answers(404, "")),
		}
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		var seen []seam.Attempt
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			now := script[0]
			script = script[1:]
			return now(req)
		}, seam.WithObserver(func(ctx context.Context, attempt seam.Attempt) {
			assert.Equal(t, "value", ctx.Value(key{}), "it is the context of the call")
			seen = append(seen, attempt)
		}))
		params := seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}
		_, err := client.ClientSessions.Get(ctx, params)
		require.NoError(t, err)
		require.Len(t, seen, 3)
		assert.Equal(t, seam.Attempt{
			Operation: "ClientSessions.Get", Number: 1, StatusCode: 503, RequestID: "request1", Duration: time.Second, RetryIn: 5 * time.Second,
		}, seen[0])
		assert.Equal(t, seam.Attempt{
			Operation: "ClientSessions.Get", Number: 3, StatusCode: 200, RequestID: "request1", Duration: 3 * time.Second,
		}, seen[2])
		require.ErrorIs(t, seen[1].Err, syscall.ECONNREFUSED)
		assert.Positive(t, seen[1].RetryIn)
		seen[1].Err, seen[1].RetryIn = nil, 0
		assert.Equal(t, seam.Attempt{Operation: "ClientSessions.Get", Number: 2, Duration: 2 * time.Second}, seen[1])

		seen = nil
		_, err = client.ClientSessions.Get(ctx, params)
		require.ErrorIs(t, err, seam.ErrNotFound)
		assert.Equal(t, []seam.Attempt{
			{Operation: "ClientSessions.Get", Number: 1, StatusCode: 404, RequestID: "request1", Duration: time.Second},
		}, seen, "a status is no Err of an attempt")
	})
}

// TestObserverWhenTheContextEnds sees the attempt that the context ended, and none
// of a call that sends nothing.
func TestObserverWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []seam.Attempt
		client := offline(t, hangs, seam.WithObserver(func(_ context.Context, attempt seam.Attempt) { seen = append(seen, attempt) }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 {
			require.ErrorIs(t, client.Post(ctx, "/devices/list", nil, nil), context.DeadlineExceeded)
		}
		require.Error(t, client.Post(t.Context(), "", nil, nil))
		require.Len(t, seen, 1)
		require.ErrorIs(t, seen[0].Err, context.DeadlineExceeded)
		seen[0].Err = nil
		assert.Equal(t, seam.Attempt{Operation: "Post /devices/list", Number: 1, Duration: time.Second}, seen[0])
	})
}

// TestObserverPanics where the caller can recover it, also from the goroutines of
// RevokeAll.
func TestObserverPanics(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/client_sessions/list" {
			return response(http.StatusOK, listOfJane(3))
		}
		return response(http.StatusOK, done)
	}, seam.WithObserver(func(context.Context, seam.Attempt) {
		if calls.Add(1) > 1 {
			panic("in the observer")
		}
	}))
	assert.PanicsWithValue(t, "in the observer", func() {
		_, _ = client.ClientSessions.RevokeAll(t.Context(), ofJane)
	})
	assert.PanicsWithValue(t, "in the observer", func() {
		_ = client.ClientSessions.Revoke(t.Context(), sessionID)
	})
}

// TestObserverOfACall takes the place of the client's, and nil means none.
func TestObserverOfACall(t *testing.T) {
	t.Parallel()
	count := func(n *int) seam.Option {
		return seam.WithObserver(func(context.Context, seam.Attempt) { *n++ })
	}
	ofClient, ofCall := 0, 0
	client := offline(t, answers(http.StatusOK, done), count(&ofClient))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID, count(&ofCall)))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID, seam.WithObserver(nil)))
	assert.Equal(t, []int{0, 1}, []int{ofClient, ofCall})
}

// TestObserverSeesNoSecrets in the error of an attempt, unwrapped or not.
func TestObserverSeesNoSecrets(t *testing.T) {
	t.Parallel()
	for name, attempt := range talkative {
		var seen []seam.Attempt
		client := offline(t, attempt, seam.WithMaxRetries(0), seam.WithAPIKey("seam_k-secret"),
			seam.WithObserver(func(_ context.Context, attempt seam.Attempt) { seen = append(seen, attempt) }))
		for _, op := range operations {
			_ = op.fullest(t.Context(), client) // most fail
		}
		for _, attempt := range seen {
			assert.Empty(t, leaks(printed(t, attempt)), name)
			for err := attempt.Err; err != nil; err = errors.Unwrap(err) {
				assert.Empty(t, leaks(printed(t, err)), name)
			}
		}
	}
}
