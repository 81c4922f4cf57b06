// Package redisstore provides a [sessioncache.Store] in Redis, so that several processes share
// the client sessions of their users.
//
//	store, err := redisstore.New(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}}, key)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	cache, err := sessioncache.New(client, sessioncache.Config{Store: store})
//
// One process fetches a session for all. Each process caches in memory what it reads from Redis.
// Redis notifies it when another process changes or deletes a session (client-side caching). The
// server must be Redis 6.2 or later, or a compatible one.
//
// # Encryption
//
// Sessions are encrypted with AES-256-GCM and bound to their user. The names in Redis are keyed
// hashes of user identifier keys and session IDs. A value that was modified, or encrypted with
// another key, is a cache miss.
//
// # Failures of Redis
//
// If the connection to Redis fails, it is not used for 5 seconds. Then one request tries it. In a
// cluster, this concerns the users of one shard. Users whose session is in memory keep it for 10
// seconds after the connection was lost. Other sessions are fetched from Seam. An error reply concerns
// one call only. If a process crashes during a fetch, the others wait for that user's session for up
// to 10 seconds.
//
// If [sessioncache.Cache.SignOut] or Forget cannot delete a session from Redis, they return an
// error. Call them again, because Redis may still have the session when it is back. The memory of
// this process does not have it any more. A process that has lost Redis at that time returns the
// session for up to 12 seconds.
//
// SignOut also waits until all replicas that are connected have confirmed the deletion. If one does
// not, it returns an error, because a failover could restore the session. Forget does not wait for
// replicas.
//
// docs/redis.md describes what an operator of Redis needs to know.
package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/seam-go/seam/sessioncache"
)

const (
	// defaultTimeout bounds each request to Redis.
	defaultTimeout = time.Second
	// maxKeepAlive bounds the time until a dead connection is noticed.
	maxKeepAlive = 5 * time.Second
	// pause is how long a shard is not read after its connection failed. Deletions are always sent.
	pause = 5 * time.Second
	// lockTTL bounds a fetch, and how long others wait for a process that crashed.
	lockTTL = 10 * time.Second
	// poll is how often a Load asks whether the fetch of another process has ended.
	poll = 25 * time.Millisecond
	// readTTL bounds how long a value is cached in memory. Redis reports when a value expires.
	readTTL = 24 * time.Hour
	// deletedTTL is how long the ID of a deleted session is stored. It is longer than a fetch,
	// which may have received the session before it was deleted, and longer than the time until
	// an event that failed is delivered again.
	deletedTTL = 10 * time.Minute
)

var _ sessioncache.Store = (*Store)(nil)

// Store is a [sessioncache.Store] in Redis. Create one with [New]. It is safe for concurrent use.
type Store struct {
	option  rueidis.ClientOption
	sealers []*sealer // of the key, then of the old keys
	prefix  string
	timeout time.Duration // of each request to Redis
	memory  *memory

	client     atomic.Pointer[rueidis.Client]
	shards     [64]breaker // by range of slots
	connection breaker     // of attempts to connect

	mu         sync.Mutex
	connecting bool
	closed     bool
}

// Option is an option of [New].
type Option func(*Store, *[][]byte)

// WithOldKeys sets keys that were used before. Sessions encrypted with them are still returned
// and deleted. To change a key without losing a sign-out, first deploy the new key as an old one
// everywhere.
func WithOldKeys(keys ...[]byte) Option {
	return func(_ *Store, all *[][]byte) { *all = append(*all, keys...) }
}

// WithPrefix sets the start of all names in Redis. The default is "seam:".
func WithPrefix(prefix string) Option { return func(s *Store, _ *[][]byte) { s.prefix = prefix } }

// New returns a store. key is the encryption key: 32 random bytes, the same in all processes.
//
// Redis may be down: the store connects when it is used. New returns an error if option or a key
// is invalid, or if a server that responds rejects the credentials, lacks a feature or does not grant
// the rights in docs/redis.md.
//
// ConnWriteTimeout bounds each request to Redis. The default is one second. CacheSizeEachConn bounds
// the memory for each primary. The default is 128 MiB, enough for about 65,000 users. Dialer.KeepAlive must
// not be negative, and is at most 5 seconds. The store sets up client-side caching over one connection
// to each primary, so DisableCache, AlwaysRESP2, OnInvalidations, ClientTrackingOptions,
// PipelineMultiplex, DisableAutoPipelining, SendToReplicas and ReplicaOnly must not be set.
func New(option rueidis.ClientOption, key []byte, opts ...Option) (*Store, error) {
	for name, set := range map[string]bool{
		"DisableCache":          option.DisableCache,
		"AlwaysRESP2":           option.AlwaysRESP2,
		"OnInvalidations":       option.OnInvalidations != nil,
		"ClientTrackingOptions": option.ClientTrackingOptions != nil,
		"PipelineMultiplex":     option.PipelineMultiplex != 0,
		"DisableAutoPipelining": option.DisableAutoPipelining,
		"SendToReplicas":        option.SendToReplicas != nil,
		"ReplicaOnly":           option.ReplicaOnly,
	} {
		if set {
			return nil, fmt.Errorf("redisstore: New: ClientOption.%s is set; omit it, because the store sets up client-side caching", name)
		}
	}
	if option.Dialer.KeepAlive < 0 {
		return nil, errors.New("redisstore: New: ClientOption.Dialer.KeepAlive is negative; omit it, because it detects lost connections")
	}
	// One connection: a deletion relies on the order of responses and invalidations.
	option.PipelineMultiplex = -1
	option.DisableRetry = true // a request to Seam is faster than a retry
	if option.ConnWriteTimeout == 0 {
		option.ConnWriteTimeout = defaultTimeout
	}
	if option.Dialer.Timeout == 0 {
		option.Dialer.Timeout = option.ConnWriteTimeout
	}
	if option.Dialer.KeepAlive == 0 {
		option.Dialer.KeepAlive = time.Second
	}
	option.Dialer.KeepAlive = min(option.Dialer.KeepAlive, maxKeepAlive)
	memory := newMemory(cmp.Or(max(0, option.CacheSizeEachConn), rueidis.DefaultCacheBytes))
	option.OnInvalidations = memory.changed
	s := &Store{option: option, prefix: "seam:", timeout: option.ConnWriteTimeout, memory: memory}
	keys := [][]byte{key}
	for _, opt := range opts {
		opt(s, &keys)
	}
	for _, key := range keys {
		sealer, err := newSealer(s.prefix, key)
		if err != nil {
			return nil, err
		}
		s.sealers = append(s.sealers, sealer)
	}
	if _, err := s.connect(context.Background()); err != nil && !mayEnd(err) {
		return nil, err
	}
	return s, nil
}

// Ping returns an error if Redis cannot be reached or does not respond.
func (s *Store) Ping(ctx context.Context) error {
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := client.Do(ctx, client.B().Ping().Build()).Error(); err != nil {
		return fmt.Errorf("redisstore: Ping: %w", err)
	}
	return nil
}

// Close closes the connections to Redis. Caches that use the store then fetch every session from
// Seam. Close is idempotent.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if client := s.client.Swap(nil); client != nil {
		(*client).Close()
	}
	s.memory.clear()
}
