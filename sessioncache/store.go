package sessioncache

import (
	"context"
	"errors"
	"time"

	"github.com/seam-go/seam"
)

// Store stores the sessions of a [Cache], for one process or several. Package
// [github.com/seam-go/seam/sessioncache/redisstore] provides one for several.
//
// The methods of a Store must be safe for concurrent use. Sessions contain tokens, which are
// passwords, so a Store must encrypt them outside of the process.
type Store interface {
	// Get returns the entry of a user, or nil if there is none. It does not wait for Load. The
	// caller must not modify the entry.
	Get(ctx context.Context, userIdentifierKey string) (*Entry, error)

	// Load returns the entry of a user. If there is none, Load calls fetch with nil. If its
	// RenewAt has passed, Load calls fetch with the entry. Load stores and returns the result
	// of fetch. Concurrent Loads of a user share one fetch.
	//
	// If fetch fails, Load returns its error and stores nothing. If Delete is called for the user
	// while fetch runs, or DeleteSession for the session that fetch returns, Load discards the result
	// and calls fetch again. If the store fails, Load returns the result of fetch without storing it.
	Load(ctx context.Context, userIdentifierKey string, fetch FetchFunc) (*Entry, error)

	// Delete deletes the entry of a user, for all processes that share the store. It is
	// idempotent.
	Delete(ctx context.Context, userIdentifierKey string) error

	// DeleteSession deletes the entry with a session, for all processes that share the store.
	// If a fetch in progress returns that session, it is discarded too. DeleteSession is
	// idempotent.
	DeleteSession(ctx context.Context, clientSessionID string) error
}

// ErrDeleted is returned by [Cache.Session] if Seam repeatedly returns a session that was
// deleted. A Store.Load that gives up after calling fetch several times returns it.
var ErrDeleted = errors.New("sessioncache: Seam returned a deleted client session several times; try again later")

// FetchFunc gets a session of a user from Seam. If old is not nil, it renews the session of old,
// or returns that session again if renewing fails.
type FetchFunc func(ctx context.Context, old *Entry) (*Entry, error)

// Entry is the session of a user in a [Store]. It must not be modified. Its times are by the
// local clock.
type Entry struct {
	Session   seam.ClientSession
	RenewAt   time.Time // when to renew Session
	ExpiresAt time.Time // when the token of Session stops working
}
