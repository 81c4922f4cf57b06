// Package redisstore lets several processes share the client sessions of a
// [sessioncache.Cache] through Redis.
//
//	store, err := redisstore.New(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}}, key)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	cache, err := sessioncache.New(client, sessioncache.Config{Store: store})
//
// One process fetches a user's session for all of them. Each process keeps what it has read in
// memory, and Redis tells it at once when another process deletes or replaces that. It needs
// Redis 6.2 or newer, or what behaves like it.
//
// # Secrets
//
// Sessions hold tokens, which are passwords. Redis stores them encrypted with AES-256-GCM, bound
// to their user, and users and sessions only as keyed hashes. What was encrypted with another
// key or was tampered with counts as absent.
//
// The key also keeps apart what does not belong together: caches of different workspaces, or with
// different Config.Params, need different keys.
//
// # Without Redis
//
// When Redis fails or does not answer within a second, sessions are fetched from Seam and kept
// nowhere, so that a sign-out in another process is not missed. After 5 seconds Redis is asked
// again. A fetch that Redis leaves in the middle may take some seconds longer. What
// [sessioncache.Cache.SignOut] or Forget could not delete from Redis is an error: call them
// again, as Redis may come back with what it had stored. For that reason it should not save to
// disk, and it should have room: what Redis evicts to make room is fetched again, but an event
// for it may go unnoticed.
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
	// defaultTimeout is how long to wait for each answer of Redis.
	defaultTimeout = time.Second
	// pause is how long Redis is left alone after a failure.
	pause = 5 * time.Second
	// readTTL is how long a value stays in the memory of a process: longer than sessions live,
	// since Redis tells when they end. rueidisaside takes it for its locks too, which end before
	// that if their process does not tell Redis every few seconds that it is alive.
	readTTL = 10 * 365 * 24 * time.Hour
	// deletedTTL is how long the ID of a deleted session is remembered: longer than a cache's
	// fetch, which may have got that session before, takes.
	deletedTTL = 3 * time.Minute
	// maxLoads is how many deleted sessions a load accepts from Seam.
	maxLoads = 8
)

// Store is a [sessioncache.Store] in Redis. Make one with [New]. It is safe for concurrent use.
type Store struct {
	aside   rueidisaside.CacheAsideClient
	sealer  *sealer
	flights singleflight.Group
	close   sync.Once
	timeout time.Duration // for each answer of Redis

	deletions [1024]atomic.Uint64 // by this process, of users by a hash of their names
	seed      maphash.Seed
	failedAt  atomic.Int64 // when Redis last failed, in nanoseconds since start
	start     time.Time
}

// New connects to Redis. The key encrypts what is stored: 32 random bytes, the same for all
// processes. Whoever replaces it starts with an empty store.
//
// An error is returned if Redis cannot be reached or has no client-side caching, or if option or
// key cannot be used. The store sets up client-side caching over one connection to the primary,
// so DisableCache, AlwaysRESP2, OnInvalidations, ClientTrackingOptions, PipelineMultiplex,
// DisableAutoPipelining, SendToReplicas and ReplicaOnly must not be set. Retries are turned off,
// and ConnWriteTimeout, which bounds the wait for each answer, is a second unless option has
// another one.
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
			return nil, fmt.Errorf("redisstore: New: ClientOption.%s is set; leave it out, as the store sets up client-side caching itself", name)
		}
	}
	// With one connection, Redis answers a change only before it tells what to drop because of
	// it, and a later read only after. Its default is several, taken at random.
	option.PipelineMultiplex = -1
	option.DisableRetry = true // a call to Seam is better than another wait
	if option.ConnWriteTimeout == 0 {
		option.ConnWriteTimeout = defaultTimeout
	}
	if option.Dialer.Timeout == 0 {
		option.Dialer.Timeout = option.ConnWriteTimeout
	}
	aside, err := rueidisaside.NewClient(rueidisaside.ClientOption{
		ClientOption: option,
		UseLuaLock:   true, // else it needs Redis 7
	})
	if err != nil {
		return nil, fmt.Errorf("redisstore: New: cannot connect to Redis: %w", err)
	}
	return &Store{aside: aside, sealer: sealer, timeout: option.ConnWriteTimeout, seed: maphash.MakeSeed(), start: time.Now()}, nil
}

// Close closes the connections to Redis. The store then fails, so that caches fetch from Seam. It
// may be called more than once.
func (s *Store) Close() { s.close.Do(s.aside.Close) }

// Get implements [sessioncache.Store].
func (s *Store) Get(ctx context.Context, userIdentifierKey string) (*sessioncache.Entry, error) {
	if s.isDown() {
		return nil, errDown
	}
	ctx, cancel := s.bounded(ctx) // concurrent reads of a key share one request, the first caller's
	defer cancel()
	name := s.sealer.user(userIdentifierKey)
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

// deletionsOf counts the deletions of a user, and of some others.
func (s *Store) deletionsOf(name string) *atomic.Uint64 {
	return &s.deletions[maphash.String(s.seed, name)%uint64(len(s.deletions))]
}

// loaded is the result of a load: an entry that was good when deletionsOf had that value.
type loaded struct {
	entry     *sessioncache.Entry
	deletions uint64
}

// Load implements [sessioncache.Store].
func (s *Store) Load(ctx context.Context, userIdentifierKey string, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	name := s.sealer.user(userIdentifierKey)
	for {
		deletions := s.deletionsOf(name).Load()
		// One load of a process at a time, not only for Redis's sake: to rueidisaside all locks of
		// a process are the same, so a second load would let the first one store what was deleted.
		result, err, _ := s.flights.Do(name, func() (any, error) { return s.load(ctx, name, fetch) })
		if err != nil {
			return nil, err
		}
		if result := result.(loaded); result.deletions >= deletions {
			return result.entry, nil
		}
		// It joined a load that was about to end when something was deleted.
	}
}

// load is the Load of this process.
func (s *Store) load(ctx context.Context, name string, fetch sessioncache.FetchFunc) (loaded, error) {
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
		case entry == nil: // not written by a store with this key, or not for this user
			err := deleteValue.Exec(ctx, s.aside.Client(), []string{name}, []string{current.value}).Error()
			if s.failed(err) != nil {
				return s.direct(ctx, name, fetch)
			}
		case time.Now().Before(entry.RenewAt):
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

// direct gets an entry without Redis. It begins again if this process deletes the user meanwhile.
func (s *Store) direct(ctx context.Context, name string, fetch sessioncache.FetchFunc) (loaded, error) {
	for {
		deletions := s.deletionsOf(name).Load()
		entry, err := fetch(ctx, nil)
		if err != nil || s.deletionsOf(name).Load() == deletions {
			return loaded{entry, deletions}, err
		}
	}
}

// fill stores what fetch returns where nothing is, unless another process does that already. It
// returns no entry if that has happened, or if the user was deleted meanwhile, and errDeleted if
// the session was.
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
		// rueidisaside does not tell whether it stored the value or found its lock deleted.
		now := s.deletionsOf(name).Load()
		current, err := s.read(ctx, name)
		if err == nil && current.value == stored {
			return loaded{fetched, now}, nil
		}
		if err == nil {
			return loaded{}, nil
		}
	}
	if s.deletionsOf(name).Load() != deletions {
		return s.direct(ctx, name, fetch)
	}
	return loaded{fetched, deletions}, nil
}

// renew replaces the value of an entry, unless it was deleted or replaced meanwhile. It returns
// nil in that case, and errDeleted if the new session was deleted.
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
	_ = s.failed(err) // it is good nevertheless
	return renewed, nil
}

// Delete implements [sessioncache.Store].
func (s *Store) Delete(ctx context.Context, userIdentifierKey string) error {
	return s.failed(s.delete(ctx, s.sealer.user(userIdentifierKey)))
}

// DeleteSession implements [sessioncache.Store].
func (s *Store) DeleteSession(ctx context.Context, clientSessionID string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	client := s.aside.Client()
	name, err := client.Do(ctx, client.B().Set().Key(s.sealer.session(clientSessionID)).Value(deleted).Get().
		Px(deletedTTL).Build()).ToString()
	if rueidis.IsRedisNil(err) || err == nil && name == deleted {
		return nil
	}
	if err != nil {
		return s.failed(err)
	}
	// This also ends a fetch or renewal in progress, which may have got the session before.
	return s.failed(s.delete(ctx, name))
}
