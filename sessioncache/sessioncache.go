// Package sessioncache keeps a valid client session at hand for each user of a backend.
//
//	cache, err := sessioncache.New(client, sessioncache.Config{Lifetime: 24 * time.Hour})
//	if err != nil {
//		return err
//	}
//	session, err := cache.Session(ctx, user.ID)
//
// The first call for a user asks Seam, and however many callers wait for the same user,
// it asks once. Later calls are answered from memory, until the session is close to its end.
// Then the session is replaced. [Cache.SignOut] revokes a user's sessions and forgets them.
//
// A cache serves one process, unless its [Config] has a [Store] that several share.
//
// # What it does not know
//
// Seam sends no event for a session that is revoked. A session that something other than
// SignOut revokes is served until it is renewed, or until [Cache.Forget] is called or a page
// reports it to [Cache.Handler].
package sessioncache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/transport"
	"github.com/seam-go/seam/webhook"
)

const (
	defaultRefreshBefore = 5 * time.Minute
	defaultMaxUsers      = 100_000

	// fetchTimeout bounds a fetch, which goes on when its first caller gives up.
	fetchTimeout = time.Minute
	// maxLoads is how often a load accepts one deleted session from Seam.
	maxLoads = 3
)

// Config configures a [Cache]. The zero Config is valid.
type Config struct {
	// Lifetime is how long new sessions live. If it is zero, Seam decides.
	Lifetime time.Duration

	// RefreshBefore is how much of a session's life must be left: a session with less is
	// revoked and replaced on the next call. The default is 5 minutes, or a tenth of Lifetime
	// if that is shorter. Each session is used for at least RefreshBefore first, so one that
	// lives for less than that is used until it ends.
	RefreshBefore time.Duration

	// MaxUsers bounds the users whose sessions are kept in memory. Beyond it, sessions that are
	// used rarely or were not used for long are dropped, but not revoked. The default is
	// 100,000. It must be zero if there is a Store, which has its own bounds.
	MaxUsers int

	// Params returns what a new session of a user can access. It is called before each fetch
	// and must be safe for concurrent use. An error is returned to those who wait for the
	// session. Its UserIdentifierKey may be empty. If its ExpiresAt is set, that takes the place
	// of Lifetime. It has no effect on a session that the user already has at Seam.
	Params func(ctx context.Context, userIdentifierKey string) (seam.ClientSessionGetOrCreateParams, error)

	// Store keeps the sessions. If it is nil, they are kept in this process.
	Store Store
}

// Cache keeps client sessions, one for each user. Make one with [New] and share it: it is safe
// for concurrent use, and needs no Close.
type Cache struct {
	client *seam.Client
	config Config
	store  Store

	// skew is how far Seam's clock was ahead of this machine's, in the last response.
	skew atomic.Int64

	hits, misses, fetches, renewals, evictions, errors, storeErrors atomic.Uint64
}

// invalid is an error that matches [seam.ErrInvalidParams].
type invalid string

func (e invalid) Error() string        { return "sessioncache: " + string(e) }
func (e invalid) Is(target error) bool { return target == seam.ErrInvalidParams }

// New returns a cache of the sessions that client makes. It sends nothing. It rejects a config
// that contradicts itself, and a client that signs in with a client session token, which cannot
// make sessions. Its errors match [seam.ErrInvalidParams].
func New(client *seam.Client, config Config) (*Cache, error) {
	if client == nil || client.ClientSessions == nil {
		return nil, invalid("New: the client is nil; make one with seam.NewClient")
	}
	if isClientSession(client) {
		return nil, invalid("New: the client signs in with a client session token, which cannot make sessions; use an API key")
	}
	switch {
	case config.Lifetime < 0:
		return nil, invalid("New: Lifetime is negative; leave it out to let Seam decide")
	case config.RefreshBefore < 0:
		return nil, invalid("New: RefreshBefore is negative; leave it out for the default")
	case config.MaxUsers < 0:
		return nil, invalid("New: MaxUsers is negative; leave it out for the default")
	case config.MaxUsers > 0 && config.Store != nil:
		return nil, invalid("New: MaxUsers has no effect on a Store; leave one of them out")
	case config.Lifetime > 0 && config.Lifetime <= config.RefreshBefore:
		return nil, invalid("New: Lifetime is not longer than RefreshBefore, so every session would be replaced at once; make it longer")
	}
	if config.RefreshBefore == 0 {
		config.RefreshBefore = defaultRefreshBefore
		if config.Lifetime > 0 {
			config.RefreshBefore = min(defaultRefreshBefore, config.Lifetime/10)
		}
	}
	c := &Cache{client: client, config: config, store: config.Store}
	if c.store == nil {
		if config.MaxUsers == 0 {
			config.MaxUsers = defaultMaxUsers
		}
		c.store = newMemory(config.MaxUsers, &c.evictions)
	}
	return c, nil
}

// isClientSession reports whether client signs in with a client session token. A Get that
// names no session is rejected before it is sent, unless the credential is such a token. With
// that it ends at once, because its context has ended.
func isClientSession(client *seam.Client) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{})
	return !errors.Is(err, seam.ErrInvalidParams)
}

// Session returns a valid session of a user. If there is none in the cache, it waits for one
// from Seam, along with all others that want this user's. The caller may change what it gets.
//
// If ctx ends first, its error is returned, while the fetch goes on for the others. A fetch
// ends after a minute at the latest. Its error comes back as package seam returns it, and is
// not cached: the next call tries again. If a session cannot be renewed within 10 seconds, it is
// returned for as long as it lives, and the cache tries again after 30 seconds.
//
// A blank userIdentifierKey is rejected with an error that matches [seam.ErrInvalidParams].
func (c *Cache) Session(ctx context.Context, userIdentifierKey string) (*seam.ClientSession, error) {
	if err := checkKey("Session", userIdentifierKey); err != nil {
		return nil, err
	}
	entry, err := c.store.Get(ctx, userIdentifierKey)
	if err != nil {
		c.storeErrors.Add(1)
	}
	if err == nil && entry != nil && time.Now().Before(entry.RenewAt) {
		c.hits.Add(1)
		return clone(&entry.Session), nil
	}
	c.misses.Add(1)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sessioncache: Session: %w", err)
	}

	loaded := make(chan result, 1)
	go c.load(context.WithoutCancel(ctx), userIdentifierKey, loaded)
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("sessioncache: Session: %w", ctx.Err())
	case loaded := <-loaded:
		if loaded.err != nil {
			return nil, loaded.err
		}
		return clone(&loaded.entry.Session), nil
	}
}

// SignOut revokes all sessions of a user, and forgets them as [Cache.Forget] does, whether they
// could be revoked or not. Its error joins what failed. It is safe to repeat.
func (c *Cache) SignOut(ctx context.Context, userIdentifierKey string) error {
	if err := checkKey("SignOut", userIdentifierKey); err != nil {
		return err
	}
	_, err := c.client.ClientSessions.RevokeAll(ctx, seam.ClientSessionListParams{UserIdentifierKey: userIdentifierKey})
	return errors.Join(err, c.Forget(context.WithoutCancel(ctx), userIdentifierKey))
}

// Forget drops a user's session from the cache, for all that share its store, without revoking
// it. A fetch in progress is discarded, so the next call of Session asks Seam. With the store of
// this process it always succeeds. It is safe to repeat.
func (c *Cache) Forget(ctx context.Context, userIdentifierKey string) error {
	if err := checkKey("Forget", userIdentifierKey); err != nil {
		return err
	}
	if err := c.store.Delete(ctx, userIdentifierKey); err != nil {
		c.storeErrors.Add(1)
		return fmt.Errorf("sessioncache: Forget: %w", err)
	}
	return nil
}

// HandleEvent drops the session that a client_session.deleted event names, for all that share
// the cache's store, and ignores other events. With the store of this process it always
// succeeds. It is safe to repeat. It fits [webhook.Verifier.Handler].
func (c *Cache) HandleEvent(ctx context.Context, event webhook.Event) error {
	if event.ClientSessionDeleted == nil {
		return nil
	}
	if err := c.store.DeleteSession(ctx, event.ClientSessionDeleted.ClientSessionID); err != nil {
		c.storeErrors.Add(1)
		return fmt.Errorf("sessioncache: HandleEvent: %w", err)
	}
	return nil
}

// Stats counts what a [Cache] did since it was made.
type Stats struct {
	Hits        uint64 // calls of Session that were answered from the store
	Misses      uint64 // calls of Session that had to wait, or whose context had ended
	Fetches     uint64 // times that Seam was asked for a user's session
	Renewals    uint64 // fetches that found a session close to its end, and set out to replace it
	Evictions   uint64 // sessions dropped because of MaxUsers
	Errors      uint64 // fetches that failed, if an old session was served in their place or not
	StoreErrors uint64 // failures of the Store
}

// Stats returns the counts so far. They are read one after another, so a call that is in
// progress may be in some and not yet in others.
func (c *Cache) Stats() Stats {
	return Stats{
		Hits:        c.hits.Load(),
		Misses:      c.misses.Load(),
		Fetches:     c.fetches.Load(),
		Renewals:    c.renewals.Load(),
		Evictions:   c.evictions.Load(),
		Errors:      c.errors.Load(),
		StoreErrors: c.storeErrors.Load(),
	}
}

func checkKey(method, userIdentifierKey string) error {
	if problem := transport.StringProblem("the user identifier key", userIdentifierKey); problem != "" {
		return invalid(method + ": " + problem)
	}
	return nil
}

// clone returns a copy that shares nothing with session. It allocates once, unless the
// session has many IDs.
func clone(session *seam.ClientSession) *seam.ClientSession {
	copied := &struct {
		seam.ClientSession
		ids [4]string
	}{ClientSession: *session}
	ids := copied.ids[:0]
	lists := []*[]string{&copied.ConnectWebviewIDs, &copied.ConnectedAccountIDs, &copied.UserIdentityIDs} //nolint:staticcheck // deprecated, but copied
	for _, list := range lists {
		if begin := len(ids); len(*list) > cap(ids)-begin {
			*list = slices.Clone(*list)
		} else if *list != nil {
			ids = append(ids, *list...)
			*list = slices.Clip(ids[begin:])
		}
	}
	return &copied.ClientSession
}

// result is the end of a load.
type result struct {
	entry *Entry
	err   error
}

// load loads a user's session within bounded time, and sends the result, even if what it calls
// ends the goroutine.
func (c *Cache) load(ctx context.Context, userIdentifierKey string, loaded chan<- result) {
	done := result{err: errGoexit}
	defer func() { loaded <- done }()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	done.entry, done.err = c.store.Load(ctx, userIdentifierKey, func(ctx context.Context, old *Entry) (entry *Entry, err error) {
		// A panic on this goroutine would end the program, and not only the caller's request.
		defer func() {
			if panicked := recover(); panicked != nil {
				c.errors.Add(1)
				entry, err = nil, fmt.Errorf("sessioncache: Session: panic: %v\n\n%s", panicked, debug.Stack())
			}
		}()
		return c.fetch(ctx, userIdentifierKey, old)
	})
}

var errGoexit = errors.New("sessioncache: Session: Config.Params, Config.Store or the http.Client ended the goroutine of the fetch")
