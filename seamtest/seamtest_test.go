package seamtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/loopback"
	"github.com/seam-go/seam/seamtest"
)

func TestWorkspacesAreApart(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	here := srv.Client(t).ClientSessions
	other := srv.NewWorkspace()
	there := srv.Client(t, seam.WithAPIKey(other.APIKey)).ClientSessions
	require.NotEqual(t, srv.WorkspaceID, other.WorkspaceID)

	session, err := here.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	_, err = there.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: session.ClientSessionID})
	require.ErrorIs(t, err, seam.ErrNotFound)
	_, err = there.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
	require.ErrorIs(t, err, seam.ErrNotFound)
	require.ErrorIs(t, there.Revoke(t.Context(), session.ClientSessionID), seam.ErrNotFound)
	require.ErrorIs(t, there.Delete(t.Context(), session.ClientSessionID), seam.ErrNotFound)
	list, err := there.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	assert.Empty(t, list)

	same, err := there.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	assert.NotEqual(t, session.ClientSessionID, same.ClientSessionID)
	assert.Equal(t, other.WorkspaceID, same.WorkspaceID)

	_, err = here.List(t.Context(), seam.ClientSessionListParams{}, seam.WithPersonalAccessToken(srv.PersonalAccessToken, other.WorkspaceID))
	require.ErrorIs(t, err, seam.ErrUnauthorized)
}

// TestWhoMayDoWhat sends each kind of credential to each endpoint of client
// sessions.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	session, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)

	const wrongKind = "client_session_token_used_for_api_key"
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	workspace := bearer(srv.PersonalAccessToken)
	workspace.Set("Seam-Workspace", srv.WorkspaceID)
	public := http.Header{"Seam-Publishable-Key": {srv.PublishableKey}}
	for _, tt := range []struct {
		name   string
		header http.Header
		want   map[string]string // error types by the endpoint's last part; "" for a success; "*" is for the endpoints that are not listed
	}{
		{"API key", bearer(srv.APIKey), map[string]string{"*": ""}},
		{"personal access token", workspace, map[string]string{"*": ""}},
		{"client session token", bearer(session.Token), map[string]string{"get": "invalid_options", "*": wrongKind}},
		{"client session token in its own header", http.Header{"Seam-Client-Session-Token": {session.Token}}, map[string]string{"get": "invalid_options", "*": wrongKind}},
		{"publishable key", public, map[string]string{"create": "", "get_or_create": "", "*": "unauthorized"}},
		{"unknown API key", bearer("seam_unknown"), map[string]string{"*": "unauthorized"}},
		{"unknown personal access token", http.Header{"Authorization": {"Bearer seam_at_unknown"}, "Seam-Workspace": {srv.WorkspaceID}}, map[string]string{"*": "unauthorized"}},
		{"personal access token without a workspace", bearer(srv.PersonalAccessToken), map[string]string{"*": "missing_workspace_id"}},
		{"unknown client session token", bearer("seam_cst_unknown"), map[string]string{"get": "client_session_not_found", "*": wrongKind}},
		{"JWT", bearer("eyJ"), map[string]string{"*": "unauthorized"}},
		{"empty token", bearer(""), map[string]string{"*": "unauthorized"}},
		{"nothing", nil, map[string]string{"create": "publishable_key_header_required", "get_or_create": "publishable_key_header_required", "*": "unauthorized"}},
	} {
		for _, endpoint := range []string{"create", "get", "get_or_create", "grant_access", "list", "revoke", "delete"} {
			t.Run(tt.name+"/"+endpoint, func(t *testing.T) {
				srv := srv
				if tt.want["*"] == "" || endpoint == "create" || endpoint == "get_or_create" {
					srv = seamtest.NewServer(t) // a success must not change what the next test finds
					_, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
					require.NoError(t, err)
				}
				_, answer := send(t, srv, http.MethodPost, "/client_sessions/"+endpoint, paramsOf(endpoint, session.ClientSessionID), tt.header)
				want, ok := tt.want[endpoint]
				if !ok {
					want = tt.want["*"]
				}
				assert.Equal(t, want, answer.Error.Type, answer.Error.Message)
				assert.Equal(t, want == "", answer.OK)
			})
		}
	}
}

type answer struct {
	OK             bool                 `json:"ok"`
	ClientSession  *seam.ClientSession  `json:"client_session"`
	ClientSessions []seam.ClientSession `json:"client_sessions"`
	Error          struct {
		Type, Message    string
		ValidationErrors map[string]any `json:"validation_errors"`
	}
}

// send sends a request that package seam does not.
func send(t *testing.T, srv *seamtest.Server, method, target, body string, header http.Header) (int, answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+target, strings.NewReader(body))
	require.NoError(t, err)
	if header != nil {
		req.Header = header.Clone()
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.NotEmpty(t, resp.Header.Get("Seam-Request-Id"))
	assert.NotEmpty(t, resp.Header.Get("Access-Control-Allow-Origin"))
	var got answer
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	return resp.StatusCode, got
}

func key(srv *seamtest.Server) http.Header {
	return http.Header{"Authorization": {"Bearer " + srv.APIKey}}
}

// TestMethodsOfTheSchema sends each method to each endpoint. Those that Seam's
// schema lists are accepted, with the params where the schema has them.
func TestMethodsOfTheSchema(t *testing.T) {
	t.Parallel()
	var schema struct {
		Paths map[string]map[string]json.RawMessage
	}
	text, err := os.ReadFile("../testdata/client_sessions.openapi.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &schema))
	require.NotEmpty(t, schema.Paths)

	for path, methods := range schema.Paths {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			srv := seamtest.NewServer(t)
			session, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
			require.NoError(t, err)
			target, body := path, paramsOf(path, session.ClientSessionID)
			if method == "GET" || method == "DELETE" {
				target, body = path+"?client_session_id="+session.ClientSessionID+"&_strict=true", ""
			}
			status, answer := send(t, srv, method, target, body, key(srv))
			if _, ok := methods[strings.ToLower(method)]; ok {
				assert.Equal(t, 200, status, "%s %s: %s", method, path, answer.Error.Message)
			} else {
				assert.Equal(t, 405, status, "%s %s", method, path)
				assert.Equal(t, "method_not_allowed", answer.Error.Type)
			}
		}
	}
}

// paramsOf returns params of an endpoint for client sessions.
func paramsOf(path, id string) string {
	switch path[strings.LastIndex(path, "/")+1:] {
	case "create", "get_or_create":
		return `{"user_identifier_key": "joe"}`
	case "revoke", "delete":
		return `{"client_session_id": "` + id + `"}`
	default:
		return `{"client_session_id": "` + id + `", "user_identifier_key": "jane"}`
	}
}

func TestInvalidInput(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	for _, tt := range []struct {
		path, body, kind, message string
	}{
		{"create", `{"user_identifier_key": null}`, "invalid_input", `Expected string, received null for "user_identifier_key"`},
		{"create", `{"user_identifier_key": ""}`, "invalid_input", `String must contain at least 1 character(s) for "user_identifier_key"`},
		{"create", `{"customer_key": {}}`, "invalid_input", `Expected string, received object for "customer_key"`},
		{"create", `{"connect_webview_ids": "a"}`, "invalid_input", `Expected array, received string for "connect_webview_ids"`},
		{"create", `{"expires_at": "2030-01-01T00:00:00+02:00"}`, "invalid_input", `Invalid datetime for "expires_at"`},
		{"create", `{"expires_at": "tomorrow"}`, "invalid_input", `Invalid datetime for "expires_at"`},
		{"list", `{"without_user_identifier_key": "true"}`, "invalid_input", `Expected boolean, received string for "without_user_identifier_key"`},
		{"revoke", `{}`, "invalid_input", `client_session_id is required`},
		{"delete", `{"client_session_id": true}`, "invalid_input", `Expected string, received boolean for "client_session_id"`},
		{"get", `"x"`, "invalid_input", `Expected object, received string`},
		{"get", `{`, "invalid_json", `Invalid JSON`},
		{"get", `{"customer_key": "a", "id": 1}`, "invalid_input", `Unrecognized key(s) in object: 'customer_key', 'id'`},
		{
			"create", `{"connect_webview_ids": [1, "a", []], "customer_key": 2}`, "invalid_input",
			`3 Input Errors: Expected string, received number for "connect_webview_ids.0", ` +
				`Expected string, received array for "connect_webview_ids.2", Expected string, received number for "customer_key"`,
		},
	} {
		status, answer := send(t, srv, "POST", "/client_sessions/"+tt.path, tt.body, key(srv))
		assert.Equal(t, 400, status, tt.body)
		assert.Equal(t, tt.kind, answer.Error.Type, tt.body)
		assert.Equal(t, tt.message, answer.Error.Message, tt.body)
		assert.Equal(t, tt.kind == "invalid_input", answer.Error.ValidationErrors != nil)
	}
	status, large := send(t, srv, "POST", "/client_sessions/get", `{"user_identifier_key": "`+strings.Repeat("x", 2<<20)+`"}`, key(srv))
	assert.Equal(t, 413, status)
	assert.Equal(t, "request_too_large", large.Error.Type)
	_, answer := send(t, srv, "POST", "/client_sessions/create", "", key(srv))
	assert.True(t, answer.OK, "an empty body is an empty object")
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	for _, params := range []seam.ClientSessionCreateParams{
		{UserIdentifierKey: "jane", ConnectWebviewIDs: []string{"webview"}},
		{UserIdentifierKey: "joe", UserIdentityID: "identity"},
		{CustomerKey: "acme", CustomerID: "customer"},
	} {
		_, err := sessions.Create(t.Context(), params)
		require.NoError(t, err)
	}
	everybody, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	require.Len(t, everybody, 3)
	assert.Equal(t, "acme", everybody[2].CustomerKey)
	assert.Equal(t, "customer", everybody[2].CustomerID)
	assert.Equal(t, "identity", everybody[1].UserIdentityID)
	jane, joe, acme := everybody[0], everybody[1], everybody[2]

	for _, tt := range []struct {
		params seam.ClientSessionListParams
		query  string
		want   []seam.ClientSession
	}{
		{seam.ClientSessionListParams{ClientSessionID: acme.ClientSessionID}, "client_session_id=" + acme.ClientSessionID, []seam.ClientSession{acme}},
		{seam.ClientSessionListParams{UserIdentifierKey: "joe"}, "user_identifier_key=joe", []seam.ClientSession{joe}},
		{seam.ClientSessionListParams{ConnectWebviewID: "webview"}, "connect_webview_id=webview", []seam.ClientSession{jane}},
		{seam.ClientSessionListParams{UserIdentityID: "identity"}, "user_identity_id=identity", []seam.ClientSession{joe}},
		{seam.ClientSessionListParams{WithoutUserIdentifierKey: true}, "without_user_identifier_key=true", []seam.ClientSession{acme}},
		{seam.ClientSessionListParams{}, "without_user_identifier_key=false", everybody},
		{seam.ClientSessionListParams{UserIdentifierKey: "joe", ConnectWebviewID: "webview"}, "user_identifier_key=joe&connect_webview_id=webview", []seam.ClientSession{}},
	} {
		got, err := sessions.List(t.Context(), tt.params)
		require.NoError(t, err)
		assert.Equal(t, tt.want, got, tt.query)
		_, byQuery := send(t, srv, "GET", "/client_sessions/list?"+tt.query, "", key(srv))
		assert.Equal(t, tt.want, byQuery.ClientSessions, tt.query)
	}
}

func TestGetOrCreate(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	client := srv.Client(t)
	seen := map[string]int{}
	for i, params := range []seam.ClientSessionGetOrCreateParams{
		{UserIdentifierKey: "jane"},
		{UserIdentifierKey: "jane", ConnectWebviewIDs: []string{"other"}},
		{ConnectWebviewIDs: []string{"a", "b"}},
		{ConnectWebviewIDs: []string{"b", "a", "a"}},
		{ConnectWebviewIDs: []string{"a"}},
		{UserIdentityID: "a"},
		{UserIdentityID: "a", ConnectedAccountIDs: []string{"a"}},
	} {
		var response struct { // seam.ClientSessionsService rejects params without a user
			ClientSession seam.ClientSession `json:"client_session"`
		}
		require.NoError(t, client.Post(t.Context(), "/client_sessions/get_or_create", params, &response))
		id := response.ClientSession.ClientSessionID
		if _, ok := seen[id]; !ok {
			seen[id] = i
		}
		assert.Equal(t, []int{0, 0, 2, 2, 4, 5, 6}[i], seen[id], "call %d", i)
	}
}

// TestGetOrCreateUpdatesTheExpiry tests what get_or_create does with a session that
// exists already.
func TestGetOrCreateUpdatesTheExpiry(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	now := time.Now().Truncate(time.Millisecond)
	first, err := sessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane", ExpiresAt: now.Add(time.Hour)})
	require.NoError(t, err)
	for _, lifetime := range []time.Duration{2 * time.Hour, 30 * time.Minute} {
		session, err := sessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane", ExpiresAt: now.Add(lifetime)})
		require.NoError(t, err)
		assert.Equal(t, first.Token, session.Token)
		assert.WithinDuration(t, now.Add(lifetime), session.ExpiresAt, 0)

		session, err = sessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane"})
		require.NoError(t, err)
		assert.WithinDuration(t, now.Add(lifetime), session.ExpiresAt, 0, "without expires_at it stays")
	}
	srv.Advance(31 * time.Minute)
	_, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(first.Token))
	require.ErrorIs(t, err, seam.ErrClientSessionExpired)
}

// TestGrantAccessAssociatesTheUser tests grant_access with an ID and a user.
func TestGrantAccessAssociatesTheUser(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	jane, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	anonymous, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.NoError(t, err)
	require.NoError(t, sessions.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
		ClientSessionID: anonymous.ClientSessionID, UserIdentifierKey: "jane", ConnectWebviewIDs: []string{"webview"},
	}))
	list, err := sessions.List(t.Context(), seam.ClientSessionListParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, *jane, list[0])
	assert.Equal(t, anonymous.ClientSessionID, list[1].ClientSessionID)
	assert.Equal(t, []string{"webview"}, list[1].ConnectWebviewIDs)

	err = sessions.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{ClientSessionID: "unknown", UserIdentifierKey: "jane"})
	require.ErrorIs(t, err, seam.ErrNotFound)
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	expiry := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane", ExpiresAt: expiry})
	require.NoError(t, err)
	assert.True(t, expiry.Equal(session.ExpiresAt))
	token := seam.WithClientSessionToken(session.Token)

	srv.Advance(59 * time.Minute)
	_, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{}, token)
	require.NoError(t, err)
	srv.Advance(time.Minute)
	_, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{}, token)
	require.ErrorIs(t, err, seam.ErrUnauthorized)
	require.ErrorContains(t, err, "client_session_expired")

	_, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
	require.NoError(t, err, "it is still there")
	next, err := sessions.GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	assert.NotEqual(t, session.ClientSessionID, next.ClientSessionID)
	assert.InDelta(t, 365*24, next.ExpiresAt.Sub(next.CreatedAt).Hours(), 24, "a year")
	newest, err := sessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	assert.Equal(t, next.ClientSessionID, newest.ClientSessionID)
}

func TestRequests(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	_, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	send(t, srv, "GET", "/client_sessions/get?user_identifier_key=jane", "", key(srv))
	requests := srv.Requests()
	require.Len(t, requests, 2)
	assert.Equal(t, "POST", requests[0].Method)
	assert.Equal(t, "/client_sessions/create", requests[0].Path)
	assert.Equal(t, "Bearer "+srv.APIKey, requests[0].Header.Get("Authorization"))
	assert.JSONEq(t, `{"user_identifier_key": "jane"}`, string(requests[0].Body))
	assert.Equal(t, "user_identifier_key=jane", requests[1].Query)
}

// TestManyAtOnce creates, lists and revokes sessions in 64 goroutines.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	work := func(key string) error {
		session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: key})
		if err != nil {
			return err
		}
		list, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(s seam.ClientSession) bool { return s.ClientSessionID == session.ClientSessionID }) {
			return errors.New("a session that was created is not listed")
		}
		srv.AddDevice(key)
		err = sessions.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
			ClientSessionID: session.ClientSessionID, ConnectedAccountIDs: []string{key},
		})
		return errors.Join(err, sessions.Revoke(t.Context(), session.ClientSessionID))
	}
	const workers, rounds = 64, 5
	errs := make(chan error, workers*rounds)
	for worker := range workers {
		go func() {
			for round := range rounds {
				errs <- work(fmt.Sprint(worker, round))
			}
		}()
	}
	for range workers * rounds {
		require.NoError(t, <-errs)
	}
	list, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	assert.Empty(t, list)
	assert.Len(t, srv.Requests(), workers*rounds*4+1)
}

func TestQueries(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	for query, message := range map[string]string{
		"without_user_identifier_key=maybe":             `Expected boolean, received string for "without_user_identifier_key"`,
		"user_identifier_key=jane&user_identifier_key=": `Expected string, received array for "user_identifier_key"`,
	} {
		status, answer := send(t, srv, "GET", "/client_sessions/list?"+query, "", key(srv))
		assert.Equal(t, 400, status)
		assert.Equal(t, message, answer.Error.Message)
	}
}

// TestPublishableKeyMakesEmptySessions and no others.
func TestPublishableKeyMakesEmptySessions(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	public := http.Header{"Seam-Publishable-Key": {srv.PublishableKey}}
	for _, path := range []string{"/client_sessions/create", "/client_sessions/get_or_create"} {
		for _, access := range []string{
			`"connect_webview_ids": []`, `"connected_account_ids": ["a"]`, `"user_identity_id": "a"`, `"user_identity_ids": ["a"]`,
		} {
			status, answer := send(t, srv, "POST", path, `{"user_identifier_key": "jane", `+access+`}`, public)
			assert.Equal(t, 403, status)
			assert.Equal(t, "publishable_keys_must_create_empty_client_sessions", answer.Error.Type)
		}
		status, answer := send(t, srv, "POST", path, `{"user_identifier_key": "  "}`, public)
		assert.Equal(t, 401, status)
		assert.Equal(t, "publishable_key_requires_user_identifier_key", answer.Error.Type)
	}
	public.Set("Seam-User-Identifier-Key", "joe")
	_, answer := send(t, srv, "POST", "/client_sessions/get_or_create", `{}`, public)
	require.NotNil(t, answer.ClientSession)
	assert.Equal(t, "joe", answer.ClientSession.UserIdentifierKey)
}

// TestTokensInTheirOwnHeaders come before an API key at endpoints that accept
// tokens.
func TestTokensInTheirOwnHeaders(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	session, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	for _, name := range []string{"Seam-Client-Session-Token", "Client-Session-Token"} {
		header := key(srv)
		header.Set(name, session.Token)
		for _, body := range []string{`{}`, `{"client_session_id": "another"}`, `{"user_identifier_key": "another"}`} {
			_, answer := send(t, srv, "POST", "/client_sessions/get", body, header)
			require.NotNil(t, answer.ClientSession, body)
			assert.Equal(t, session.Token, answer.ClientSession.Token)
		}
		_, answer := send(t, srv, "POST", "/client_sessions/list", `{}`, header)
		assert.Len(t, answer.ClientSessions, 1, "the API key lists")
	}
}

// TestUserIdentityUnderItsOldName sends and receives the deprecated name.
func TestUserIdentityUnderItsOldName(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	_, answer := send(t, srv, "POST", "/client_sessions/create", `{"user_identity_ids": ["a"]}`, key(srv))
	require.NotNil(t, answer.ClientSession)
	assert.Equal(t, "a", answer.ClientSession.UserIdentityID)
	text, err := json.Marshal(answer.ClientSession)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"user_identity_ids":["a"]`)
}

// tb is a test that has failed.
type tb struct {
	cleanup func()
	fatal   string
	errors  []string
}

var errFatal = errors.New("fatal")

func (*tb) Helper()            {}
func (b *tb) Cleanup(f func()) { b.cleanup = f }
func (b *tb) Errorf(format string, args ...any) {
	b.errors = append(b.errors, fmt.Sprintf(format, args...))
}
func (b *tb) Fatalf(format string, args ...any) {
	b.fatal = fmt.Sprintf(format, args...)
	panic(errFatal)
}

func TestTB(t *testing.T) {
	t.Parallel()
	var b tb
	srv := seamtest.NewServer(&b)
	require.PanicsWithValue(t, errFatal, func() { srv.Client(&b, seam.WithTimeout(0)) })
	assert.Equal(t, "seamtest: seam: NewClient: the timeout is not positive; omit WithTimeout to use the default", b.fatal)
	b.cleanup()
	_, err := srv.Client(&b).ClientSessions.List(t.Context(), seam.ClientSessionListParams{}, seam.WithMaxRetries(0))
	require.ErrorIs(t, err, loopback.ErrRefused)
}
