package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
	"github.com/seam-go/seam/seamtest"
)

// TestMain keeps the tests away from the real services.
func TestMain(m *testing.M) {
	os.Clearenv()
	os.Exit(m.Run())
}

func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	assert.Regexp(t, `^No -user is given: this runs on servers of its own\.
Revoked the session 0000000[12]-0000-4000-8000-000000000000
Revoked the session 0000000[12]-0000-4000-8000-000000000000
Revoked a token that was good until \d{4}-\d\d-\d\d \d\d:\d\d UTC
Revoked a token that was good until \d{4}-\d\d-\d\d \d\d:\d\d UTC
$`, out.String())
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"jane_doe"}, `unexpected argument "jane_doe": give the user with -user`},
		{[]string{"-user", "", "jane_doe"}, `unexpected argument "jane_doe": give the user with -user`},
		{[]string{"-user", ""}, "-user is empty"}, // as a variable may be
		{[]string{"-user", " "}, "-user is empty"},
		{[]string{"-user"}, "flag needs an argument: -user"},
		{[]string{"-nonsense"}, "flag provided but not defined: -nonsense"},
	} {
		var out bytes.Buffer
		require.EqualError(t, run(t.Context(), tt.args, &out), tt.want)
		assert.Empty(t, out.String(), "nothing is done")
	}
}

// TestSignOut revokes what is the user's and nothing else.
func TestSignOut(t *testing.T) {
	srv, other := seamtest.NewServer(t), imkittest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	tokens := map[string]string{}
	for _, user := range []string{"jane_doe", "john_doe"} {
		session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: user})
		require.NoError(t, err)
		tokens[user] = session.Token
		other.AddToken(user)
	}
	var out bytes.Buffer
	janes := []string{"-user", "jane_doe"}
	require.ErrorContains(t, run(t.Context(), janes, &out), "SEAM_API_KEY")
	t.Setenv("SEAM_PERSONAL_ACCESS_TOKEN", srv.PersonalAccessToken)
	require.ErrorContains(t, run(t.Context(), janes, &out), "SEAM_WORKSPACE_ID")
	t.Setenv("SEAM_WORKSPACE_ID", srv.WorkspaceID)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	require.ErrorContains(t, run(t.Context(), janes, &out), "IMKIT_ENDPOINT")
	t.Setenv("IMKIT_ENDPOINT", other.URL)
	require.ErrorContains(t, run(t.Context(), janes, &out), "IMKIT_API_KEY")
	t.Setenv("IMKIT_API_KEY", imkittest.APIKey)
	assert.Empty(t, out.String(), "nothing is done before all is set up")

	require.NoError(t, run(t.Context(), janes, &out))
	assert.Regexp(t, `^Revoked the session 00000001-0000-4000-8000-000000000000
Revoked a token that was good until .*
$`, out.String())

	get := func(user string) error {
		_, err := sessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(tokens[user]))
		return err
	}
	require.ErrorIs(t, get("jane_doe"), seam.ErrUnauthorized)
	require.NoError(t, get("john_doe"))
	left, err := other.Client(t).Tokens.RevokeAll(t.Context(), "john_doe")
	require.NoError(t, err)
	assert.Len(t, left, 1)

	out.Reset()
	require.NoError(t, run(t.Context(), janes, &out), "again")
	assert.Equal(t, "jane_doe had no session and no token.\n", out.String())
}

// TestSignOutGoesOn after one of the two has failed.
func TestSignOutGoesOn(t *testing.T) {
	t.Parallel()
	srv, other := seamtest.NewServer(t), imkittest.NewServer(t)
	_, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	srv.Fail(seamtest.Fault{Path: "/client_sessions/revoke", Status: http.StatusForbidden})
	other.AddToken("jane_doe")

	var out bytes.Buffer
	err = signOut(t.Context(), srv.Client(t), other.Client(t), "jane_doe", &out)
	require.ErrorIs(t, err, seam.ErrForbidden)
	require.ErrorContains(t, err, "00000001-", "it names the session")
	left, err := other.Client(t).Tokens.RevokeAll(t.Context(), "jane_doe")
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestBothFail tests that neither error hides the other.
func TestBothFail(t *testing.T) {
	t.Parallel()
	srv, other := seamtest.NewServer(t), imkittest.NewServer(t)
	srv.Fail(seamtest.Fault{Path: "/client_sessions/list", Status: http.StatusForbidden})
	wrong, err := imkit.NewClient(other.URL, "another_key")
	require.NoError(t, err)
	var out bytes.Buffer
	err = signOut(t.Context(), srv.Client(t), wrong, "jane_doe", &out)
	require.ErrorIs(t, err, seam.ErrForbidden)
	require.ErrorContains(t, err, "imkit")
	assert.Empty(t, out.String())
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sent, want string }{
		{`"expirationDate": "2126-01-31T12:00:00.000Z"`, "Revoked a token that was good until 2126-01-31 12:00 UTC\n"},
		{`"expirationDateMS": 100000000000000`, "Revoked a token that was good until 5138-11-16 09:46 UTC\n"},
		{`"expirationDate": "2020-01-31T12:00:00.000Z"`, "Revoked a token that expired on 2020-01-31 12:00 UTC\n"},
		{`"createdAt": "2020-01-31T12:00:00.000Z"`, "Revoked a token without an expiry\n"},
	} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"RC": 0, "RM": "OK", "result": {"data": [{"token": "x", ` + tt.sent + `}]}}`))
		}))
		defer service.Close()
		client, err := imkit.NewClient(service.URL, imkittest.APIKey)
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, signOut(t.Context(), seamtest.NewServer(t).Client(t), client, "jane_doe", &out))
		assert.Equal(t, tt.want, out.String())
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, nil, &bytes.Buffer{}), context.Canceled)
}
