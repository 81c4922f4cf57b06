package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
	"github.com/seam-go/seam/sessioncache/redisstore"
)

// names returns the names in Redis that match a pattern.
func (r *redis) names(tb testing.TB, pattern string) []string {
	tb.Helper()
	names, err := r.do(tb, "KEYS "+pattern).AsStrSlice()
	require.NoError(tb, err)
	return names
}

// TestIndexIsDeleted checks that Redis does not keep the indexes of sessions that were deleted, and
// keeps that of a session that is stored again.
func TestIndexIsDeleted(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	caches := redis.caches(t, srv, 2, patient, sessioncache.Config{})
	before := redis.names(t, "seam:session:*") // of the proofs
	srv.Get(t, caches[0])
	require.Len(t, redis.names(t, "seam:session:*"), len(before)+1)
	require.NoError(t, caches[0].Forget(t.Context(), user))
	assert.ElementsMatch(t, before, redis.names(t, "seam:session:*"))
	again := srv.Get(t, caches[0])
	require.NoError(t, caches[1].HandleEvent(t.Context(), cachetest.DeletedEvent(again.ClientSessionID)))
	assert.Empty(t, redis.names(t, "seam:user:*"))
	srv.Revoke(again.ClientSessionID)
	srv.Get(t, caches[0])
	require.NoError(t, caches[0].SignOut(t.Context(), user))
	assert.Len(t, redis.names(t, "seam:session:*"), len(before)+1, "the mark of the event")

	held, release := srv.HoldFetch()
	ends := make(chan error)
	go func() {
		_, err := caches[0].Session(t.Context(), user)
		ends <- err
	}()
	<-held
	require.NoError(t, caches[1].SignOut(t.Context(), user))
	close(release)
	require.ErrorIs(t, <-ends, sessioncache.ErrSignedOut)
	assert.Len(t, redis.names(t, "seam:session:*"), len(before)+1)
}

// requireHit gets a session until it is a hit, after Redis has reported that it was stored.
func requireHit(tb testing.TB, cache *sessioncache.Cache, user string) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		before := cache.Stats().Hits
		_, err := cache.Session(tb.Context(), user)
		return assert.NoError(tb, err) && cache.Stats().Hits > before
	}, bound, time.Millisecond)
}

// TestWrongType checks that a value of another type costs only its user, until it is deleted.
func TestWrongType(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	cache := redis.caches(t, srv, 1, patient, sessioncache.Config{})[0]
	srv.Get(t, cache)
	name := redis.names(t, "seam:user:*")[0]
	redis.do(t, "DEL "+name)
	redis.do(t, "LPUSH "+name+" value")
	srv.Get(t, cache)
	assert.NotZero(t, cache.Stats().StoreErrors)
	failures := cache.Stats().StoreErrors
	requireHit(t, cache, "another")
	assert.Equal(t, failures, cache.Stats().StoreErrors)
	require.NoError(t, cache.Forget(t.Context(), user))
	srv.Get(t, cache)
	requests := srv.Requests("")
	srv.Get(t, cache)
	assert.Equal(t, requests, srv.Requests(""))
	assert.Equal(t, failures, cache.Stats().StoreErrors)
}

// TestUnreadableOldValue checks that a failure under an old key does not keep a session from being
// stored under the current one.
func TestUnreadableOldValue(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	srv.Get(t, redis.caches(t, srv, 1, patient, sessioncache.Config{})[0])
	name := redis.names(t, "seam:user:*")[0]
	redis.do(t, "DEL "+name)
	redis.do(t, "LPUSH "+name+" value")
	store, err := redisstore.New(rueidis.ClientOption{InitAddress: []string{redis.addr}, ConnWriteTimeout: patient},
		[]byte(strings.Repeat("x", 32)), redisstore.WithOldKeys(key))
	require.NoError(t, err)
	t.Cleanup(store.Close)
	cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: store})
	require.NoError(t, err)
	requireHit(t, cache, user)
	assert.Equal(t, 2, srv.Requests(""))
}
