package seam_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// peer is a server for the conformance suite. It holds the vendor's own seed:
// its keys, its workspace and no user named jane or joe.
type peer struct {
	endpoint string
	// transport leads to the server; exchange tells it which step comes next.
	transport http.RoundTripper
	exchange  func(t *testing.T)
	// outage makes a path answer 503, until it is called without one.
	outage func(t *testing.T, path ...string)
}

// conformance is what any Seam server must answer to this client. Its steps
// build on each other.
func conformance(t *testing.T, p peer) {
	t.Helper()
	client := func(t *testing.T, opts ...seam.Option) *seam.ClientSessionsService {
		t.Helper()
		client, err := seam.NewClient(append([]seam.Option{
			seam.WithAPIKey("seam_apikey1_token"),
			seam.WithEndpoint(p.endpoint),
			seam.WithHTTPClient(&http.Client{Transport: p.transport}),
		}, opts...)...)
		require.NoError(t, err)
		return client.ClientSessions
	}
	var jane, joe *seam.ClientSession

	t.Run("create", func(t *testing.T) {
		p.exchange(t)
		session, err := client(t).Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
		require.NoError(t, err)
		assert.NotEmpty(t, session.ClientSessionID)
		assert.True(t, strings.HasPrefix(session.Token, "seam_cst"), "the token is a client session token")
		assert.Equal(t, "jane", session.UserIdentifierKey)
		assert.Equal(t, "seed_workspace_1", session.WorkspaceID)
		assert.True(t, session.ExpiresAt.After(session.CreatedAt), "it expires after it was made")
		jane = session
	})
	require.NotNil(t, jane, "the other steps need this session")

	t.Run("create_again", func(t *testing.T) {
		p.exchange(t)
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
			opts:   []seam.Option{seam.WithPersonalAccessToken("seam_at1_longtoken", "seed_workspace_1")},
		},
	} {
		t.Run(get.step, func(t *testing.T) {
			p.exchange(t)
			session, err := client(t).Get(t.Context(), get.params, get.opts...)
			require.NoError(t, err)
			assert.Empty(t, cmp.Diff(jane, session))
		})
	}

	joeParams := seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "joe"}
	asPublic := seam.WithPublishableKey("seam_pk1_token")
	t.Run("get_or_create_new", func(t *testing.T) {
		p.exchange(t)
		session, err := client(t).GetOrCreate(t.Context(), joeParams, asPublic)
		require.NoError(t, err)
		assert.Equal(t, "joe", session.UserIdentifierKey)
		assert.NotEqual(t, jane.ClientSessionID, session.ClientSessionID)
		joe = session
	})
	t.Run("get_or_create_same", func(t *testing.T) {
		p.exchange(t)
		session, err := client(t).GetOrCreate(t.Context(), joeParams, asPublic)
		require.NoError(t, err)
		assert.Empty(t, cmp.Diff(joe, session))
	})

	t.Run("get_unknown", func(t *testing.T) {
		p.exchange(t)
		_, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: "11111111-1111-4111-8111-111111111111"})
		require.ErrorIs(t, err, seam.ErrNotFound)
		assert.Equal(t, "client_session_not_found", requireAPIError(t, err).Type)
	})
	t.Run("get_with_wrong_key", func(t *testing.T) {
		p.exchange(t)
		_, err := client(t).Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"}, seam.WithAPIKey("seam_wrong_key"))
		require.ErrorIs(t, err, seam.ErrUnauthorized)
		assert.Equal(t, "unauthorized", requireAPIError(t, err).Type)
	})
	t.Run("create_with_invalid_input", func(t *testing.T) {
		p.exchange(t)
		invalid := rewrite{p.transport, `{"user_identifier_key": 12, "connect_webview_ids": ["a", 1]}`}
		_, err := client(t, seam.WithHTTPClient(&http.Client{Transport: invalid})).
			Create(t.Context(), seam.ClientSessionCreateParams{})
		require.ErrorIs(t, err, seam.ErrInvalidInput)
		assert.Equal(t, map[string][]string{
			"user_identifier_key":   {"Expected string, received number"},
			"connect_webview_ids.1": {"Expected string, received number"},
		}, requireAPIError(t, err).ValidationErrors)
	})
	t.Run("get_in_outage", func(t *testing.T) {
		p.exchange(t)
		p.outage(t, "/client_sessions/get")
		defer p.outage(t)
		_, err := client(t, seam.WithMaxRetries(0)).Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
		require.ErrorIs(t, err, seam.ErrServer)
		assert.Equal(t, http.StatusServiceUnavailable, requireAPIError(t, err).StatusCode)
	})
}

// rewrite sends another body than the client, whose types allow no wrong one.
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
