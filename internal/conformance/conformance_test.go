package conformance_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

const webviewID = "dafe6400-7484-4fd1-8c17-1c901b444250"

// peer is a server for the conformance suite. It has no sessions for the keys
// jane, joe and john, and the devices of johnsAccount and janesAccount.
type peer struct {
	endpoint string
	seamtest.Workspace
	// transport sends requests to the server. exchange is called before each step.
	transport http.RoundTripper
	exchange  func(t *testing.T)
	// outage makes the paths respond with 503 until it is called again.
	outage func(t *testing.T, path ...string)
	lacks  []string // steps that the server does not pass
}

// next begins a step, or skips it.
func (p peer) next(t *testing.T) {
	t.Helper()
	if _, step, _ := strings.Cut(t.Name(), "/"); slices.Contains(p.lacks, step) {
		t.Skip("this server does not do that")
	}
	p.exchange(t)
}

// client returns a client of the server.
func (p peer) client(t *testing.T, opts ...seam.Option) *seam.Client {
	t.Helper()
	client, err := seam.NewClient(append([]seam.Option{
		seam.WithAPIKey(p.APIKey),
		seam.WithEndpoint(p.endpoint),
		seam.WithHTTPClient(&http.Client{Transport: p.transport}),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

// lackedByVendorFake are the steps that Seam's fake server does not pass, because it
// lacks the endpoint or does not do what the API's documentation says. seamtest does
// what the documentation says. The fake server also differs where there is no step:
//
//   - A create with an invalid credential and a get_or_create with an invalid
//     publishable key are answered with 400 instead of 401.
//   - JSON that cannot be parsed is answered with plain text.
//   - A string is accepted for a list by devices/list, which splits it at commas.
//   - A request without a body is refused by connect_webviews/create.
//   - A param that the endpoint does not have is ignored.
//   - Sessions and Connect Webviews of other workspaces are found.
//   - Connect Webviews have no pages.
//   - Updates and deletions of access codes take effect before their action attempt ends. The response to
//     a create has no action attempt.
//   - A filter of events that an event does not have lets the event through.
//   - next_page_url has the cursor as next_page_cursor instead of page_cursor.
var lackedByVendorFake = []string{
	"get_with_unknown_token", "get_with_revoked_token", "get_or_create_with_api_key", "get_or_create_updates_expiry",
	"list", "list_of_key", "grant_access", "grant_access_associates_user", "revoke", "revoke_again", "get_revoked", "create_after_revoke",
	"delete", "delete_again", "delete_with_query",
}

// endpointsLackedByVendorFake are such steps for other resources.
var endpointsLackedByVendorFake = []string{
	"webview_get_as_another_user", "webview_create_with_personal_access_token", "devices_with_personal_access_token",
	"webviews_of_user", "devices_of_user", "locks_of_user", "accounts_of_user", "account_search", "access_code_list_of_user",
	"webview_delete",
}

// wordedByVendorFake are the steps in which Seam's fake server and seamtest refuse the
// same params with different messages: the fake has an older schema, with fewer values,
// and converts what is sent for limit to a number. It adds data to an error.
var wordedByVendorFake = []string{
	"webview_invalid", "devices_invalid", "devices_with_limit_0", "devices_with_invalid_limit", "devices_with_empty_limit",
	"access_code_delete_again",
}

// conformance tests a Seam server with this client. Later steps use what earlier
// ones created.
func conformance(t *testing.T, p peer) {
	t.Helper()
	client := func(t *testing.T, opts ...seam.Option) *seam.ClientSessionsService {
		t.Helper()
		return p.client(t, opts...).ClientSessions
	}
	var jane, joe *seam.ClientSession

	t.Run("create", func(t *testing.T) {
		p.next(t)
		session, err := client(t).Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
		require.NoError(t, err)
		assert.NotEmpty(t, session.ClientSessionID)
		assert.True(t, strings.HasPrefix(session.Token, "seam_cst"), "the token is a client session token")
		assert.Equal(t, "jane", session.UserIdentifierKey)
		assert.Equal(t, p.WorkspaceID, session.WorkspaceID)
		assert.True(t, session.ExpiresAt.After(session.CreatedAt), "it expires after it was made")
		jane = session
	})
	require.NotNil(t, jane, "the other steps need this session")

	t.Run("create_again", func(t *testing.T) {
		p.next(t)
		_, err := client(t).Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
		apiErr := requireAPIError(t, err)
		assert.Equal(t, http.StatusBadRequest, apiErr.StatusCode)
		assert.Equal(t, "client_session_token_already_exists", apiErr.Type)
		assert.NotEmpty(t, apiErr.Message)
		assert.NotEmpty(t, apiErr.RequestID)
	})

	for _, get := range []struct {
		step   string
		params seam.ClientSessionGetParams
		opts   []seam.Option
	}{
		{step: "get_by_id", params: seam.ClientSessionGetParams{ClientSessionID: jane.ClientSessionID}},
		{step: "get_by_key", params: seam.ClientSessionGetParams{UserIdentifierKey: "jane"}},
		{step: "get_as_user", opts: []seam.Option{seam.WithClientSessionToken(jane.Token)}},
		{
			step:   "get_with_personal_access_token",
			params: seam.ClientSessionGetParams{ClientSessionID: jane.ClientSessionID},
			opts:   []seam.Option{seam.WithPersonalAccessToken(p.PersonalAccessToken, p.WorkspaceID)},
		},
	} {
		t.Run(get.step, func(t *testing.T) {
			p.next(t)
			session, err := client(t).Get(t.Context(), get.params, get.opts...)
			require.NoError(t, err)
			assert.Empty(t, cmp.Diff(jane, session))
		})
	}

	asPublic := seam.WithPublishableKey(p.PublishableKey)
	if p.PublishableKey == "" {
		asPublic = seam.WithAPIKey(p.APIKey) // for the steps that need joe
	}
	t.Run("get_or_create_new", func(t *testing.T) {
		p.next(t)
		session, err := client(t).GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "joe"}, asPublic)
		require.NoError(t, err)
		assert.Equal(t, "joe", session.UserIdentifierKey)
		assert.NotEqual(t, jane.ClientSessionID, session.ClientSessionID)
		joe = session
	})
	t.Run("get_or_create_same", func(t *testing.T) {
		p.next(t)
		session, err := client(t).GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "joe"}, asPublic)
		require.NoError(t, err)
		assert.Empty(t, cmp.Diff(joe, session))
	})
	t.Run("get_or_create_with_api_key", func(t *testing.T) {
		p.next(t)
		session, err := client(t).GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "joe"})
		require.NoError(t, err)
		assert.Empty(t, cmp.Diff(joe, session))
	})
	t.Run("get_or_create_updates_expiry", func(t *testing.T) {
		p.next(t)
		expiry := joe.ExpiresAt.Add(-time.Hour)
		session, err := client(t).GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "joe", ExpiresAt: expiry})
		require.NoError(t, err)
		want := *joe
		want.ExpiresAt = expiry
		assert.Empty(t, cmp.Diff(&want, session))
	})
	t.Run("create_with_access_and_publishable_key", func(t *testing.T) {
		p.next(t)
		_, err := client(t).Create(t.Context(), seam.ClientSessionCreateParams{
			UserIdentifierKey: "ann", ConnectWebviewIDs: []string{webviewID},
		}, asPublic)
		require.ErrorIs(t, err, seam.ErrForbidden)
		assert.Equal(t, "publishable_keys_must_create_empty_client_sessions", requireAPIError(t, err).Type)
	})

	t.Run("get_unknown", func(t *testing.T) {
		p.next(t)
		_, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: "11111111-1111-4111-8111-111111111111"})
		require.ErrorIs(t, err, seam.ErrNotFound)
		assert.Equal(t, "client_session_not_found", requireAPIError(t, err).Type)
	})
	t.Run("get_with_wrong_key", func(t *testing.T) {
		p.next(t)
		_, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"}, seam.WithAPIKey("seam_wrong_key"))
		require.ErrorIs(t, err, seam.ErrUnauthorized)
		assert.Equal(t, "unauthorized", requireAPIError(t, err).Type)
	})
	t.Run("get_with_unknown_token", func(t *testing.T) {
		p.next(t)
		_, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken("seam_cst1_unknown"))
		require.ErrorIs(t, err, seam.ErrUnauthorized)
		assert.Equal(t, "client_session_not_found", requireAPIError(t, err).Type)
	})
	t.Run("create_with_invalid_input", func(t *testing.T) {
		p.next(t)
		invalid := rewrite{p.transport, `{"user_identifier_key": 12, "connect_webview_ids": ["a", 1]}`}
		_, err := client(t, seam.WithHTTPClient(&http.Client{Transport: invalid})).
			Create(t.Context(), seam.ClientSessionCreateParams{})
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		apiErr := requireAPIError(t, err)
		assert.Equal(t, `2 Input Errors: Expected string, received number for "connect_webview_ids.1", `+
			`Expected string, received number for "user_identifier_key"`, apiErr.Message)
		assert.Equal(t, map[string][]string{
			"user_identifier_key":   {"Expected string, received number"},
			"connect_webview_ids.1": {"Expected string, received number"},
		}, apiErr.ValidationErrors)
	})
	t.Run("get_in_outage", func(t *testing.T) {
		p.next(t)
		p.outage(t, "/client_sessions/get")
		defer p.outage(t)
		_, err := client(t, seam.WithMaxRetries(0)).Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
		require.ErrorIs(t, err, seam.ErrServer)
		assert.Equal(t, http.StatusServiceUnavailable, requireAPIError(t, err).StatusCode)
	})

	// Requests that other clients send.
	for _, raw := range []struct {
		step, method, target, body string
		header                     map[string]string
		status                     int
		errorType                  string
	}{
		{step: "get_with_query", method: "GET", target: "/client_sessions/get?user_identifier_key=jane&_strict=true", status: 200},
		{step: "put_existing", method: "PUT", target: "/client_sessions/create", body: `{"user_identifier_key": "jane"}`, status: 200},
		{
			step: "wrong_method", method: "GET", target: "/client_sessions/create",
			status: 405, errorType: "method_not_allowed",
		},
		{
			step: "wrong_content_type", method: "POST", target: "/client_sessions/create", body: `{}`,
			header: map[string]string{"Content-Type": "text/plain"}, status: 400, errorType: "invalid_content_type",
		},
		{
			step: "array_for_an_object", method: "POST", target: "/client_sessions/create", body: `[]`,
			status: 400, errorType: "invalid_input",
		},
		{
			step: "no_credential", method: "POST", target: "/client_sessions/get", body: `{}`,
			header: map[string]string{"Authorization": ""}, status: 401, errorType: "unauthorized",
		},
		{
			step: "publishable_key_without_user", method: "POST", target: "/client_sessions/create", body: `{"connect_webview_ids": []}`,
			header: map[string]string{"Authorization": "", "Seam-Publishable-Key": p.PublishableKey},
			status: 401, errorType: "publishable_key_requires_user_identifier_key",
		},
		{
			step: "unknown_publishable_key", method: "POST", target: "/client_sessions/create", body: `{"user_identifier_key": "jane"}`,
			header: map[string]string{"Authorization": "", "Seam-Publishable-Key": "seam_pk_unknown"},
			status: 401, errorType: "workspace_not_found",
		},
	} {
		t.Run(raw.step, func(t *testing.T) {
			p.next(t)
			resp := p.send(t, raw.method, raw.target, raw.body, raw.header)
			defer resp.Body.Close()
			assert.Equal(t, raw.status, resp.StatusCode)
			assert.NotEmpty(t, resp.Header.Get("Seam-Request-Id"))
			var answer struct {
				ClientSession *seam.ClientSession `json:"client_session"`
				Error         *struct{ Type string }
				OK            *bool
			}
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
			require.NotNil(t, answer.OK)
			assert.Equal(t, raw.errorType == "", *answer.OK)
			if raw.errorType == "" {
				require.NotNil(t, answer.ClientSession)
				assert.Equal(t, jane.Token, answer.ClientSession.Token)
			} else {
				require.NotNil(t, answer.Error)
				assert.Equal(t, raw.errorType, answer.Error.Type)
			}
		})
	}
	t.Run("preflight", func(t *testing.T) {
		p.next(t)
		resp := p.send(t, "OPTIONS", "/client_sessions/get", "", map[string]string{
			"Authorization": "", "Origin": "https://app.test",
			"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type",
		})
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, "https://app.test", resp.Header.Get("Access-Control-Allow-Origin"))
		assert.Contains(t, resp.Header.Get("Access-Control-Allow-Methods"), "POST")
		allowed := strings.Split(resp.Header.Get("Access-Control-Allow-Headers"), ", ")
		assert.ElementsMatch(t, allowed, []string{
			"accept", "accept-version", "authorization", "client-session-token", "content-length", "content-md5",
			"content-type", "date", "seam-api-key", "seam-client-session-token", "seam-lts-version", "seam-publishable-key",
			"seam-sdk-name", "seam-sdk-version", "seam-user-identifier-key", "seam-workspace", "user-agent", "x-api-version",
			"x-csrf-token", "x-requested-with",
		})
	})

	t.Run("grant_access", func(t *testing.T) {
		p.next(t)
		require.NoError(t, client(t).GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
			UserIdentifierKey: "jane", ConnectWebviewIDs: []string{webviewID},
		}))
		session, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
		require.NoError(t, err)
		assert.Equal(t, []string{webviewID}, session.ConnectWebviewIDs)
	})
	t.Run("grant_access_associates_user", func(t *testing.T) {
		p.next(t)
		session, err := client(t).Create(t.Context(), seam.ClientSessionCreateParams{})
		require.NoError(t, err)
		require.NoError(t, client(t).GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
			ClientSessionID: session.ClientSessionID, UserIdentifierKey: "mary",
		}))
		ofMary, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "mary"})
		require.NoError(t, err)
		assert.Equal(t, session.ClientSessionID, ofMary.ClientSessionID)
		require.NoError(t, client(t).Delete(t.Context(), session.ClientSessionID))
	})
	t.Run("list", func(t *testing.T) {
		p.next(t)
		sessions, err := client(t).List(t.Context(), seam.ClientSessionListParams{})
		require.NoError(t, err)
		require.Len(t, sessions, 2)
		assert.Equal(t, jane.ClientSessionID, sessions[0].ClientSessionID)
		assert.Equal(t, joe.ClientSessionID, sessions[1].ClientSessionID)
	})
	t.Run("list_of_key", func(t *testing.T) {
		p.next(t)
		sessions, err := client(t).List(t.Context(), seam.ClientSessionListParams{UserIdentifierKey: "joe"})
		require.NoError(t, err)
		require.Len(t, sessions, 1)
		assert.Equal(t, joe.ClientSessionID, sessions[0].ClientSessionID)
	})
	t.Run("revoke", func(t *testing.T) {
		p.next(t)
		require.NoError(t, client(t).Revoke(t.Context(), jane.ClientSessionID))
	})
	t.Run("revoke_again", func(t *testing.T) {
		p.next(t)
		require.NoError(t, client(t).Revoke(t.Context(), jane.ClientSessionID))
	})
	t.Run("get_revoked", func(t *testing.T) {
		p.next(t)
		_, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: jane.ClientSessionID})
		require.ErrorIs(t, err, seam.ErrNotFound)
	})
	t.Run("get_with_revoked_token", func(t *testing.T) {
		p.next(t)
		_, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken(jane.Token))
		require.ErrorIs(t, err, seam.ErrUnauthorized)
		assert.Equal(t, "client_session_revoked", requireAPIError(t, err).Type)
	})
	t.Run("create_after_revoke", func(t *testing.T) {
		p.next(t)
		session, err := client(t).Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
		require.NoError(t, err)
		assert.NotEqual(t, jane.ClientSessionID, session.ClientSessionID)
	})
	t.Run("delete", func(t *testing.T) {
		p.next(t)
		require.NoError(t, client(t).Delete(t.Context(), joe.ClientSessionID))
	})
	t.Run("delete_again", func(t *testing.T) {
		p.next(t)
		err := client(t).Delete(t.Context(), joe.ClientSessionID)
		require.ErrorIs(t, err, seam.ErrNotFound)
		assert.Equal(t, "client_session_not_found", requireAPIError(t, err).Type)
	})
	t.Run("delete_with_query", func(t *testing.T) {
		p.next(t)
		resp := p.send(t, "DELETE", "/client_sessions/delete?client_session_id="+jane.ClientSessionID, "", nil)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.JSONEq(t, `{"ok": true}`, string(body))
	})
}

// send sends a request that package seam does not. An empty value removes a header.
func (p peer) send(t *testing.T, method, target, body string, header map[string]string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.endpoint+target, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+p.APIKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := p.transport.RoundTrip(req)
	require.NoError(t, err)
	return resp
}

// rewrite replaces the body of a request by an invalid one, which the types of
// package seam do not allow.
type rewrite struct {
	http.RoundTripper
	body string
}

func (r rewrite) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Body.Close(); err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(r.body)), int64(len(r.body))
	return r.RoundTripper.RoundTrip(req)
}

func requireAPIError(t *testing.T, err error) *seam.APIError {
	t.Helper()
	var apiErr *seam.APIError
	require.ErrorAs(t, err, &apiErr)
	return apiErr
}
