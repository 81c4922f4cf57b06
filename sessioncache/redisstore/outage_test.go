package redisstore_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
	"github.com/seam-go/seam/sessioncache/redisstore"
)

// bound is a limit for any wait for Redis that a slow machine does not exceed.
const bound = 30 * time.Second

// outages are failures of Redis. Each returns a function that ends it.
var outages = map[string]func(tb testing.TB, redis *redis) (end func()){
	"killed": func(tb testing.TB, redis *redis) func() {
		tb.Helper()
		redis.kill(tb)
		return func() { redis.run(tb) }
	},
	"hanging": func(tb testing.TB, redis *redis) func() {
		tb.Helper()
		return redis.hang(tb)
	},
}

// TestOutage checks that sessions come from Seam after a limited wait if Redis fails, that a
// sign-out returns an error, and that Redis is used again when it is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, begin := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, srv := newRedis(t), &cachetest.Seam{}
			caches := redis.caches(t, srv, 2, 0, sessioncache.Config{})
			for _, cache := range caches {
				srv.Get(t, cache)
			}
			end := begin(t, redis)
			var waits []time.Duration
			for i := range 50 {
				before := time.Now()
				session, err := caches[i%2].Session(t.Context(), fmt.Sprint("user_", i))
				waits = append(waits, time.Since(before))
				require.NoError(t, err)
				require.True(t, srv.Valid(session.Token))
			}
			slices.Sort(waits)
			t.Logf("of 50 sign-ins one waited %v, half less than %v", waits[49], waits[25])
			assert.Less(t, waits[49], bound)
			before := time.Now()
			require.ErrorContains(t, caches[0].SignOut(t.Context(), user), "redisstore: ")
			t.Logf("a sign-out failed after %v", time.Since(before))
			assert.Empty(t, srv.Alive(user), "the sessions are revoked")
			assert.Less(t, time.Since(before), bound)
			for _, cache := range caches {
				assert.NotZero(t, cache.Stats().StoreErrors)
			}

			end()
			for _, cache := range caches {
				require.Eventually(t, func() bool {
					before := cache.Stats().Hits
					_, err := cache.Session(t.Context(), "user_1")
					return assert.NoError(t, err) && cache.Stats().Hits > before
				}, time.Minute, 10*time.Millisecond)
			}
			require.NoError(t, caches[0].SignOut(t.Context(), user))
			for _, cache := range caches {
				srv.Get(t, cache)
			}
			requests := srv.Requests("")
			for _, cache := range caches {
				srv.Get(t, cache)
			}
			assert.Equal(t, requests, srv.Requests(""), "they share again")
		})
	}
}

// TestOutageWhileFetched has Redis fail during a fetch. The callers get the session.
func TestOutageWhileFetched(t *testing.T) {
	t.Parallel()
	for name, begin := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, srv := newRedis(t), &cachetest.Seam{}
			var once sync.Once
			var end func()
			srv.Before = func(string) error {
				once.Do(func() { end = begin(t, redis) })
				return nil
			}
			caches := redis.caches(t, srv, 2, 0, sessioncache.Config{})
			before := time.Now()
			var group sync.WaitGroup
			for i := range 10 {
				group.Go(func() {
					session, err := caches[i%2].Session(t.Context(), user)
					if assert.NoError(t, err) {
						assert.True(t, srv.Valid(session.Token))
					}
				})
			}
			group.Wait()
			t.Logf("waited %v", time.Since(before))
			assert.Less(t, time.Since(before), bound)
			assert.Len(t, srv.Alive(user), 1)
			end()
		})
	}
}

// TestSignOutDuringOutage signs out during a fetch while Redis is down. The session is not
// returned.
func TestSignOutDuringOutage(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	cache := redis.caches(t, srv, 1, 0, sessioncache.Config{})[0]
	redis.kill(t)
	held, release := srv.HoldFetch()
	ends := make(chan error)
	for range 2 {
		go func() {
			_, err := cache.Session(t.Context(), user)
			ends <- err
		}()
	}
	<-held
	require.ErrorContains(t, cache.SignOut(t.Context(), user), "redisstore: ")
	close(release)
	for range 2 {
		require.ErrorIs(t, <-ends, sessioncache.ErrSignedOut)
	}
	redis.run(t)
}

// TestSignOutReachesAll measures the delay until a sign-out has reached all processes.
func TestSignOutReachesAll(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	stores := make([]*redisstore.Store, 3)
	caches := make([]*sessioncache.Cache, 3)
	for i := range stores {
		stores[i] = redis.store(t, key, patient)
		var err error
		caches[i], err = sessioncache.New(srv.Client(t), sessioncache.Config{Store: stores[i]})
		require.NoError(t, err)
	}
	var delays []time.Duration
	for i := range 300 {
		for _, cache := range caches {
			srv.Get(t, cache)
			srv.Get(t, cache) // from its memory
		}
		require.NoError(t, caches[i%3].SignOut(t.Context(), user))
		signedOut := time.Now()
		for deadline := signedOut.Add(bound); ; {
			left := false
			for _, store := range stores {
				entry, err := store.Get(t.Context(), sessioncache.Key{ID: user})
				require.NoError(t, err)
				left = left || entry != nil
			}
			if !left {
				break
			}
			require.True(t, time.Now().Before(deadline))
		}
		delays = append(delays, time.Since(signedOut))
	}
	slices.Sort(delays)
	t.Logf("a sign-out reached all after %v (median), %v (worst of %d)", delays[len(delays)/2], delays[len(delays)-1], len(delays))
}
