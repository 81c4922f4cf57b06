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
// [Cache.GrantAccess] grants access that lasts. A renewal extends the session, which keeps its
// access. If Seam does not extend it, the cache replaces it, and grants the new session the access
// of the old one.
//
// By default the sessions are in the memory of the process. Several processes can share them
// through a [Store].
//
// # Revoked sessions
//
// Seam's schema has an event for a deleted session, but none for a revoked one. A session that
// was revoked without [Cache.SignOut] stays in the cache until it is renewed, until [Cache.Forget]
// removes it, or until a page reports it to [Cache.Handler]. If it expires in the cache, the next
// session of the user gets its access. To take access away, call SignOut, or call Forget after
// revoking.
package sessioncache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/transport"
	"github.com/seam-go/seam/webhook"
)

const (
	defaultRefreshBefore = 5 * time.Minute
	defaultMaxUsers      = 100_000
	defaultMaxFetches    = 64
	defaultTimeout       = 10 * time.Second

	// patience is how long a call of Session that has a valid session waits for its renewal.
	patience = time.Second
	// checkInterval is the minimum time between two checks of a session that pages report.
	checkInterval = 5 * time.Second
)

// Cache caches one client session for each user. Create one with [New] and share it: it is safe
// for concurrent use. It does not need to be closed.
type Cache struct {
	client   *seam.Client
	identity string // as in Entry.Client
	config   Config
	store    Store
	logger   *slog.Logger
	outage   outage
	places   chan struct{} // has an element for each fetch in progress

	mu         sync.Mutex
	flights    map[Key]*flight
	signingOut map[Key]int  // calls of SignOut in progress
	replacing  map[Key]bool // users whose session is being revoked and created anew

	ahead     atomic.Int64           // Seam's clock is ahead of the local one by at least this duration
	workspace atomic.Pointer[string] // of the client; nil before the first response
	storeAt   atomic.Int64           // when the store failed last, in Unix nanoseconds; 0 if it works

	hits, misses, failures, fetches, renewals, evictions, errors, storeErrors atomic.Uint64
}

// Session returns a session of a user. If the cache has none, Session gets one from Seam. The
// caller may modify the result.
//
// Concurrent calls for a user share one fetch: the requests that get or renew the session. It
// continues if ctx ends. Session waits for up to Config.Timeout, or for a second if the cache has a
// session that is valid but due for renewal. If the renewal fails or takes longer, Session returns
// that session.
//
// Session returns an error of package seam or of Config.Params, an error that matches
// [ErrSignedOut] or [ErrDeleted], the error of ctx, or an error if the session from Seam has already
// expired. After a failure of Seam (no response, or status 401, 403, 429 or 5xx) the cache sends
// nothing for 2 seconds, or for as long as Seam asks, up to a minute. Calls that need a fetch then
// return an error at once, which wraps that failure.
//
// If userIdentifierKey is blank, the error matches [seam.ErrInvalidParams].
func (c *Cache) Session(ctx context.Context, userIdentifierKey string) (*seam.ClientSession, error) {
	if err := c.check("Session", userIdentifierKey); err != nil {
		return nil, err
	}
	return c.session(ctx, c.key(userIdentifierKey), "")
}

// session is [Cache.Session] for a page. refused is the ID of a session whose token Seam refused, as
// the page says, or empty. That session is returned only if Seam has returned it again in the last
// 5 seconds.
func (c *Cache) session(ctx context.Context, user Key, refused string) (*seam.ClientSession, error) {
	begin := time.Now()
	cached, err := c.store.Get(ctx, user)
	c.stored(err)
	if c.isUsable(cached, refused) {
		c.hits.Add(1)
		return clone(&cached.Session), nil
	}
	c.misses.Add(1)
	usable := func(e *Entry) bool { return c.isUsable(e, refused) }
	hasOld := func(e *Entry) bool { return c.isValid(e, c.now()) && e.Session.ClientSessionID != refused }
	waitCtx, cancel := context.WithDeadline(ctx, begin.Add(c.config.Timeout))
	defer cancel()
	var entry *Entry
	if !hasOld(cached) {
		entry, err = c.load(waitCtx, user, usable)
	} else if entry, err = c.loadSoon(waitCtx, user, usable); err != nil && !c.isReplacing(user) {
		if latest, _ := c.store.Get(ctx, user); hasOld(latest) { // else it was revoked or deleted
			return clone(&latest.Session), nil
		}
	}
	if err == nil {
		return clone(&entry.Session), nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("sessioncache: Session: %w", ctx.Err())
	}
	c.failures.Add(1)
	return nil, err
}

// loadSoon is load for a caller that has a valid session. Unless that is being replaced, it takes no
// longer than patience.
func (c *Cache) loadSoon(ctx context.Context, user Key, usable func(*Entry) bool) (*Entry, error) {
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	entry, err := c.load(soon, user, usable)
	if err != nil && soon.Err() != nil && c.isReplacing(user) {
		return c.load(ctx, user, usable)
	}
	return entry, err
}

func (c *Cache) isReplacing(user Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replacing[user]
}

// isUsable reports whether e can be returned without a fetch.
func (c *Cache) isUsable(e *Entry, refused string) bool {
	now := c.now()
	return c.isValid(e, now) && now.Before(e.RenewAt) &&
		(e.Session.ClientSessionID != refused || time.Since(e.CheckedAt).Abs() < checkInterval)
}

// isValid reports whether e has a session that has not expired and belongs to the workspace of the
// client.
func (c *Cache) isValid(e *Entry, now time.Time) bool {
	if e == nil || e.Revoked || !now.Before(e.ExpiresAt) {
		return false
	}
	if c.config.Store == nil {
		return true
	}
	if workspace := c.workspace.Load(); workspace != nil {
		return *workspace == e.Session.WorkspaceID
	}
	return c.config.Namespace != "" || e.Client == c.identity
}

// SignOut revokes all sessions of a user and removes them from the cache as [Cache.Forget] does,
// even if revoking them fails. The error joins all failures. If userIdentifierKey is blank, it
// matches [seam.ErrInvalidParams]. SignOut is idempotent.
//
// A call of Session for the user that is in progress, or that begins before SignOut returns in this
// process, returns [ErrSignedOut]. Reject requests of the user before calling SignOut: a call of
// Session that begins later creates another session.
func (c *Cache) SignOut(ctx context.Context, userIdentifierKey string) error {
	if err := c.check("SignOut", userIdentifierKey); err != nil {
		return err
	}
	user := c.key(userIdentifierKey)
	c.mu.Lock()
	c.signingOut[user]++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.signingOut[user]--; c.signingOut[user] == 0 {
			delete(c.signingOut, user)
		}
	}()
	_ = c.delete(ctx, "SignOut", user, true) // the second call deletes what a process fetches from here on
	_, err := c.client.ClientSessions.RevokeAll(ctx, seam.ClientSessionListParams{UserIdentifierKey: userIdentifierKey})
	return errors.Join(err, c.delete(ctx, "SignOut", user, true))
}

// Forget removes the session of a user from the cache without revoking it. The next call of
// Session, in any process that shares the store, gets a session from Seam. The result of a fetch
// in progress is discarded, and the fetch starts again. Forget is idempotent.
//
// If userIdentifierKey is blank, the error matches [seam.ErrInvalidParams]. Any other error is
// that of Config.Store.
func (c *Cache) Forget(ctx context.Context, userIdentifierKey string) error {
	if err := c.check("Forget", userIdentifierKey); err != nil {
		return err
	}
	return c.delete(ctx, "Forget", c.key(userIdentifierKey), false)
}

// delete removes the entry of a user, also if ctx has ended.
func (c *Cache) delete(ctx context.Context, method string, user Key, signOut bool) error {
	if signOut {
		c.interrupt(user, true)
	}
	err := c.store.Delete(context.WithoutCancel(ctx), user, signOut)
	c.interrupt(user, signOut) // a flight may have loaded the entry before
	if c.stored(err); err != nil {
		return fmt.Errorf("sessioncache: %s: %w", method, err)
	}
	return nil
}

// GrantAccess grants access as [seam.ClientSessionsService.GrantAccess] does, and updates the cache,
// for all processes that share the store. Access that is granted in another way is in the cache
// after the next renewal or [Cache.Forget].
//
// The error is that of package seam or of Config.Store. If only fetching the session with the new
// access fails, there is no error. GrantAccess is idempotent.
func (c *Cache) GrantAccess(ctx context.Context, params seam.ClientSessionGrantAccessParams) error {
	if err := c.check("GrantAccess", "any"); err != nil {
		return err
	}
	user, before := params.UserIdentifierKey, ""
	if params.ClientSessionID != "" {
		session, err := c.client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: params.ClientSessionID})
		if err != nil {
			return err
		}
		before = session.UserIdentifierKey
		user = cmp.Or(user, before)
	}
	err := c.client.ClientSessions.GrantAccess(ctx, params)
	if errors.Is(err, seam.ErrInvalidParams) { // nothing has changed
		return err
	}
	for _, user := range []string{user, before} {
		if user != "" {
			err = errors.Join(err, c.Forget(context.WithoutCancel(ctx), user))
		}
	}
	if err == nil && user != "" {
		_, _ = c.Session(ctx, user) // so that the access is known when the session has to be replaced
	}
	return err
}

// HandleEvent removes the session of a client_session.deleted event from the cache, for all
// processes that share the store. Other events are ignored. Its errors are those of
// Config.Store. HandleEvent is idempotent. Pass it to [webhook.Verifier.Handler].
func (c *Cache) HandleEvent(ctx context.Context, event webhook.Event) error {
	if err := c.check("HandleEvent", "any"); err != nil {
		return err
	}
	if event.ClientSessionDeleted == nil {
		return nil
	}
	err := c.store.DeleteSession(ctx, c.key(event.ClientSessionDeleted.ClientSessionID))
	c.deleted(event.ClientSessionDeleted.ClientSessionID)
	if c.stored(err); err != nil {
		return fmt.Errorf("sessioncache: HandleEvent: %w", err)
	}
	return nil
}

func (c *Cache) key(id string) Key { return Key{c.config.Namespace, id} }

// storeIsBack is how long after its last failure the store is said to work again.
const storeIsBack = 5 * time.Second

// stored counts a failure of the store, and logs the first one and the end of the failures.
func (c *Cache) stored(err error) {
	if err == nil {
		if failed := c.storeAt.Load(); failed != 0 && time.Since(time.Unix(0, failed)) > storeIsBack && c.storeAt.CompareAndSwap(failed, 0) {
			c.logger.Info("the session store works again")
		}
		return
	}
	c.storeErrors.Add(1)
	if c.storeAt.Swap(time.Now().UnixNano()) == 0 {
		c.logger.Error("the session store fails; sessions that it does not return come from Seam", "error", err)
	}
}

// Stats holds the counters of a [Cache] since it was created.
type Stats struct {
	Hits        uint64 // calls of Session that returned a cached session
	Misses      uint64 // other calls of Session
	Failures    uint64 // calls of Session that returned an error, except for a blank key or an ended context
	Fetches     uint64 // times that a session was requested from Seam
	Renewals    uint64 // fetches that extended or replaced a session
	Evictions   uint64 // sessions that were removed because of MaxUsers
	Errors      uint64 // fetches that failed, including those after which an old session was returned
	StoreErrors uint64 // calls of the Store that failed
}

// Stats returns the counters. They are read one after another, so a concurrent call may be
// counted in some of them only.
func (c *Cache) Stats() Stats {
	return Stats{
		Hits:        c.hits.Load(),
		Misses:      c.misses.Load(),
		Failures:    c.failures.Load(),
		Fetches:     c.fetches.Load(),
		Renewals:    c.renewals.Load(),
		Evictions:   c.evictions.Load(),
		Errors:      c.errors.Load(),
		StoreErrors: c.storeErrors.Load(),
	}
}

// check returns an error if c was not created with New or the key is invalid.
func (c *Cache) check(method, userIdentifierKey string) error {
	if c == nil || c.client == nil {
		return invalid(method + ": the Cache is nil or zero; create one with New")
	}
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
