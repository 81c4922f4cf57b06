package seam_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

var documented = seam.ClientSession{
	ClientSessionID:     "c2cbd177-1ace-414b-bb1e-9f129e4a05c1",
	ConnectWebviewIDs:   []string{"dafe6400-7484-4fd1-8c17-1c901b444250"},
	ConnectedAccountIDs: []string{"8062d457-e28e-481f-aecc-509905627511"},
	CreatedAt:           time.Date(2025, 6, 15, 16, 54, 17, 946309000, time.UTC),
	CustomerID:          "e387e15f-be27-47ad-881f-4a6fc5460c57",
	DeviceCount:         1,
	ExpiresAt:           time.Date(2025, 6, 19, 15, 22, 40, 0, time.UTC),
	Token:               "seam_cst1891oqCmD_6dBwV8PJ2Fsoe9dWYVyMfVHq",
	UserIdentifierKey:   "jane_doe",
	UserIdentityID:      "89765fd3-6193-4d63-8605-e77f75356555",
	WorkspaceID:         "b887bf84-9849-4454-a562-cf84293d9781",
}

// TestDocumentedAnswers decodes what the vendor's documents show.
func TestDocumentedAnswers(t *testing.T) {
	t.Parallel()
	get, err := os.ReadFile("testdata/documented/get.json")
	require.NoError(t, err)
	session, err := serve(t, answer(http.StatusOK, string(get))).ClientSessions.
		Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(&documented, session))

	object, err := os.ReadFile("testdata/documented/object.json")
	require.NoError(t, err)
	list, err := serve(t, answer(http.StatusOK, `{"client_sessions": [`+string(object)+`]}`)).ClientSessions.
		List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff([]seam.ClientSession{{
		ClientSessionID:     "c2cbd177-1ace-414b-bb1e-9f129e4a05c1",
		ConnectWebviewIDs:   []string{"550e8400-e29b-41d4-a716-446655440000"},
		ConnectedAccountIDs: []string{"f47ac10b-58cc-4372-a567-0e02b2c3d479"},
		CreatedAt:           time.Date(2025, 6, 15, 16, 54, 17, 946309000, time.UTC),
		CustomerID:          "77eccc4e-c8bc-4c7d-b83c-cb853ed3bade",
		DeviceCount:         1,
		ExpiresAt:           time.Date(2025, 6, 17, 16, 54, 17, 946309000, time.UTC),
		Token:               "seam_cst1891oqCmB_6dBwV8PJ2Fsoe9dWYVyMfVHq",
		UserIdentifierKey:   "user_id_1",
		UserIdentityID:      "a6e93f84-565e-47d7-8908-1ca71ada373c",
		UserIdentityIDs:     []string{"a6e93f84-565e-47d7-8908-1ca71ada373c"},
		WorkspaceID:         "b887bf84-9849-4454-a562-cf84293d9781",
	}}, list))

	revoke, err := os.ReadFile("testdata/documented/revoke.json")
	require.NoError(t, err)
	assert.NoError(t, serve(t, answer(http.StatusOK, string(revoke))).ClientSessions.Revoke(t.Context(), sessionID))
}

// TestLenientDecoding takes answers that differ from the schema in what does
// not matter.
func TestLenientDecoding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       seam.ClientSession
	}{
		{"the least", `{"client_session_id": "not a UUID", "token": "t"}`, seam.ClientSession{ClientSessionID: "not a UUID", Token: "t"}},
		{
			"null for all that may be",
			`{"client_session_id": "1", "token": "t", "customer_key": null, "user_identifier_key": null, "user_identity_id": null,
			"user_identity_ids": null, "connect_webview_ids": null, "connected_account_ids": null, "device_count": null,
			"expires_at": null, "created_at": null}`,
			seam.ClientSession{ClientSessionID: "1", Token: "t"},
		},
		{"customer key", `{"client_session_id": "1", "token": "t", "customer_key": "acme"}`, seam.ClientSession{ClientSessionID: "1", Token: "t", CustomerKey: "acme"}},
		{"unknown fields", `{"client_session_id": "1", "token": "t", "revoked_at": {"a": []}}`, seam.ClientSession{ClientSessionID: "1", Token: "t"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			session, err := serve(t, answer(http.StatusOK, `{"client_session": `+tt.body+`}`)).ClientSessions.
				Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: tt.want.ClientSessionID})
			require.NoError(t, err)
			assert.Empty(t, cmp.Diff(&tt.want, session))
		})
	}
}

// TestPrintedSessionHidesItsToken prints a session, and what holds one, in each
// way that there is.
func TestPrintedSessionHidesItsToken(t *testing.T) {
	t.Parallel()
	prints := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t"} {
		for name, value := range map[string]any{
			"value": documented, "pointer": &documented,
			"slice": []seam.ClientSession{documented}, "map": map[string]*seam.ClientSession{"a": &documented},
			"field": struct{ S seam.ClientSession }{documented},
		} {
			prints[name+" "+verb] = fmt.Sprintf(verb, value)
		}
	}
	var text, object bytes.Buffer
	newTestLogger(&text).Info("signed in", "session", documented, "list", []*seam.ClientSession{&documented})
	slog.New(slog.NewJSONHandler(&object, nil)).Info("signed in", "session", documented, "pointer", &documented)
	prints["slog text"], prints["slog JSON"] = text.String(), object.String()

	hex := fmt.Sprintf("%x", documented.Token)
	for name, print := range prints {
		assert.NotContains(t, print, documented.Token, name)
		assert.NotContains(t, print, hex, name)
		assert.NotContains(t, print, fmt.Sprintf("%X", documented.Token), name)
	}
	assert.Contains(t, prints["value %v"], "jane_doe")
	assert.Contains(t, prints["slog JSON"], `"user_identifier_key":"jane_doe"`)
	assert.Contains(t, prints["slog JSON"], `"token":"REDACTED"`)
	assert.NotContains(t, fmt.Sprint(seam.ClientSession{}), "REDACTED", "there is nothing to hide")
}

// TestMarshalledSessionKeepsItsToken, since a front end is to get it.
func TestMarshalledSessionKeepsItsToken(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(documented)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	want := readJSON(t, "testdata/documented/get.json").(map[string]any)["client_session"].(map[string]any)
	want["expires_at"] = "2025-06-19T15:22:40Z"
	assert.Empty(t, cmp.Diff(want, fields))

	text, err = json.Marshal(seam.ClientSession{ClientSessionID: "1", ConnectWebviewIDs: []string{}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"client_session_id": "1", "connect_webview_ids": [], "device_count": 0, "token": "", "user_identifier_key": "", "workspace_id": ""}`,
		string(text), "what is not there does not become a date in the year 1")
}
