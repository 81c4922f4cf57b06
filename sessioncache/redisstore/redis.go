package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/seam-go/seam/sessioncache"
)

// delete deletes the value at name. Redis sends the invalidation to this process between the
// responses to the two commands, so the value is also deleted from memory when delete returns.
func (s *Store) delete(ctx context.Context, name string) error {
	defer s.deletionsOf(name).Add(1)
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	client := s.aside.Client()
	var errs []error
	for _, result := range client.DoMulti(ctx, client.B().Del().Key(name).Build(), client.B().Exists().Key(name).Build()) {
		errs = append(errs, result.Error())
	}
	return errors.Join(errs...)
}

// bounded returns a context for a request to Redis. It does not end with ctx, because that would
// look like a failure of Redis.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
}

// deleted is the prefix of the value stored for a deleted session. The value of a session is the
// name of its user. It is kept after the prefix, so that DeleteSession can be repeated.
const deleted = "deleted "

var errDeleted = errors.New("redisstore: the session was deleted")

// index stores the user of a session, unless the session was deleted.
func (s *Store) index(ctx context.Context, name string, entry *sessioncache.Entry) (isDeleted bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	n, err := indexSession.Exec(ctx, s.aside.Client(), []string{s.sealer.session(sessioncache.Key{ID: entry.Session.ClientSessionID})},
		[]string{name, milliseconds(time.Until(entry.ExpiresAt)), deleted}).AsInt64()
	return n == 1, err
}

// content is the value at a name in Redis, and the time until it expires.
type content struct {
	found bool
	value string
	left  time.Duration
}

// read reads a value from Redis itself, because the copy in memory may be out of date for a
// moment.
func (s *Store) read(ctx context.Context, name string) (content, error) {
	if s.isDown() {
		return content{}, errDown
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	response, err := readValue.Exec(ctx, s.aside.Client(), []string{name}, nil).ToArray()
	if err != nil {
		return content{}, s.failed(err)
	}
	value, err := response[0].ToString()
	if rueidis.IsRedisNil(err) {
		return content{}, nil
	}
	left, leftErr := response[1].AsInt64()
	return content{true, value, time.Duration(left) * time.Millisecond}, s.failed(errors.Join(err, leftErr))
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

var (
	readValue    = rueidis.NewLuaScript(`return {redis.call("GET", KEYS[1]), redis.call("PTTL", KEYS[1])}`)
	deleteValue  = rueidis.NewLuaScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`)
	replaceValue = rueidis.NewLuaScript(`if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
return 1`)
	indexSession = rueidis.NewLuaScript(`local value = redis.call("GET", KEYS[1])
if value and string.find(value, ARGV[3], 1, true) == 1 then return 1 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 0`)
	markDeleted = rueidis.NewLuaScript(`local name = string.gsub(redis.call("GET", KEYS[1]) or "", "^" .. ARGV[1], "")
redis.call("SET", KEYS[1], ARGV[1] .. name, "PX", ARGV[2])
return name`)
)

var errDown = errors.New("redisstore: Redis failed within the last 5 seconds; it will be tried again")

// failed records a failure of Redis, unless err is nil, and returns it with a prefix.
func (s *Store) failed(err error) error {
	if err == nil {
		return nil
	}
	s.failedAt.Store(int64(time.Since(s.start)))
	return fmt.Errorf("redisstore: the request to Redis failed: %w", err)
}

// isDown reports whether Redis failed less than pause ago.
func (s *Store) isDown() bool {
	at := s.failedAt.Load()
	return at != 0 && time.Since(s.start)-time.Duration(at) < pause
}
