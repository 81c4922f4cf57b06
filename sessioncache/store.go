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
// passwords, so a Store must encrypt them outside of the process. Entries must not be modified.
type Store interface {
	// Get returns the entry of a user, or nil if there is none. It does not wait for Load. It
	// is called for each call of [Cache.Session], so it reads memory where it can. If the store
	// fails, Get may return an entry with the error: one that was there a few seconds before.
	Get(ctx context.Context, user Key) (*Entry, error)

	// Load returns the entry of a user if there is one and usable reports true for it. Otherwise
	// it calls fetch with the entry, or with nil, stores the result and returns it. The entry
	// may have expired. A Store may keep such entries, because fetch grants a new session the
	// access of the old one.
	//
	// Over all processes one fetch of a user runs at a time. A Load that meets the fetch of
	// another process waits for its result. ctx has a deadline, which bounds both. A Cache
	// calls Load for a user once at a time.
	//
	// If fetch fails, Load stores nothing and returns its error. If Delete is called for the
	// user during fetch, or DeleteSession for the session that fetch returns, Load stores nothing and
	// returns an error that matches [ErrDeleted], or [ErrSignedOut] if Delete was called with
	// signOut. If the store fails, Load returns another error. The Cache then uses what
	// fetch returned. If fetch was not called, the Cache calls it.
	Load(ctx context.Context, user Key, usable func(*Entry) bool, fetch FetchFunc) (*Entry, error)

	// Delete deletes the entry of a user, for all processes. A Load in progress, in any process,
	// returns ErrDeleted, or ErrSignedOut if signOut is true. Delete is idempotent.
	Delete(ctx context.Context, user Key, signOut bool) error

	// DeleteSession deletes the entry that has a session, for all processes. A Load whose
	// fetch is in progress and returns that session returns ErrDeleted. The ID of the key is a
	// ClientSessionID. DeleteSession is idempotent.
	DeleteSession(ctx context.Context, session Key) error
}

// Key names a user or a client session in a [Store].
type Key struct {
	Namespace string // Config.Namespace; keys of different namespaces have nothing in common
	ID        string // a user identifier key or a ClientSessionID
}

// FetchFunc gets a session of a user from Seam. old is the entry that it replaces, or nil.
type FetchFunc func(ctx context.Context, old *Entry) (*Entry, error)

// Entry is the session of a user in a [Store]. It must not be modified. All fields must be stored.
type Entry struct {
	Session   seam.ClientSession
	RenewAt   time.Time // when to renew Session
	ExpiresAt time.Time // when the token of Session stops working
	CheckedAt time.Time // when Seam last returned Session again; may be zero
	Client    string    // identifies the client of the cache that fetched Session
	Revoked   bool      // Session was revoked to replace it, and the new one is not there yet
}

var (
	// ErrDeleted is returned by Store.Load if the entry was deleted during the fetch. [Cache.Session]
	// returns it if that happens several times in a row.
	ErrDeleted = errors.New("sessioncache: the client session was deleted while it was fetched; try again")

	// ErrSignedOut is returned by Store.Load and [Cache.Session] if the user was signed out
	// during the call.
	ErrSignedOut = errors.New("sessioncache: the user was signed out during the call")
)
