package redisstore_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// replicate starts a replica of r and waits until it is connected.
func (r *redis) replicate(tb testing.TB) *redis {
	tb.Helper()
	replica := newRedis(tb, "--replicaof", strings.ReplaceAll(r.addr, ":", " "), "--repl-diskless-sync-delay", "0")
	replica.waitForInfo(tb, "master_link_status:up")
	r.waitForInfo(tb, "state=online")
	return replica
}

// waitForInfo waits until the state of the replication contains a text.
func (r *redis) waitForInfo(tb testing.TB, text string) {
	tb.Helper()
	client := r.client(tb)
	require.Eventually(tb, func() bool {
		info, err := client.Do(tb.Context(), client.B().Info().Section("replication").Build()).ToString()
		return err == nil && strings.Contains(info, text)
	}, time.Minute, 10*time.Millisecond)
}

// TestSignOutOnReplicas checks that a sign-out is on all replicas when it returns without an error,
// and that it otherwise says so without holding up others.
func TestSignOutOnReplicas(t *testing.T) {
	t.Parallel()
	primary, srv := newRedis(t, "--repl-diskless-sync-delay", "0"), &cachetest.Seam{}
	replica := primary.replicate(t)
	second := primary.replicate(t)
	waits := primary.caches(t, srv, 1, patient, sessioncache.Config{})[0]
	client := replica.client(t)
	for range 20 {
		srv.Get(t, waits)
		require.NoError(t, waits.SignOut(t.Context(), user))
		names, err := client.Do(t.Context(), client.B().Keys().Pattern("seam:user:*").Build()).AsStrSlice()
		require.NoError(t, err)
		require.Empty(t, names)
	}

	caches := primary.caches(t, srv, 2, 4*time.Second, sessioncache.Config{})
	cache := caches[0]
	goOn := replica.hang(t)
	srv.Get(t, cache)
	ends := make(chan error)
	go func() { ends <- cache.SignOut(t.Context(), user) }()
	for waiting := true; waiting; {
		select {
		case err := <-ends:
			require.ErrorContains(t, err, "1 of 2 replicas responded within 2s: not all replicas confirmed the deletion in time")
			waiting = false
		default:
			_, err := cache.Session(t.Context(), "another")
			require.NoError(t, err)
		}
	}
	assert.Zero(t, cache.Stats().Failures)
	require.NoError(t, cache.Forget(t.Context(), "another"), "only a sign-out waits")
	require.Error(t, caches[1].SignOut(t.Context(), user), "there is nothing to delete, but that is not confirmed either")
	goOn()
	require.NoError(t, waits.SignOut(t.Context(), user))

	second.kill(t)
	primary.waitForInfo(t, "connected_slaves:1")
	require.NoError(t, waits.SignOut(t.Context(), user), "a replica that has left is not waited for")
}

// TestReplicaJoins checks that a sign-out also waits for a replica that connects meanwhile.
func TestReplicaJoins(t *testing.T) {
	t.Parallel()
	primary, srv := newRedis(t, "--repl-diskless-sync-delay", "0"), &cachetest.Seam{}
	primary.replicate(t)
	cache := primary.caches(t, srv, 1, patient, sessioncache.Config{})[0]
	client := primary.client(t)
	for range 8 {
		replica := newRedis(t, "--replicaof", strings.ReplaceAll(primary.addr, ":", " "))
		for info := ""; strings.Count(info, "state=online") < 2; {
			require.NoError(t, cache.SignOut(t.Context(), user))
			var err error
			info, err = client.Do(t.Context(), client.B().Info().Section("replication").Build()).ToString()
			require.NoError(t, err)
		}
		replica.kill(t)
		primary.waitForInfo(t, "connected_slaves:1")
	}
}

// TestHangingHandshake checks that a server that accepts connections and says nothing does not make
// callers wait for each other.
func TestHangingHandshake(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at the end
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	const timeout, visitors = 200 * time.Millisecond, 300
	srv := &cachetest.Seam{}
	cache := (&redis{addr: listener.Addr().String()}).caches(t, srv, 1, timeout, sessioncache.Config{})[0]
	before := time.Now()
	errs := make(chan error)
	for range visitors {
		go func() {
			_, err := cache.Session(t.Context(), user)
			errs <- err
		}()
	}
	for range visitors {
		require.NoError(t, <-errs)
	}
	assert.Less(t, time.Since(before), visitors*timeout/3)
	require.Error(t, cache.SignOut(t.Context(), user))
}
