package sessioncache_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// slowStore stores one entry. It calls loaded before its first Load returns.
type slowStore struct {
	loaded func()

	once  sync.Once
	mu    sync.Mutex
	entry *sessioncache.Entry
}

func (s *slowStore) Get(context.Context, sessioncache.Key) (*sessioncache.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entry, nil
}

func (s *slowStore) Load(ctx context.Context, _ sessioncache.Key, _ func(*sessioncache.Entry) bool, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	entry, err := fetch(ctx, nil)
	s.mu.Lock()
	s.entry = entry
	s.mu.Unlock()
	s.once.Do(s.loaded)
	return entry, err
}

func (s *slowStore) Delete(context.Context, sessioncache.Key, bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry = nil
	return nil
}

func (s *slowStore) DeleteSession(ctx context.Context, key sessioncache.Key) error {
	return s.Delete(ctx, key, false)
}

// TestEndedAfterLoad ends a session after the store has returned it and before the callers have it.
// A call that begins after that does not get it.
func TestEndedAfterLoad(t *testing.T) {
	t.Parallel()
	for name, end := range cachetest.Endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, store := &cachetest.Seam{}, &slowStore{}
			cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: store})
			require.NoError(t, err)
			store.loaded = func() { end(t, srv, cache) }
			session, err := cache.Session(t.Context(), user)
			if name == "SignOut" {
				require.ErrorIs(t, err, sessioncache.ErrSignedOut)
				return
			}
			require.NoError(t, err)
			assert.True(t, srv.Valid(session.Token))
		})
	}
}
