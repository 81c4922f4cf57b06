package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

const (
	janesID = "00000001-0000-4000-8000-000000000000"
	ownNote = "No Seam credential is set: this runs on a fake Seam server, with a session of jane_doe.\n"
)

// TestMain keeps the tests away from the real service.
func TestMain(m *testing.M) {
	os.Clearenv()
	os.Exit(m.Run())
}

func TestOwnServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   string // separated by spaces; _ is an empty one, and ~ a space
		status int
		stdout []string // parts of it
		stderr []string
	}{
		{args: "--help", stdout: []string{"usage: client-sessions <operation>", "grant-access", "SEAM_API_KEY"}},
		{args: "-h", stdout: []string{"usage: client-sessions <operation>"}},
		{args: "help", stdout: []string{"usage: client-sessions <operation>"}},
		{args: "help get", stdout: []string{"usage: client-sessions get", "--user_identifier_key"}},
		{args: "get --help", stdout: []string{"usage: client-sessions get", "--user_identifier_key"}},
		{args: "grant-access --help", stdout: []string{"--connect_webview_ids <id>,<id>"}},
		{args: "create --help", stdout: []string{"--expires_at <time>"}},
		{args: "list --help", stdout: []string{"--without_user_identifier_key\n"}},

		{args: "", status: 2, stderr: []string{"an operation is needed", "usage: client-sessions <operation>"}},
		{args: "nonsense", status: 2, stderr: []string{`unknown operation "nonsense"`, "usage: client-sessions <operation>"}},
		{args: "--user_identifier_key jane_doe", status: 2, stderr: []string{`unknown operation "--user_identifier_key"`}},
		{args: "help nonsense", status: 2, stderr: []string{`unknown operation "nonsense"`}},
		{args: "get --nonsense 1", status: 2, stderr: []string{"unknown flag --nonsense\n", "usage: client-sessions get"}},
		{args: "get --customer_key acme", status: 2, stderr: []string{"unknown flag --customer_key\n", "usage: client-sessions get"}},
		{args: "get --user_identifier_key", status: 2, stderr: []string{"--user_identifier_key needs a value\n"}},
		{args: "get ---nonsense", status: 2, stderr: []string{"bad flag syntax: ---nonsense\n"}},
		{args: "get jane_doe", status: 2, stderr: []string{`unexpected argument "jane_doe"`}},
		{args: "get --user_identifier_key _", status: 2, stderr: []string{"--user_identifier_key is empty"}},
		{args: "get --user_identifier_key ~", status: 2, stderr: []string{"--user_identifier_key is empty"}},
		{args: "get --user_identifier_key jane --user_identifier_key joe", status: 2, stderr: []string{"--user_identifier_key is given twice"}},
		{args: "list --user_identifier_key _", status: 2, stderr: []string{"--user_identifier_key is empty"}},
		{args: "list --without_user_identifier_key=maybe", status: 2, stderr: []string{`--without_user_identifier_key is true or false, not "maybe"`}},
		{args: "create --expires_at tomorrow", status: 2, stderr: []string{`--expires_at is a time such as`, `not "tomorrow"`}},
		{args: "create --connect_webview_ids a,,b", status: 2, stderr: []string{"--connect_webview_ids has an empty value"}},
		{args: "create --connect_webview_ids ,", status: 2, stderr: []string{"--connect_webview_ids has an empty value"}},
		{args: "get", status: 2, stderr: []string{"--client_session_id", "--user_identifier_key", "usage: client-sessions get"}},
		{args: "get --client_session_id a --user_identifier_key b", status: 2, stderr: []string{"--client_session_id", "--user_identifier_key", "usage"}},
		{args: "get-or-create", status: 2, stderr: []string{"--user_identifier_key", "--user_identity_id", "usage"}},
		{args: "revoke", status: 2, stderr: []string{"--client_session_id", "usage: client-sessions revoke "}},
		{args: "revoke-all", status: 2, stderr: []string{"at least one", "flag", "usage: client-sessions revoke-all "}},
		{args: "get --user_identifier_key \xff", status: 2, stderr: []string{"--user_identifier_key"}},

		{args: "get --user_identifier_key jane_doe", stdout: []string{`"client_session_id": "` + janesID + `"`}, stderr: []string{ownNote}},
		{args: "get --user_identifier_key joe", status: 1, stderr: []string{"404 client_session_not_found", "(request request2)"}},
		{args: "revoke --client_session_id " + janesID, stdout: []string{"{}\n"}},
		{args: "revoke --client_session_id x", status: 1, stderr: []string{"client_session_not_found"}},
		{args: "revoke-all --user_identifier_key jane_doe", stdout: []string{"[\n", janesID}},
		{args: "revoke-all --user_identifier_key joe", stdout: []string{"[]\n"}},
		{args: "delete --client_session_id " + janesID, stdout: []string{"{}\n"}},
		{args: "list --without_user_identifier_key", stdout: []string{"[]\n"}},
		{args: "list --without_user_identifier_key=false", stdout: []string{janesID}},
		{args: "list", stdout: []string{"[\n", janesID}},
		{args: "get-or-create --user_identifier_key jane_doe", stdout: []string{janesID}},
		{args: "create --connect_webview_ids a,~b", stdout: []string{"\"a\",\n    \"b\"\n"}},
		{args: "grant-access --client_session_id " + janesID + " --connect_webview_ids a,b", stdout: []string{"\"a\",\n    \"b\"\n"}},
		{args: "create --customer_key acme --expires_at 2030-01-31T12:00:00+01:00", stdout: []string{`"2030-01-31T11:00:00.000Z"`, `"acme"`}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			args := strings.Split(tt.args, " ")
			for i, arg := range args {
				if args[i] = strings.ReplaceAll(arg, "~", " "); arg == "_" {
					args[i] = ""
				}
			}
			if tt.args == "" {
				args = nil
			}
			var stdout, stderr strings.Builder
			assert.Equal(t, tt.status, run(t.Context(), args, &stdout, &stderr))
			for _, part := range tt.stdout {
				assert.Contains(t, stdout.String(), part)
			}
			for _, part := range tt.stderr {
				assert.Contains(t, stderr.String(), part)
			}
			assert.Equal(t, tt.stdout == nil, stdout.Len() == 0, stdout.String())
			for _, goName := range []string{"ClientSession", "UserIdentifierKey", "UserIdentityID", "seam:", "json:", "params", "field"} {
				if tt.status == 2 {
					assert.NotContains(t, stderr.String(), goName)
				}
			}
		})
	}
}

// TestDocumentedOutput has the service answer as in the vendor's documents,
// whose output must come out again.
func TestDocumentedOutput(t *testing.T) {
	documented, err := os.ReadFile("../../testdata/documented/get.json")
	require.NoError(t, err)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.JSONEq(t, `{"user_identifier_key": "jane_doe"}`, string(body))
		_, _ = w.Write(documented)
	}))
	defer service.Close()
	t.Setenv("SEAM_API_KEY", "seam_test_key")
	t.Setenv("SEAM_ENDPOINT", service.URL)

	var stdout, stderr strings.Builder
	require.Zero(t, run(t.Context(), []string{"get", "--user_identifier_key", "jane_doe"}, &stdout, &stderr))
	assert.Empty(t, stderr.String())
	var want struct {
		ClientSession json.RawMessage `json:"client_session"`
	}
	require.NoError(t, json.Unmarshal(documented, &want))
	assert.JSONEq(t, string(want.ClientSession), stdout.String())
}

// TestPersonalAccessToken tests that the credential need not be an API key.
func TestPersonalAccessToken(t *testing.T) {
	srv := seamtest.NewServer(t)
	t.Setenv("SEAM_PERSONAL_ACCESS_TOKEN", srv.PersonalAccessToken)
	t.Setenv("SEAM_WORKSPACE_ID", srv.WorkspaceID)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	var stdout, stderr strings.Builder
	require.Zero(t, run(t.Context(), []string{"create", "--user_identifier_key", "jane_doe"}, &stdout, &stderr))
	assert.Empty(t, stderr.String())
	_, err := srv.Client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)

	t.Setenv("SEAM_WORKSPACE_ID", "")
	require.Equal(t, 1, run(t.Context(), []string{"list"}, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "SEAM_WORKSPACE_ID")
}

// TestEndpointAlone tests that the endpoint is ignored without a credential.
func TestEndpointAlone(t *testing.T) {
	srv := seamtest.NewServer(t)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	var stdout, stderr strings.Builder
	require.Zero(t, run(t.Context(), []string{"get", "--user_identifier_key", "jane_doe"}, &stdout, &stderr))
	assert.Equal(t, ownNote, stderr.String())
	assert.Empty(t, srv.Requests())
}

// TestRevokeAllInPart tests that what was revoked is printed beside the error.
func TestRevokeAllInPart(t *testing.T) {
	srv := seamtest.NewServer(t)
	t.Setenv("SEAM_API_KEY", srv.APIKey)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	for range 2 {
		_, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"a"}})
		require.NoError(t, err)
	}
	srv.Fail(seamtest.Fault{Path: "/client_sessions/revoke", Status: http.StatusForbidden, Times: 1})
	var stdout, stderr strings.Builder
	require.Equal(t, 1, run(t.Context(), []string{"revoke-all", "--without_user_identifier_key"}, &stdout, &stderr))
	assert.Equal(t, 1, strings.Count(stdout.String(), "client_session_id"), stdout.String())
	assert.Contains(t, stderr.String(), "403")
}
