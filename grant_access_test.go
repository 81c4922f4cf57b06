package seam_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestGrantAccess tests what GrantAccess sends, and which responses it accepts.
func TestGrantAccess(t *testing.T) {
	t.Parallel()
	byID := seam.ClientSessionGrantAccessParams{ClientSessionID: "1", ConnectWebviewIDs: []string{"w"}}
	byUser := seam.ClientSessionGrantAccessParams{UserIdentifierKey: "jane_doe", ConnectWebviewIDs: []string{"w"}}
	associate := seam.ClientSessionGrantAccessParams{ClientSessionID: "1", UserIdentifierKey: "jane_doe"}
	const other = "response has a client session that was not requested"
	for name, tt := range map[string]struct {
		params   seam.ClientSessionGrantAccessParams
		response string
		want     string // in the error
	}{
		"an empty response":        {byID, `{}`, ""},
		"no session":               {byID, `{"ok": true}`, ""},
		"the session":              {byID, `{"client_session": {"client_session_id": "1"}, "ok": true}`, ""},
		"the session without ok":   {byID, `{"client_session": {"client_session_id": "1", "user_identifier_key": "jane_doe"}}`, ""},
		"null":                     {byID, `{"client_session": null, "ok": true}`, ""},
		"another session":          {byID, `{"client_session": {"client_session_id": "2"}, "ok": true}`, other},
		"the user's session":       {byUser, `{"client_session": {"client_session_id": "2", "user_identifier_key": "jane_doe"}, "ok": true}`, ""},
		"another user's session":   {byUser, `{"client_session": {"client_session_id": "2", "user_identifier_key": "john_doe"}, "ok": true}`, other},
		"a session without an ID":  {byUser, `{"client_session": {"user_identifier_key": "jane_doe"}, "ok": true}`, other},
		"the associated session":   {associate, `{"client_session": {"client_session_id": "1", "user_identifier_key": "jane_doe"}, "ok": true}`, ""},
		"the user's other session": {associate, `{"client_session": {"client_session_id": "2", "user_identifier_key": "jane_doe"}, "ok": true}`, other},
		"a session of nobody":      {associate, `{"client_session": {"client_session_id": "1"}, "ok": true}`, other},
		"the page of a proxy":      {byID, `{"title": "Welcome"}`, "response does not say that the request succeeded"},
		"a list":                   {byID, `{"client_session": [], "ok": true}`, "client_session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, respond(http.StatusOK, tt.response), seam.WithMaxRetries(0))
			err := client.ClientSessions.GrantAccess(t.Context(), tt.params)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, http.StatusOK, requireAPIError(t, err).StatusCode)
		})
	}
}
