package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// TestSecrets checks that Redis contains no secrets.
func TestSecrets(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	caches := redis.caches(t, srv, 1, patient, sessioncache.Config{})
	session := srv.Get(t, caches[0])
	require.NoError(t, caches[0].HandleEvent(t.Context(), cachetest.DeletedEvent("another")))
	names, values := dump(t, redis.client(t))
	assert.Len(t, names, 5, "a user, a session, a deleted session, and the lock and the deleted session of the proof")
	all := strings.Join(append(names, values...), "\n")
	for _, secret := range []string{user, session.Token, session.ClientSessionID, "seam_cst", "account_1", string(key)} {
		assert.NotContains(t, all, secret)
	}
}

// dump returns all names and values in Redis.
func dump(t *testing.T, client rueidis.Client) (names, values []string) {
	t.Helper()
	names, err := client.Do(t.Context(), client.B().Keys().Pattern("*").Build()).AsStrSlice()
	require.NoError(t, err)
	for _, name := range names {
		var value string
		if strings.Contains(name, "lock:") {
			var fields map[string]string
			fields, err = client.Do(t.Context(), client.B().Hgetall().Key(name).Build()).AsStrMap()
			value = fmt.Sprint(fields)
		} else {
			value, err = client.Do(t.Context(), client.B().Get().Key(name).Build()).ToString()
		}
		require.NoError(t, err)
		values = append(values, value)
	}
	return names, values
}

// TestForeignValues checks that values that were not written by a store with the key are misses.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(value, other string) string{
		"a bit changed":         func(value, _ string) string { return value[:20] + string(value[20]^1) + value[21:] },
		"cut short":             func(value, _ string) string { return value[:len(value)-1] },
		"nothing":               func(string, string) string { return "" },
		"the value of another":  func(_, other string) string { return other },
		"what is not encrypted": func(string, string) string { return `{"session": {"token": "seam_cst1"}}` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, srv := newRedis(t), &cachetest.Seam{}
			caches := redis.caches(t, srv, 2, patient, sessioncache.Config{})
			client := redis.client(t)
			srv.Get(t, caches[0])
			_, err := caches[0].Session(t.Context(), "another")
			require.NoError(t, err)
			names, values := dump(t, client)
			for i, name := range names {
				if !strings.HasPrefix(name, "seam:user:") {
					continue
				}
				for j, other := range names {
					if i != j && strings.HasPrefix(other, "seam:user:") {
						require.NoError(t, client.Do(t.Context(), client.B().Set().Key(name).Value(change(values[i], values[j])).
							Px(time.Hour).Build()).Error())
					}
				}
			}
			srv.Get(t, caches[1])
			assert.Equal(t, 3, srv.Requests(""))
			srv.Get(t, caches[1])
			assert.Equal(t, 3, srv.Requests(""))
		})
	}
}

// TestExtendedLife checks that a value with an extended or removed expiry is a miss.
func TestExtendedLife(t *testing.T) {
	t.Parallel()
	for name, extend := range map[string]func(rueidis.Builder, string) rueidis.Completed{
		"extended": func(b rueidis.Builder, name string) rueidis.Completed {
			return b.Expire().Key(name).Seconds(7200).Build()
		},
		"removed": func(b rueidis.Builder, name string) rueidis.Completed { return b.Persist().Key(name).Build() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, srv := newRedis(t), &cachetest.Seam{}
			caches := redis.caches(t, srv, 2, patient, sessioncache.Config{Lifetime: time.Hour})
			srv.Get(t, caches[0])
			client := redis.client(t)
			names, _ := dump(t, client)
			for _, name := range names {
				if strings.HasPrefix(name, "seam:user:") {
					require.NoError(t, client.Do(t.Context(), extend(client.B(), name)).Error())
				}
			}
			srv.Get(t, caches[1])
			assert.Equal(t, 2, srv.Requests(""))
			srv.Get(t, caches[1])
			assert.Equal(t, 2, srv.Requests(""))
		})
	}
}

// TestAnotherKey checks that stores with different keys do not share sessions.
func TestAnotherKey(t *testing.T) {
	t.Parallel()
	redis, srv := newRedis(t), &cachetest.Seam{}
	for i, key := range []string{string(key), strings.Repeat("x", 32)} {
		cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: redis.store(t, []byte(key), patient)})
		require.NoError(t, err)
		srv.Get(t, cache)
		srv.Get(t, cache)
		assert.Equal(t, i+1, srv.Requests(""))
	}
}
