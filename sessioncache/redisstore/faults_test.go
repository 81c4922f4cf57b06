package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
	"github.com/seam-go/seam/sessioncache/redisstore"
)

// TestFaultWhileFetched checks that users get their sessions if Redis loses or refuses everything
// while these are fetched, and that Redis is used again afterwards.
func TestFaultWhileFetched(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct{ begin, end string }{
		"flushed":        {"FLUSHALL", "PING"},
		"refused writes": {"CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"},
		"full":           {"CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const users = 30
			redis, srv := newRedis(t), &cachetest.Seam{}
			client := redis.client(t)
			do := func(command string) {
				t.Helper()
				require.NoError(t, client.Do(t.Context(), client.B().Arbitrary(strings.Fields(command)...).Build()).Error())
			}
			release := make(chan struct{})
			var fetching sync.WaitGroup
			fetching.Add(users)
			var first sync.Map
			config := sessioncache.Config{Timeout: time.Minute, Params: func(_ context.Context, user string) (params seam.ClientSessionGetOrCreateParams, err error) {
				if _, again := first.LoadOrStore(user, true); !again {
					fetching.Done()
					<-release
				}
				return params, nil
			}}
			caches := redis.caches(t, srv, 2, patient, config)
			var visits sync.WaitGroup
			for i := range users {
				visits.Go(func() {
					session, err := caches[0].Session(t.Context(), fmt.Sprint("user_", i))
					if assert.NoError(t, err) {
						assert.True(t, srv.Valid(session.Token))
					}
				})
			}
			fetching.Wait()
			do(fault.begin)
			close(release)
			visits.Wait()
			do(fault.end)
			for i := range users {
				for _, cache := range caches {
					require.Eventually(t, func() bool {
						before := cache.Stats().Hits
						_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
						return assert.NoError(t, err) && cache.Stats().Hits > before
					}, time.Minute, time.Millisecond)
				}
			}
		})
	}
}

// TestMissingRights checks that a store is refused if Redis would not report changes to it.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	client := redis.client(t)
	for user, rule := range map[string]string{
		"no_tracking": "-client|tracking",
		"no_caching":  "-client|caching",
		"no_keys":     "resetkeys ~other:*",
	} {
		rules := append([]string{"ACL", "SETUSER", user, "on", ">password", "+@all", "~*"}, strings.Fields(rule)...)
		require.NoError(t, client.Do(t.Context(), client.B().Arbitrary(rules...).Build()).Error())
		_, err := redisstore.New(rueidis.ClientOption{InitAddress: []string{redis.addr}, Username: user, Password: "password"}, key)
		require.ErrorContains(t, err, "redisstore: cannot use Redis", user)
		assert.ErrorContains(t, err, "; permit the commands ", user)
	}
}

// TestChangeOfKey checks that a session and a sign-out outlive a change of the key.
func TestChangeOfKey(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	newKey := []byte("another key of 32 bytes, as good")
	option := rueidis.ClientOption{InitAddress: []string{redis.addr}, ConnWriteTimeout: patient}
	before, err := redisstore.New(option, key, redisstore.WithOldKeys(newKey))
	require.NoError(t, err)
	t.Cleanup(before.Close)
	after, err := redisstore.New(option, newKey, redisstore.WithOldKeys(key))
	require.NoError(t, err)
	t.Cleanup(after.Close)
	var caches []*sessioncache.Cache
	for _, store := range []*redisstore.Store{before, after} {
		cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: store})
		require.NoError(t, err)
		caches = append(caches, cache)
	}
	for i, cache := range caches {
		first := srv.Get(t, cache)
		assert.Equal(t, first, srv.Get(t, caches[1-i]), "the other process has it too")
		require.NoError(t, caches[1-i].SignOut(t.Context(), user))
		require.Eventually(t, func() bool {
			session, err := cache.Session(t.Context(), user)
			return assert.NoError(t, err) && session.ClientSessionID != first.ClientSessionID
		}, bound, time.Millisecond)
		require.NoError(t, cache.SignOut(t.Context(), user))
	}
}

// TestNewWithoutRedis checks that a backend starts while Redis is down, and uses it later.
func TestNewWithoutRedis(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	redis.kill(t)
	caches := redis.caches(t, srv, 1, 0, sessioncache.Config{})
	srv.Get(t, caches[0])
	redis.run(t)
	require.Eventually(t, func() bool {
		srv.Get(t, caches[0])
		return caches[0].Stats().Hits > 0
	}, time.Minute, 10*time.Millisecond)
}
