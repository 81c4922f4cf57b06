package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestMain keeps the tests away from the real service.
func TestMain(m *testing.M) {
	os.Clearenv()
	os.Exit(m.Run())
}

func Example() {
	main()
	// Output:
	// No Seam credential is set: this runs on a fake Seam server.
	// Session 00000001-0000-4000-8000-000000000000 belongs to seam-go-quickstart.
	//   It expires in 24h0m0s.
	//   It has access to 0 devices.
	// Seam accepts its token.
	// Listed: 00000001-0000-4000-8000-000000000000
	// Revoked. Seam refuses the token now.
}

// TestCredentials tests that a credential of either kind leads to the real service.
func TestCredentials(t *testing.T) {
	srv := seamtest.NewServer(t)
	for name, env := range map[string]map[string]string{
		"API key":               {"SEAM_API_KEY": srv.APIKey},
		"personal access token": {"SEAM_PERSONAL_ACCESS_TOKEN": srv.PersonalAccessToken, "SEAM_WORKSPACE_ID": srv.WorkspaceID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SEAM_ENDPOINT", srv.URL)
			for name, value := range env {
				t.Setenv(name, value)
			}
			before := len(srv.Requests())
			require.NoError(t, run(t.Context()))
			assert.Greater(t, len(srv.Requests()), before)
			left, err := srv.Client(t).ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
	t.Setenv("SEAM_PERSONAL_ACCESS_TOKEN", srv.PersonalAccessToken)
	require.ErrorContains(t, run(t.Context()), "SEAM_WORKSPACE_ID")
}

// TestEndpointAlone tests that the endpoint is ignored without a credential.
func TestEndpointAlone(t *testing.T) {
	srv := seamtest.NewServer(t)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	require.NoError(t, run(t.Context()))
	assert.Empty(t, srv.Requests())
}
