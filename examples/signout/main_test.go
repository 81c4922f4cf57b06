package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
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

func Example() {
	main()
	// Unordered output:
	// No -user was given: this runs on servers of its own.
	// Revoked the session 00000001-0000-4000-8000-000000000000
	// Revoked the session 00000002-0000-4000-8000-000000000000
	// Revoked a token that was good for 168h0m0s more
	// Revoked a token that was good for 168h0m0s more
}

// TestSignOut revokes what is the user's and nothing else, and tells how far it
// is.
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
	require.ErrorIs(t, run(t.Context(), "jane_doe", io.Discard), seam.ErrInvalidParams, "Seam is not set up")
	t.Setenv("SEAM_API_KEY", srv.APIKey)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	require.ErrorIs(t, run(t.Context(), "jane_doe", io.Discard), imkit.ErrInvalidParams, "IMKIT is not set up")
	t.Setenv("IMKIT_ENDPOINT", other.URL)
	t.Setenv("IMKIT_API_KEY", imkittest.APIKey)

	require.ErrorIs(t, signOut(t.Context(), srv.Client(t), other.Client(t), "", io.Discard), seam.ErrInvalidParams, "not everybody")
	var progress bytes.Buffer
	require.NoError(t, run(t.Context(), "jane_doe", &progress))
	assert.Equal(t, "Seam: revoking sessions\r\x1b[K\r\x1b[KIMKIT: revoking tokens\r\x1b[K", progress.String())

	get := func(user string) error {
		_, err := sessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(tokens[user]))
		return err
	}
	require.ErrorIs(t, get("jane_doe"), seam.ErrUnauthorized)
	require.NoError(t, get("john_doe"))
	left, err := other.Client(t).Tokens.RevokeAll(t.Context(), "john_doe")
	require.NoError(t, err)
	assert.Len(t, left, 1)
	left, err = other.Client(t).Tokens.RevokeAll(t.Context(), "jane_doe")
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestSignOutGoesOn after one of the two has failed.
func TestSignOutGoesOn(t *testing.T) {
	t.Parallel()
	srv, other := seamtest.NewServer(t), imkittest.NewServer(t)
	_, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	srv.Fail(seamtest.Fault{Path: "/client_sessions/revoke", Status: http.StatusForbidden})
	other.AddToken("jane_doe")

	err = signOut(t.Context(), srv.Client(t), other.Client(t), "jane_doe", io.Discard)
	require.ErrorIs(t, err, seam.ErrForbidden)
	require.ErrorContains(t, err, "client session 00000001-")
	left, err := other.Client(t).Tokens.RevokeAll(t.Context(), "jane_doe")
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestSignOutInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, "", io.Discard), context.Canceled)
}
