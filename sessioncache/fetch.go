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
	// renewTimeout bounds each request after which the old session can still be served.
	renewTimeout = 10 * time.Second
	// renewAgain is how long an old session is served after a renewal has failed.
	renewAgain = 30 * time.Second
	// noEnd is how long a session without an expiry is kept.
	noEnd = 24 * time.Hour
	// minSkew and maxSkew bound a difference between two clocks that is believed. A Date
	// header is late by up to a second and the time that it travels.
	minSkew, maxSkew = 2 * time.Second, 24 * time.Hour
)

// fetch is the [FetchFunc] of a user. If Seam fails, it returns old for as long as that lives.
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

var errExpired = errors.New("sessioncache: Session: the client session from Seam has already expired; " +
	"check the clock of this machine, Config.Lifetime and the ExpiresAt of Config.Params")

// params returns what to ask Seam for.
func (c *Cache) params(ctx context.Context, userIdentifierKey string) (params seam.ClientSessionGetOrCreateParams, err error) {
	if c.config.Params != nil {
		if params, err = c.config.Params(ctx, userIdentifierKey); err != nil {
			return params, err
		}
		if params.UserIdentifierKey != "" && params.UserIdentifierKey != userIdentifierKey {
			return params, invalid("Session: Config.Params returned the UserIdentifierKey of another user; leave it empty")
		}
	}
	params.UserIdentifierKey = userIdentifierKey
	return params, nil
}

// renew replaces the session of entry, which has little life left. It returns the new one, and
// with an error the old one if that may still be alive. It does not try twice: if Seam
// grants no more life, the session is used until it ends.
//
// Several processes may renew one session at once. Each revokes the old one only, by its ID, so
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

// again returns entry with a later time for the next attempt to renew it.
func again(entry *Entry) *Entry {
	later := *entry
	if later.RenewAt = time.Now().Add(renewAgain); later.RenewAt.After(later.ExpiresAt) {
		later.RenewAt = later.ExpiresAt
	}
	return &later
}

// getOrCreate gets a user's session from Seam, with its times by the clock of this machine.
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
	if used := session.CreatedAt.Add(c.config.RefreshBefore - skew); entry.RenewAt.Before(used) {
		if entry.RenewAt = used; used.After(entry.ExpiresAt) {
			entry.RenewAt = entry.ExpiresAt
		}
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
