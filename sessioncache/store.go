package sessioncache

import (
	"context"
	"errors"
	"time"

	"github.com/seam-go/seam"
)

// Store keeps the sessions of a [Cache], in this process or for several that share it.
// Package [github.com/seam-go/seam/sessioncache/redisstore] has one for several.
//
// Its methods are safe for concurrent use. The sessions hold tokens, so a Store that
// writes them anywhere encrypts them.
type Store interface {
	// Get returns the entry of a user, or nil if there is none. It does not wait for a
	// Load. The caller does not change the entry.
	Get(ctx context.Context, userIdentifierKey string) (*Entry, error)

	// Load returns the entry of a user. If there is none, or its RenewAt has passed, Load
	// calls fetch with the old entry or nil, stores the result and returns it. Concurrent
	// Loads of one user share one fetch.
	//
	// An error of fetch is returned and not stored. A result is neither stored nor returned
	// if its user or session was deleted after fetch began; fetch is then called again.
	// If the store itself fails, Load returns what fetch returns.
	Load(ctx context.Context, userIdentifierKey string, fetch FetchFunc) (*Entry, error)

	// Delete deletes the entry of a user, for all that share the store.
	Delete(ctx context.Context, userIdentifierKey string) error

	// DeleteSession deletes the entry that holds a session, for all that share the store.
	// A fetch in progress that returns this session counts as begun before.
	DeleteSession(ctx context.Context, clientSessionID string) error
}

// ErrDeleted is the error of a Load whose fetch returns deleted sessions again and again.
var ErrDeleted = errors.New("sessioncache: Seam keeps returning a client session that was deleted; try again later")

// FetchFunc gets a user's session from Seam. If old is not nil, the session that it returns
// replaces that of old, or is that of old once more.
type FetchFunc func(ctx context.Context, old *Entry) (*Entry, error)

// Entry is what a [Store] keeps for a user. It is not changed once it is made.
type Entry struct {
	Session   seam.ClientSession
	RenewAt   time.Time // from when on the session is to be replaced, by the clock of this machine
	ExpiresAt time.Time // from when on its token is refused, by the clock of this machine
}
