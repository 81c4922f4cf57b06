package redisstore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// logs is the text that a logger wrote.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logs) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.text.String()), "\n")
}

// TestServedFromMemory checks that users with a session in memory keep it for a while without a
// request to Seam if Redis stops responding, unless this process deletes it, and that a
// log tells when Redis went and came back.
func TestServedFromMemory(t *testing.T) {
	t.Parallel()
	for name, begin := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, srv, logs := newRedis(t), &cachetest.Seam{}, &logs{}
			cache := redis.caches(t, srv, 1, 0, sessioncache.Config{Logger: slog.New(slog.NewTextHandler(logs, nil))})[0]
			get := func(i int) {
				t.Helper()
				_, err := cache.Session(t.Context(), fmt.Sprint("user_", i))
				require.NoError(t, err)
			}
			for range 2 {
				for i := range 50 {
					get(i)
					get(i)
				}
				time.Sleep(100 * time.Millisecond) // until Redis has reported what this process stored
			}
			event := cachetest.DeletedEvent(srv.Alive("user_2")[0])
			end := begin(t, redis)
			get(100) // notices
			requests := srv.Requests("")
			for range 3 {
				for i := range 50 {
					get(i)
				}
			}
			require.Equal(t, requests, srv.Requests(""))

			require.Error(t, cache.SignOut(t.Context(), "user_0"))
			require.Error(t, cache.Forget(t.Context(), "user_1"))
			require.Error(t, cache.HandleEvent(t.Context(), event))
			requests = srv.Requests("")
			for i := range 3 {
				get(i)
				assert.Equal(t, requests+i+1, srv.Requests(""), "deleted by this process")
			}
			get(3)
			assert.Equal(t, requests+3, srv.Requests(""))

			end()
			require.Eventually(t, func() bool {
				before := cache.Stats().StoreErrors
				get(4)
				return cache.Stats().StoreErrors == before
			}, time.Minute, 100*time.Millisecond)
			require.Eventually(t, func() bool {
				get(4)
				return len(logs.lines()) > 1
			}, time.Minute, 100*time.Millisecond)
			assert.Len(t, logs.lines(), 2)
			assert.Contains(t, logs.lines()[0], "the session store fails")
			assert.Contains(t, logs.lines()[0], "redisstore: ")
			assert.Contains(t, logs.lines()[1], "the session store works again")
		})
	}
}

// TestSignOutWhileServed signs out a user, whose session is read all the while, when Redis has just
// stopped responding. After that, the session is not returned.
func TestSignOutWhileServed(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	store := redis.store(t, key, 0)
	cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: store})
	require.NoError(t, err)
	srv.Get(t, cache)
	srv.Get(t, cache)
	redis.hang(t)
	ended := make(chan error)
	go func() { ended <- cache.Forget(t.Context(), user) }()
	for hasEnded := false; !hasEnded; {
		select {
		case err := <-ended:
			require.Error(t, err)
			hasEnded = true
		default:
			_, _ = store.Get(t.Context(), sessioncache.Key{ID: user})
		}
	}
	entry, err := store.Get(t.Context(), sessioncache.Key{ID: user})
	require.Error(t, err)
	assert.Nil(t, entry)
}

// TestStall checks that a stall of Redis costs no request for users with a session in memory.
func TestStall(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	const users = 200
	cache := redis.caches(t, srv, 1, 0, sessioncache.Config{})[0]
	get := func(user string) {
		_, err := cache.Session(t.Context(), user)
		assert.NoError(t, err)
	}
	for range 2 {
		for i := range users {
			get(fmt.Sprint("user_", i))
			get(fmt.Sprint("user_", i))
		}
		time.Sleep(100 * time.Millisecond) // until Redis has reported what this process stored
	}
	requests := srv.Requests("")
	admin := redis.client(t) // is not closed during the pause, which would wait for its end
	require.NoError(t, admin.Do(t.Context(), admin.B().ClientPause().Timeout(1300).All().Build()).Error())
	var group sync.WaitGroup
	group.Go(func() { get("new") })
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		get(fmt.Sprint("user_", time.Now().UnixNano()%users))
	}
	group.Wait()
	assert.Equal(t, requests+1, srv.Requests(""))
}

// TestOneProbe checks that one call tries a server that failed, while others fail at once.
func TestOneProbe(t *testing.T) {
	t.Parallel()
	redis := newRedis(t)
	const timeout, callers = 2 * time.Second, 50
	store := redis.store(t, key, timeout)
	get := func(i int) error {
		_, err := store.Get(t.Context(), sessioncache.Key{ID: fmt.Sprint("user_", i)})
		return err
	}
	redis.hang(t)
	require.Error(t, get(0))
	time.Sleep(6 * time.Second) // longer than the pause
	var group sync.WaitGroup
	var mu sync.Mutex
	waited := 0
	for i := range callers {
		group.Go(func() {
			before := time.Now()
			err := get(i)
			mu.Lock()
			defer mu.Unlock()
			if took := time.Since(before); assert.Error(t, err) && took > timeout/2 {
				waited++
			}
		})
	}
	group.Wait()
	assert.LessOrEqual(t, waited, 1)
}
