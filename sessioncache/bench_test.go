package sessioncache_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
)

// BenchmarkHit gets a cached session, of one user and of many concurrently.
func BenchmarkHit(b *testing.B) {
	srv := seamtest.NewServer(b)
	cache := newCache(b, srv.Client(b), sessioncache.Config{})
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("user_", i)
		_, err := cache.Session(b.Context(), keys[i])
		require.NoError(b, err)
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := cache.Session(b.Context(), user); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if _, err := cache.Session(b.Context(), keys[i%len(keys)]); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkGetOrCreate measures the request that a hit saves, over loopback.
func BenchmarkGetOrCreate(b *testing.B) {
	srv := seamtest.NewServer(b)
	sessions := srv.Client(b).ClientSessions
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sessions.GetOrCreate(b.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: user}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports the memory for each cached user after MaxUsers users, and after ten times
// as many.
func BenchmarkMemory(b *testing.B) {
	const most = 20_000
	for _, times := range []int{1, 10} {
		b.Run(fmt.Sprintf("users=%dx", times), func(b *testing.B) {
			for b.Loop() {
				client, _ := scripted(b, "") // keeps no sessions
				cache := newCache(b, client, sessioncache.Config{MaxUsers: most})
				before := heap()
				for i := range most * times {
					_, err := cache.Session(b.Context(), fmt.Sprint("user_", i))
					require.NoError(b, err)
				}
				b.ReportMetric((heap()-before)/most, "B/user")
				b.ReportMetric(float64(cache.Stats().Evictions), "evictions")
			}
		})
	}
}

// heap returns the size of the heap in bytes.
func heap() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}
