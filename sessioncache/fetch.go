package sessioncache

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/redact"
)

const (
	// renewAgain is the delay before another attempt to replace a session.
	renewAgain = 30 * time.Second
	// noEnd is how long a session without an expiry is cached.
	noEnd = 24 * time.Hour
	// maxAhead is how far Seam's clock may be ahead. A time that is further ahead is ignored.
	maxAhead = 24 * time.Hour
)

// now returns the current time by the clock that is ahead, Seam's or the local one.
func (c *Cache) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// fetch is the [FetchFunc] of a user. If a session could not be replaced, it returns its entry and
// an error. The session is still valid, or it is revoked and the entry says so.
func (c *Cache) fetch(ctx context.Context, user string, old *Entry) (*Entry, error) {
	params, err := c.params(ctx, user)
	if err != nil {
		return nil, err
	}
	if err := c.outage.begin(); err != nil {
		return nil, err
	}
	c.fetches.Add(1)
	entry, err := c.get(ctx, params, old)
	c.outage.end(ctx, err)
	if err == nil && !c.now().Before(entry.ExpiresAt) {
		return nil, errExpired
	}
	return entry, err
}

var errExpired = errors.New("sessioncache: Session: Seam returned a client session that has expired; " +
	"check Config.Lifetime, the ExpiresAt of Config.Params and the clock")

// params returns the params of the request for a session.
func (c *Cache) params(ctx context.Context, user string) (params seam.ClientSessionGetOrCreateParams, err error) {
	if c.config.Params != nil {
		if params, err = c.config.Params(ctx, user); err != nil {
			return params, err
		}
		if params.UserIdentifierKey != "" && params.UserIdentifierKey != user {
			return params, invalid("Session: Config.Params returned the UserIdentifierKey of another user; omit it")
		}
	}
	params.UserIdentifierKey = user
	return params, nil
}

// get gets a session from Seam, replaces it if it expires soon, and grants it the access that it
// lacks: that of params, and that of the user's previous session.
func (c *Cache) get(ctx context.Context, params seam.ClientSessionGetOrCreateParams, old *Entry) (*Entry, error) {
	entry, err := c.getOrCreate(ctx, params)
	if err != nil {
		return nil, err
	}
	if old != nil && old.Session.WorkspaceID != entry.Session.WorkspaceID {
		old = nil
	}
	var before *seam.ClientSession // the previous session, whose access entry gets
	var revoked *Entry             // to return if the session was revoked and the rest fails
	replace := c.isDue(entry)
	switch {
	case old == nil:
	case old.Session.ClientSessionID == entry.Session.ClientSessionID:
		entry.CheckedAt = time.Now()
		isExtended := entry.ExpiresAt.After(old.ExpiresAt)
		if isRenewal := !c.now().Before(old.RenewAt); isRenewal && isExtended {
			c.renewals.Add(1)
		} else if isRenewal {
			replace = true
		}
	case old.Revoked || !c.now().Before(old.ExpiresAt):
		before = &old.Session
	}
	if replace {
		held := *entry
		revoked = &held
		revoked.Revoked = true
		if before == nil {
			before = &revoked.Session
		}
		if entry, err = c.replace(ctx, params, entry); err != nil {
			return cmp.Or(entry, revoked), err
		}
	}
	err = c.grant(ctx, &entry.Session, seam.ClientSessionGrantAccessParams{
		ConnectWebviewIDs: params.ConnectWebviewIDs, ConnectedAccountIDs: params.ConnectedAccountIDs, UserIdentityID: params.UserIdentityID,
	})
	if err == nil && before != nil {
		err = c.carry(ctx, &entry.Session, before)
	}
	if err != nil {
		return revoked, err
	}
	return entry, nil
}

// isDue reports whether a session has expired, or expires soon and had a longer life.
func (c *Cache) isDue(entry *Entry) bool {
	left, created := entry.ExpiresAt.Sub(c.now()), entry.Session.CreatedAt
	return left <= 0 || left <= c.config.RefreshBefore && (created.IsZero() || entry.ExpiresAt.Sub(created) > c.config.RefreshBefore)
}

// replace revokes the session of entry and gets another one:
//
//   - If the session could not be revoked, and Seam returned no other, it returns entry and an
//     error.
//   - If the session was revoked, and Seam returned no other, it returns only an error.
//   - If the new session does not live longer than the old one, it is used until it expires, so that
//     it is not replaced again and again.
//
// Several processes may replace a session at once. Each revokes only the old one, by its ID, so
// that all get the same new one.
func (c *Cache) replace(ctx context.Context, params seam.ClientSessionGetOrCreateParams, entry *Entry) (*Entry, error) {
	c.renewals.Add(1)
	c.mu.Lock()
	c.replacing[c.key(params.UserIdentifierKey)] = true // until the end of the flight
	c.mu.Unlock()
	revokeCtx, cancel := context.WithTimeout(ctx, c.config.Timeout/2) // leaves time to see what became of it
	defer cancel()
	revokeErr := c.client.ClientSessions.Revoke(revokeCtx, entry.Session.ClientSessionID)
	if errors.Is(revokeErr, seam.ErrNotFound) {
		revokeErr = nil
	}
	renewed, err := c.getOrCreate(ctx, params)
	switch {
	case revokeErr != nil && (err != nil || renewed.Session.ClientSessionID == entry.Session.ClientSessionID):
		again := *entry
		if again.RenewAt = c.now().Add(renewAgain); again.RenewAt.After(again.ExpiresAt) {
			again.RenewAt = again.ExpiresAt
		}
		return &again, cmp.Or(err, revokeErr)
	case err != nil:
		return nil, err
	case !renewed.ExpiresAt.After(entry.ExpiresAt):
		renewed.RenewAt = renewed.ExpiresAt
	}
	return renewed, nil
}

// getOrCreate gets a session from Seam.
func (c *Cache) getOrCreate(ctx context.Context, params seam.ClientSessionGetOrCreateParams) (*Entry, error) {
	if params.ExpiresAt.IsZero() && c.config.Lifetime > 0 {
		params.ExpiresAt = c.now().Add(c.config.Lifetime)
	}
	session, err := c.client.ClientSessions.GetOrCreate(ctx, params)
	if err != nil {
		return nil, err
	}
	c.workspace.Store(&session.WorkspaceID)
	if ahead := time.Until(session.CreatedAt); ahead > time.Duration(c.ahead.Load()) && ahead <= maxAhead {
		c.ahead.Store(int64(ahead))
	}
	entry := &Entry{Session: *session, ExpiresAt: session.ExpiresAt, Client: c.identity}
	if session.ExpiresAt.IsZero() {
		entry.ExpiresAt = c.now().Add(noEnd)
	}
	entry.RenewAt = renewAt(c.now(), entry.ExpiresAt, c.config.RefreshBefore)
	return entry, nil
}

// renewAt returns a random time between 2*margin and margin before the expiry of a session. If
// little more than margin is left, the time is later, so that the session is not renewed again and
// again.
func renewAt(now, expiresAt time.Time, margin time.Duration) time.Time {
	left := expiresAt.Sub(now)
	if left <= margin {
		return expiresAt
	}
	at := expiresAt.Add(-margin - rand.N(min(margin, (left-margin)/2)+1))
	if earliest := now.Add(min(margin, left/3)); at.Before(earliest) {
		return earliest
	}
	return at
}

// grant grants session the part of wanted that it lacks.
func (c *Cache) grant(ctx context.Context, session *seam.ClientSession, wanted seam.ClientSessionGrantAccessParams) error {
	wanted.ClientSessionID = session.ClientSessionID
	wanted.ConnectWebviewIDs = without(wanted.ConnectWebviewIDs, session.ConnectWebviewIDs)
	wanted.ConnectedAccountIDs = without(wanted.ConnectedAccountIDs, session.ConnectedAccountIDs)
	if wanted.UserIdentityID == session.UserIdentityID {
		wanted.UserIdentityID = ""
	}
	if len(wanted.ConnectWebviewIDs)+len(wanted.ConnectedAccountIDs) == 0 && wanted.UserIdentityID == "" {
		return nil
	}
	if err := c.client.ClientSessions.GrantAccess(ctx, wanted); err != nil {
		return err
	}
	session.ConnectWebviewIDs = append(session.ConnectWebviewIDs, wanted.ConnectWebviewIDs...)
	session.ConnectedAccountIDs = append(session.ConnectedAccountIDs, wanted.ConnectedAccountIDs...)
	session.UserIdentityID = cmp.Or(wanted.UserIdentityID, session.UserIdentityID)
	return nil
}

func without(ids, known []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(known, id) })
}

// carry grants session the access of before. What Seam refuses to grant is logged and left out: an
// account, for example, may have been deleted.
func (c *Cache) carry(ctx context.Context, session, before *seam.ClientSession) error {
	all := seam.ClientSessionGrantAccessParams{ConnectWebviewIDs: before.ConnectWebviewIDs, ConnectedAccountIDs: before.ConnectedAccountIDs}
	if session.UserIdentityID == "" {
		all.UserIdentityID = before.UserIdentityID
	}
	err := c.grant(ctx, session, all)
	if !isRefused(err) {
		return err
	}
	single := []seam.ClientSessionGrantAccessParams{{UserIdentityID: all.UserIdentityID}}
	for _, id := range all.ConnectWebviewIDs {
		single = append(single, seam.ClientSessionGrantAccessParams{ConnectWebviewIDs: []string{id}})
	}
	for _, id := range all.ConnectedAccountIDs {
		single = append(single, seam.ClientSessionGrantAccessParams{ConnectedAccountIDs: []string{id}})
	}
	for _, one := range single {
		if err := c.grant(ctx, session, one); isRefused(err) {
			text := redact.Secrets{Identifiers: []string{session.UserIdentifierKey}}.Text(err.Error())
			c.logger.WarnContext(ctx, "a renewed session lost access", "client_session_id", session.ClientSessionID, "access", one, "error", text)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// isRefused reports whether Seam refused a request for its content.
func isRefused(err error) bool {
	apiErr, ok := errors.AsType[*seam.APIError](err)
	return ok && apiErr.StatusCode/100 == http.StatusBadRequest/100 && !isOutage(err)
}
