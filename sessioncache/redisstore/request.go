package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// breaker decides whether a shard is used. After its connection has failed, it is not used for a pause.
// Then one request tries it, and others follow when that has succeeded.
type breaker struct {
	failedAt atomic.Int64 // in Unix nanoseconds; 0 if it works
	cause    atomic.Pointer[error]
}

// down is the error while a shard is not in use.
type down struct{ cause error }

func (d down) Error() string {
	return "redisstore: Redis is not used for some seconds after this failure: " + d.cause.Error()
}
func (d down) Unwrap() error { return d.cause }

// begin returns an error if no request may be sent, or else a number to pass to end.
func (b *breaker) begin() (begin int64, _ error) {
	at, now := b.failedAt.Load(), time.Now().UnixNano()
	switch {
	case at == 0:
		return 0, nil
	case now-at > int64(pause) && b.failedAt.CompareAndSwap(at, now):
		return now, nil
	}
	return 0, down{*b.cause.Load()}
}

// end receives the result of a request. A success is ignored if another request has failed since begin,
// because the success may have come from memory.
func (b *breaker) end(begin int64, err error) {
	if err != nil {
		b.cause.Store(&err)
		b.failedAt.Store(time.Now().UnixNano())
	} else if begin != 0 {
		b.failedAt.CompareAndSwap(begin, 0)
	}
}

func (b *breaker) isOpen() bool { return b.failedAt.Load() != 0 }

func (s *Store) breakerOf(client rueidis.Client, name string) *breaker {
	get := client.B().Get().Key(name).Cache()
	return s.breaker(client, get.Slot())
}

// breaker returns the breaker of the shard that has a slot. Slots that are neighbors share a breaker.
// All share one where there is no cluster.
func (s *Store) breaker(client rueidis.Client, slot uint16) *breaker {
	if client.Mode() != rueidis.ClientModeCluster {
		return &s.shards[0]
	}
	return &s.shards[int(slot>>8)%len(s.shards)]
}

// begin returns an error if no request for a name may be sent.
func (s *Store) begin(ctx context.Context, name string) error {
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	_, err = s.breakerOf(client, name).begin()
	return err
}

// isDown reports whether the connection to the shard of a name has failed.
func (s *Store) isDown(name string) bool {
	client := s.client.Load()
	return client == nil || s.breakerOf(*client, name).isOpen()
}

func (s *Store) isCluster() bool {
	client := s.client.Load()
	return client != nil && (*client).Mode() == rueidis.ClientModeCluster
}

// eval runs a script, whether or not Redis failed before.
func (s *Store) eval(ctx context.Context, script string, keys []string, args ...string) (rueidis.RedisMessage, error) {
	replies, err := s.send(ctx, func(b rueidis.Builder) rueidis.Commands { return rueidis.Commands{eval(b, script, keys, args)} })
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	return replies[0], nil
}

func (s *Store) evalString(ctx context.Context, script string, keys []string, args ...string) (string, error) {
	reply, err := s.eval(ctx, script, keys, args...)
	if err != nil {
		return "", err
	}
	return reply.ToString()
}

func eval(b rueidis.Builder, script string, keys, args []string) rueidis.Completed {
	return b.Eval().Script(script).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

// send sends commands together. The first has a key.
func (s *Store) send(ctx context.Context, commands func(rueidis.Builder) rueidis.Commands) ([]rueidis.RedisMessage, error) {
	client, err := s.connect(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	built := commands(client.B())
	breaker := s.breaker(client, built[0].Slot())
	begin := breaker.failedAt.Load()
	results := client.DoMulti(ctx, built...)
	replies := make([]rueidis.RedisMessage, len(results))
	for i, result := range results {
		if replies[i], err = result.ToMessage(); err != nil {
			break
		}
	}
	return replies, s.ended(client, breaker, begin, err)
}

// bounded returns a context that ends after the timeout of a request, and not with ctx.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
}

// ended tells the breaker how a request ended, and returns its error with a prefix. If the server has
// become a replica, the next call connects anew.
func (s *Store) ended(client rueidis.Client, breaker *breaker, begin int64, err error) error {
	current := s.client.Load()
	isCurrent := current != nil && *current == client // else the request failed because the client was closed
	reply, isReply := rueidis.IsRedisErr(err)
	switch {
	case err == nil:
		breaker.end(begin, nil)
		return nil
	case !isReply && isCurrent:
		breaker.end(begin, err)
	case isReply:
		breaker.end(begin, nil)
		if isCurrent && strings.HasPrefix(reply.Error(), "READONLY") && s.client.CompareAndSwap(current, nil) {
			go client.Close()
		}
	}
	return fmt.Errorf("redisstore: the request to Redis failed: %w", err)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }
