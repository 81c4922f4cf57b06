package sessioncache_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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

const user = "jane_doe"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCache(tb testing.TB, client *seam.Client, config sessioncache.Config) *sessioncache.Cache {
	tb.Helper()
	cache, err := sessioncache.New(client, config)
	require.NoError(tb, err)
	return cache
}

// get returns a session that must be good at Seam.
func get(t *testing.T, srv *cachetest.Seam, cache *sessioncache.Cache) *seam.ClientSession {
	t.Helper()
	session, err := cache.Session(t.Context(), user)
	require.NoError(t, err)
	assert.Equal(t, user, session.UserIdentifierKey)
	assert.True(t, srv.Valid(session.Token), "token is refused by Seam")
	return session
}

// transport is a func that answers requests.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func deletedEvent(clientSessionID string) webhook.Event {
	return webhook.Event{
		EventType:            webhook.EventTypeClientSessionDeleted,
		ClientSessionDeleted: &webhook.ClientSessionDeleted{ClientSessionID: clientSessionID},
	}
}

func TestNewRejects(t *testing.T) {
	t.Parallel()
	client := new(cachetest.Seam).Client(t)
	withToken, err := seam.NewClient(seam.WithClientSessionToken("seam_cst1_token"))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		client *seam.Client
		config sessioncache.Config
		says   string
	}{
		"no client":                          {nil, sessioncache.Config{}, "the client is nil; create one with seam.NewClient"},
		"a zero client":                      {&seam.Client{}, sessioncache.Config{}, "the client is nil; create one with seam.NewClient"},
		"a client session token":             {withToken, sessioncache.Config{}, "use an API key"},
		"a negative Lifetime":                {client, sessioncache.Config{Lifetime: -1}, "Lifetime is negative"},
		"a negative RefreshBefore":           {client, sessioncache.Config{RefreshBefore: -1}, "RefreshBefore is negative"},
		"a negative MaxUsers":                {client, sessioncache.Config{MaxUsers: -1}, "MaxUsers is negative"},
		"MaxUsers of a Store":                {client, sessioncache.Config{MaxUsers: 1, Store: brokenStore{}}, "omit one of them"},
		"a Lifetime as short as the margin":  {client, sessioncache.Config{Lifetime: time.Minute, RefreshBefore: time.Minute}, "use a longer Lifetime"},
		"a Lifetime shorter than the margin": {client, sessioncache.Config{Lifetime: time.Second, RefreshBefore: time.Minute}, "use a longer Lifetime"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache, err := sessioncache.New(tt.client, tt.config)
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			assert.Regexp(t, "^sessioncache: New: .*"+tt.says, err.Error())
			assert.Nil(t, cache)
		})
	}
}

// TestNewAccepts each credential that can make sessions, and sends nothing.
func TestNewAccepts(t *testing.T) {
	t.Parallel()
	for _, credential := range []seam.Option{
		seam.WithAPIKey("seam_key"), seam.WithPersonalAccessToken("seam_at1_token", "workspace"), seam.WithPublishableKey("seam_pk1_key"),
	} {
		srv := &cachetest.Seam{}
		client := srv.Client(t, credential)
		_, err := sessioncache.New(client, sessioncache.Config{})
		require.NoError(t, err)
		assert.Zero(t, srv.Requests(""))
	}
}

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

// TestManyCallersShareOneFetch of each user.
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

// TestCallerThatGivesUp ends neither the fetch nor the wait of another, whether it began the
// fetch or joined it.
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

// TestFetchThatNobodyWaitsFor ends, and what it got is kept.
func TestFetchThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		srv.After = func(string) error { time.Sleep(10 * time.Second); return nil }
		cache := newCache(t, srv.Client(t), sessioncache.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cache.Session(ctx, user)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		get(t, srv, cache)
		assert.Equal(t, 1, srv.Requests(""))
	})
}

// TestFetchIsBounded also where Seam never answers: all goroutines end with the bubble.
func TestFetchIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		srv.Hang.Store(true)
		cache := newCache(t, srv.Client(t, seam.WithMaxRetries(2)), sessioncache.Config{})
		begin := time.Now()
		_, err := cache.Session(t.Context(), user)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.LessOrEqual(t, time.Since(begin), time.Minute)
		assert.Equal(t, uint64(1), cache.Stats().Errors)
	})
}

// TestEndedContext gets what is in the cache, and begins no fetch.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cache.Session(ended, user)
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, srv.Requests(""))
	get(t, srv, cache)
	_, err = cache.Session(ended, user)
	require.NoError(t, err)
}

func TestErrorsAreNotCached(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	srv.Break(true)
	for range 2 {
		_, err := cache.Session(t.Context(), user)
		require.ErrorIs(t, err, cachetest.ErrBroken)
	}
	srv.Break(false)
	get(t, srv, cache)
	assert.Equal(t, 3, srv.Requests(""))
	assert.Equal(t, sessioncache.Stats{Misses: 3, Fetches: 3, Errors: 2}, cache.Stats())
}

// endings are the ways in which a cache learns that a user's session is of no use any more.
var endings = map[string]func(t *testing.T, srv *cachetest.Seam, cache *sessioncache.Cache){
	"SignOut": func(t *testing.T, _ *cachetest.Seam, cache *sessioncache.Cache) {
		t.Helper()
		require.NoError(t, cache.SignOut(t.Context(), user))
	},
	"Forget": func(t *testing.T, srv *cachetest.Seam, cache *sessioncache.Cache) {
		t.Helper()
		srv.Revoke(srv.Alive(user)[0])
		require.NoError(t, cache.Forget(t.Context(), user))
	},
	"HandleEvent": func(t *testing.T, srv *cachetest.Seam, cache *sessioncache.Cache) {
		t.Helper()
		id := srv.Alive(user)[0]
		srv.Revoke(id)
		require.NoError(t, cache.HandleEvent(t.Context(), deletedEvent(id)))
	},
}

// TestEndedSession is not served from the cache any more, and the user can come back.
func TestEndedSession(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := &cachetest.Seam{}
			cache := newCache(t, srv.Client(t), sessioncache.Config{})
			for range 3 {
				first := get(t, srv, cache)
				end(t, srv, cache)
				assert.NotEqual(t, first.ClientSessionID, get(t, srv, cache).ClientSessionID)
				end(t, srv, cache)
			}
		})
	}
}

// TestEndedWhileFetched ends a session when it is on its way to the cache. Neither those who
// wait for it nor those who come later get it.
func TestEndedWhileFetched(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				onItsWay, release := make(chan struct{}), make(chan struct{})
				var later atomic.Bool
				srv.After = func(path string) error {
					if path == "get_or_create" && !later.Swap(true) {
						close(onItsWay)
						<-release
					}
					return nil
				}
				cache := newCache(t, srv.Client(t), sessioncache.Config{})
				var group sync.WaitGroup
				for range 3 {
					group.Go(func() { get(t, srv, cache) })
				}
				<-onItsWay
				synctest.Wait()
				ended := srv.Alive(user)[0]
				end(t, srv, cache)
				var late sync.WaitGroup
				late.Go(func() { get(t, srv, cache) })
				synctest.Wait()
				close(release)
				group.Wait()
				late.Wait()
				assert.NotEqual(t, ended, get(t, srv, cache).ClientSessionID)
				assert.Equal(t, 2, srv.Requests("get_or_create"))
			})
		})
	}
}

// TestDeletedSessionThatSeamKeeps is not served, and does not have the cache ask for ever.
func TestDeletedSessionThatSeamKeeps(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	session := get(t, srv, cache)
	require.NoError(t, cache.HandleEvent(t.Context(), deletedEvent(session.ClientSessionID)))
	_, err := cache.Session(t.Context(), user)
	require.ErrorIs(t, err, sessioncache.ErrDeleted)
	assert.LessOrEqual(t, srv.Requests(""), 4)
}

func TestOtherEventsAreIgnored(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	get(t, srv, cache)
	require.NoError(t, cache.HandleEvent(t.Context(), webhook.Event{EventType: "device.connected"}))
	require.NoError(t, cache.HandleEvent(t.Context(), deletedEvent("another")))
	get(t, srv, cache)
	assert.Equal(t, 1, srv.Requests(""))
}

// TestSignOutThatFails forgets the user nevertheless, and says so.
func TestSignOutThatFails(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	get(t, srv, cache)
	srv.Break(true)
	require.ErrorIs(t, cache.SignOut(t.Context(), user), cachetest.ErrBroken)
	_, err := cache.Session(t.Context(), user)
	require.ErrorIs(t, err, cachetest.ErrBroken)
}

// TestCallersOwnTheirSession changes all of a session, whether it has few IDs or many.
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
			for _, list := range []*[]string{&got.ConnectWebviewIDs, &got.ConnectedAccountIDs, &got.UserIdentityIDs} { //nolint:staticcheck // it is part of what may be changed
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

// TestAppendToOneList does not change another list of the same session.
func TestAppendToOneList(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	session := get(t, srv, cache)
	want := slices.Clone(session.ConnectedAccountIDs)
	session.ConnectWebviewIDs = append(session.ConnectWebviewIDs, "x", "y", "z")
	assert.Equal(t, want, session.ConnectedAccountIDs)
}

// TestMaxUsers drops the sessions of some users, and counts them.
func TestMaxUsers(t *testing.T) {
	t.Parallel()
	const most, users = 100, 1000
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{MaxUsers: most})
	for i := range users {
		_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return cache.Stats().Evictions == users-most }, 10*time.Second, time.Millisecond)
	for i := range users {
		_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, cache.Stats().Hits, uint64(most))
}

// TestParams decides what a new session can access.
func TestParams(t *testing.T) {
	t.Parallel()
	errParams := errors.New("no such user")
	for name, tt := range map[string]struct {
		params func() (seam.ClientSessionGetOrCreateParams, error)
		err    string
		is     error
	}{
		"that fail": {func() (seam.ClientSessionGetOrCreateParams, error) {
			return seam.ClientSessionGetOrCreateParams{}, errParams
		}, "no such user", errParams},
		"of another user": {func() (seam.ClientSessionGetOrCreateParams, error) {
			return seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "another"}, nil
		}, "another user; omit it", seam.ErrInvalidParams},
		"that panic":        {func() (seam.ClientSessionGetOrCreateParams, error) { panic("out of order") }, "panic: out of order", nil},
		"that end the call": {func() (seam.ClientSessionGetOrCreateParams, error) { runtime.Goexit(); panic("unreachable") }, "the fetch called runtime.Goexit; return an error", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := &cachetest.Seam{}
			broken := true
			cache := newCache(t, srv.Client(t), sessioncache.Config{
				Params: func(_ context.Context, key string) (seam.ClientSessionGetOrCreateParams, error) {
					assert.Equal(t, user, key)
					if broken {
						return tt.params()
					}
					return seam.ClientSessionGetOrCreateParams{UserIdentifierKey: user}, nil
				},
			})
			_, err := cache.Session(t.Context(), user)
			require.ErrorContains(t, err, tt.err)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assert.Zero(t, srv.Requests(""))
			broken = false
			get(t, srv, cache)
		})
	}
}

// brokenStore is a store that fails, as one over a network may.
type brokenStore struct{}

var errStore = errors.New("store is out of reach")

func (brokenStore) Get(context.Context, string) (*sessioncache.Entry, error) { return nil, errStore }
func (brokenStore) Load(ctx context.Context, _ string, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	return fetch(ctx, nil)
}
func (brokenStore) Delete(context.Context, string) error        { return errStore }
func (brokenStore) DeleteSession(context.Context, string) error { return errStore }

// TestStoreThatFails leaves the way to Seam open, and is counted.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{Store: brokenStore{}})
	id := get(t, srv, cache).ClientSessionID
	require.ErrorIs(t, cache.SignOut(t.Context(), user), errStore)
	assert.Empty(t, srv.Alive(user), "the sessions are revoked")
	require.ErrorIs(t, cache.HandleEvent(t.Context(), deletedEvent(id)), errStore)
	assert.Equal(t, sessioncache.Stats{Misses: 1, Fetches: 1, StoreErrors: 3}, cache.Stats())
}

// TestCostOfAHit is one allocation, for what the caller may change.
//
//nolint:paralleltest // what other tests allocate would count
func TestCostOfAHit(t *testing.T) {
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	get(t, srv, cache)
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		_, err := cache.Session(t.Context(), user)
		require.NoError(t, err)
	}), 1.0)
}
