package seam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/seam-go/seam/internal/transport"
)

// ClientSessionsService holds the operations on client sessions. It is the
// field ClientSessions of a [Client], and as safe for concurrent use.
//
// Each operation sends one request, or more as its rule for retries allows, and
// ends with the context. What kinds of errors come back is told in the package's
// section Errors; an operation says only what is special to it.
//
// See https://docs.seam.co/latest/api/client_sessions.
type ClientSessionsService struct{ client *Client }

// ClientSessionCreateParams says what a new session is for. All of it is
// optional; a zero value is not sent.
type ClientSessionCreateParams struct {
	CustomerID          string    `json:"customer_id,omitzero"`
	CustomerKey         string    `json:"customer_key,omitzero"`           // your own ID of the customer
	UserIdentifierKey   string    `json:"user_identifier_key,omitzero"`    // your own ID of the user
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitempty"`   // where the user may connect devices
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitempty"` // whose devices the user can reach
	UserIdentityID      string    `json:"user_identity_id,omitzero"`
	ExpiresAt           time.Time `json:"expires_at,omitzero"` // Seam chooses if it is zero
}

// Create makes a new session. If UserIdentifierKey has a session already, that
// is an [*APIError] of the type client_session_token_already_exists; see
// [ClientSessionsService.GetOrCreate].
//
// Create is not safe to repeat. It is sent again only when the first request
// surely had no effect, so an error may leave open whether there is a session.
//
// See https://docs.seam.co/latest/api/client_sessions/create.
func (s *ClientSessionsService) Create(ctx context.Context, params ClientSessionCreateParams, opts ...Option) (*ClientSession, error) {
	call := s.client.newCall("ClientSessions.Create", "/client_sessions/create", transport.RetryUnsent, opts)
	params.ExpiresAt = params.ExpiresAt.UTC()
	return call.clientSession(ctx, params)
}

// Delete deletes a session for good, its record included.
//
// It is safe to repeat. Where an answer was lost on the way, the next attempt
// may find the session gone already and end in [ErrNotFound], with more than
// one in the Attempts of its [*APIError].
//
// See https://docs.seam.co/latest/api/client_sessions/delete.
func (s *ClientSessionsService) Delete(ctx context.Context, clientSessionID string, opts ...Option) error {
	call := s.client.newCall("ClientSessions.Delete", "/client_sessions/delete", transport.RetryTransient, opts)
	return call.onClientSession(ctx, clientSessionID)
}

// ClientSessionGetParams names a session by its ID or by the user's key.
type ClientSessionGetParams struct {
	ClientSessionID   string `json:"client_session_id,omitzero"`
	UserIdentifierKey string `json:"user_identifier_key,omitzero"`
}

// Get returns one session. It needs one of the params, unless the credential is
// a client session token: such a token gets the session that it belongs to. The
// error for a session that does not exist matches [ErrNotFound].
//
// It is safe to repeat.
//
// See https://docs.seam.co/latest/api/client_sessions/get.
func (s *ClientSessionsService) Get(ctx context.Context, params ClientSessionGetParams, opts ...Option) (*ClientSession, error) {
	call := s.client.newCall("ClientSessions.Get", "/client_sessions/get", transport.RetryTransient, opts)
	named := params != ClientSessionGetParams{}
	call.need(named || call.credential == clientSessionToken, "ClientSessionID or UserIdentifierKey")
	return call.clientSession(ctx, params)
}

// ClientSessionGetOrCreateParams says what the session is for. At least one
// field is needed; a zero value is not sent. Without a UserIdentifierKey the
// session is that of no user, so see that a variable for it is not empty.
type ClientSessionGetOrCreateParams struct {
	UserIdentifierKey   string    `json:"user_identifier_key,omitzero"`    // your own ID of the user
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitempty"`   // where the user may connect devices
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitempty"` // whose devices the user can reach
	UserIdentityID      string    `json:"user_identity_id,omitzero"`
	ExpiresAt           time.Time `json:"expires_at,omitzero"` // Seam chooses if it is zero
}

// GetOrCreate returns the session with these characteristics, and makes one if
// there is none.
//
// It is safe to repeat with a UserIdentifierKey, which leads to one and the same
// session each time. Without one it is sent again only when the first request
// surely had no effect, as [ClientSessionsService.Create] is.
//
// See https://docs.seam.co/latest/api/client_sessions/get_or_create.
func (s *ClientSessionsService) GetOrCreate(ctx context.Context, params ClientSessionGetOrCreateParams, opts ...Option) (*ClientSession, error) {
	retry := transport.RetryUnsent
	if params.UserIdentifierKey != "" {
		retry = transport.RetryTransient
	}
	call := s.client.newCall("ClientSessions.GetOrCreate", "/client_sessions/get_or_create", retry, opts)
	call.need(params.UserIdentifierKey != "" || params.UserIdentityID != "" || !params.ExpiresAt.IsZero() ||
		len(params.ConnectWebviewIDs)+len(params.ConnectedAccountIDs) > 0, "at least one of the params")
	params.ExpiresAt = params.ExpiresAt.UTC()
	return call.clientSession(ctx, params)
}

// ClientSessionGrantAccessParams names a session by its ID or by the user's key,
// and what it gets access to. At least one of either is needed.
type ClientSessionGrantAccessParams struct {
	ClientSessionID   string `json:"client_session_id,omitzero"`
	UserIdentifierKey string `json:"user_identifier_key,omitzero"`

	ConnectWebviewIDs   []string `json:"connect_webview_ids,omitempty"`
	ConnectedAccountIDs []string `json:"connected_account_ids,omitempty"`
	UserIdentityID      string   `json:"user_identity_id,omitzero"`
}

// GrantAccess gives a session access to more Connect Webviews, connected
// accounts or to a user identity.
//
// It is safe to repeat.
//
// See https://docs.seam.co/latest/api/client_sessions/grant_access.
func (s *ClientSessionsService) GrantAccess(ctx context.Context, params ClientSessionGrantAccessParams, opts ...Option) error {
	call := s.client.newCall("ClientSessions.GrantAccess", "/client_sessions/grant_access", transport.RetryTransient, opts)
	call.need(params.ClientSessionID+params.UserIdentifierKey != "", "ClientSessionID or UserIdentifierKey")
	call.need(params.UserIdentityID != "" || len(params.ConnectWebviewIDs)+len(params.ConnectedAccountIDs) > 0,
		"ConnectWebviewIDs, ConnectedAccountIDs or UserIdentityID")
	return call.send(ctx, params, false, decodeDone)
}

// ClientSessionListParams narrows a list down. A zero value does not.
type ClientSessionListParams struct {
	ClientSessionID          string `json:"client_session_id,omitzero"`
	UserIdentifierKey        string `json:"user_identifier_key,omitzero"`
	ConnectWebviewID         string `json:"connect_webview_id,omitzero"`
	UserIdentityID           string `json:"user_identity_id,omitzero"`
	WithoutUserIdentifierKey bool   `json:"without_user_identifier_key,omitzero"` // only those that have none
}

// List returns all sessions that match, of the whole workspace if params is
// zero. It holds them all at once, and refuses an answer of more than 256 MiB or
// 500,000 sessions: for more than a few thousand use [ClientSessionsService.All].
//
// It is safe to repeat.
//
// See https://docs.seam.co/latest/api/client_sessions/list.
func (s *ClientSessionsService) List(ctx context.Context, params ClientSessionListParams, opts ...Option) ([]ClientSession, error) {
	call := s.client.newCall("ClientSessions.List", "/client_sessions/list", transport.RetryTransient, opts)
	return call.clientSessions(ctx, params, false)
}

// All returns the same sessions as [ClientSessionsService.List], one at a time
// while they arrive, in constant memory. Each loop over it sends a request of
// its own. An error ends the loop, as its last item beside a zero ClientSession.
//
// The time that the body of the loop takes counts towards no timeout:
// [WithTimeout] bounds the wait for the answer, and then each wait for more of
// it. All is safe to repeat, but is not sent again by itself once an answer has
// begun.
//
// See https://docs.seam.co/latest/api/client_sessions/list.
func (s *ClientSessionsService) All(ctx context.Context, params ClientSessionListParams, opts ...Option) iter.Seq2[ClientSession, error] {
	return func(yield func(ClientSession, error) bool) {
		call := s.client.newCall("ClientSessions.All", "/client_sessions/list", transport.RetryTransient, opts)
		left := false
		err := call.send(ctx, params, true, func(r io.Reader) error {
			err := transport.Walk(r, "client_sessions", func(session *sentClientSession) error {
				if err := cmp.Or(session.check(), ctx.Err()); err != nil {
					return err
				}
				if left = !yield(session.ClientSession, nil); left {
					return errLeft
				}
				return nil
			})
			if left { // which is the caller's right
				return nil
			}
			return err
		})
		if err != nil {
			yield(ClientSession{}, err)
		}
	}
}

// errLeft ends the walk of a loop that was left early.
var errLeft = errors.New("the loop was left")

// Revoke ends a session: its token is refused from then on.
//
// It is safe to repeat. Like [ClientSessionsService.Delete] it may end in
// [ErrNotFound] after a lost answer.
//
// See https://docs.seam.co/latest/api/client_sessions/revoke.
func (s *ClientSessionsService) Revoke(ctx context.Context, clientSessionID string, opts ...Option) error {
	call := s.client.newCall("ClientSessions.Revoke", "/client_sessions/revoke", transport.RetryTransient, opts)
	return call.onClientSession(ctx, clientSessionID)
}

// RevokeAll signs a user out everywhere: it revokes all sessions that match, and
// gives each as it is done, with its error if it could not be revoked. It goes on
// with the rest, up to 8 at once. A session that is gone by then counts as
// revoked.
//
// At least one of the params is needed, so that an empty variable does not sign
// a whole workspace out. RevokeAll first reads the list to its end. If that
// fails, or the list has what was not asked for, an error comes beside a zero
// ClientSession, and nothing is revoked.
//
// A loop that is left early begins no further revoke, but waits for those on
// their way with their retries, of which it hears no more; the end of the context
// ends them at once. The sessions that are left then come with the context's
// error. RevokeAll is safe to repeat; [WithResponse] is refused, as the calls at
// once would share it.
//
// See https://docs.seam.co/latest/api/client_sessions/revoke.
func (s *ClientSessionsService) RevokeAll(ctx context.Context, params ClientSessionListParams, opts ...Option) iter.Seq2[ClientSession, error] {
	return func(yield func(ClientSession, error) bool) {
		call := s.client.newCall("ClientSessions.RevokeAll", "/client_sessions/list", transport.RetryTransient, opts)
		call.need(params != ClientSessionListParams{}, "at least one of the params")
		if call.response != nil && call.err == nil {
			call.err = errSharedResponse
		}
		sessions, err := call.clientSessions(ctx, params, true)
		if err != nil {
			yield(ClientSession{}, err)
			return
		}

		const atOnce = 8
		type result struct {
			session  ClientSession
			err      error
			panicked any
		}
		results := make(chan result, atOnce) // none waits for a loop that was left
		var running sync.WaitGroup
		defer running.Wait()
		begun := 0
		for ended := range sessions {
			for ; begun < min(ended+atOnce, len(sessions)); begun++ {
				done := result{session: sessions[begun], err: errNoResult}
				running.Go(func() {
					defer func() {
						done.panicked = recover()
						results <- done
					}()
					done.err = s.revokeOne(ctx, done.session, opts)
				})
			}
			done := <-results
			if done.panicked != nil { // in the caller's transport or logger, and so for the caller to recover
				panic(done.panicked)
			}
			if !yield(done.session, done.err) {
				return
			}
		}
	}
}

// errNoResult is for a goroutine that the caller's transport has ended.
var errNoResult = errors.New("seam: ClientSessions.RevokeAll: the http.Client ended the goroutine of the call")

// match reports whether a list may have the session.
func (p ClientSessionListParams) match(session ClientSession) bool {
	return (p.ClientSessionID == "" || p.ClientSessionID == session.ClientSessionID) &&
		(p.UserIdentifierKey == "" || p.UserIdentifierKey == session.UserIdentifierKey) &&
		(p.ConnectWebviewID == "" || slices.Contains(session.ConnectWebviewIDs, p.ConnectWebviewID)) &&
		(p.UserIdentityID == "" || p.UserIdentityID == session.UserIdentityID || slices.Contains(session.UserIdentityIDs, p.UserIdentityID)) &&
		(!p.WithoutUserIdentifierKey || session.UserIdentifierKey == "")
}

// revokeOne revokes a session of a list, unless it is gone by now. What some other
// server does not find is not gone.
func (s *ClientSessionsService) revokeOne(ctx context.Context, session ClientSession, opts []Option) error {
	call := s.client.newCall("ClientSessions.RevokeAll", "/client_sessions/revoke", transport.RetryTransient, opts)
	call.userIdentifierKey = session.UserIdentifierKey
	err := call.onClientSession(ctx, session.ClientSessionID)
	if apiErr, ok := errors.AsType[*APIError](err); ok && apiErr.Is(ErrNotFound) && apiErr.Type == "client_session_not_found" {
		return nil
	}
	return err
}

// onClientSession sends an operation that takes nothing but a session's ID.
func (c *call) onClientSession(ctx context.Context, id string) error {
	c.need(id != "", "ClientSessionID")
	return c.send(ctx, struct {
		ClientSessionID string `json:"client_session_id"`
	}{id}, false, decodeDone)
}

// clientSession sends an operation that answers with a session.
func (c *call) clientSession(ctx context.Context, params any) (*ClientSession, error) {
	var session *sentClientSession
	err := c.send(ctx, params, false, func(r io.Reader) error {
		var answer struct {
			ClientSession *sentClientSession `json:"client_session"`
		}
		if err := transport.Decode(r, &answer); err != nil {
			return err
		}
		session = answer.ClientSession
		return session.check()
	})
	if err != nil {
		return nil, err
	}
	return &session.ClientSession, nil
}

// maxSessions bounds a list that is held as a whole. Small sessions take more room
// than their JSON.
const maxSessions = 500_000

// clientSessions sends an operation that answers with a list, and holds all of it.
// If all must match, a session that does not is an error.
func (c *call) clientSessions(ctx context.Context, params ClientSessionListParams, match bool) ([]ClientSession, error) {
	var sessions []ClientSession
	err := c.send(ctx, params, false, func(r io.Reader) error {
		sessions = []ClientSession{} // another attempt starts afresh
		return transport.Walk(r, "client_sessions", func(session *sentClientSession) error {
			if err := session.check(); err != nil {
				return err
			}
			if match && !params.match(session.ClientSession) {
				return errors.New("answer has sessions that were not asked for")
			}
			if len(sessions) == maxSessions {
				return fmt.Errorf("answer has more than %d client sessions", maxSessions)
			}
			if len(sessions) == cap(sessions) {
				sessions = slices.Grow(sessions, len(sessions)) // append grows by less, and so copies more
			}
			sessions = append(sessions, session.ClientSession)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return sessions, nil
}

// sentClientSession is a session as the server writes it: device_count is a
// JSON number, and may come as 1.0.
type sentClientSession struct {
	ClientSession
	DeviceCount float64 `json:"device_count"`
}

// check completes the session, and refuses what is none.
func (s *sentClientSession) check() error {
	if s == nil || s.ClientSessionID == "" {
		return errors.New("answer has no client session")
	}
	s.ClientSession.DeviceCount = int(max(0, min(s.DeviceCount, math.MaxInt32)))
	return nil
}
