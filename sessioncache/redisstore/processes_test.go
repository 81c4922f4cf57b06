package redisstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/redisstore"
)

// addrVariable is the variable with the address of Redis for the processes of TestProcesses.
const addrVariable = "REDISSTORE_TEST_ADDR"

const users, signIns = 1000, 10_000 // of each process

func TestMain(m *testing.M) {
	if addr := os.Getenv(addrVariable); addr != "" {
		if err := work(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).LazyDo.func1")) // sleeps for a second
}

// work gets sessions concurrently and prints the Stats. Each process of TestProcesses runs it.
func work(addr string) error {
	store, err := redisstore.New(rueidis.ClientOption{InitAddress: []string{addr}, ConnWriteTimeout: patient}, key)
	if err != nil {
		return err
	}
	defer store.Close()
	client, err := seam.NewClient() // from the environment
	if err != nil {
		return err
	}
	cache, err := sessioncache.New(client, sessioncache.Config{Store: store})
	if err != nil {
		return err
	}
	const workers = 50
	errs := make(chan error, signIns)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < signIns; i += workers {
				key := fmt.Sprint("user_", i%users)
				session, err := cache.Session(context.Background(), key)
				if err == nil && session.UserIdentifierKey != key {
					err = fmt.Errorf("%s got the session of another user", key)
				}
				if err != nil {
					errs <- err
				}
			}
		})
	}
	group.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(cache.Stats())
}

// TestProcesses has three processes get the sessions of the same 1,000 users 10,000 times each.
func TestProcesses(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), seamtest.NewServer(t)
	var group sync.WaitGroup
	var stats [3]sessioncache.Stats
	for i := range stats {
		group.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), addrVariable+"="+redis.addr, "SEAM_API_KEY="+srv.APIKey, "SEAM_ENDPOINT="+srv.URL)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if assert.NoError(t, err) {
				assert.NoError(t, json.Unmarshal(out, &stats[i]))
			}
		})
	}
	group.Wait()
	t.Logf("%d requests to Seam for %d sign-ins: %+v", len(srv.Requests()), 3*signIns, stats)
	require.GreaterOrEqual(t, len(srv.Requests()), users)
	assert.LessOrEqual(t, len(srv.Requests()), users+users/20)
	for _, stats := range stats {
		assert.Equal(t, uint64(signIns), stats.Hits+stats.Misses)
		assert.Zero(t, stats.Errors+stats.StoreErrors)
	}
}

// BenchmarkHit gets a session from memory.
func BenchmarkHit(b *testing.B) {
	redis, srv := newRedis(b), seamtest.NewServer(b)
	cache, err := sessioncache.New(srv.Client(b), sessioncache.Config{Store: redis.store(b, key, patient)})
	require.NoError(b, err)
	for range 2 {
		_, err = cache.Session(b.Context(), user)
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cache.Session(b.Context(), user); err != nil {
			b.Fatal(err)
		}
	}
}
