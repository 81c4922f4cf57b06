package sessioncache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/seam-go/seam/internal/redact"
)

// maxLoads limits how often a flight loads an entry that is deleted while it is loaded.
const maxLoads = 8

// flight is the load of a user's entry, which all callers in this process share. All fields but
// done are protected by Cache.mu until done is closed.
type flight struct {
	waiting   int             // callers
	started   bool            // a goroutine runs it
	signedOut bool            // SignOut was called meanwhile
	deletions int             // calls of Forget meanwhile
	deleted   []string        // sessions of events meanwhile
	fetching  context.Context // of the fetch, but not of the store, which may have a lock to release
	abort     context.CancelFunc

	done  chan struct{} // closed when entry and err are set
	entry *Entry
	err   error
}

// load returns the entry of a user from the user's flight. A flight starts when one of its callers
// gets a place, so that callers in the queue cost no goroutine, and one that gives up leaves
// nothing behind.
func (c *Cache) load(ctx context.Context, user Key, usable func(*Entry) bool) (*Entry, error) {
	f, places, err := c.join(ctx, user)
	if err != nil {
		return nil, err
	}
	defer c.leave(user, f)
	for {
		select {
		case <-f.done:
			return f.entry, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case places <- struct{}{}:
			places = nil
			c.start(ctx, user, f, usable)
		}
	}
}

// join returns the flight of a user. If the flight has not started, join also returns the places, to
// start it. After a sign-out, join waits until the flight has ended, and makes another.
func (c *Cache) join(ctx context.Context, user Key) (*flight, chan struct{}, error) {
	for {
		c.mu.Lock()
		if c.signingOut[user] > 0 {
			c.mu.Unlock()
			return nil, nil, ErrSignedOut
		}
		f := c.flights[user]
		if f == nil {
			if err := c.outage.err(); err != nil {
				c.mu.Unlock()
				return nil, nil, err
			}
			f = &flight{done: make(chan struct{})}
			c.flights[user] = f
		}
		if !f.signedOut {
			f.waiting++
			places := c.places
			if f.started {
				places = nil
			}
			c.mu.Unlock()
			return f, places, nil
		}
		c.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

func (c *Cache) leave(user Key, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 && !f.started && c.flights[user] == f {
		delete(c.flights, user)
	}
}

// start starts f, or releases the caller's place if f has started.
func (c *Cache) start(ctx context.Context, user Key, f *flight, usable func(*Entry) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.started {
		<-c.places
		return
	}
	f.started = true
	f.fetching, f.abort = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Timeout)
	go func() {
		defer func() { <-c.places }()
		defer cancel()
		defer f.abort()
		ended := false
		defer func() {
			if !ended {
				c.end(user, f, 0, nil, errGoexit)
			}
		}()
		c.fly(ctx, user, f, usable)
		ended = true
	}()
}

var errGoexit = errors.New("sessioncache: Session: the fetch called runtime.Goexit; return an error from Config.Params, Config.Store and the http.Client instead")

// fly loads an entry, and does so again if it is deleted meanwhile.
func (c *Cache) fly(ctx context.Context, user Key, f *flight, usable func(*Entry) bool) {
	for range maxLoads {
		deletions := c.deletions(f)
		entry, err := c.loadOnce(ctx, user, f, usable)
		if !errors.Is(err, ErrDeleted) && c.end(user, f, deletions, entry, err) {
			return
		}
	}
	c.end(user, f, 0, nil, ErrDeleted)
}

// end ends a flight, unless its entry was deleted after deletions were counted. It reports whether the
// flight has ended.
func (c *Cache) end(user Key, f *flight, deletions int, entry *Entry, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry != nil && (f.deletions != deletions || slices.Contains(f.deleted, entry.Session.ClientSessionID)) {
		return false
	}
	delete(c.flights, user)
	delete(c.replacing, user)
	if f.entry, f.err = entry, err; f.signedOut {
		f.entry, f.err = nil, ErrSignedOut
	}
	close(f.done)
	return true
}

func (c *Cache) deletions(f *flight) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f.deletions
}

// loadOnce loads an entry from the store, or from Seam if the store fails.
func (c *Cache) loadOnce(ctx context.Context, user Key, f *flight, usable func(*Entry) bool) (*Entry, error) {
	var fetched *Entry
	var fetchErr error
	fetch := func(ctx context.Context, old *Entry) (_ *Entry, err error) {
		// A panic in this goroutine would crash the program, not only fail the request.
		defer func() {
			if panicked := recover(); panicked != nil {
				text := fmt.Sprintf("sessioncache: Session: panic: %v\n\n%s", panicked, debug.Stack())
				fetched, err = nil, errors.New(redact.Secrets{Identifiers: []string{user.ID}}.Text(text))
			}
			if fetchErr = err; err != nil {
				c.errors.Add(1)
			}
			if fetched != nil {
				err = nil // the store needs fetched, even if Seam failed in the middle of a renewal
			}
		}()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(f.fetching, cancel)() //nolint:contextcheck // f.fetching ends with a sign-out
		fetched, err = c.fetch(ctx, user.ID, old)
		return fetched, err
	}
	entry, err := c.store.Load(ctx, user, usable, fetch)
	switch {
	case err == nil:
		c.stored(nil)
	case errors.Is(err, ErrDeleted), errors.Is(err, ErrSignedOut):
		return nil, err
	case fetched == nil && fetchErr != nil:
		return nil, fetchErr
	case fetched == nil && ctx.Err() != nil:
		return nil, fmt.Errorf("sessioncache: Session: the store did not return a session in time: %w", ctx.Err())
	default:
		c.stored(err)
		if entry = fetched; entry == nil {
			_, _ = fetch(ctx, nil)
			entry = fetched
		}
	}
	if entry == nil || entry.Revoked || !c.now().Before(entry.ExpiresAt) {
		return nil, fetchErr
	}
	return entry, nil
}

// deleted repeats the flights that return a session that was deleted.
func (c *Cache) deleted(clientSessionID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.flights {
		f.deleted = append(f.deleted, clientSessionID)
	}
}

// interrupt ends or repeats the flight of a user whose session was deleted.
func (c *Cache) interrupt(user Key, signOut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.flights[user]
	switch {
	case f == nil:
	case !signOut:
		f.deletions++
	case f.started:
		f.signedOut = true
		f.abort()
	default:
		f.started, f.err = true, ErrSignedOut
		close(f.done)
		delete(c.flights, user)
	}
}
