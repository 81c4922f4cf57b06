package seam_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/seamtest"
)

// TestWithUser tests the params that each method and Post send with WithUser.
func TestWithUser(t *testing.T) {
	t.Parallel()
	ofJohn := seam.WithUser("john_doe")
	post := func(params any) func(context.Context, *seam.Client) error {
		return func(ctx context.Context, c *seam.Client) error {
			return c.Post(ctx, "/devices/list", params, nil, ofJohn)
		}
	}
	type optional struct {
		UserIdentifierKey string `json:"user_identifier_key,omitempty"`
		Limit             int    `json:"limit"`
	}
	for name, tt := range map[string]struct {
		call func(context.Context, *seam.Client) error
		want string
	}{
		"Create": {func(ctx context.Context, c *seam.Client) error {
			return second(c.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{CustomerKey: "acme"}, ofJohn))
		}, `{"user_identifier_key": "john_doe", "customer_key": "acme"}`},
		"Get": {func(ctx context.Context, c *seam.Client) error {
			return second(c.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, ofJohn))
		}, `{"user_identifier_key": "john_doe"}`},
		"GetOrCreate": {func(ctx context.Context, c *seam.Client) error {
			return second(c.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{}, ofJohn))
		}, `{"user_identifier_key": "john_doe"}`},
		"GrantAccess": {func(ctx context.Context, c *seam.Client) error {
			return c.ClientSessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{UserIdentityID: "i"}, ofJohn)
		}, `{"user_identifier_key": "john_doe", "user_identity_id": "i"}`},
		"List": {func(ctx context.Context, c *seam.Client) error {
			return second(c.ClientSessions.List(ctx, seam.ClientSessionListParams{ConnectWebviewID: "w"}, ofJohn))
		}, `{"user_identifier_key": "john_doe", "connect_webview_id": "w"}`},
		"All": {func(ctx context.Context, c *seam.Client) error {
			return all(ctx, c.ClientSessions, seam.ClientSessionListParams{}, ofJohn)
		}, `{"user_identifier_key": "john_doe"}`},
		"RevokeAll": {func(ctx context.Context, c *seam.Client) error {
			return second(c.ClientSessions.RevokeAll(ctx, seam.ClientSessionListParams{}, ofJohn))
		}, `{"user_identifier_key": "john_doe"}`},
		"the same user in the params": {func(ctx context.Context, c *seam.Client) error {
			return all(ctx, c.ClientSessions, seam.ClientSessionListParams{UserIdentifierKey: "john_doe"}, ofJohn)
		}, `{"user_identifier_key": "john_doe"}`},
		"the last one": {func(ctx context.Context, c *seam.Client) error {
			return all(ctx, c.ClientSessions, seam.ClientSessionListParams{}, seam.WithUser("jane_doe"), ofJohn)
		}, `{"user_identifier_key": "john_doe"}`},

		"Post without params":         {post(nil), `{"user_identifier_key": "john_doe"}`},
		"Post with an empty field":    {post(optional{Limit: 2}), `{"user_identifier_key": "john_doe", "limit": 2}`},
		"Post with the same user":     {post(&optional{UserIdentifierKey: "john_doe"}), `{"user_identifier_key": "john_doe", "limit": 0}`},
		"Post with null":              {post(map[string]any{"user_identifier_key": nil}), `{"user_identifier_key": "john_doe"}`},
		"Post without such a field":   {post(struct{ Limit json.Number }{"12345678901234567890"}), `{"user_identifier_key": "john_doe", "Limit": 12345678901234567890}`},
		"Post with another user's":    {post(map[string]any{"owner": map[string]any{"user_identifier_key": "jane"}}), `{"user_identifier_key": "john_doe", "owner": {"user_identifier_key": "jane"}}`},
		"Post with its own JSON":      {post(json.RawMessage(` {"limit": 1e2} `)), `{"user_identifier_key": "john_doe", "limit": 1e2}`},
		"Post with repeated members":  {post(json.RawMessage(`{"user_identifier_key": "john_doe", "limit": 1, "limit": 2}`)), `{"user_identifier_key": "john_doe", "limit": 2}`},
		"Post with another spelling":  {post(map[string]any{"User_Identifier_Key": "jane"}), `{"user_identifier_key": "john_doe", "User_Identifier_Key": "jane"}`},
		"Post with a map of strings":  {post(map[string]string{"manufacturer": ""}), `{"user_identifier_key": "john_doe", "manufacturer": ""}`},
		"Post with a nil map":         {post(map[string]string(nil)), `{"user_identifier_key": "john_doe"}`},
		"Post with a field by itself": {post(struct{ A, B int }{1, 2}), `{"user_identifier_key": "john_doe", "A": 1, "B": 2}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent []byte
			client := offline(t, func(req *http.Request) (*http.Response, error) {
				var err error
				if sent, err = io.ReadAll(req.Body); err != nil {
					return nil, err
				}
				return response(http.StatusOK, `{"ok": true, "client_sessions": [], "client_session": {"client_session_id": "1", "token": "t", "user_identifier_key": "john_doe"}}`)
			})
			require.NoError(t, tt.call(t.Context(), client))
			assert.JSONEq(t, tt.want, string(sent))
		})
	}
}

// TestWithUserKeepsNumbers tests that WithUser rounds no number of the params.
func TestWithUserKeepsNumbers(t *testing.T) {
	t.Parallel()
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		assert.Contains(t, string(body), `"limit":12345678901234567890`, err)
		return response(http.StatusOK, done)
	})
	require.NoError(t, client.Post(t.Context(), "/devices/list", map[string]any{"limit": json.Number("12345678901234567890")}, nil, seam.WithUser("jane_doe")))
}

// TestWithUserRejected tests calls that WithUser cannot limit to a user. Nothing is sent.
func TestWithUserRejected(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.ErrUnexpectedEOF
	})
	ctx, sessions, ofJohn := t.Context(), client.ClientSessions, seam.WithUser("john_doe")
	const (
		unknown = "the endpoint is not known to take a user_identifier_key; omit WithUser, or if the endpoint takes one, set it in the params"
		another = "params have another user_identifier_key than WithUser; set only one of them"
	)
	_, ofClient := seam.NewClient(seam.WithAPIKey("seam_test_key"), ofJohn)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{ofClient, "seam: NewClient: WithUser is for a single call; pass it to each call"},
		{sessions.Delete(ctx, sessionID, ofJohn), "seam: ClientSessions.Delete: " + unknown},
		{sessions.Revoke(ctx, sessionID, ofJohn), "seam: ClientSessions.Revoke: " + unknown},
		{client.Post(ctx, "/devices/get", nil, nil, ofJohn), "seam: Post /devices/get: " + unknown},
		{client.Post(ctx, "/devices/list/", nil, nil, ofJohn), "seam: Post: " + unknown},
		{second(sessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: sessionID}, ofJohn)), "seam: ClientSessions.Get: params have both ClientSessionID and UserIdentifierKey; set only one"},
		{
			sessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{ClientSessionID: sessionID, UserIdentityID: identityID}, ofJohn),
			"seam: ClientSessions.GrantAccess: params have a ClientSessionID, so WithUser would not limit the call; omit it, or set UserIdentifierKey to associate the session with that user",
		},
		{second(sessions.List(ctx, seam.ClientSessionListParams{}, seam.WithUser(""))), "seam: ClientSessions.List: the user identifier key is blank; set it"},
		{second(sessions.RevokeAll(ctx, ofJane, seam.WithUser("\u00a0"))), "seam: ClientSessions.RevokeAll: the user identifier key is blank; set it"},
		{all(ctx, sessions, ofJane, seam.WithUser("a\xff")), "seam: ClientSessions.All: the user identifier key is not valid UTF-8; pass UTF-8"},
		{second(sessions.List(ctx, ofJane, ofJohn)), "seam: ClientSessions.List: " + another},
		{second(sessions.List(ctx, seam.ClientSessionListParams{UserIdentifierKey: " "}, ofJohn)), "seam: ClientSessions.List: UserIdentifierKey is blank; set it"},
		{client.Post(ctx, "/devices/list", map[string]any{"user_identifier_key": "jane"}, nil, ofJohn), "seam: Post /devices/list: " + another},
		{client.Post(ctx, "/devices/list", map[string]any{"user_identifier_key": []string{"john_doe"}}, nil, ofJohn), "seam: Post /devices/list: " + another},
		{client.Post(ctx, "/devices/list", json.RawMessage(`{"user_identifier_key": "jane", "user_identifier_key": "jane"}`), nil, ofJohn), "seam: Post /devices/list: " + another},
		{client.Post(ctx, "/devices/list", map[string]any{"user_identifier_key": ""}, nil, ofJohn), "seam: Post /devices/list: user_identifier_key is blank; set it or omit it"},
	} {
		require.ErrorIs(t, tt.err, seam.ErrInvalidParams, tt.want)
		assert.EqualError(t, tt.err, tt.want)
	}
}

// TestWithUserRevokesNoOther tests RevokeAll with WithUser, also of a server that
// ignores the user.
func TestWithUserRevokesNoOther(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	ctx := t.Context()
	for _, key := range []string{"jane_doe", "john_doe"} {
		_, err := sessions.Create(ctx, seam.ClientSessionCreateParams{}, seam.WithUser(key))
		require.NoError(t, err)
	}
	revoked, err := sessions.RevokeAll(ctx, seam.ClientSessionListParams{}, seam.WithUser("jane_doe"))
	require.NoError(t, err)
	require.Len(t, revoked, 1)
	requests := srv.Requests()
	assert.JSONEq(t, `{"client_session_id": "`+revoked[0].ClientSessionID+`"}`, string(requests[len(requests)-1].Body))
	left, err := sessions.List(ctx, seam.ClientSessionListParams{})
	require.NoError(t, err)
	require.Len(t, left, 1)
	assert.Equal(t, "john_doe", left[0].UserIdentifierKey)

	unfiltered := offline(t, func(req *http.Request) (*http.Response, error) {
		assert.Equal(t, "/client_sessions/list", req.URL.Path, "nothing is revoked")
		return response(http.StatusOK, listOfJane(2))
	}).ClientSessions
	_, err = unfiltered.RevokeAll(ctx, seam.ClientSessionListParams{}, seam.WithUser("john_doe"))
	require.ErrorContains(t, err, "response has a client session that was not requested")
	_, err = unfiltered.List(ctx, seam.ClientSessionListParams{}, seam.WithUser("john_doe"))
	require.ErrorContains(t, err, "response has a client session that was not requested")
}

// TestWithUserIsRedacted tests that errors do not show the user of WithUser.
func TestWithUserIsRedacted(t *testing.T) {
	t.Parallel()
	client := offline(t, fake.Responds(http.StatusBadRequest, `{"error": {"type": "invalid_input", "message": "no device of john_doe"}}`))
	err := client.Post(t.Context(), "/devices/list", nil, nil, seam.WithUser("john_doe"))
	require.ErrorContains(t, err, "no device of REDACTED")

	offline := offline(t, fake.Fails(errors.New("no host for john_doe")), seam.WithMaxRetries(0))
	err = offline.Post(t.Context(), "/devices/list", nil, nil, seam.WithUser("john_doe"))
	require.ErrorContains(t, err, "no host for REDACTED")
}

// TestEndpointsThatTakeAUser tests with which paths Post accepts WithUser.
func TestEndpointsThatTakeAUser(t *testing.T) {
	t.Parallel()
	var accepted []string
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		accepted = append(accepted, req.URL.Path)
		return response(http.StatusOK, done)
	})
	documented := []string{
		"/access_codes/list", "/access_codes/unmanaged/list", "/client_sessions/create", "/client_sessions/get",
		"/client_sessions/get_or_create", "/client_sessions/grant_access", "/client_sessions/list", "/connect_webviews/list",
		"/connected_accounts/list", "/devices/list", "/devices/unmanaged/list", "/locks/list", "/noise_sensors/list",
		"/thermostats/list", "/thermostats/schedules/list",
	}
	for _, path := range append(slices.Clone(documented), "/devices/get", "/locks/unlock_door", "/events/list", "/workspaces/list") {
		err := client.Post(t.Context(), path, nil, nil, seam.WithUser("jane_doe"))
		if slices.Contains(documented, path) {
			require.NoError(t, err, path)
		} else {
			require.ErrorIs(t, err, seam.ErrInvalidParams, path)
		}
	}
	assert.Equal(t, documented, accepted)
}
