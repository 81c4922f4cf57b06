package sessioncache

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seam-go/seam"
)

const (
	// A renewal gets the session from Seam, revokes it if it expires soon, and gets a new one.
	// renewTimeout always bounds the revocation. It also bounds the first request, but only
	// while the old session is valid. fetchTimeout bounds the renewal as a whole.
	renewTimeout = 10 * time.Second
	// renewAgain is the delay before another attempt to renew a session.
	renewAgain = 30 * time.Second
	// noEnd is how long a session without an expiry is cached.
	noEnd = 24 * time.Hour
	// A skew below minSkew may be due to the Date header, which is in whole seconds, and to
	// the network. A skew above maxSkew is taken for a wrong header. Both are ignored.
	minSkew, maxSkew = 2 * time.Second, 24 * time.Hour
)

// fetch is the [FetchFunc] of a user. If getting a session fails, it returns old unless that has
// expired.
func (c *Cache) fetch(ctx context.Context, userIdentifierKey string, old *Entry) (*Entry, error) {
	c.fetches.Add(1)
	timeout := fetchTimeout
	if old != nil && time.Now().Before(old.ExpiresAt) {
		timeout = renewTimeout
	}
	firstCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var entry *Entry
	params, err := c.params(firstCtx, userIdentifierKey)
	if err == nil {
		entry, err = c.getOrCreate(firstCtx, params)
	}
	if err == nil && !time.Now().Before(entry.RenewAt) {
		entry, err = c.renew(ctx, params, entry)
	} else if err != nil && old != nil {
		entry = again(old)
	}
	if err != nil {
		c.errors.Add(1)
	}
	if entry != nil && time.Now().Before(entry.ExpiresAt) {
		return entry, nil
	}
	return nil, cmp.Or(err, errExpired)
}

var errExpired = errors.New("sessioncache: Session: Seam returned a client session that has expired; " +
	"check Config.Lifetime, the ExpiresAt of Config.Params and the clock")

// params returns the params of the request for a session.
func (c *Cache) params(ctx context.Context, userIdentifierKey string) (params seam.ClientSessionGetOrCreateParams, err error) {
	if c.config.Params != nil {
		if params, err = c.config.Params(ctx, userIdentifierKey); err != nil {
			return params, err
		}
		if params.UserIdentifierKey != "" && params.UserIdentifierKey != userIdentifierKey {
			return params, invalid("Session: Config.Params returned the UserIdentifierKey of another user; omit it")
		}
	}
	params.UserIdentifierKey = userIdentifierKey
	return params, nil
}

// renew revokes the session of entry and gets another one. If revoking fails, it returns entry
// with the error, unless Seam returned another session. If the new session expires soon too, it
// is used until then, so that it is not renewed again and again.
//
// Several processes may renew a session at once. Each revokes only the old one, by its ID, so
// that all get the same new one.
func (c *Cache) renew(ctx context.Context, params seam.ClientSessionGetOrCreateParams, entry *Entry) (*Entry, error) {
	c.renewals.Add(1)
	revokeCtx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	revokeErr := c.client.ClientSessions.Revoke(revokeCtx, entry.Session.ClientSessionID)
	if errors.Is(revokeErr, seam.ErrNotFound) {
		revokeErr = nil
	}
	renewed, err := c.getOrCreate(ctx, params)
	switch {
	case revokeErr != nil && (err != nil || renewed.Session.ClientSessionID == entry.Session.ClientSessionID):
		return again(entry), cmp.Or(err, revokeErr)
	case err != nil:
		return nil, err
	case !time.Now().Before(renewed.RenewAt):
		renewed.RenewAt = renewed.ExpiresAt
	}
	return renewed, nil
}

// again returns a copy of entry to be renewed after a delay.
func again(entry *Entry) *Entry {
	later := *entry
	if later.RenewAt = time.Now().Add(renewAgain); later.RenewAt.After(later.ExpiresAt) {
		later.RenewAt = later.ExpiresAt
	}
	return &later
}

// getOrCreate gets a session from Seam and converts its times to the local clock.
func (c *Cache) getOrCreate(ctx context.Context, params seam.ClientSessionGetOrCreateParams) (*Entry, error) {
	begin := time.Now()
	if params.ExpiresAt.IsZero() && c.config.Lifetime > 0 {
		params.ExpiresAt = begin.Add(c.config.Lifetime + time.Duration(c.skew.Load()))
	}
	var response seam.Response
	session, err := c.client.ClientSessions.GetOrCreate(ctx, params, seam.WithResponse(&response))
	if err != nil {
		return nil, err
	}
	skew := skewOf(begin, response.Header, session.CreatedAt)
	c.skew.Store(int64(skew))

	entry := &Entry{Session: *session, ExpiresAt: session.ExpiresAt.Add(-skew)}
	if session.ExpiresAt.IsZero() {
		entry.ExpiresAt = begin.Add(noEnd)
	}
	entry.RenewAt = entry.ExpiresAt.Add(-c.config.RefreshBefore)
	if earliest := session.CreatedAt.Add(c.config.RefreshBefore - skew); entry.RenewAt.Before(earliest) {
		entry.RenewAt = earliest
	}
	if entry.RenewAt.After(entry.ExpiresAt) {
		entry.RenewAt = entry.ExpiresAt
	}
	return entry, nil
}

// skewOf returns how far Seam's clock is ahead of the local clock, from a response to a request
// that was sent at begin. If the response is slow, the result is too large rather than too
// small, so that no session is used after it has expired.
func skewOf(begin time.Time, header http.Header, createdAt time.Time) time.Duration {
	there := begin
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		there = date
	}
	if createdAt.After(there) {
		there = createdAt
	}
	skew := there.Sub(begin)
	if skew.Abs() < minSkew || skew.Abs() > maxSkew {
		return 0
	}
	return skew
}
