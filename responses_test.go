package seam_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestResponsesAreChecked lists 2xx responses that are not what was requested.
// Each is an APIError.
func TestResponsesAreChecked(t *testing.T) {
	t.Parallel()
	session := func(fields string) string {
		return `{"client_session_id": "` + sessionID + `", "token": "t", "user_identifier_key": "bob"` + fields + `}`
	}
	one := func(fields string) string { return `{"client_session": ` + session(fields) + `, "ok": true}` }
	many := func(after string) string { return `{"client_sessions": [` + session("") + `]` + after + `}` }
	get := func(params seam.ClientSessionGetParams) func(context.Context, *seam.ClientSessionsService) error {
		return func(ctx context.Context, s *seam.ClientSessionsService) error { return second(s.Get(ctx, params)) }
	}
	getOrCreate := func(params seam.ClientSessionGetOrCreateParams) func(context.Context, *seam.ClientSessionsService) error {
		return func(ctx context.Context, s *seam.ClientSessionsService) error {
			return second(s.GetOrCreate(ctx, params))
		}
	}
	list := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return second(s.List(ctx, seam.ClientSessionListParams{}))
	}
	walk := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return all(ctx, s, seam.ClientSessionListParams{})
	}
	revokeAll := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return second(s.RevokeAll(ctx, seam.ClientSessionListParams{UserIdentifierKey: "bob"}))
	}
	create := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return second(s.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "alice"}))
	}
	const otherSession, nextPage = "was not requested", "one page of several"
	const failed = "says that the request failed"
	for name, tt := range map[string]struct {
		call func(context.Context, *seam.ClientSessionsService) error
		body string
		want string
	}{
		"GetOrCreate of another user":            {getOrCreate(seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "alice"}), one(""), otherSession},
		"GetOrCreate of another identity":        {getOrCreate(seam.ClientSessionGetOrCreateParams{UserIdentityID: "alice"}), one(`, "user_identity_id": "bob"`), otherSession},
		"Create of another user":                 {create, one(""), otherSession},
		"Get of another user":                    {get(seam.ClientSessionGetParams{UserIdentifierKey: "alice"}), one(""), otherSession},
		"Get of another ID":                      {get(seam.ClientSessionGetParams{ClientSessionID: "1"}), one(""), otherSession},
		"Get without a token":                    {get(seam.ClientSessionGetParams{UserIdentifierKey: "bob"}), strings.Replace(one(""), `"t"`, `""`, 1), "without a token"},
		"List without a token":                   {list, strings.Replace(many(""), `"t"`, `null`, 1), "without a token"},
		"All without a token":                    {walk, strings.Replace(many(""), `"t"`, `""`, 1), "without a token"},
		"Get that is not ok":                     {get(seam.ClientSessionGetParams{UserIdentifierKey: "bob"}), strings.Replace(one(""), "true", "false", 1), failed},
		"Get with an ok of another type":         {get(seam.ClientSessionGetParams{UserIdentifierKey: "bob"}), strings.Replace(one(""), "true", `"no"`, 1), failed},
		"List that is not ok":                    {list, many(`, "ok": false`), failed},
		"All that is not ok":                     {walk, many(`, "ok": false`), failed},
		"List with an error":                     {list, many(`, "error": {"type": "partial"}`), failed},
		"List with a next page":                  {list, many(`, "pagination": {"has_next_page": true, "next_page_cursor": "c"}`), nextPage},
		"All with a next page":                   {walk, many(`, "pagination": {"has_next_page": true}`), nextPage},
		"RevokeAll with a next page":             {revokeAll, many(`, "pagination": {"has_next_page": true}`), nextPage},
		"Get whose device count is no integer":   {get(seam.ClientSessionGetParams{UserIdentifierKey: "bob"}), one(`, "device_count": 1.5`), "expected an integer"},
		"Get with a session of the wrong type":   {get(seam.ClientSessionGetParams{UserIdentifierKey: "bob"}), `{"client_session": "t"}`, "expected an object"},
		"List with sessions of the wrong type":   {list, `{"client_sessions": [5]}`, "expected an object"},
		"List with an object in place of a list": {list, `{"client_sessions": {}}`, "an array is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := offline(t, func(req *http.Request) (*http.Response, error) {
				assert.NotEqual(t, "/client_sessions/revoke", req.URL.Path, "nothing is revoked")
				return response(http.StatusOK, tt.body)
			})
			err := tt.call(t.Context(), client.ClientSessions)
			assert.Equal(t, http.StatusOK, requireAPIError(t, err).StatusCode)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

// TestResponsesThatAreTaken differ from those above in what does not matter.
func TestResponsesThatAreTaken(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		strings.Replace(oneSession, `, "ok": true`, "", 1),
		strings.Replace(oneSession, `"ok": true`, `"ok": null, "error": null`, 1),
		strings.Replace(oneSession, `"ok": true`, `"pagination": {"has_next_page": false}, "warnings": []`, 1),
	} {
		session, err := offline(t, answers(http.StatusOK, body)).ClientSessions.
			GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane_doe"})
		require.NoError(t, err, body)
		assert.Equal(t, sessionID, session.ClientSessionID)
	}
}

// TestErrorsByType meets each error type that has an error of its own.
func TestErrorsByType(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	jane, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	_, exists := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	asJane := seam.WithClientSessionToken(jane.Token)
	require.NoError(t, sessions.Revoke(t.Context(), jane.ClientSessionID))
	_, revoked := sessions.Get(t.Context(), seam.ClientSessionGetParams{}, asJane)
	john, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "john_doe", ExpiresAt: expiry.AddDate(-20, 0, 0)})
	require.NoError(t, err)
	_, expired := sessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(john.Token))

	byType := []error{seam.ErrClientSessionExists, seam.ErrClientSessionRevoked, seam.ErrClientSessionExpired}
	for i, err := range []error{exists, revoked, expired} {
		for j, target := range byType {
			assert.Equal(t, i == j, errors.Is(err, target), "%v is %v", err, target)
		}
		require.ErrorAs(t, err, new(*seam.APIError))
	}
	require.ErrorIs(t, revoked, seam.ErrUnauthorized)
	assert.ErrorIs(t, expired, seam.ErrUnauthorized)
}

// uncomparable is an error that panics when compared with ==.
type uncomparable struct{ why any }

func (uncomparable) Error() string { return "the user left" }

// TestUncomparableCause ends the context with errors that cannot be compared.
func TestUncomparableCause(t *testing.T) {
	t.Parallel()
	for _, why := range []error{uncomparable{[]string{"a"}}, errors.Join(uncomparable{[]string{"a"}})} {
		ctx, cancel := context.WithCancelCause(t.Context())
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			cancel(why)
			return nil, context.Cause(req.Context())
		})
		for range 2 { // during the call, and before it
			err := client.ClientSessions.Revoke(ctx, sessionID)
			require.ErrorIs(t, err, context.Canceled)
			assert.EqualError(t, err, "seam: POST /client_sessions/revoke: context canceled: the user left")
		}
	}
}
