package cachetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seam-go/seam/sessioncache"
)

// Race calls caches that share a store from several goroutines. A cache must not return a session
// to a call that begins after SignOut or HandleEvent has ended that session. It must not return
// the session of another user or an error.
func Race(t *testing.T, srv *Seam, caches []*sessioncache.Cache) {
	t.Helper()
	const users, workers, steps = 3, 6, 400
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	srv.After = func(string) error {
		time.Sleep(time.Duration(rand.IntN(int(300 * time.Microsecond))))
		return nil
	}
	var group sync.WaitGroup
	for i, cache := range caches {
		told := told{ids: map[string]bool{}}
		for worker := range workers {
			random := rand.New(rand.NewPCG(seed, uint64(i*workers+worker)))
			group.Go(func() {
				for range steps {
					if err := told.step(t.Context(), srv, cache, fmt.Sprint("user_", random.IntN(users)), random.IntN(100)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	group.Wait()
}

// told holds the IDs of the sessions that were ended through a cache.
type told struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (d *told) add(ids ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		d.ids[id] = true
	}
}

func (d *told) step(ctx context.Context, srv *Seam, cache *sessioncache.Cache, user string, n int) error {
	switch alive := srv.Alive(user); { //nolint:contextcheck // a request of the test, not of the cache
	case n < 4:
		err := cache.SignOut(ctx, user)
		d.add(alive...)
		return err
	case n < 8 && len(alive) > 0:
		srv.Revoke(alive[0]) //nolint:contextcheck // as above
		err := cache.HandleEvent(ctx, DeletedEvent(alive[0]))
		d.add(alive[0])
		return err
	case n < 10:
		return cache.Forget(ctx, user)
	}
	d.mu.Lock()
	ended := maps.Clone(d.ids)
	d.mu.Unlock()
	session, err := cache.Session(ctx, user)
	if errors.Is(err, sessioncache.ErrSignedOut) {
		return nil
	}
	if err == nil && (session.UserIdentifierKey != user || ended[session.ClientSessionID]) {
		return fmt.Errorf("%s got %v, which ended before", user, session)
	}
	return err
}
