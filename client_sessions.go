package seam

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// ClientSessionsService has the operations on client sessions. It is the field
// ClientSessions of a [Client], and like that safe for concurrent use.
//
// The package documentation describes the errors that all operations return. An
// operation documents only its own.
//
// See https://docs.seam.co/latest/api/client_sessions.
type ClientSessionsService struct{ service }

// ClientSessionCreateParams describes a new session. All fields are optional, and
// zero fields are not sent.
type ClientSessionCreateParams struct {
	CustomerID          string    `json:"customer_id,omitzero"`
	CustomerKey         string    `json:"customer_key,omitzero"`           // your own ID of the customer
	UserIdentifierKey   string    `json:"user_identifier_key,omitzero"`    // your own ID of the user
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitempty"`   // where the user can connect devices
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitempty"` // whose devices the user can reach
	UserIdentityID      string    `json:"user_identity_id,omitzero"`
	ExpiresAt           time.Time `json:"expires_at,omitzero"` // chosen by Seam if zero
}

// Create creates a session. If UserIdentifierKey already has a session, the error
// matches [ErrClientSessionExists]; see [ClientSessionsService.GetOrCreate].
//
// Create is not safe to repeat. It retries only if the previous attempt surely had
// no effect. After an error without a status there may or may not be a session.
//
// See https://docs.seam.co/latest/api/client_sessions/create.
func (s *ClientSessionsService) Create(ctx context.Context, params ClientSessionCreateParams, opts ...Option) (*ClientSession, error) {
	params.ExpiresAt = params.ExpiresAt.UTC()
	call := s.newCall("ClientSessions.Create", "/client_sessions/create", params, transport.RetryUnsent, opts)
	return one(ctx, call, "client_session", ClientSessionListParams{UserIdentifierKey: params.UserIdentifierKey}.check)
}

// Delete deletes a session and its record. The session's token stops working.
//
// Delete is safe to repeat. If the response of an attempt is lost, the next attempt
// may return an error that matches [ErrNotFound], and whose Attempts is more
// than 1.
//
// See https://docs.seam.co/latest/api/client_sessions/delete.
func (s *ClientSessionsService) Delete(ctx context.Context, clientSessionID string, opts ...Option) error {
	return none(ctx, s.newCallByID("ClientSessions.Delete", "/client_sessions/delete", clientSessionID, opts))
}

// ClientSessionGetParams names a session, by its ID or by the user's key. Set one
// of the fields.
type ClientSessionGetParams struct {
	ClientSessionID   string `json:"client_session_id,omitzero"`
	UserIdentifierKey string `json:"user_identifier_key,omitzero"`
}

// Get returns a session. With [WithClientSessionToken], params can be zero: Get
// then returns the session of the token. If there is no such session, the error
// matches [ErrNotFound]. If the token has expired or was revoked, it matches
// [ErrClientSessionExpired] or [ErrClientSessionRevoked].
//
// Get is safe to repeat.
//
// See https://docs.seam.co/latest/api/client_sessions/get.
func (s *ClientSessionsService) Get(ctx context.Context, params ClientSessionGetParams, opts ...Option) (*ClientSession, error) {
	call := s.newCall("ClientSessions.Get", "/client_sessions/get", params, transport.RetryTransient, opts)
	call.requireOne(params.ClientSessionID, params.UserIdentifierKey, call.credential.kind == clientSessionToken)
	return one(ctx, call, "client_session", ClientSessionListParams{
		ClientSessionID: params.ClientSessionID, UserIdentifierKey: params.UserIdentifierKey,
	}.check)
}

// ClientSessionGetOrCreateParams describes a session. Set UserIdentifierKey or
// UserIdentityID. Zero fields are not sent.
type ClientSessionGetOrCreateParams struct {
	UserIdentifierKey   string    `json:"user_identifier_key,omitzero"`    // your own ID of the user
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitempty"`   // where the user can connect devices
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitempty"` // whose devices the user can reach
	UserIdentityID      string    `json:"user_identity_id,omitzero"`
	ExpiresAt           time.Time `json:"expires_at,omitzero"` // chosen by Seam if zero
}

// GetOrCreate returns the session of a user, and creates one if there is none.
//
// Seam returns an existing session unchanged. ExpiresAt, ConnectWebviewIDs and
// ConnectedAccountIDs apply only to a new session. An existing one may expire
// sooner or later than ExpiresAt, and may have other access. To extend the access
// of a session, use [ClientSessionsService.GrantAccess]. To change its expiry,
// call [ClientSessionsService.Revoke] and then GetOrCreate again. Package
// [github.com/seam-go/seam/sessioncache] does that for you.
//
// GetOrCreate is safe to repeat with a UserIdentifierKey. Without one it retries
// only if the previous attempt surely had no effect, like
// [ClientSessionsService.Create]. A session of another user in the response is an
// [*APIError].
//
// See https://docs.seam.co/latest/api/client_sessions/get_or_create.
func (s *ClientSessionsService) GetOrCreate(ctx context.Context, params ClientSessionGetOrCreateParams, opts ...Option) (*ClientSession, error) {
	params.ExpiresAt = params.ExpiresAt.UTC()
	retry, user := transport.RetryTransient, ClientSessionListParams{UserIdentifierKey: params.UserIdentifierKey}
	if params.UserIdentifierKey == "" {
		retry, user = transport.RetryUnsent, ClientSessionListParams{UserIdentityID: params.UserIdentityID}
	}
	call := s.newCall("ClientSessions.GetOrCreate", "/client_sessions/get_or_create", params, retry, opts)
	call.require(user != ClientSessionListParams{}, "params name no user; set UserIdentifierKey or UserIdentityID")
	return one(ctx, call, "client_session", user.check)
}

// ClientSessionGrantAccessParams names a session, by its ID or by the user's key,
// and what it gets access to. Set ClientSessionID or UserIdentifierKey, and at
// least one other field.
type ClientSessionGrantAccessParams struct {
	ClientSessionID   string `json:"client_session_id,omitzero"`
	UserIdentifierKey string `json:"user_identifier_key,omitzero"`

	ConnectWebviewIDs   []string `json:"connect_webview_ids,omitempty"`
	ConnectedAccountIDs []string `json:"connected_account_ids,omitempty"`
	UserIdentityID      string   `json:"user_identity_id,omitzero"`
}

// GrantAccess gives a session access to Connect Webviews, connected accounts or a
// user identity, in addition to what it has.
//
// GrantAccess is safe to repeat.
//
// See https://docs.seam.co/latest/api/client_sessions/grant_access.
func (s *ClientSessionsService) GrantAccess(ctx context.Context, params ClientSessionGrantAccessParams, opts ...Option) error {
	call := s.newCall("ClientSessions.GrantAccess", "/client_sessions/grant_access", params, transport.RetryTransient, opts)
	call.requireOne(params.ClientSessionID, params.UserIdentifierKey, false)
	call.require(params.UserIdentityID != "" || len(params.ConnectWebviewIDs)+len(params.ConnectedAccountIDs) > 0,
		"params grant nothing; set ConnectWebviewIDs, ConnectedAccountIDs or UserIdentityID")
	return none(ctx, call)
}

// ClientSessionListParams filters a list. Zero fields are ignored.
type ClientSessionListParams struct {
	ClientSessionID          string `json:"client_session_id,omitzero"`
	UserIdentifierKey        string `json:"user_identifier_key,omitzero"`
	ConnectWebviewID         string `json:"connect_webview_id,omitzero"`
	UserIdentityID           string `json:"user_identity_id,omitzero"`
	WithoutUserIdentifierKey bool   `json:"without_user_identifier_key,omitzero"` // only sessions without a key
}

// match reports whether s passes the filter.
func (p ClientSessionListParams) match(s *ClientSession) bool {
	return (p.ClientSessionID == "" || p.ClientSessionID == s.ClientSessionID) &&
		(p.UserIdentifierKey == "" || p.UserIdentifierKey == s.UserIdentifierKey) &&
		(p.ConnectWebviewID == "" || slices.Contains(s.ConnectWebviewIDs, p.ConnectWebviewID)) &&
		(p.UserIdentityID == "" || p.UserIdentityID == s.UserIdentityID || slices.Contains(s.UserIdentityIDs, p.UserIdentityID)) &&
		(!p.WithoutUserIdentifierKey || s.UserIdentifierKey == "")
}

var errOtherSession = errors.New("response has a client session that was not requested")

// check returns an error unless s is complete and passes the filter.
func (p ClientSessionListParams) check(s *ClientSession) error {
	if err := s.complete(); err != nil {
		return err
	}
	if !p.match(s) {
		return errOtherSession
	}
	return nil
}

// List returns all sessions that pass the filter. A zero params returns those of
// the whole workspace. A list of more than 256 MiB, as JSON or in memory, is an
// [*APIError]. For more than a few thousand sessions use
// [ClientSessionsService.All].
//
// List is safe to repeat.
//
// See https://docs.seam.co/latest/api/client_sessions/list.
func (s *ClientSessionsService) List(ctx context.Context, params ClientSessionListParams, opts ...Option) ([]ClientSession, error) {
	call := s.newCall("ClientSessions.List", "/client_sessions/list", params, transport.RetryTransient, opts)
	return list(ctx, call, "client_sessions", (*ClientSession).complete)
}

// All returns the sessions of [ClientSessionsService.List] one at a time while
// they arrive, in constant memory. Each loop over it sends a request. An error
// ends the loop, as its last item and with a zero ClientSession.
//
// The time that the loop body takes counts towards no timeout: [WithTimeout]
// limits the wait for the response, and then each pause in it.
//
// All is safe to repeat. It does not retry once a response has begun.
//
// See https://docs.seam.co/latest/api/client_sessions/list.
func (s *ClientSessionsService) All(ctx context.Context, params ClientSessionListParams, opts ...Option) iter.Seq2[ClientSession, error] {
	call := s.newCall("ClientSessions.All", "/client_sessions/list", params, transport.RetryTransient, opts)
	return each(ctx, call, "client_sessions", (*ClientSession).complete)
}

// Revoke revokes a session. Its token stops working.
//
// Revoke is safe to repeat. If the response of an attempt is lost, the next attempt
// may return an error that matches [ErrNotFound], like that of
// [ClientSessionsService.Delete].
//
// See https://docs.seam.co/latest/api/client_sessions/revoke.
func (s *ClientSessionsService) Revoke(ctx context.Context, clientSessionID string, opts ...Option) error {
	return none(ctx, s.newCallByID("ClientSessions.Revoke", "/client_sessions/revoke", clientSessionID, opts))
}

// RevokeAll revokes all sessions that pass the filter, for example to sign a user
// out everywhere. It revokes up to 8 at once. Set at least one field of params, so
// that an empty variable does not sign out a whole workspace.
//
// RevokeAll returns the sessions that it revoked, and those that were gone when it
// tried. If some could not be revoked, the error joins one error for each, with
// the ID of the session. RevokeAll attempts all of them, unless the context ends.
// If the list cannot be read completely, or has other sessions than requested,
// RevokeAll revokes nothing.
//
// RevokeAll is safe to repeat. It rejects [WithResponse].
//
// See https://docs.seam.co/latest/api/client_sessions/revoke.
func (s *ClientSessionsService) RevokeAll(ctx context.Context, params ClientSessionListParams, opts ...Option) ([]ClientSession, error) {
	call := s.newCall("ClientSessions.RevokeAll", "/client_sessions/list", params, transport.RetryTransient, opts)
	call.require(params != ClientSessionListParams{}, "params have no filter; set at least one field")
	call.require(call.response == nil, string(errSharedResponse))
	sessions, err := list(ctx, call, "client_sessions", func(session *ClientSession) error {
		if session.ClientSessionID == "" || !params.match(session) { // a missing token must not prevent the revoke
			return errOtherSession
		}
		return nil
	})
	if err != nil {
		return nil, err
	}

	errs := make([]error, len(sessions))
	panics := make(chan any, len(sessions))
	var running sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range sessions {
		slots <- struct{}{}
		errs[i] = errGoroutineEnded
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
				<-slots
			}()
			errs[i] = s.revokeListed(ctx, sessions[i], opts)
		})
	}
	running.Wait()
	if len(panics) > 0 { // in the caller's transport or logger, and so for the caller to recover
		panic(<-panics)
	}
	revoked := []ClientSession{}
	for i, session := range sessions {
		if errs[i] == nil {
			revoked = append(revoked, session)
			continue
		}
		id := redact.Line(call.redact(session.ClientSessionID))
		errs[i] = fmt.Errorf("seam: ClientSessions.RevokeAll: client session %s: %w", id, errs[i])
	}
	return revoked, errors.Join(errs...)
}

// errGoroutineEnded is the error if the transport calls runtime.Goexit.
var errGoroutineEnded = errors.New("the http.Client ended the goroutine of the call")

// revokeListed revokes a session from a list, unless it is gone by now.
func (s *ClientSessionsService) revokeListed(ctx context.Context, session ClientSession, opts []Option) error {
	call := s.newCallByID("ClientSessions.RevokeAll", "/client_sessions/revoke", session.ClientSessionID, opts)
	call.userIdentifierKey = session.UserIdentifierKey
	err := none(ctx, call)
	// Another server's 404 does not mean that the session is gone.
	if apiErr, ok := errors.AsType[*APIError](err); ok && apiErr.Is(ErrNotFound) && apiErr.Type == "client_session_not_found" {
		return nil
	}
	return err
}

// newCallByID returns a call of an operation whose only param is the ID of a
// session.
func (s *ClientSessionsService) newCallByID(operation, path, id string, opts []Option) *call {
	call := s.newCall(operation, path, struct {
		ClientSessionID string `json:"client_session_id"`
	}{id}, transport.RetryTransient, opts)
	call.require(id != "", "the ID is empty; pass the ClientSessionID of a session")
	return call
}

// requireOne makes the call fail unless one of the two is set. If both are, Seam
// takes the first session that matches either.
func (c *call) requireOne(clientSessionID, userIdentifierKey string, orNone bool) {
	c.require(clientSessionID+userIdentifierKey != "" || orNone, "params name no session; set ClientSessionID or UserIdentifierKey")
	c.require(clientSessionID == "" || userIdentifierKey == "", "params have both ClientSessionID and UserIdentifierKey; set only one")
}
