// Package sessioncache caches a client session for each user of a backend and renews it before
// it expires.
//
//	cache, err := sessioncache.New(client, sessioncache.Config{Lifetime: 24 * time.Hour})
//	if err != nil {
//		return err
//	}
//	session, err := cache.Session(ctx, user.ID)
//
// The first call of [Cache.Session] for a user sends a request to Seam. Concurrent calls for the
// same user share that request. Later calls return the cached session until it is renewed.
// [Cache.SignOut] revokes all sessions of a user and removes them from the cache.
//
// By default the sessions are in the memory of the process. Several processes can share them
// through a [Store].
//
// # Revoked sessions
//
// Seam sends no event when a session is revoked. A session that was revoked without
// [Cache.SignOut] stays in the cache until it is renewed, until [Cache.Forget] removes it, or
// until a page reports it to [Cache.Handler].
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

	// fetchTimeout bounds a fetch, which does not end with the context of a caller.
	fetchTimeout = time.Minute
	// maxLoads is the maximum number of times that a load fetches the same deleted session.
	maxLoads = 3
)

// Config configures a [Cache]. The zero value is valid.
type Config struct {
	// Lifetime is the lifetime of new sessions. If it is zero, Seam chooses it.
	Lifetime time.Duration

	// RefreshBefore is how long before its expiry a session is renewed: the next call revokes it
	// and creates another one. The default is 5 minutes, or a tenth of Lifetime if that is
	// shorter. A session is never renewed until RefreshBefore has passed since it was created. So a
	// session whose whole lifetime is RefreshBefore or less is used until it expires.
	RefreshBefore time.Duration

	// MaxUsers is the maximum number of users with a session in memory. When it is exceeded,
	// sessions that were used rarely or long ago are removed from the cache, but not revoked.
	// The default is 100,000. MaxUsers must be zero if Store is set.
	MaxUsers int

	// Params returns the params for a new session of a user, such as the accounts that it can
	// access. If it is nil, they have only the user identifier key and the expiry. Seam ignores
	// them if the user already has a session. ExpiresAt overrides Lifetime. UserIdentifierKey
	// can be empty.
	//
	// Params is called once in each fetch, and must be safe for concurrent use.
	// If it fails, Session returns its error, or the old session if that is still valid.
	Params func(ctx context.Context, userIdentifierKey string) (seam.ClientSessionGetOrCreateParams, error)

	// Store stores the sessions. If it is nil, they are in the memory of the process.
	Store Store
}

// Cache caches one client session for each user. Create one with [New] and share it: it is safe
// for concurrent use. It does not need to be closed.
type Cache struct {
	client *seam.Client
	config Config
	store  Store

	// skew is how far Seam's clock is ahead of the local clock, according to the last response.
	skew atomic.Int64

	hits, misses, fetches, renewals, evictions, errors, storeErrors atomic.Uint64
}

// invalid is an error that matches [seam.ErrInvalidParams].
type invalid string

func (e invalid) Error() string        { return "sessioncache: " + string(e) }
func (e invalid) Is(target error) bool { return target == seam.ErrInvalidParams }

// New returns a cache that gets its sessions with client. It sends no request. Its errors match
// [seam.ErrInvalidParams]. A client that authenticates with a client session token is rejected,
// because it cannot create sessions.
func New(client *seam.Client, config Config) (*Cache, error) {
	if client == nil || client.ClientSessions == nil {
		return nil, invalid("New: the client is nil; create one with seam.NewClient")
	}
	if isClientSession(client) {
		return nil, invalid("New: the client authenticates with a client session token, which cannot create sessions; use an API key")
	}
	switch {
	case config.Lifetime < 0:
		return nil, invalid("New: Lifetime is negative; omit it to use the default of Seam")
	case config.RefreshBefore < 0:
		return nil, invalid("New: RefreshBefore is negative; omit it to use the default")
	case config.MaxUsers < 0:
		return nil, invalid("New: MaxUsers is negative; omit it to use the default")
	case config.MaxUsers > 0 && config.Store != nil:
		return nil, invalid("New: MaxUsers has no effect on a Store; omit one of them")
	case config.Lifetime > 0 && config.Lifetime <= config.RefreshBefore:
		return nil, invalid("New: Lifetime is not longer than RefreshBefore; use a longer Lifetime")
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

// isClientSession reports whether client authenticates with a client session token. Only then
// is a Get without params valid. It is not sent, because its context has ended.
func isClientSession(client *seam.Client) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{})
	return !errors.Is(err, seam.ErrInvalidParams)
}

// Session returns a session of a user. If the cache has none, Session gets one from Seam. The
// caller may modify the result.
//
// Concurrent calls for a user share one fetch. A fetch consists of the requests that get or renew
// the session. If ctx ends, Session returns the error of ctx, and the fetch continues for up to
// one minute. A fetch returns an error of package seam or of Config.Params, [ErrDeleted], or an
// error if the session from Seam has already expired. Errors are not cached, so the next call
// starts another fetch.
//
// If renewing a session fails or takes longer than 10 seconds, Session returns the old one until
// it expires, unless that is already revoked. It tries again after 30 seconds. If revoking the old
// session fails, a call of Session can take up to a minute.
//
// If userIdentifierKey is blank, the error matches [seam.ErrInvalidParams].
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

// SignOut revokes all sessions of a user and removes them from the cache as [Cache.Forget] does,
// even if revoking them fails. The error joins all failures. If userIdentifierKey is blank, it
// matches [seam.ErrInvalidParams]. SignOut is idempotent.
//
// Reject requests of the user before calling SignOut: a concurrent call of Session may create a
// session that is not revoked.
func (c *Cache) SignOut(ctx context.Context, userIdentifierKey string) error {
	if err := checkKey("SignOut", userIdentifierKey); err != nil {
		return err
	}
	_, err := c.client.ClientSessions.RevokeAll(ctx, seam.ClientSessionListParams{UserIdentifierKey: userIdentifierKey})
	return errors.Join(err, c.Forget(context.WithoutCancel(ctx), userIdentifierKey))
}

// Forget removes the session of a user from the cache without revoking it. The next call of
// Session, in any process that shares the store, gets a session from Seam. The result of a fetch
// in progress is discarded, and the fetch starts again. Forget is idempotent.
//
// If userIdentifierKey is blank, the error matches [seam.ErrInvalidParams]. Any other error is
// that of Config.Store.
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

// HandleEvent removes the session of a client_session.deleted event from the cache, for all
// processes that share the store. Other events are ignored. Its errors are those of
// Config.Store. HandleEvent is idempotent. Pass it to [webhook.Verifier.Handler].
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

// Stats holds the counters of a [Cache] since it was created.
type Stats struct {
	Hits        uint64 // calls of Session that returned a cached session
	Misses      uint64 // other calls of Session
	Fetches     uint64 // times that a session was requested from Seam
	Renewals    uint64 // fetches that tried to renew a session
	Evictions   uint64 // sessions that were removed because of MaxUsers
	Errors      uint64 // fetches that failed, including those after which an old session was returned
	StoreErrors uint64 // calls of the Store that failed, except Load
}

// Stats returns the counters. They are read one after another, so a concurrent call may be
// counted in some of them only.
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

// clone returns a deep copy of session. It allocates once, unless the session has more than
// four IDs.
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

// result is the result of a load.
type result struct {
	entry *Entry
	err   error
}

// load loads the session of a user and sends the result to loaded, even if a callee calls
// runtime.Goexit.
func (c *Cache) load(ctx context.Context, userIdentifierKey string, loaded chan<- result) {
	done := result{err: errGoexit}
	defer func() { loaded <- done }()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	done.entry, done.err = c.store.Load(ctx, userIdentifierKey, func(ctx context.Context, old *Entry) (entry *Entry, err error) {
		// A panic in this goroutine would crash the program, not only fail the request.
		defer func() {
			if panicked := recover(); panicked != nil {
				c.errors.Add(1)
				entry, err = nil, fmt.Errorf("sessioncache: Session: panic: %v\n\n%s", panicked, debug.Stack())
			}
		}()
		return c.fetch(ctx, userIdentifierKey, old)
	})
}

var errGoexit = errors.New("sessioncache: Session: the fetch called runtime.Goexit; return an error from Config.Params, Config.Store and the http.Client instead")
