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
// If Redis fails, sessions are fetched from Seam: a process that cannot reach Redis would miss a
// sign-out in another one. A connection that fails is tried again after 5 seconds; in a cluster,
// the other shards stay in use. An error reply concerns one call only. If a process crashes during
// a fetch, the others wait for that user's session for up to 10 seconds.
//
// If [sessioncache.Cache.SignOut] or Forget cannot delete a session from Redis, they return an
// error. Call them again, because Redis may still have the session when it is back. A failover to
// a replica that is behind may restore a deleted session.
//
// docs/redis.md describes what an operator of Redis needs to know.
package redisstore

import (
	"context"
	"crypto/rand"
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

// Store is a [sessioncache.Store] in Redis. Create one with [New]. It is safe for concurrent use.
type Store struct {
	option  rueidis.ClientOption
	sealers []*sealer // of the key, then of the old keys
	prefix  string
	timeout time.Duration // of each request to Redis
	start   time.Time

	mu       sync.Mutex // held while connecting
	client   atomic.Pointer[rueidis.Client]
	closed   bool
	failedAt [64]atomic.Int64 // when a connection failed, in nanoseconds since start, by range of slots
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
// is invalid, or if a server that responds rejects the credentials or does not support client-side
// caching. The store
// sets up client-side caching over one connection to each primary, so DisableCache,
// AlwaysRESP2, OnInvalidations, ClientTrackingOptions, PipelineMultiplex, DisableAutoPipelining,
// SendToReplicas and ReplicaOnly must not be set, and Dialer.KeepAlive must not be negative. It is
// at most 5 seconds. ConnWriteTimeout bounds each request to Redis. The default is one second.
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
	s := &Store{option: option, prefix: "seam:", timeout: option.ConnWriteTimeout, start: time.Now()}
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
	if _, err := s.connect(); err != nil && !mayEnd(err) {
		return nil, err
	}
	return s, nil
}

// Ping returns an error if Redis cannot be reached or does not respond.
func (s *Store) Ping(ctx context.Context) error {
	client, err := s.connect() //nolint:contextcheck // the connection outlives the call
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
}

// Get implements [sessioncache.Store].
func (s *Store) Get(ctx context.Context, user sessioncache.Key) (*sessioncache.Entry, error) {
	for _, sealer := range s.sealers {
		if entry, err := s.cached(ctx, sealer, user); entry != nil || err != nil {
			return entry, err
		}
	}
	return nil, nil
}

// cached returns the entry that is stored with one of the keys.
func (s *Store) cached(ctx context.Context, sealer *sealer, user sessioncache.Key) (*sessioncache.Entry, error) {
	client, err := s.connect() //nolint:contextcheck // the connection outlives the call
	if err != nil {
		return nil, err
	}
	name := sealer.user(user)
	get := client.B().Get().Key(name).Cache()
	breaker := s.breaker(client, get.Slot())
	if s.isOpen(breaker) {
		return nil, errDown
	}
	ctx, cancel := s.bounded(ctx) // not the context of the caller: concurrent reads share one request
	defer cancel()
	result := client.DoCache(ctx, get, readTTL)
	value, err := result.ToString()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failed(client, breaker, err)
	}
	return sealer.open(name, value, time.Duration(result.CachePTTL())*time.Millisecond), nil
}

// Load implements [sessioncache.Store]. It takes the lock of the user, fetches, and stores the
// result if it still has the lock. Delete takes the lock away.
func (s *Store) Load(ctx context.Context, user sessioncache.Key, usable func(*sessioncache.Entry) bool, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	for _, old := range s.sealers[1:] {
		if entry, err := s.cached(ctx, old, user); err != nil || entry != nil && usable(entry) {
			return entry, err
		}
	}
	sealer, token := s.sealers[0], rand.Text()
	name, lock := sealer.user(user), sealer.lock(user)
	if s.isDown(name) {
		return nil, errDown
	}
	old, seen := (*sessioncache.Entry)(nil), ""
	for {
		reply, err := s.run(ctx, lockUser, []string{name, lock}, token, milliseconds(lockTTL), seen).ToArray()
		if err != nil {
			return nil, err
		}
		state, _ := reply[0].ToString()
		value, _ := reply[1].ToString()
		left, _ := reply[2].AsInt64()
		if state == "locked" {
			if value == "" {
				old = nil // it was deleted in the meantime
			}
			break
		}
		if state == "changed" {
			if old = sealer.open(name, value, time.Duration(left)*time.Millisecond); old != nil && usable(old) {
				return old, nil
			}
			seen = value
			continue
		}
		select { // another process fetches
		case <-time.After(poll):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	stored := false
	defer func() {
		if !stored && !s.isDown(name) {
			_ = s.run(context.WithoutCancel(ctx), unlockUser, []string{lock}, token).Error()
		}
	}()
	fetchCtx, cancel := context.WithTimeout(ctx, lockTTL)
	defer cancel()
	entry, err := fetch(fetchCtx, old)
	if err != nil {
		return nil, err
	}
	sealed := sealer.seal(name, entry)
	life := milliseconds(time.Until(entry.ExpiresAt)) // at most the life in sealed
	session := sealer.session(sessioncache.Key{Namespace: user.Namespace, ID: entry.Session.ClientSessionID})
	isDeleted, err := s.run(ctx, indexSession, []string{session}, name+" "+lock, life, deleted).AsBool()
	if err != nil {
		return nil, err
	}
	if isDeleted {
		return nil, sessioncache.ErrDeleted
	}
	end, err := s.run(ctx, storeUser, []string{name, lock}, token, sealed, life).ToString()
	switch {
	case err != nil:
		return nil, err
	case end == "signed out":
		return nil, sessioncache.ErrSignedOut
	case end != "stored": // deleted, or the lock was lost, and with it what was deleted
		return nil, sessioncache.ErrDeleted
	}
	stored = true
	return entry, nil
}

// Delete implements [sessioncache.Store].
func (s *Store) Delete(ctx context.Context, user sessioncache.Key, signOut bool) error {
	reason := "deleted"
	if signOut {
		reason = "signed out"
	}
	var errs []error
	for _, sealer := range s.sealers {
		errs = append(errs, s.deleteUser(ctx, sealer.user(user), sealer.lock(user), reason))
	}
	return errors.Join(errs...)
}

// DeleteSession implements [sessioncache.Store].
func (s *Store) DeleteSession(ctx context.Context, session sessioncache.Key) error {
	var errs []error
	for _, sealer := range s.sealers {
		errs = append(errs, s.deleteSession(ctx, sealer.session(session)))
	}
	return errors.Join(errs...)
}
