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

// get returns a session. It fails the test if Seam rejects the token.
func get(t *testing.T, srv *cachetest.Seam, cache *sessioncache.Cache) *seam.ClientSession {
	t.Helper()
	session, err := cache.Session(t.Context(), user)
	require.NoError(t, err)
	assert.Equal(t, user, session.UserIdentifierKey)
	assert.True(t, srv.Valid(session.Token), "token is refused by Seam")
	return session
}

// transport is a function that implements [http.RoundTripper].
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

// TestNewAccepts checks that New accepts each credential that can create sessions and sends no request.
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

// TestFetchIsBounded checks that a fetch ends after a minute if Seam does not respond.
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

// endings are the ways to end the session of a user.
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

// TestEndedSession checks that an ended session is not returned again, and that the user can get
// another one.
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

// TestEndedWhileFetched ends a session after Seam has sent it and before the cache receives it.
// Neither waiting nor later callers get it.
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

// TestDeletedSessionThatSeamKeeps has a Seam that returns a deleted session. It is not returned to
// the caller, and the number of requests is limited.
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

// TestSignOutThatFails checks that a failed sign-out removes the session and returns an error.
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
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	session := get(t, srv, cache)
	want := slices.Clone(session.ConnectedAccountIDs)
	session.ConnectWebviewIDs = append(session.ConnectWebviewIDs, "x", "y", "z")
	assert.Equal(t, want, session.ConnectedAccountIDs)
}

// TestMaxUsers checks that sessions beyond MaxUsers are evicted and counted.
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

// TestParams has Config.Params fail in several ways, and then succeed.
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

// brokenStore is a store that fails.
type brokenStore struct{}

var errStore = errors.New("store is not reachable")

func (brokenStore) Get(context.Context, string) (*sessioncache.Entry, error) { return nil, errStore }
func (brokenStore) Load(ctx context.Context, _ string, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	return fetch(ctx, nil)
}
func (brokenStore) Delete(context.Context, string) error        { return errStore }
func (brokenStore) DeleteSession(context.Context, string) error { return errStore }

// TestStoreThatFails checks that sessions come from Seam if the store fails, and that failures are
// counted.
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

// TestCostOfAHit checks that a hit allocates once, for the copy that the caller may modify.
//
//nolint:paralleltest // allocations of other tests would be counted
func TestCostOfAHit(t *testing.T) {
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	get(t, srv, cache)
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		_, err := cache.Session(t.Context(), user)
		require.NoError(t, err)
	}), 1.0)
}
