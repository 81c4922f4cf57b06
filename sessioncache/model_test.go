package sessioncache_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// TestModel compares the cache with a map in 10,000 random steps.
func TestModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		config := sessioncache.Config{Lifetime: 2 * time.Hour, RefreshBefore: 10 * time.Minute}
		model := cachetest.Model{
			Seed:          rand.Uint64(),
			Steps:         10_000,
			Seam:          srv,
			Caches:        []*sessioncache.Cache{newCache(t, srv.Client(t), config)},
			RefreshBefore: config.RefreshBefore,
			Sleep:         time.Sleep,
		}
		model.Run(t)
	})
}

func TestRace(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cachetest.Race(t, srv, []*sessioncache.Cache{newCache(t, srv.Client(t), sessioncache.Config{})})
}
