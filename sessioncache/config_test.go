package sessioncache_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

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
		"a negative MaxFetches":              {client, sessioncache.Config{MaxFetches: -1}, "MaxFetches is negative"},
		"a negative Timeout":                 {client, sessioncache.Config{Timeout: -1}, "Timeout is negative"},
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
			srv.Get(t, cache)
		})
	}
}

// brokenStore is a store that fails.
type brokenStore struct{}

var errStore = errors.New("store is not reachable")

func (brokenStore) Get(context.Context, sessioncache.Key) (*sessioncache.Entry, error) {
	return nil, errStore
}
func (brokenStore) Load(context.Context, sessioncache.Key, func(*sessioncache.Entry) bool, sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	return nil, errStore
}
func (brokenStore) Delete(ctx context.Context, _ sessioncache.Key, _ bool) error {
	return cmp.Or(ctx.Err(), errStore)
}
func (brokenStore) DeleteSession(context.Context, sessioncache.Key) error { return errStore }

// TestSignOutWithEndedContext checks that the session is removed from the store nevertheless.
func TestSignOutWithEndedContext(t *testing.T) {
	t.Parallel()
	cache := newCache(t, (&cachetest.Seam{}).Client(t), sessioncache.Config{Store: brokenStore{}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := cache.SignOut(ctx, user)
	require.ErrorIs(t, err, context.Canceled, "the sessions could not be revoked")
	require.ErrorIs(t, err, errStore, "the store was called")
}

// TestStoreThatFails checks that sessions come from Seam if the store fails, and that failures are
// counted.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{Store: brokenStore{}})
	id := srv.Get(t, cache).ClientSessionID
	require.ErrorIs(t, cache.SignOut(t.Context(), user), errStore)
	assert.Empty(t, srv.Alive(user), "the sessions are revoked")
	require.ErrorIs(t, cache.HandleEvent(t.Context(), cachetest.DeletedEvent(id)), errStore)
	assert.Equal(t, sessioncache.Stats{Misses: 1, Fetches: 1, StoreErrors: 5}, cache.Stats())
}
