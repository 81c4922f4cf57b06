package seam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// ClientSessionsService provides the methods for client sessions. Use the
// ClientSessions field of a [Client]. It is safe for concurrent use.
//
// The package documentation describes the errors that all methods return.
//
// See https://docs.seam.co/latest/api/client_sessions.
type ClientSessionsService struct{ client *Client }

func (s *ClientSessionsService) newCall(operation, path string, retry transport.Retry, opts []Option) *call {
	var client *Client
	if s != nil { // a zero Client has none
		client = s.client
	}
	call := client.newCall(operation, path, retry, opts)
	call.require(!call.idempotent, "WithIdempotent is for Client.Post; omit it")
	return call
}

// ClientSessionCreateParams are the params of Create. All fields are optional. Empty
// fields are not sent.
type ClientSessionCreateParams struct {
	CustomerID          string    `json:"customer_id,omitzero"`            // Seam's ID of the customer
	CustomerKey         string    `json:"customer_key,omitzero"`           // your application's ID of the customer
	UserIdentifierKey   string    `json:"user_identifier_key,omitzero"`    // your application's ID of the user
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitempty"`   // Connect Webviews that the user can use
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitempty"` // accounts whose devices the user can access
	UserIdentityID      string    `json:"user_identity_id,omitzero"`       // Seam's ID of the user
	ExpiresAt           time.Time `json:"expires_at,omitzero"`             // chosen by Seam if zero
}

// Create creates a session. If the user already has a session, the error matches
// [ErrClientSessionExists]. See [ClientSessionsService.GetOrCreate].
//
// Create is not idempotent. It is retried only if the server cannot have processed the
// previous attempt. After a timeout, a lost connection, a status 5xx or a truncated
// response, the session may have been created.
//
// See https://docs.seam.co/latest/api/client_sessions/create.
func (s *ClientSessionsService) Create(ctx context.Context, params ClientSessionCreateParams, opts ...Option) (*ClientSession, error) {
	params.ExpiresAt = params.ExpiresAt.UTC()
	call := s.newCall("ClientSessions.Create", "/client_sessions/create", transport.RetryUnprocessed, opts)
	params.UserIdentifierKey = cmp.Or(params.UserIdentifierKey, call.user)
	call.params = params
	return one(ctx, call, expected{UserIdentifierKey: params.UserIdentifierKey}.checkComplete)
}

// Delete deletes a session. Its token stops working. If there is no such session, the
// error matches [ErrNotFound].
//
// Delete is idempotent. If a response is lost, a retry may return [ErrNotFound] although
// the session was deleted. The Attempts of the [*APIError] is then more than 1.
//
// See https://docs.seam.co/latest/api/client_sessions/delete.
func (s *ClientSessionsService) Delete(ctx context.Context, clientSessionID string, opts ...Option) error {
	return none(ctx, s.newCallByID("ClientSessions.Delete", "/client_sessions/delete", clientSessionID, opts), nil)
}

// ClientSessionGetParams are the params of Get. Set exactly one field. With
// [WithClientSessionToken], both can be empty.
type ClientSessionGetParams struct {
	ClientSessionID   string `json:"client_session_id,omitzero"`
	UserIdentifierKey string `json:"user_identifier_key,omitzero"` // your application's ID of the user
}

// Get returns a session by its ID or by user. With [WithClientSessionToken] and empty
// params, it returns the session of the token. If there is no such session, the error
// matches [ErrNotFound]. If the token has expired or was revoked, the error matches
// [ErrClientSessionExpired] or [ErrClientSessionRevoked]. A response with another
// session is an [*APIError].
//
// Get is idempotent.
//
// See https://docs.seam.co/latest/api/client_sessions/get.
func (s *ClientSessionsService) Get(ctx context.Context, params ClientSessionGetParams, opts ...Option) (*ClientSession, error) {
	call := s.newCall("ClientSessions.Get", "/client_sessions/get", transport.RetryTransient, opts)
	params.UserIdentifierKey = cmp.Or(params.UserIdentifierKey, call.user)
	call.params = params
	call.require(params.ClientSessionID != "" || params.UserIdentifierKey != "" || call.credential.kind == clientSessionToken, identifyNoSession)
	// Seam does not say which of them decides. Its fake server returns a session that matches either.
	call.require(params.ClientSessionID == "" || params.UserIdentifierKey == "", "params have both ClientSessionID and UserIdentifierKey; set only one")
	return one(ctx, call, expected{ClientSessionID: params.ClientSessionID, UserIdentifierKey: params.UserIdentifierKey}.checkComplete)
}

// ClientSessionGetOrCreateParams are the params of GetOrCreate. Set UserIdentifierKey,
// UserIdentityID or both. Empty fields are not sent.
type ClientSessionGetOrCreateParams struct {
	UserIdentifierKey   string    `json:"user_identifier_key,omitzero"`    // your application's ID of the user
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitempty"`   // Connect Webviews that the user can use
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitempty"` // accounts whose devices the user can access
	UserIdentityID      string    `json:"user_identity_id,omitzero"`       // Seam's ID of the user
	ExpiresAt           time.Time `json:"expires_at,omitzero"`             // of a new session and of an existing one; see GetOrCreate
}

// GetOrCreate returns the session of a user. If there is none, it creates one. If
// ExpiresAt is set, Seam updates the expiry of an existing session before it returns it.
// If it is zero, Seam chooses the expiry of a new session.
//
// An existing session may lack the access in params. To add it, use
// [ClientSessionsService.GrantAccess]. A response with the session of another user is an
// [*APIError].
//
// GetOrCreate is idempotent if UserIdentifierKey is set. Otherwise it is retried only if
// the server cannot have processed the previous attempt.
//
// See https://docs.seam.co/latest/api/client_sessions/get_or_create.
func (s *ClientSessionsService) GetOrCreate(ctx context.Context, params ClientSessionGetOrCreateParams, opts ...Option) (*ClientSession, error) {
	params.ExpiresAt = params.ExpiresAt.UTC()
	call := s.newCall("ClientSessions.GetOrCreate", "/client_sessions/get_or_create", transport.RetryTransient, opts)
	params.UserIdentifierKey = cmp.Or(params.UserIdentifierKey, call.user)
	call.params = params
	user := expected{UserIdentifierKey: params.UserIdentifierKey}
	if params.UserIdentifierKey == "" {
		call.retry, user = transport.RetryUnprocessed, expected{UserIdentityID: params.UserIdentityID}
	}
	call.require(user != expected{}, "params identify no user; set UserIdentifierKey or UserIdentityID")
	return one(ctx, call, user.checkComplete)
}

// ClientSessionGrantAccessParams are the params of GrantAccess. Set ClientSessionID or
// UserIdentifierKey, and at least one other field. If both are set, the session with that
// ID is associated with that user.
type ClientSessionGrantAccessParams struct {
	ClientSessionID   string `json:"client_session_id,omitzero"`
	UserIdentifierKey string `json:"user_identifier_key,omitzero"` // your application's ID of the user

	ConnectWebviewIDs   []string `json:"connect_webview_ids,omitempty"`   // Connect Webviews to add
	ConnectedAccountIDs []string `json:"connected_account_ids,omitempty"` // connected accounts to add
	UserIdentityID      string   `json:"user_identity_id,omitzero"`       // user identity to set
}

// GrantAccess adds access to a session, by its ID or by user. If params have both, it also
// associates the session with the user. If there is no such session, the error matches
// [ErrNotFound]. A response with another session is an [*APIError].
//
// If params have a ClientSessionID, [WithUser] is rejected, since it would not limit the
// call.
//
// GrantAccess is idempotent.
//
// See https://docs.seam.co/latest/api/client_sessions/grant_access.
func (s *ClientSessionsService) GrantAccess(ctx context.Context, params ClientSessionGrantAccessParams, opts ...Option) error {
	call := s.newCall("ClientSessions.GrantAccess", "/client_sessions/grant_access", transport.RetryTransient, opts)
	call.require(call.user == "" || params.ClientSessionID == "",
		"params have a ClientSessionID, so WithUser would not limit the call; omit it, or set UserIdentifierKey to associate the session with that user")
	params.UserIdentifierKey = cmp.Or(params.UserIdentifierKey, call.user)
	call.params = params
	call.require(params.ClientSessionID != "" || params.UserIdentifierKey != "", identifyNoSession)
	call.require(params.UserIdentityID != "" || len(params.ConnectWebviewIDs)+len(params.ConnectedAccountIDs) > 0 ||
		params.ClientSessionID != "" && params.UserIdentifierKey != "",
		"params grant nothing; set ConnectWebviewIDs, ConnectedAccountIDs or UserIdentityID")
	return none(ctx, call, expected{ClientSessionID: params.ClientSessionID, UserIdentifierKey: params.UserIdentifierKey}.check)
}

// ClientSessionListParams are the params of List, All and RevokeAll. A session must match
// all fields that are set. An empty field filters nothing: with the empty ID of a user, List
// returns the sessions of all users, with their tokens. [WithUser] rejects an empty ID.
type ClientSessionListParams struct {
	ClientSessionID          string `json:"client_session_id,omitzero"`
	UserIdentifierKey        string `json:"user_identifier_key,omitzero"`
	ConnectWebviewID         string `json:"connect_webview_id,omitzero"`
	UserIdentityID           string `json:"user_identity_id,omitzero"`
	WithoutUserIdentifierKey bool   `json:"without_user_identifier_key,omitzero"` // only sessions without one
}

// List returns the sessions that match params, or all sessions of the workspace if params
// are empty. A list that exceeds 256 MiB, as JSON or in memory, is an [*APIError], and so
// is a session that exceeds 4 MiB. For more than a few thousand sessions use
// [ClientSessionsService.All].
//
// List is idempotent.
//
// See https://docs.seam.co/latest/api/client_sessions/list.
func (s *ClientSessionsService) List(ctx context.Context, params ClientSessionListParams, opts ...Option) ([]ClientSession, error) {
	call := s.newCall("ClientSessions.List", "/client_sessions/list", transport.RetryTransient, opts)
	params.UserIdentifierKey = cmp.Or(params.UserIdentifierKey, call.user)
	call.params = params
	return list(ctx, call, expected(params).checkComplete)
}

// All returns an iterator over the sessions that [ClientSessionsService.List] returns. It
// decodes them as they are received, in constant memory. Each loop sends a request. If an
// error occurs, it is the last item, with a zero ClientSession. A loop that ends early
// closes the connection.
//
// [WithTimeout] limits the wait for the response headers and each read of the body, but
// not the time spent in the loop body. If the context ends, the loop ends at the next
// session with the context's error.
//
// All is idempotent. It is not retried after the response headers were received.
//
// See https://docs.seam.co/latest/api/client_sessions/list.
func (s *ClientSessionsService) All(ctx context.Context, params ClientSessionListParams, opts ...Option) iter.Seq2[ClientSession, error] {
	call := s.newCall("ClientSessions.All", "/client_sessions/list", transport.RetryTransient, opts)
	params.UserIdentifierKey = cmp.Or(params.UserIdentifierKey, call.user)
	call.params = params
	return each(ctx, call, expected(params).checkComplete)
}

// Revoke revokes a session. Its token stops working. If there is no such session, the
// error matches [ErrNotFound].
//
// Revoke is idempotent. If a response is lost, a retry may return [ErrNotFound] although
// the session was revoked. The Attempts of the [*APIError] is then more than 1.
//
// See https://docs.seam.co/latest/api/client_sessions/revoke.
func (s *ClientSessionsService) Revoke(ctx context.Context, clientSessionID string, opts ...Option) error {
	return none(ctx, s.newCallByID("ClientSessions.Revoke", "/client_sessions/revoke", clientSessionID, opts), nil)
}

// RevokeAll revokes the sessions that match params, for example to sign a user out
// everywhere. At least one field of params must be set. RevokeAll revokes up to 8
// sessions concurrently.
//
// It returns the sessions that were revoked, including those that no longer existed. If
// some could not be revoked, it also returns an error. The error wraps one error for each
// session that could not be revoked, as [errors.Join] does. The text of each contains the
// ID of the session. RevokeAll tries all sessions unless the context ends. After a status
// 429, all of its requests wait. If the list of sessions cannot be read completely, or
// contains a session that does not match params, RevokeAll revokes nothing. Sessions that
// are created while it runs may not be revoked.
//
// RevokeAll is idempotent. It rejects [WithResponse].
//
// See https://docs.seam.co/latest/api/client_sessions/revoke.
func (s *ClientSessionsService) RevokeAll(ctx context.Context, params ClientSessionListParams, opts ...Option) ([]ClientSession, error) {
	call := s.newCall("ClientSessions.RevokeAll", "/client_sessions/list", transport.RetryTransient, opts)
	params.UserIdentifierKey = cmp.Or(params.UserIdentifierKey, call.user)
	call.params = params
	call.require(params != ClientSessionListParams{}, "params are empty; set at least one field")
	call.require(call.response == nil, "RevokeAll sends several requests, which WithResponse cannot hold; omit it")
	sessions, err := list(ctx, call, expected(params).check) // a session without a token can be revoked
	if err != nil {
		return nil, err
	}

	errs := make([]error, len(sessions))
	panics := make(chan any, len(sessions))
	var running sync.WaitGroup
	var shared pace
	call.observe = shared.observe(call.observe)
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
			errs[i] = shared.run(ctx, func() error { return call.revoke(ctx, sessions[i]) })
		})
	}
	running.Wait()
	if len(panics) > 0 { // here, unlike in the other goroutines, the caller can recover
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

// errGoroutineEnded is returned if a transport, logger or observer calls runtime.Goexit.
var errGoroutineEnded = errors.New("runtime.Goexit ended the call; do not call it in a transport, logger or observer")

// revoke revokes a session that the call c has listed. It returns nil if the session no
// longer exists.
func (c *call) revoke(ctx context.Context, session ClientSession) error {
	call := &call{
		config:            c.config,
		operation:         c.operation,
		path:              "/client_sessions/revoke",
		params:            byID{session.ClientSessionID},
		retry:             c.retry,
		userIdentifierKey: session.UserIdentifierKey,
	}
	call.user = "" // the endpoint does not take it
	err := none(ctx, call, nil)
	// A 404 of a proxy does not mean that the session is gone.
	if apiErr, ok := errors.AsType[*APIError](err); ok && apiErr.Is(ErrNotFound) && apiErr.Type == "client_session_not_found" {
		return nil
	}
	return err
}

// byID are the params of a method whose only param is the ID of a session.
type byID struct {
	ClientSessionID string `json:"client_session_id"`
}

func (s *ClientSessionsService) newCallByID(operation, path, id string, opts []Option) *call {
	call := s.newCall(operation, path, transport.RetryTransient, opts)
	call.params = byID{id}
	call.require(id != "", "the ID is empty; pass the ClientSessionID of a session")
	return call
}

const identifyNoSession = "params identify no session; set ClientSessionID or UserIdentifierKey"

// expected is what a session in a response must have, in the fields that are set.
type expected ClientSessionListParams

var errOtherSession = errors.New("response has a client session that was not requested")

// check returns an error unless s has an ID and what is expected.
func (e expected) check(s *ClientSession) error {
	if s.ClientSessionID != "" &&
		(e.ClientSessionID == "" || e.ClientSessionID == s.ClientSessionID) &&
		(e.UserIdentifierKey == "" || e.UserIdentifierKey == s.UserIdentifierKey) &&
		(e.ConnectWebviewID == "" || slices.Contains(s.ConnectWebviewIDs, e.ConnectWebviewID)) &&
		(e.UserIdentityID == "" || e.UserIdentityID == s.UserIdentityID || slices.Contains(s.UserIdentityIDs, e.UserIdentityID)) &&
		(!e.WithoutUserIdentifierKey || s.UserIdentifierKey == "") {
		return nil
	}
	return errOtherSession
}

// checkComplete is like check, and also returns an error if s has no token.
func (e expected) checkComplete(s *ClientSession) error {
	switch {
	case strings.TrimSpace(s.ClientSessionID) == "":
		return errors.New("response has a client session without an ID")
	case strings.TrimSpace(s.Token) == "":
		return errors.New("response has a client session without a token")
	}
	return e.check(s)
}
