package sessioncache_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// TestOutage has 2,000 users visit while Seam does not respond, or refuses connections. Those with a
// session get it. The others get an error, and few requests are sent.
//
//nolint:paralleltest // it counts the goroutines of the process
func TestOutage(t *testing.T) {
	for name, hang := range map[string]bool{"no response": true, "no connection": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const users = 2_000
				var log bytes.Buffer
				srv := &cachetest.Seam{}
				cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				first := srv.Get(t, cache)
				time.Sleep(51 * time.Minute) // the session may be due, but is valid
				srv.Hang.Store(hang)
				srv.Break(!hang)
				before := runtime.NumGoroutine()
				begin, requests := time.Now(), srv.Requests("")
				var group sync.WaitGroup
				for i := range users {
					group.Go(func() {
						_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
						assert.Error(t, err) //nolint:testifylint // not in the test's goroutine
						assert.LessOrEqual(t, time.Since(begin), 10*time.Second)
					})
				}
				time.Sleep(5 * time.Second)
				assert.LessOrEqual(t, runtime.NumGoroutine()-before, users+1000, "one for each visitor, and those of 64 fetches")
				group.Wait()
				synctest.Wait()
				assert.LessOrEqual(t, srv.Requests("")-requests, 2*64)

				begin = time.Now()
				_, err := cache.Session(t.Context(), "late")
				require.Error(t, err)
				assert.Zero(t, time.Since(begin), "a pause")
				assert.Equal(t, first, srv.Get(t, cache))
				assert.LessOrEqual(t, time.Since(begin), time.Second)

				srv.Hang.Store(false)
				srv.Break(false)
				for time.Sleep(100 * time.Millisecond); err != nil; time.Sleep(100 * time.Millisecond) {
					_, err = cache.Session(t.Context(), "late")
				}
				assert.LessOrEqual(t, time.Since(begin), 12*time.Second)
				for i := range users {
					_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
					require.NoError(t, err)
				}
				assert.Equal(t, 1, strings.Count(log.String(), "Seam fails"), log.String())
				assert.Equal(t, 1, strings.Count(log.String(), "Seam responds again"))
			})
		})
	}
}

// TestFailureOfOneUser checks that a failure that is not Seam's does not pause the others.
func TestFailureOfOneUser(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{
		Params: func(_ context.Context, key string) (params seam.ClientSessionGetOrCreateParams, err error) {
			if key == "unknown" {
				err = cachetest.ErrBroken
			}
			return params, err
		},
	})
	_, err := cache.Session(t.Context(), "unknown")
	require.Error(t, err)
	srv.Get(t, cache)
}

// TestCallersThatGiveUp checks that they leave no goroutine behind, and no request.
func TestCallersThatGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		srv.Hang.Store(true)
		cache := newCache(t, srv.Client(t), sessioncache.Config{MaxFetches: 2})
		before := runtime.NumGoroutine()
		for i := range 10_000 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Microsecond)
			_, err := cache.Session(ctx, fmt.Sprint("user_", i%1000))
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		assert.LessOrEqual(t, runtime.NumGoroutine()-before, 100)
		assert.Equal(t, 2, srv.Requests(""))
		time.Sleep(time.Minute)
	})
}

// TestRenewalsSpread checks that sessions that were made in the same second are not renewed in the same
// second.
func TestRenewalsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 300
		srv := &cachetest.Seam{Extend: true}
		cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: 24 * time.Hour})
		visit := func() int {
			before := srv.Requests("")
			for i := range users {
				_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
				require.NoError(t, err)
			}
			return srv.Requests("") - before
		}
		require.Equal(t, users, visit())
		time.Sleep(24*time.Hour - 10*time.Minute)
		most, sum := 0, 0
		for range 300 {
			n := visit()
			most, sum = max(most, n), sum+n
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, most, 10, "one each second on average")
		assert.InDelta(t, users, sum, 20)
	})
}

// TestThousandWorkspaces checks what the caches of 1,000 workspaces cost in one process.
//
//nolint:paralleltest // it measures memory
func TestThousandWorkspaces(t *testing.T) {
	store := &sharedStore{entries: map[sessioncache.Key]*sessioncache.Entry{}}
	shared := &http.Client{Transport: &cachetest.Seam{}}
	before := heap()
	caches := make([]*sessioncache.Cache, 1000)
	for i := range caches {
		client, err := seam.NewClient(seam.WithPersonalAccessToken("seam_at1_token", fmt.Sprint("workspace_", i)), seam.WithHTTPClient(shared))
		require.NoError(t, err)
		caches[i] = newCache(t, client, sessioncache.Config{Store: store, Namespace: fmt.Sprint("workspace_", i)})
	}
	used := heap() - before
	t.Logf("%.0f bytes for each workspace", used/1000)
	assert.Less(t, used, 10e6)
	runtime.KeepAlive(caches)
}
