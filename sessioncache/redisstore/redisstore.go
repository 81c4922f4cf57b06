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
// Caches for different workspaces, or with different Config.Params, must use different keys if
// they share a Redis server.
//
// # Failures of Redis
//
// If Redis fails or does not respond within a second, sessions are fetched from Seam and not
// cached: a process that cannot reach Redis would miss a sign-out in another one. Redis is tried
// again after 5 seconds. If Redis fails during a fetch, that fetch may take some seconds longer.
//
// By default, a process detects within 5 seconds that Redis no longer responds. Until then it may
// return a session from its memory that another process deleted. If a process crashes during a
// fetch, the others wait for that user's session for up to 10 seconds.
//
// If [sessioncache.Cache.SignOut] or Forget cannot delete a session from Redis, they return an
// error. Call them again, because Redis may still have the session when it is back.
//
// Configure Redis without persistence, so that it does not restore deleted sessions, and with
// enough memory. A session that Redis evicts is fetched again. If Redis evicts the value
// that maps a session ID to its user, a client_session.deleted event for that session has no
// effect.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidisaside"
	"golang.org/x/sync/singleflight"

	"github.com/seam-go/seam/sessioncache"
)

const (
	// defaultTimeout bounds each request to Redis.
	defaultTimeout = time.Second
	// pause is how long Redis is not read after a failure. Deletions are always sent.
	pause = 5 * time.Second
	// readTTL bounds how long a value is cached in memory. It may exceed the life of any session,
	// because Redis reports when a value expires. It is also the TTL of the locks of
	// rueidisaside. That does no harm: other processes remove a lock within seconds if its
	// process is gone.
	readTTL = 10 * 365 * 24 * time.Hour
	// deletedTTL is how long the ID of a deleted session is stored. It is longer than a fetch,
	// which may have received the session before it was deleted, and longer than the time until
	// an event that failed is delivered again.
	deletedTTL = 10 * time.Minute
	// maxLoads is how often a load fetches a session that turns out to be deleted, before it
	// returns ErrDeleted to the cache, which loads again.
	maxLoads = 1
)

// Store is a [sessioncache.Store] in Redis. Create one with [New]. It is safe for concurrent use.
type Store struct {
	aside   rueidisaside.CacheAsideClient
	sealer  *sealer
	flights singleflight.Group
	close   sync.Once
	timeout time.Duration // of each request to Redis

	deletions [1024]atomic.Uint64 // counts of deletions by this process, indexed by a hash of the name
	seed      maphash.Seed
	failedAt  atomic.Int64 // when Redis last failed, in nanoseconds since start
	start     time.Time
}

// New connects to Redis and returns a store. key is the encryption key: 32 random bytes, the same
// in all processes. A store with another key starts empty.
//
// New returns an error if option or key is invalid, or if the server cannot be reached or has no
// client-side caching. It sets up client-side caching over one connection to the primary, so
// DisableCache, AlwaysRESP2, OnInvalidations, ClientTrackingOptions, PipelineMultiplex,
// DisableAutoPipelining, SendToReplicas and ReplicaOnly must not be set, and
// Dialer.KeepAlive must not be negative. It disables retries.
// ConnWriteTimeout bounds each request to Redis. The default is one second.
func New(option rueidis.ClientOption, key []byte) (*Store, error) {
	sealer, err := newSealer(key)
	if err != nil {
		return nil, err
	}
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
	// One connection, because delete relies on the order of responses and invalidations. The
	// default is several, chosen at random.
	option.PipelineMultiplex = -1
	option.DisableRetry = true // a request to Seam is faster than a retry
	if option.ConnWriteTimeout == 0 {
		option.ConnWriteTimeout = defaultTimeout
	}
	if option.Dialer.Timeout == 0 {
		option.Dialer.Timeout = option.ConnWriteTimeout
	}
	aside, err := rueidisaside.NewClient(rueidisaside.ClientOption{
		ClientOption: option,
		UseLuaLock:   true, // works before Redis 7
	})
	if err != nil {
		return nil, fmt.Errorf("redisstore: New: cannot connect to Redis: %w", err)
	}
	return &Store{aside: aside, sealer: sealer, timeout: option.ConnWriteTimeout, seed: maphash.MakeSeed(), start: time.Now()}, nil
}

// Close closes the connections to Redis. Caches that use the store then fetch every session from
// Seam. Close is idempotent.
func (s *Store) Close() { s.close.Do(s.aside.Close) }

// Get implements [sessioncache.Store].
func (s *Store) Get(ctx context.Context, user sessioncache.Key) (*sessioncache.Entry, error) {
	if s.isDown() {
		return nil, errDown
	}
	ctx, cancel := s.bounded(ctx) // not the context of the caller: concurrent reads share one request
	defer cancel()
	name := s.sealer.user(user)
	client := s.aside.Client()
	result := client.DoCache(ctx, client.B().Get().Key(name).Cache(), readTTL)
	value, err := result.ToString()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failed(err)
	}
	return s.sealer.open(name, value, time.Duration(result.CachePTTL())*time.Millisecond), nil
}

// deletionsOf returns the counter of deletions of a user and of others with the same hash.
func (s *Store) deletionsOf(name string) *atomic.Uint64 {
	return &s.deletions[maphash.String(s.seed, name)%uint64(len(s.deletions))]
}

// loaded is the result of a load: an entry, and the count of deletions at which it was valid.
type loaded struct {
	entry     *sessioncache.Entry
	deletions uint64
}

// Load implements [sessioncache.Store].
func (s *Store) Load(ctx context.Context, user sessioncache.Key, usable func(*sessioncache.Entry) bool, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	name := s.sealer.user(user)
	for {
		deletions := s.deletionsOf(name).Load()
		// Each process runs one load of a user at a time. rueidisaside cannot tell two locks of
		// one process apart. With two loads, the first could use the lock of the second to store
		// a session after it was deleted.
		result, err, _ := s.flights.Do(name, func() (any, error) { return s.load(ctx, name, usable, fetch) })
		if err != nil {
			return nil, err
		}
		if result := result.(loaded); result.deletions >= deletions {
			return result.entry, nil
		}
		// The shared load began before the last deletion.
	}
}

// load is the load that concurrent Loads in this process share.
func (s *Store) load(ctx context.Context, name string, usable func(*sessioncache.Entry) bool, fetch sessioncache.FetchFunc) (loaded, error) {
	for refused := 0; refused < maxLoads; {
		if err := ctx.Err(); err != nil {
			return loaded{}, err
		}
		deletions := s.deletionsOf(name).Load()
		current, err := s.read(ctx, name)
		if err != nil {
			return s.direct(ctx, name, fetch)
		}
		entry := s.sealer.open(name, current.value, current.left)
		switch {
		case !current.found || strings.HasPrefix(current.value, rueidisaside.PlaceholderPrefix):
			result, err := s.fill(ctx, name, fetch)
			if errors.Is(err, errDeleted) {
				refused++
			} else if err != nil || result.entry != nil {
				return result, err
			}
		case entry == nil: // modified, expired, or written with another key
			err := deleteValue.Exec(ctx, s.aside.Client(), []string{name}, []string{current.value}).Error()
			if s.failed(err) != nil {
				return s.direct(ctx, name, fetch)
			}
		case usable(entry):
			return loaded{entry, deletions}, nil
		default:
			renewed, err := s.renew(ctx, name, current.value, entry, fetch)
			if errors.Is(err, errDeleted) {
				refused++
			} else if err != nil || renewed != nil && s.deletionsOf(name).Load() == deletions {
				return loaded{renewed, deletions}, err
			}
		}
	}
	return loaded{}, sessioncache.ErrDeleted
}

// direct fetches an entry without Redis. It fetches again if this process deletes the user in the
// meantime.
func (s *Store) direct(ctx context.Context, name string, fetch sessioncache.FetchFunc) (loaded, error) {
	for {
		deletions := s.deletionsOf(name).Load()
		entry, err := fetch(ctx, nil)
		if err != nil || s.deletionsOf(name).Load() == deletions {
			return loaded{entry, deletions}, err
		}
	}
}

// fill fetches an entry and stores it, or waits until another process has done so. It returns no
// entry if another process stored one or if the user was deleted in the meantime. It returns
// errDeleted if the session was deleted.
func (s *Store) fill(ctx context.Context, name string, fetch sessioncache.FetchFunc) (loaded, error) {
	deletions := s.deletionsOf(name).Load()
	var fetched *sessioncache.Entry
	var fetchErr error
	var stored string
	_, err := s.aside.Get(ctx, readTTL, name, func(asideCtx context.Context, _ string) (string, error) {
		if fetched, fetchErr = fetch(ctx, nil); fetchErr != nil {
			return "", fetchErr
		}
		isDeleted, err := s.index(ctx, name, fetched)
		if err != nil {
			return "", err
		}
		if isDeleted {
			return "", errDeleted
		}
		stored = s.sealer.seal(name, fetched)
		rueidisaside.OverrideCacheTTL(asideCtx, time.Until(fetched.ExpiresAt))
		return stored, nil
	})
	switch {
	case fetchErr != nil:
		return loaded{}, fetchErr
	case errors.Is(err, errDeleted):
		return loaded{}, err
	case fetched == nil && ctx.Err() != nil:
		return loaded{}, err
	case fetched == nil && err != nil:
		_ = s.failed(err)
		return s.direct(ctx, name, fetch)
	case fetched == nil: // another process has stored it
		return loaded{}, nil
	}
	if s.failed(err) == nil {
		// rueidisaside does not report whether it stored the value or its lock was deleted.
		latest := s.deletionsOf(name).Load()
		if current, err := s.read(ctx, name); err == nil {
			if current.value != stored {
				return loaded{}, nil
			}
			return loaded{fetched, latest}, nil
		}
	}
	if s.deletionsOf(name).Load() != deletions {
		return s.direct(ctx, name, fetch)
	}
	return loaded{fetched, deletions}, nil
}

// renew fetches an entry and replaces value with it. It returns nil if value was deleted or
// replaced in the meantime, and errDeleted if the new session was deleted.
func (s *Store) renew(ctx context.Context, name, value string, entry *sessioncache.Entry, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	renewed, err := fetch(ctx, entry)
	if err != nil {
		return nil, err
	}
	isDeleted, err := s.index(ctx, name, renewed)
	if isDeleted {
		_ = s.failed(s.delete(ctx, name))
		return nil, errDeleted
	}
	if err == nil {
		var replaced int64
		replaced, err = replaceValue.Exec(ctx, s.aside.Client(), []string{name},
			[]string{value, s.sealer.seal(name, renewed), milliseconds(time.Until(renewed.ExpiresAt))}).AsInt64()
		if err == nil && replaced == 0 {
			return nil, nil
		}
	}
	_ = s.failed(err) // the entry is valid, but not stored
	return renewed, nil
}

// Delete implements [sessioncache.Store].
func (s *Store) Delete(ctx context.Context, user sessioncache.Key, _ bool) error {
	return s.failed(s.delete(ctx, s.sealer.user(user)))
}

// DeleteSession implements [sessioncache.Store].
func (s *Store) DeleteSession(ctx context.Context, session sessioncache.Key) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	name, err := markDeleted.Exec(ctx, s.aside.Client(), []string{s.sealer.session(sessioncache.Key{ID: session.ID})},
		[]string{deleted, milliseconds(deletedTTL)}).ToString()
	if err != nil {
		return s.failed(err)
	}
	if name == "" {
		return nil
	}
	// This also discards a fetch in progress, which may have received the session before the
	// deletion.
	return s.failed(s.delete(ctx, name))
}
