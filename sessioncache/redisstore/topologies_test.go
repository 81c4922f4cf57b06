package redisstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
	"github.com/seam-go/seam/sessioncache/redisstore"
)

var topologies = flag.Bool("topologies", false, "test a failover of Sentinel, and a cluster that loses and moves slots; takes a minute")

func skipTopologies(t *testing.T) {
	t.Helper()
	if !*topologies {
		t.Skip("needs the flag -topologies")
	}
}

// newSentinel starts a Sentinel for a primary, whose name is "main", and returns its address.
func newSentinel(tb testing.TB, primary *redis) string {
	tb.Helper()
	config := filepath.Join(tb.TempDir(), "sentinel.conf")
	require.NoError(tb, os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor main %s 1\nsentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
		strings.ReplaceAll(primary.addr, ":", " ")), 0o600))
	port := freePort(tb)
	server := exec.CommandContext(context.Background(), "redis-server", config, "--sentinel", "--bind", "127.0.0.1", "--port", port, "--loglevel", "warning")
	require.NoError(tb, server.Start())
	tb.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
	})
	waitForPing(tb, "127.0.0.1:"+port)
	return "127.0.0.1:" + port
}

// cachesOf returns n caches, each with its own store, as in n processes.
func cachesOf(tb testing.TB, srv *cachetest.Seam, n int, option rueidis.ClientOption) (caches []*sessioncache.Cache) {
	tb.Helper()
	for range n {
		store, err := redisstore.New(option, key)
		require.NoError(tb, err)
		tb.Cleanup(store.Close)
		cache, err := sessioncache.New(srv.Client(tb), sessioncache.Config{Store: store})
		require.NoError(tb, err)
		caches = append(caches, cache)
	}
	return caches
}

// TestSentinelFailover checks that sessions and sign-outs outlive the failover to a replica.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	skipTopologies(t)
	primary, srv := newRedis(t, "--repl-diskless-sync-delay", "0"), &cachetest.Seam{}
	replica := primary.replicate(t)
	sentinel := newSentinel(t, primary)
	require.Eventually(t, func() bool {
		replicas, err := (&redis{addr: sentinel}).do(t, "SENTINEL REPLICAS main").ToArray()
		return err == nil && len(replicas) == 1
	}, time.Minute, 100*time.Millisecond)
	caches := cachesOf(t, srv, 2, rueidis.ClientOption{InitAddress: []string{sentinel}, Sentinel: rueidis.SentinelOption{MasterSet: "main"}})
	const users = 200
	name := func(i int) string { return fmt.Sprint("user_", i) }
	ids := make([]string, users)
	for i := range users {
		for _, cache := range caches {
			session, err := cache.Session(t.Context(), name(i))
			require.NoError(t, err)
			ids[i] = session.ClientSessionID
		}
	}
	for i := range users / 2 {
		require.NoError(t, caches[i%2].SignOut(t.Context(), name(i)))
	}
	primary.kill(t)
	replica.waitForInfo(t, "role:master")
	back := 0
	for i := range users {
		for _, cache := range caches {
			session, err := cache.Session(t.Context(), name(i))
			require.NoError(t, err)
			if i < users/2 && session.ClientSessionID == ids[i] {
				back++
			}
		}
	}
	assert.Zero(t, back, "sessions that were signed out")
	for _, cache := range caches {
		require.Eventually(t, func() bool {
			before := cache.Stats().StoreErrors
			session, err := cache.Session(t.Context(), name(users-1))
			return assert.NoError(t, err) && assert.Equal(t, ids[users-1], session.ClientSessionID) && cache.Stats().StoreErrors == before
		}, time.Minute, 100*time.Millisecond)
		require.NoError(t, cache.SignOut(t.Context(), name(users-1)))
		session, err := cache.Session(t.Context(), name(users-1))
		require.NoError(t, err)
		ids[users-1] = session.ClientSessionID
	}
}

// cluster is a cluster of three primaries. The first has a replica.
type cluster []*redis

func newCluster(tb testing.TB) (c cluster, replica *redis) {
	tb.Helper()
	node := func() *redis {
		return newRedis(tb, "--cluster-enabled", "yes", "--cluster-port", freePort(tb), "--cluster-node-timeout", "1500",
			"--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0")
	}
	arguments := []string{"--cluster", "create"}
	for range 3 {
		r := node()
		c, arguments = append(c, r), append(arguments, r.addr)
	}
	c.admin(tb, append(arguments, "--cluster-yes")...)
	for _, r := range c {
		r.waitForCluster(tb)
	}
	replica = node()
	c.admin(tb, "--cluster", "add-node", replica.addr, c[0].addr, "--cluster-slave", "--cluster-master-id", c[0].id(tb))
	c[0].waitForInfo(tb, "state=online")
	return c, replica
}

// admin runs redis-cli.
func (c cluster) admin(tb testing.TB, arguments ...string) {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "redis-cli", arguments...).CombinedOutput()
	require.NoError(tb, err, string(out))
}

func (r *redis) waitForCluster(tb testing.TB) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		info, err := r.do(tb, "CLUSTER INFO").ToString()
		return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_assigned:16384")
	}, time.Minute, 10*time.Millisecond)
}

// id returns the ID of a server in its cluster.
func (r *redis) id(tb testing.TB) string {
	tb.Helper()
	id, err := r.do(tb, "CLUSTER MYID").ToString()
	require.NoError(tb, err)
	return id
}

// TestClusterLosesShard checks that a shard that fails costs only its users, and them only after a
// while.
func TestClusterLosesShard(t *testing.T) {
	t.Parallel()
	skipTopologies(t)
	srv := &cachetest.Seam{}
	cluster, _ := newCluster(t)
	for _, r := range cluster {
		r.do(t, "ACL SETUSER seam "+strings.Join(documentedRights(t), " "))
	}
	caches := cachesOf(t, srv, 2, rueidis.ClientOption{InitAddress: []string{cluster[0].addr, cluster[1].addr}, Username: "seam", Password: "password"})
	const users = 300
	round := func() (requests, errs int) {
		before := srv.Requests("")
		for i := range users {
			for _, cache := range caches {
				if _, err := cache.Session(t.Context(), fmt.Sprint("user_", i)); !assert.NoError(t, err) {
					errs++
				}
			}
		}
		return srv.Requests("") - before, errs
	}
	requests, _ := round()
	assert.Equal(t, users, requests)
	for range 3 {
		round()
		time.Sleep(100 * time.Millisecond) // until Redis has reported what was stored
	}
	cluster[2].kill(t)
	killed := time.Now()
	_, err := caches[0].Session(t.Context(), "notices")
	require.NoError(t, err)
	for time.Since(killed) < 7*time.Second {
		requests, _ = round()
		assert.LessOrEqual(t, requests, 5)
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(15*time.Second - time.Since(killed))
	requests, _ = round()
	t.Logf("%d requests for %d calls, 15 seconds after a shard of three failed", requests, 2*users)
	assert.Less(t, requests, 2*users/2)
	failed := 0
	for i := range users {
		if caches[0].SignOut(t.Context(), fmt.Sprint("user_", i)) != nil {
			failed++
		}
	}
	t.Logf("%d of %d sign-outs failed", failed, users)
	assert.Greater(t, failed, users/6)
	assert.Less(t, failed, users/2)

	cluster[2].run(t)
	cluster[2].do(t, "ACL SETUSER seam "+strings.Join(documentedRights(t), " "))
	cluster[2].waitForCluster(t)
	require.Eventually(t, func() bool {
		requests, _ := round()
		return requests == 0
	}, time.Minute, time.Second)
}

// TestClusterMovesSlots checks that sessions are returned and sign-outs hold while slots are moved, and
// after a failover.
func TestClusterMovesSlots(t *testing.T) {
	t.Parallel()
	skipTopologies(t)
	srv := &cachetest.Seam{}
	cluster, replica := newCluster(t)
	caches := cachesOf(t, srv, 2, rueidis.ClientOption{InitAddress: []string{cluster[0].addr, cluster[1].addr}, ConnWriteTimeout: 5 * time.Second})
	done := make(chan struct{})
	var group sync.WaitGroup
	var signOuts, failed atomic.Int64
	for worker := range 8 {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				user := fmt.Sprint("user_", worker, "_", i%50)
				first, err := caches[0].Session(t.Context(), user)
				_, otherErr := caches[1].Session(t.Context(), user)
				if err = errors.Join(err, otherErr); err != nil {
					t.Error(err)
					return
				}
				signOuts.Add(1)
				if err := caches[1].SignOut(t.Context(), user); err != nil {
					failed.Add(1)
					if failed.Load() == 1 {
						t.Logf("a sign-out failed: %v", err)
					}
					continue
				}
				assert.Eventually(t, func() bool {
					again, err := caches[0].Session(t.Context(), user)
					return err == nil && again.ClientSessionID != first.ClientSessionID
				}, bound, time.Millisecond)
			}
		})
	}
	for i := range 3 {
		cluster.admin(t, "--cluster", "reshard", cluster[0].addr, "--cluster-from", cluster[i].id(t), "--cluster-to", cluster[(i+1)%3].id(t), "--cluster-slots", "1500", "--cluster-yes")
	}
	close(done)
	group.Wait()
	t.Logf("%d of %d sign-outs failed, %d errors of the store", failed.Load(), signOuts.Load(), caches[0].Stats().StoreErrors+caches[1].Stats().StoreErrors)
	assert.LessOrEqual(t, failed.Load(), signOuts.Load()/100)
	assert.NotZero(t, caches[1].Stats().Hits)

	const users = 100
	ids := make([]string, users)
	for i := range users {
		session, err := caches[0].Session(t.Context(), fmt.Sprint("user_", i))
		require.NoError(t, err)
		ids[i] = session.ClientSessionID
	}
	for i := range users {
		require.NoError(t, caches[0].SignOut(t.Context(), fmt.Sprint("user_", i)))
	}
	cluster[0].kill(t)
	replica.waitForInfo(t, "role:master")
	cluster[1].waitForCluster(t)
	for i := range users {
		for _, cache := range caches {
			session, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
			require.NoError(t, err)
			assert.NotEqual(t, ids[i], session.ClientSessionID)
		}
	}
	require.Eventually(t, func() bool {
		for i := range users {
			if caches[0].SignOut(t.Context(), fmt.Sprint("user_", i)) != nil {
				return false
			}
		}
		return true
	}, time.Minute, 100*time.Millisecond)
}
