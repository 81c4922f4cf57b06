package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/seam-go/seam/sessioncache"
)

// Get implements [sessioncache.Store].
func (s *Store) Get(ctx context.Context, user sessioncache.Key) (*sessioncache.Entry, error) {
	var errs []error
	for _, sealer := range s.sealers {
		entry, err := s.read(ctx, sealer, user)
		if entry != nil {
			return entry, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// read returns the entry that is stored with a key. If Redis fails, it returns the error, and the
// entry in memory if that can be trusted.
func (s *Store) read(ctx context.Context, sealer *sealer, user sessioncache.Key) (*sessioncache.Entry, error) {
	name, _ := sealer.names(sealer.hash("user", user))
	entry, err := s.readRedis(ctx, sealer, name)
	if err != nil {
		return s.memory.trusted(name), err
	}
	return entry, nil
}

func (s *Store) readRedis(ctx context.Context, sealer *sealer, name string) (*sessioncache.Entry, error) {
	client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	changes, at := s.memory.changesOf(name), time.Now() // before it is known that the shard is in use
	get := client.B().Get().Key(name).Cache()
	breaker := s.breaker(client, get.Slot())
	begin, err := breaker.begin()
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx) // not the context of the caller: concurrent reads share one request
	defer cancel()
	result := client.DoCache(ctx, get, readTTL)
	value, err := result.ToString()
	if rueidis.IsRedisNil(err) {
		breaker.end(begin, nil)
		s.memory.remove(name)
		return nil, nil
	}
	if err = s.ended(client, breaker, begin, err); err != nil {
		return nil, err
	}
	if entry := s.memory.get(name, value, result.CachePXAT()); entry != nil {
		return entry, nil
	}
	entry := sealer.open(name, value, time.Duration(result.CachePTTL())*time.Millisecond)
	if entry != nil {
		s.memory.add(name, &read{entry, value, result.CachePXAT(), at}, changes)
	}
	return entry, nil
}

// Load implements [sessioncache.Store]. It takes the lock of the user, fetches, and stores the
// result if it still has the lock. Delete takes the lock away.
func (s *Store) Load(ctx context.Context, user sessioncache.Key, usable func(*sessioncache.Entry) bool, fetch sessioncache.FetchFunc) (*sessioncache.Entry, error) {
	old := s.readOld(ctx, user)
	if old != nil && usable(old) {
		return old, nil
	}
	l := s.newLoad(user)
	old, hasLock, err := l.lock(ctx, old, usable)
	if err != nil || !hasLock {
		return old, err
	}
	defer l.unlock(ctx)
	fetchCtx, cancel := context.WithTimeout(ctx, lockTTL)
	defer cancel()
	entry, err := fetch(fetchCtx, old)
	if err != nil {
		return nil, err
	}
	if err := l.store(ctx, entry); err != nil {
		return nil, err
	}
	return entry, nil
}

// readOld returns the entry that is stored with an old key, if Redis can be read.
func (s *Store) readOld(ctx context.Context, user sessioncache.Key) *sessioncache.Entry {
	for _, sealer := range s.sealers[1:] {
		if entry, err := s.read(ctx, sealer, user); err == nil && entry != nil {
			return entry
		}
	}
	return nil
}

// load is a call of Load. It stores with the current key.
type load struct {
	*Store
	sealer    *sealer
	namespace string
	hash      string // of the user
	name      string // of the user's value
	key       string // of the user's lock
	token     string // owns the lock
	isStored  bool
}

func (s *Store) newLoad(user sessioncache.Key) *load {
	sealer := s.sealers[0]
	l := &load{Store: s, sealer: sealer, namespace: user.Namespace, hash: sealer.hash("user", user), token: rand.Text()}
	l.name, l.key = sealer.names(l.hash)
	return l
}

// lock takes the lock, and returns the entry that the fetch replaces: the one in Redis, or else old.
// If the one in Redis is usable, lock returns it without the lock. While another process has the
// lock, lock waits.
func (l *load) lock(ctx context.Context, old *sessioncache.Entry, usable func(*sessioncache.Entry) bool) (_ *sessioncache.Entry, hasLock bool, err error) {
	if err := l.begin(ctx, l.name); err != nil {
		return nil, false, err
	}
	seen, current := l.memory.last(l.name)
	if current == nil || usable(current) {
		seen = ""
	}
	for {
		reply, err := l.eval(ctx, lockUser, []string{l.name, l.key}, l.token, milliseconds(lockTTL), seen)
		if err != nil {
			return nil, false, err
		}
		state, value, left := parse(reply)
		switch {
		case state == "locked" && value == "":
			return old, true, nil
		case state == "locked":
			return cmp.Or(current, old), true, nil
		case state == "changed":
			if current = l.sealer.open(l.name, value, left); current != nil && usable(current) {
				return current, false, nil
			}
			seen = value
			continue
		}
		select { // another process fetches
		case <-time.After(poll):
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// parse returns the three values of the reply to lockUser, or nothing if it is another reply.
func parse(reply rueidis.RedisMessage) (state, value string, left time.Duration) {
	values, _ := reply.ToArray()
	if len(values) != 3 {
		return "", "", 0
	}
	state, _ = values[0].ToString()
	value, _ = values[1].ToString()
	milliseconds, _ := values[2].AsInt64()
	return state, value, time.Duration(milliseconds) * time.Millisecond
}

// store stores the result of the fetch and the index of its session, and releases the lock. In a
// cluster they are in different slots, so the index is stored before.
func (l *load) store(ctx context.Context, entry *sessioncache.Entry) error {
	value := l.sealer.seal(l.name, entry)
	session := l.sealer.session(sessioncache.Key{Namespace: l.namespace, ID: entry.Session.ClientSessionID})
	args := []string{l.token, value, milliseconds(time.Until(entry.ExpiresAt)), index(l.hash, value)} // at most the life in value
	script, keys := storeUser, []string{l.name, l.key, session}
	if l.isCluster() {
		if err := l.begin(ctx, session); err != nil {
			return err
		}
		script, keys = indexSessionAlone, []string{session}
	}
	end, err := l.evalString(ctx, script, keys, args...)
	if end == "indexed" {
		if end, err = l.evalString(ctx, storeUserAlone, []string{l.name, l.key}, args...); end != "stored" {
			_, _ = l.evalString(ctx, deleteIndex, []string{session}, index(l.hash, value)) // else it would stay as long as a session
		}
	}
	switch {
	case err != nil:
		return err
	case end == "signed out":
		return sessioncache.ErrSignedOut
	case end != "stored": // deleted, or the lock was lost, and with it what was deleted
		return sessioncache.ErrDeleted
	}
	l.isStored = true
	return nil
}

// unlock releases the lock of a fetch that stored nothing.
func (l *load) unlock(ctx context.Context) {
	if !l.isStored && !l.isDown(l.name) {
		_, _ = l.eval(ctx, unlockUser, []string{l.key}, l.token)
	}
}
