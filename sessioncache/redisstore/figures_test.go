package redisstore_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// TestRoundTrips counts the requests that a cache sends to Redis one after another.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server, srv := newRedis(t), &cachetest.Seam{Extend: true}
	var sent atomic.Int64
	address := listen(t, func(conn net.Conn) {
		backend, err := net.Dial("tcp", server.addr) //nolint:noctx // to this machine
		if err != nil {
			return
		}
		defer func() { _ = backend.Close() }()
		go func() { _, _ = io.Copy(conn, backend) }()
		for buffer := make([]byte, 1<<20); ; {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			if string(buffer[:n]) != "*1\r\n$4\r\nPING\r\n" { // checks an idle connection
				sent.Add(1)
			}
			_, _ = backend.Write(buffer[:n])
		}
	})
	caches := (&redis{addr: address}).caches(t, srv, 1, patient, sessioncache.Config{Lifetime: time.Hour})
	trips := func(name string, limit int64, call func()) {
		before := sent.Load()
		call()
		trips := sent.Load() - before
		t.Logf("%s: %d round trips", name, trips)
		assert.LessOrEqual(t, trips, limit, name)
	}
	cache := caches[0]
	trips("miss", 3, func() { srv.Get(t, cache) })
	requireHit(t, cache, user)
	trips("hit", 0, func() { srv.Get(t, cache) })
	trips("sign-out", 5, func() { require.NoError(t, cache.SignOut(t.Context(), user)) })
}

// workspaces returns n caches with a store in common, each with sessions of some users in memory.
func workspaces(tb testing.TB, redis *redis, n, users int) []*sessioncache.Cache {
	tb.Helper()
	srv := &cachetest.Seam{}
	client, store := srv.Client(tb), redis.store(tb, key, patient)
	caches := make([]*sessioncache.Cache, n)
	for i := range caches {
		var err error
		caches[i], err = sessioncache.New(client, sessioncache.Config{Store: store, Namespace: fmt.Sprint("workspace_", i)})
		require.NoError(tb, err)
		for user := range users {
			for range 2 {
				_, err := caches[i].Session(tb.Context(), fmt.Sprint("user_", user))
				require.NoError(tb, err)
			}
		}
	}
	return caches
}

// TestManyWorkspaces has many caches with a store and a connection in common.
func TestManyWorkspaces(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	caches := workspaces(t, redis, 100, 2)
	list, err := redis.do(t, "CLIENT LIST TYPE normal").ToString()
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(list, "\n"), "that of the store and of this command")
	require.NoError(t, caches[0].Forget(t.Context(), "user_0"))
	for i, cache := range caches {
		before := cache.Stats().Fetches
		_, err := cache.Session(t.Context(), "user_0")
		require.NoError(t, err)
		assert.Equal(t, i == 0, cache.Stats().Fetches > before, "only the first has forgotten the user")
	}
}

// BenchmarkMemory reports the memory of 1,000 caches with a store in common, of each user in this
// process, and of each user in Redis.
func BenchmarkMemory(b *testing.B) {
	const n, users = 1000, 10
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return float64(stats.HeapAlloc)
	}
	redis := newRedis(b)
	used := func() float64 {
		info, err := redis.do(b, "INFO memory").ToString()
		require.NoError(b, err)
		_, rest, _ := strings.Cut(info, "used_memory:")
		text, _, _ := strings.Cut(rest, "\r")
		bytes, err := strconv.ParseFloat(text, 64)
		require.NoError(b, err)
		return bytes
	}
	for b.Loop() {
		before := heap()
		caches := workspaces(b, redis, n, 0)
		b.ReportMetric((heap()-before)/(1<<20), "MB/store+caches")
		runtime.KeepAlive(caches)
		before, usedBefore := heap(), used()
		caches = workspaces(b, redis, n, users)
		b.ReportMetric((heap()-before)/n/users, "B/user")
		runtime.KeepAlive(caches)
		time.Sleep(11 * time.Second) // until the locks have expired
		b.ReportMetric((used()-usedBefore)/n/users, "redis-B/user")
	}
}
