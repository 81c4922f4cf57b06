package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
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

func TestNewRejects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		option rueidis.ClientOption
		key    []byte
		says   string
	}{
		"no key":              {rueidis.ClientOption{}, nil, "the key has 0 bytes; pass 32 random bytes"},
		"a short key":         {rueidis.ClientOption{}, key[1:], "the key has 31 bytes"},
		"a long key":          {rueidis.ClientOption{}, append(slices.Clone(key), 0), "the key has 33 bytes"},
		"no caching":          {rueidis.ClientOption{DisableCache: true}, key, "DisableCache is set; omit it"},
		"an old protocol":     {rueidis.ClientOption{AlwaysRESP2: true}, key, "AlwaysRESP2 is set; omit it"},
		"other invalidations": {rueidis.ClientOption{OnInvalidations: func([]rueidis.RedisMessage) {}}, key, "OnInvalidations is set; omit it"},
		"other tracking":      {rueidis.ClientOption{ClientTrackingOptions: []string{"NOLOOP"}}, key, "ClientTrackingOptions is set; omit it"},
		"more connections":    {rueidis.ClientOption{PipelineMultiplex: 1}, key, "PipelineMultiplex is set; omit it"},
		"no pipelining":       {rueidis.ClientOption{DisableAutoPipelining: true}, key, "DisableAutoPipelining is set; omit it"},
		"reads from replicas": {rueidis.ClientOption{SendToReplicas: func(rueidis.Completed) bool { return true }}, key, "SendToReplicas is set; omit it"},
		"no keep-alives":      {rueidis.ClientOption{Dialer: net.Dialer{KeepAlive: -1}}, key, "KeepAlive is negative; omit it"},
		"replicas only":       {rueidis.ClientOption{ReplicaOnly: true}, key, "ReplicaOnly is set; omit it"},
		"no address":          {rueidis.ClientOption{}, key, "cannot use Redis"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, err := redisstore.New(tt.option, tt.key)
			require.ErrorContains(t, err, tt.says)
			assert.Regexp(t, "^redisstore: ", err.Error())
			assert.Nil(t, store)
		})
	}
}

// TestOneFetchForAll checks that all callers in all processes share one fetch for each user.
func TestOneFetchForAll(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	srv.Before = func(string) error { time.Sleep(50 * time.Millisecond); return nil }
	caches := newRedis(t).caches(t, srv, 3, patient, sessioncache.Config{})
	var group sync.WaitGroup
	for i := range 3000 {
		group.Go(func() {
			key := fmt.Sprint("user_", i%10)
			session, err := caches[i%3].Session(t.Context(), key)
			if assert.NoError(t, err) {
				assert.Equal(t, key, session.UserIdentifierKey)
			}
		})
	}
	group.Wait()
	assert.Equal(t, 10, srv.Requests(""))
	for _, cache := range caches {
		for i := range 10 {
			before := cache.Stats().Hits
			_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
			require.NoError(t, err)
			assert.Equal(t, before+1, cache.Stats().Hits)
		}
		assert.Zero(t, cache.Stats().Errors+cache.Stats().StoreErrors)
	}
	assert.Equal(t, 10, srv.Requests(""))
}

// TestCallerThatGivesUp checks that a caller whose context ends does not end the fetch for a caller
// in another process.
func TestCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	began, release := make(chan struct{}), make(chan struct{})
	srv.Before = func(string) error { close(began); <-release; return nil }
	caches := newRedis(t).caches(t, srv, 2, patient, sessioncache.Config{})
	ctx, giveUp := context.WithCancel(t.Context())
	ends := make(chan error, 2)
	go func() {
		_, err := caches[0].Session(ctx, user)
		ends <- err
	}()
	<-began
	go func() {
		_, err := caches[1].Session(t.Context(), user)
		ends <- err
	}()
	giveUp()
	require.ErrorIs(t, <-ends, context.Canceled)
	close(release)
	require.NoError(t, <-ends)
	assert.Equal(t, 1, srv.Requests(""))
}

// TestEndedContext checks that a call whose context has ended does not look like a failure of
// Redis, which would keep all callers from the sessions there.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	caches := newRedis(t).caches(t, srv, 2, patient, sessioncache.Config{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := caches[1].Session(ended, user)
	require.ErrorIs(t, err, context.Canceled)
	for _, cache := range caches {
		srv.Get(t, cache)
	}
	require.NoError(t, caches[1].Forget(ended, user))
	assert.Zero(t, caches[1].Stats().StoreErrors)
	assert.Equal(t, 1, srv.Requests(""))
}

// TestEndedSession checks that an ended session is removed at once in the process that ends it, and
// soon in the others.
func TestEndedSession(t *testing.T) {
	t.Parallel()
	for name, end := range cachetest.Endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := &cachetest.Seam{}
			caches := newRedis(t).caches(t, srv, 3, patient, sessioncache.Config{})
			for range 100 {
				first := srv.Get(t, caches[0])
				for _, cache := range caches {
					assert.Equal(t, first, srv.Get(t, cache))
				}
				end(t, srv, caches[1])
				second := srv.Get(t, caches[1])
				assert.NotEqual(t, first, second)
				for _, cache := range caches {
					require.Eventually(t, func() bool {
						session, err := cache.Session(t.Context(), user)
						return assert.NoError(t, err) && session.ClientSessionID == second.ClientSessionID
					}, 10*time.Second, time.Millisecond)
				}
			}
		})
	}
}

// TestEndedWhileFetched ends a session after Seam has sent it to a process. Neither waiting nor
// later callers get it.
func TestEndedWhileFetched(t *testing.T) {
	t.Parallel()
	for name, end := range cachetest.Endings {
		for which, ending := range map[string]int{"here": 0, "in another process": 1} {
			t.Run(name+" "+which, func(t *testing.T) {
				t.Parallel()
				srv := &cachetest.Seam{}
				held, release := srv.HoldFetch()
				caches := newRedis(t).caches(t, srv, 2, patient, sessioncache.Config{})
				tokens := make(chan string, 10)
				session := func(cache *sessioncache.Cache) {
					session, err := cache.Session(t.Context(), user)
					token := ""
					if name == "SignOut" && err != nil {
						assert.ErrorIs(t, err, sessioncache.ErrSignedOut)
					} else if assert.NoError(t, err) {
						token = session.Token
					}
					tokens <- token
				}
				for range 3 {
					go session(caches[0])
				}
				<-held
				ended := srv.Alive(user)[0]
				end(t, srv, caches[ending])
				go session(caches[ending])
				close(release)
				for range 4 {
					if token := <-tokens; token != "" {
						assert.True(t, srv.Valid(token))
					}
				}
				assert.NotEqual(t, ended, srv.Get(t, caches[0]).ClientSessionID)
				assert.LessOrEqual(t, srv.Requests("get_or_create"), 3)
			})
		}
	}
}

// addStale stores a session that expires in 2 minutes and needs renewal.
func addStale(t *testing.T, srv *cachetest.Seam, redis *redis) seam.ClientSession {
	t.Helper()
	session := srv.Add(user, 24*time.Hour, 2*time.Minute)
	_, err := redis.store(t, key, patient).Load(t.Context(), sessioncache.Key{Namespace: "workspace", ID: user}, func(*sessioncache.Entry) bool { return false }, func(context.Context, *sessioncache.Entry) (*sessioncache.Entry, error) {
		return &sessioncache.Entry{Session: session, RenewAt: time.Now().Add(-time.Second), ExpiresAt: session.ExpiresAt}, nil
	})
	require.NoError(t, err)
	return session
}

// TestRenewal has three processes renew a session at once. All get the same new session.
func TestRenewal(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	old := addStale(t, srv, redis)
	srv.After = func(string) error { time.Sleep(10 * time.Millisecond); return nil }
	caches := redis.caches(t, srv, 3, patient, sessioncache.Config{Namespace: "workspace", Lifetime: time.Hour})
	var group sync.WaitGroup
	tokens := make([]string, 30)
	for i := range tokens {
		group.Go(func() {
			session, err := caches[i%3].Session(t.Context(), user)
			if assert.NoError(t, err) {
				tokens[i] = session.Token
			}
		})
	}
	group.Wait()
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(tokens))), 1)
	assert.NotEqual(t, old.Token, tokens[0])
	assert.True(t, srv.Valid(tokens[0]))
	assert.Len(t, srv.Alive(user), 1)
	before := srv.Requests("")
	for _, cache := range caches {
		srv.Get(t, cache)
	}
	assert.Equal(t, before, srv.Requests(""))
}

// TestRenewalThatFails checks that all processes return the old session until one ends it.
func TestRenewalThatFails(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	old := addStale(t, srv, redis)
	caches := redis.caches(t, srv, 2, patient, sessioncache.Config{Namespace: "workspace"})
	srv.Break(true)
	for range 10 {
		for _, cache := range caches {
			assert.Equal(t, old.ClientSessionID, srv.Get(t, cache).ClientSessionID)
		}
	}
	require.Error(t, caches[0].SignOut(t.Context(), user), "Seam is out")
	_, err := caches[0].Session(t.Context(), user)
	require.ErrorIs(t, err, cachetest.ErrBroken)
	srv.Break(false)
	time.Sleep(2 * time.Second)
	for _, cache := range caches {
		assert.NotEqual(t, old.ClientSessionID, srv.Get(t, cache).ClientSessionID)
	}
}

// TestEndedWhileRenewed ends a session in one process during a renewal in another that fails. The
// old session is not returned again.
func TestEndedWhileRenewed(t *testing.T) {
	t.Parallel()
	for name, end := range cachetest.Endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, srv := newRedis(t), &cachetest.Seam{}
			addStale(t, srv, redis)
			caches := redis.caches(t, srv, 2, patient, sessioncache.Config{Namespace: "workspace", Lifetime: time.Hour})
			onItsWay, release := make(chan struct{}, 10), make(chan struct{})
			var broken atomic.Bool
			broken.Store(true)
			srv.Before = func(path string) error {
				if path == "get_or_create" && broken.Load() {
					onItsWay <- struct{}{}
					<-release
					return cachetest.ErrBroken
				}
				return nil
			}
			ended := make(chan error)
			go func() {
				_, err := caches[0].Session(t.Context(), user)
				ended <- err
			}()
			<-onItsWay
			end(t, srv, caches[1])
			time.Sleep(100 * time.Millisecond) // until the other process knows
			close(release)
			require.Error(t, <-ended)
			broken.Store(false)
			time.Sleep(2 * time.Second)
			for _, cache := range caches {
				srv.Get(t, cache)
			}
		})
	}
}

// TestDeletedSessionThatSeamKeeps has a Seam that returns a deleted session. It is not returned to
// the caller, and the number of requests is limited.
func TestDeletedSessionThatSeamKeeps(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newRedis(t).caches(t, srv, 1, patient, sessioncache.Config{})[0]
	require.NoError(t, cache.HandleEvent(t.Context(), cachetest.DeletedEvent(srv.Get(t, cache).ClientSessionID)))
	_, err := cache.Session(t.Context(), user)
	require.ErrorIs(t, err, sessioncache.ErrDeleted)
	assert.LessOrEqual(t, srv.Requests(""), 10)
}

// TestRedeliveredEvent has Redis refuse to delete the session of an event. The event fails, and
// removes the session when it is delivered again.
func TestRedeliveredEvent(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	cache, other := redis.caches(t, srv, 1, patient, sessioncache.Config{})[0], redis.store(t, key, patient)
	event := cachetest.DeletedEvent(srv.Get(t, cache).ClientSessionID)
	admin := redis.client(t)
	permit := func(command string) {
		require.NoError(t, admin.Do(t.Context(), admin.B().Arbitrary("ACL", "SETUSER", "default", command).Build()).Error())
	}
	permit("-del")
	require.ErrorContains(t, cache.HandleEvent(t.Context(), event), "redisstore: ")
	permit("+del")
	require.NoError(t, cache.HandleEvent(t.Context(), event))
	entry, err := other.Get(t.Context(), sessioncache.Key{ID: user})
	require.NoError(t, err)
	assert.Nil(t, entry)
}

// TestClose checks that sessions come from Seam after Close.
func TestClose(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	store := redis.store(t, key, patient)
	cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: store})
	require.NoError(t, err)
	for range 3 {
		srv.Get(t, cache)
	}
	store.Close()
	store.Close()
	requests := srv.Requests("")
	srv.Get(t, cache)
	assert.Equal(t, requests+1, srv.Requests(""))
	require.Error(t, cache.Forget(t.Context(), user))
	assert.NotZero(t, cache.Stats().StoreErrors)
}

// TestModel compares three processes with a map in 10,000 random steps.
func TestModel(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	redis := newRedis(t)
	stores := make([]*redisstore.Store, 3)
	model := cachetest.Model{
		Seed:  rand.Uint64(),
		Steps: 10_000,
		Seam:  srv,
		Settle: func(user string) {
			for _, store := range stores {
				require.Eventually(t, func() bool {
					entry, err := store.Get(t.Context(), sessioncache.Key{ID: user})
					return assert.NoError(t, err) && entry == nil
				}, 10*time.Second, 10*time.Microsecond)
			}
		},
		RefreshBefore: 5 * time.Minute,
	}
	for i := range stores {
		stores[i] = redis.store(t, key, patient)
		cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: stores[i]})
		require.NoError(t, err)
		model.Caches = append(model.Caches, cache)
	}
	model.Run(t)
}

func TestRace(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cachetest.Race(t, srv, newRedis(t).caches(t, srv, 3, patient, sessioncache.Config{}))
}
