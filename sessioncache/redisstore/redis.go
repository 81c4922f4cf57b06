package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// deleted begins the value of a deleted session.
const deleted = "deleted:"

const needs = "it needs the commands of docs/redis.md, CLIENT TRACKING and CLIENT CACHING among them, and the keys PREFIX*"

var (
	errDown   = errors.New("redisstore: Redis failed within the last 5 seconds; it will be tried again")
	errClosed = errors.New("redisstore: the store is closed")
)

// connect returns the client. It connects if there is no client yet.
func (s *Store) connect() (rueidis.Client, error) {
	if client := s.client.Load(); client != nil {
		return *client, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if client := s.client.Load(); client != nil {
		return *client, nil
	}
	if s.closed {
		return nil, errClosed
	}
	breaker := &s.failedAt[0]
	if s.isOpen(breaker) {
		return nil, errDown
	}
	client, err := rueidis.NewClient(s.option)
	if err == nil {
		if err = s.prove(client); err != nil {
			client.Close()
		}
	}
	if err != nil {
		breaker.Store(int64(time.Since(s.start)))
		return nil, fmt.Errorf("redisstore: cannot use Redis at %s: %w", strings.Join(s.option.InitAddress, ", "), withNeeds(err))
	}
	s.client.Store(&client)
	return client, nil
}

// prove checks that Redis reports a change of a value that is cached in memory.
func (s *Store) prove(client rueidis.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	name := s.prefix + "proof:" + rand.Text()
	for _, value := range []string{"1", "2"} {
		if err := client.Do(ctx, client.B().Set().Key(name).Value(value).Px(time.Minute).Build()).Error(); err != nil {
			return err
		}
		for {
			got, err := client.DoCache(ctx, client.B().Get().Key(name).Cache(), time.Minute).ToString()
			if err != nil {
				return err
			}
			if got == value {
				break
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return errors.New("it does not report changes of values; " + needs)
			}
		}
	}
	return nil
}

// mayEnd reports whether a failure to connect may end by itself, so that connecting is tried again.
func mayEnd(err error) bool {
	if _, isNet := errors.AsType[net.Error](err); isNet {
		return true
	}
	reply, isReply := errors.AsType[*rueidis.RedisError](err)
	if !isReply {
		return false
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	switch code {
	case "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN":
		return true
	}
	return false
}

// withNeeds adds what the store needs to an error that Redis returned because of missing rights.
func withNeeds(err error) error {
	if strings.Contains(err.Error(), "NOPERM") { // rueidis may have replaced the error by its text
		return fmt.Errorf("%w; %s", err, needs)
	}
	return err
}

// bounded returns a context that ends after the timeout of a request, and not with ctx.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
}

// run executes a script, whether or not Redis failed before.
func (s *Store) run(ctx context.Context, script *rueidis.Lua, keys []string, args ...string) reply {
	client, err := s.connect() //nolint:contextcheck // the connection outlives the call
	if err != nil {
		return reply{err: err}
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	get := client.B().Get().Key(keys[0]).Cache()
	result := script.Exec(ctx, client, keys, args)
	return reply{result, s.failed(client, s.breaker(client, get.Slot()), result.Error())}
}

// reply is the result of a script. Its err tells that the request failed.
type reply struct {
	rueidis.RedisResult
	err error
}

func (r reply) Error() error { return r.err }

func (r reply) ToArray() ([]rueidis.RedisMessage, error) {
	if r.err != nil {
		return nil, r.err
	}
	return r.RedisResult.ToArray()
}

func (r reply) ToString() (string, error) {
	if r.err != nil {
		return "", r.err
	}
	return r.RedisResult.ToString()
}

func (r reply) AsBool() (bool, error) {
	if r.err != nil {
		return false, r.err
	}
	return r.RedisResult.AsBool()
}

// deleteSession marks a session as deleted and deletes the entry of its user.
func (s *Store) deleteSession(ctx context.Context, session string) error {
	names, err := s.run(ctx, markDeleted, []string{session}, deleted, milliseconds(deletedTTL)).ToString()
	if err != nil || names == "" {
		return err
	}
	user, lock, _ := strings.Cut(names, " ")
	return s.deleteUser(ctx, user, lock, "deleted")
}

// deleteUser deletes the value of a user and takes the lock away from a fetch. When it returns, the
// value is also deleted from the memory of this process: Redis reports the change before it
// responds to the second command.
func (s *Store) deleteUser(ctx context.Context, name, lock, reason string) error {
	if err := s.run(ctx, deleteUser, []string{name, lock}, reason, milliseconds(lockTTL)).Error(); err != nil {
		return err
	}
	return s.run(ctx, exists, []string{name}).Error()
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

// The lock of a user is a hash. Its field "owner" is the token of the fetch that has the lock. The
// field named after a token tells why that fetch lost it.
var (
	lockUser = rueidis.NewLuaScript(`local value = redis.call("GET", KEYS[1]) or ""
if value ~= ARGV[3] and value ~= "" then return {"changed", value, redis.call("PTTL", KEYS[1])} end
if redis.call("HEXISTS", KEYS[2], "owner") == 1 then return {"busy", "", 0} end
redis.call("HSET", KEYS[2], "owner", ARGV[1])
redis.call("PEXPIRE", KEYS[2], ARGV[2])
return {"locked", value, 0}`)
	unlockUser = rueidis.NewLuaScript(`if redis.call("HGET", KEYS[1], "owner") == ARGV[1] then redis.call("HDEL", KEYS[1], "owner") end
return 0`)
	storeUser = rueidis.NewLuaScript(`if redis.call("HGET", KEYS[2], "owner") ~= ARGV[1] then return redis.call("HGET", KEYS[2], ARGV[1]) or "lost" end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
redis.call("HDEL", KEYS[2], "owner")
return "stored"`)
	deleteUser = rueidis.NewLuaScript(`redis.call("DEL", KEYS[1])
local owner = redis.call("HGET", KEYS[2], "owner")
if owner then
	redis.call("HDEL", KEYS[2], "owner")
	redis.call("HSET", KEYS[2], owner, ARGV[1])
	redis.call("PEXPIRE", KEYS[2], ARGV[2])
end
return 1`)
	exists       = rueidis.NewLuaScript(`return redis.call("EXISTS", KEYS[1])`)
	indexSession = rueidis.NewLuaScript(`local value = redis.call("GET", KEYS[1])
if value and string.find(value, ARGV[3], 1, true) == 1 then return 1 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 0`)
	markDeleted = rueidis.NewLuaScript(`local name = string.gsub(redis.call("GET", KEYS[1]) or "", "^" .. ARGV[1], "")
redis.call("SET", KEYS[1], ARGV[1] .. name, "PX", ARGV[2])
return name`)
)

// failed returns err with a prefix. If the connection failed, it opens the breaker. If the
// server has become a replica, it connects anew.
func (s *Store) failed(client rueidis.Client, breaker *atomic.Int64, err error) error {
	if err == nil {
		return nil
	}
	reply, isReply := rueidis.IsRedisErr(err)
	if !isReply {
		breaker.Store(int64(time.Since(s.start)))
	} else if strings.HasPrefix(reply.Error(), "READONLY") {
		if current := s.client.Load(); current != nil && *current == client && s.client.CompareAndSwap(current, nil) {
			go client.Close()
		}
	}
	return fmt.Errorf("redisstore: the request to Redis failed: %w", err)
}

// breaker returns when the shard of a slot failed. Slots that are neighbors share a breaker. All
// names share one where there is no cluster.
func (s *Store) breaker(client rueidis.Client, slot uint16) *atomic.Int64 {
	if client.Mode() != rueidis.ClientModeCluster {
		return &s.failedAt[0]
	}
	return &s.failedAt[int(slot>>8)%len(s.failedAt)]
}

// isOpen reports whether a connection failed less than pause ago.
func (s *Store) isOpen(breaker *atomic.Int64) bool {
	at := breaker.Load()
	return at != 0 && time.Since(s.start)-time.Duration(at) < pause
}

// isDown reports whether the connection to the shard of a name failed less than pause ago.
func (s *Store) isDown(name string) bool {
	client := s.client.Load()
	if client == nil {
		return false // connect tells
	}
	get := (*client).B().Get().Key(name).Cache()
	return s.isOpen(s.breaker(*client, get.Slot()))
}
