package sessioncache_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
	"github.com/seam-go/seam/webhook"
)

const user = cachetest.User

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCache(tb testing.TB, client *seam.Client, config sessioncache.Config) *sessioncache.Cache {
	tb.Helper()
	cache, err := sessioncache.New(client, config)
	require.NoError(tb, err)
	return cache
}

// transport is a function that implements [http.RoundTripper].
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestBlankUsersAreRejected(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	for _, key := range []string{"", " ", "\t\n", "\u00a0", "\xff"} {
		_, err := cache.Session(t.Context(), key)
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		require.ErrorIs(t, cache.SignOut(t.Context(), key), seam.ErrInvalidParams)
		require.ErrorIs(t, cache.Forget(t.Context(), key), seam.ErrInvalidParams)
	}
	assert.Zero(t, srv.Requests(""))
	assert.Zero(t, cache.Stats())
}

// TestManyCallersShareOneFetch checks that 10,000 callers for 100 users send 100 requests.
func TestManyCallersShareOneFetch(t *testing.T) {
	t.Parallel()
	const callers, users = 10_000, 100
	srv := &cachetest.Seam{}
	release := make(chan struct{})
	srv.Before = func(string) error { <-release; return nil }
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	var group sync.WaitGroup
	for i := range callers {
		key := fmt.Sprint("user_", i%users)
		group.Go(func() {
			session, err := cache.Session(t.Context(), key)
			if assert.NoError(t, err) {
				assert.Equal(t, key, session.UserIdentifierKey)
			}
		})
	}
	for cache.Stats().Misses < callers {
		runtime.Gosched()
	}
	close(release)
	group.Wait()
	assert.Equal(t, users, srv.Requests(""))
	assert.Equal(t, sessioncache.Stats{Misses: callers, Fetches: users}, cache.Stats())

	for i := range users {
		_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
		require.NoError(t, err)
	}
	assert.Equal(t, users, srv.Requests(""))
	assert.Equal(t, sessioncache.Stats{Hits: users, Misses: callers, Fetches: users}, cache.Stats())
}

// TestCallerThatGivesUp checks that a caller whose context ends does not end the fetch for
// another caller.
func TestCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"the first": true, "the second": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				release := make(chan struct{})
				srv.Before = func(string) error { <-release; return nil }
				cache := newCache(t, srv.Client(t), sessioncache.Config{})
				impatient, giveUp := context.WithCancel(t.Context())
				ends := map[bool]chan error{true: make(chan error, 1), false: make(chan error, 1)}
				for _, begins := range []bool{true, false} {
					ctx := t.Context()
					if begins == first {
						ctx = impatient
					}
					go func() {
						_, err := cache.Session(ctx, user)
						ends[begins] <- err
					}()
					synctest.Wait()
				}
				giveUp()
				require.ErrorIs(t, <-ends[first], context.Canceled)
				close(release)
				require.NoError(t, <-ends[!first])
				assert.Equal(t, 1, srv.Requests(""))
			})
		})
	}
}

// TestAbandonedFetch checks that a session is cached even if its caller has given up.
func TestAbandonedFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		srv.After = func(string) error { time.Sleep(9 * time.Second); return nil }
		cache := newCache(t, srv.Client(t), sessioncache.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cache.Session(ctx, user)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		srv.Get(t, cache)
		assert.Equal(t, 1, srv.Requests(""))
	})
}

// TestFetchIsBounded checks that a call and its fetch end after Timeout if Seam does not respond.
func TestFetchIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		srv.Hang.Store(true)
		cache := newCache(t, srv.Client(t, seam.WithMaxRetries(2)), sessioncache.Config{})
		begin := time.Now()
		_, err := cache.Session(t.Context(), user)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 10*time.Second, time.Since(begin))
		synctest.Wait()
		assert.Equal(t, sessioncache.Stats{Misses: 1, Failures: 1, Fetches: 1, Errors: 1}, cache.Stats())
	})
}

// TestEndedContext checks that a call whose context has ended returns a cached session but starts
// no fetch.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cache.Session(ended, user)
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, srv.Requests(""))
	srv.Get(t, cache)
	_, err = cache.Session(ended, user)
	require.NoError(t, err)
}

// TestErrorsAreNotCached checks that a failure of one user's fetch is over with the next call.
func TestErrorsAreNotCached(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	broken := true
	cache := newCache(t, srv.Client(t), sessioncache.Config{Params: func(context.Context, string) (params seam.ClientSessionGetOrCreateParams, err error) {
		if broken {
			err = cachetest.ErrBroken
		}
		return params, err
	}})
	for range 2 {
		_, err := cache.Session(t.Context(), user)
		require.ErrorIs(t, err, cachetest.ErrBroken)
	}
	broken = false
	srv.Get(t, cache)
	assert.Equal(t, sessioncache.Stats{Misses: 3, Fetches: 1, Failures: 2, Errors: 2}, cache.Stats())
}

// TestEndedSession checks that an ended session is not returned again, and that the user can get
// another one.
func TestEndedSession(t *testing.T) {
	t.Parallel()
	for name, end := range cachetest.Endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := &cachetest.Seam{}
			cache := newCache(t, srv.Client(t), sessioncache.Config{})
			for range 3 {
				first := srv.Get(t, cache)
				end(t, srv, cache)
				assert.NotEqual(t, first.ClientSessionID, srv.Get(t, cache).ClientSessionID)
				end(t, srv, cache)
			}
		})
	}
}

// TestEndedWhileFetched ends a session after Seam has sent it and before the cache receives it. Neither
// waiting nor later callers get it. After a sign-out, waiting callers get no other session either.
func TestEndedWhileFetched(t *testing.T) {
	t.Parallel()
	for name, end := range cachetest.Endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				held, release := srv.HoldFetch()
				cache := newCache(t, srv.Client(t), sessioncache.Config{})
				var group sync.WaitGroup
				for range 3 {
					group.Go(func() {
						session, err := cache.Session(t.Context(), user)
						if name == "SignOut" {
							assert.ErrorIs(t, err, sessioncache.ErrSignedOut)
						} else if assert.NoError(t, err) {
							assert.True(t, srv.Valid(session.Token))
						}
					})
				}
				<-held
				synctest.Wait()
				ended := srv.Alive(user)[0]
				end(t, srv, cache)
				var late sync.WaitGroup
				late.Go(func() { srv.Get(t, cache) })
				synctest.Wait()
				close(release)
				group.Wait()
				late.Wait()
				assert.NotEqual(t, ended, srv.Get(t, cache).ClientSessionID)
				assert.Equal(t, 2, srv.Requests("get_or_create"))
			})
		})
	}
}

// TestDeletedSessionThatSeamKeeps has a Seam that returns a session after its event. Seam knows better.
func TestDeletedSessionThatSeamKeeps(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	session := srv.Get(t, cache)
	require.NoError(t, cache.HandleEvent(t.Context(), cachetest.DeletedEvent(session.ClientSessionID)))
	srv.Get(t, cache)
	assert.Equal(t, 2, srv.Requests(""))
}

func TestOtherEventsAreIgnored(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	srv.Get(t, cache)
	require.NoError(t, cache.HandleEvent(t.Context(), webhook.Event{EventType: "device.connected"}))
	require.NoError(t, cache.HandleEvent(t.Context(), cachetest.DeletedEvent("another")))
	srv.Get(t, cache)
	assert.Equal(t, 1, srv.Requests(""))
}

// TestSignOutThatFails checks that a failed sign-out removes the session and returns an error.
func TestSignOutThatFails(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	srv.Get(t, cache)
	srv.Break(true)
	require.ErrorIs(t, cache.SignOut(t.Context(), user), cachetest.ErrBroken)
	_, err := cache.Session(t.Context(), user)
	require.ErrorIs(t, err, cachetest.ErrBroken)
}

// TestCallersOwnTheirSession modifies all fields of returned sessions, with few and many IDs.
func TestCallersOwnTheirSession(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]string{nil, {}, {"a"}, {"a", "b"}, {"a", "b", "c", "d", "e", "f"}} {
		srv := seamtest.NewServer(t)
		cache := newCache(t, srv.Client(t), sessioncache.Config{
			Params: func(context.Context, string) (seam.ClientSessionGetOrCreateParams, error) {
				return seam.ClientSessionGetOrCreateParams{ConnectWebviewIDs: ids, ConnectedAccountIDs: ids, UserIdentityID: "identity"}, nil
			},
		})
		want, err := srv.Client(t).ClientSessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{
			UserIdentifierKey: user, ConnectWebviewIDs: ids, ConnectedAccountIDs: ids, UserIdentityID: "identity",
		})
		require.NoError(t, err)
		for range 3 {
			got, err := cache.Session(t.Context(), user)
			require.NoError(t, err)
			require.Equal(t, want, got)
			for _, list := range []*[]string{&got.ConnectWebviewIDs, &got.ConnectedAccountIDs, &got.UserIdentityIDs} { //nolint:staticcheck // deprecated, but it may be modified
				lists := append(*list, "more")
				for i := range *list {
					(*list)[i] = "changed"
				}
				lists[len(lists)-1] = "changed"
			}
			got.Token = "changed"
		}
		assert.Len(t, srv.Requests(), 2)
	}
}

// TestAppendToOneList checks that appending to one list of a session does not change another.
func TestAppendToOneList(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	srv.Add(user, 0, time.Hour)
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	session := srv.Get(t, cache)
	want := slices.Clone(session.ConnectedAccountIDs)
	require.NotEmpty(t, want)
	session.ConnectWebviewIDs = append(session.ConnectWebviewIDs, "x", "y", "z")
	assert.Equal(t, want, session.ConnectedAccountIDs)
}

// TestCostOfAHit checks that a hit allocates once, for the copy that the caller may modify.
//
//nolint:paralleltest // allocations of other tests would be counted
func TestCostOfAHit(t *testing.T) {
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	srv.Get(t, cache)
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		_, err := cache.Session(t.Context(), user)
		require.NoError(t, err)
	}), 1.0)
}
