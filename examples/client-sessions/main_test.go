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
)

const (
	janesID = "00000001-0000-4000-8000-000000000000"
	ownNote = "SEAM_API_KEY is not set: this is a Seam server of its own, with a session of jane_doe.\n"
)

// TestMain keeps the tests away from the real service.
func TestMain(m *testing.M) {
	os.Clearenv()
	os.Exit(m.Run())
}

func TestOwnServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   string
		status int
		stdout []string // parts of it
		stderr []string
	}{
		{args: "", status: 2, stderr: []string{"no operation is given", "usage: client-sessions <operation>"}},
		{args: "nonsense", status: 2, stderr: []string{`not understood: ["nonsense"]`, "usage: client-sessions <operation>"}},
		{args: "--help", stdout: []string{"usage: client-sessions <operation>", "grant-access"}},
		{args: "help", stdout: []string{"usage: client-sessions <operation>"}},
		{args: "get --help", stdout: []string{"usage: client-sessions <operation>"}},
		{args: "get --nonsense 1", status: 2, stderr: []string{"nonsense"}},
		{args: "get --customer_key acme", status: 2, stderr: []string{`unknown field "customer_key"`}},
		{args: "get jane_doe", status: 2, stderr: []string{"not understood"}},
		{args: "create --expires_at tomorrow", status: 2, stderr: []string{"tomorrow"}},
		{args: "get", status: 2, stderr: []string{"set ClientSessionID or UserIdentifierKey"}},
		{args: "get --user_identifier_key jane_doe", stdout: []string{`"client_session_id": "` + janesID + `"`}, stderr: []string{ownNote}},
		{args: "get --user_identifier_key joe", status: 1, stderr: []string{"404 client_session_not_found", "(request request2)"}},
		{args: "revoke --client_session_id " + janesID, stdout: []string{"{}\n"}},
		{args: "revoke --client_session_id x", status: 1, stderr: []string{"client_session_not_found"}},
		{args: "delete --client_session_id " + janesID, stdout: []string{"{}\n"}},
		{args: "list --without_user_identifier_key", stdout: []string{"[]\n"}},
		{args: "list --without_user_identifier_key=false", stdout: []string{janesID}},
		{args: "list", stdout: []string{"[\n", janesID}},
		{args: "get-or-create --user_identifier_key jane_doe", stdout: []string{janesID}},
		{args: "grant-access --client_session_id " + janesID + " --connect_webview_ids a,b", stdout: []string{"\"a\",\n    \"b\""}},
		{args: "create --customer_key acme --expires_at 2030-01-31T12:00:00+01:00", stdout: []string{`"2030-01-31T11:00:00.000Z"`, `"acme"`}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			var stdout, stderr strings.Builder
			assert.Equal(t, tt.status, run(t.Context(), strings.Fields(tt.args), &stdout, &stderr))
			for _, part := range tt.stdout {
				assert.Contains(t, stdout.String(), part)
			}
			for _, part := range tt.stderr {
				assert.Contains(t, stderr.String(), part)
			}
			assert.Equal(t, tt.stdout == nil, stdout.Len() == 0, stdout.String())
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
