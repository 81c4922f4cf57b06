package seamtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// post decodes the response to a request into result, and returns its error type.
func post(t *testing.T, srv *seamtest.Server, path, body string, header http.Header, result any) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var raw json.RawMessage
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&raw))
	var failure struct{ Error struct{ Type string } }
	require.NoError(t, json.Unmarshal(raw, &failure))
	require.NoError(t, json.Unmarshal(raw, result))
	return failure.Error.Type
}

type devicePage struct {
	Devices []struct {
		DeviceID           string `json:"device_id"`
		ConnectedAccountID string `json:"connected_account_id"`
		WorkspaceID        string `json:"workspace_id"`
	}
	Pagination struct {
		HasNextPage    bool   `json:"has_next_page"`
		NextPageCursor string `json:"next_page_cursor"`
		NextPageURL    string `json:"next_page_url"`
	}
}

func (p devicePage) ids() []string {
	ids := []string{}
	for _, device := range p.Devices {
		ids = append(ids, device.DeviceID)
	}
	return ids
}

func TestDevices(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	a, b, c := srv.AddDevice("jane's"), srv.AddDevice("joe's"), srv.AddDevice("jane's")
	sessions := srv.Client(t).ClientSessions
	session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"jane's"}})
	require.NoError(t, err)
	assert.Equal(t, 2, session.DeviceCount)
	user := http.Header{"Authorization": {"Bearer " + session.Token}}
	elsewhere := srv.NewWorkspace()
	other := http.Header{"Authorization": {"Bearer " + elsewhere.APIKey}}

	for _, tt := range []struct {
		header http.Header
		body   string
		want   []string
	}{
		{key(srv), `{}`, []string{a, b, c}},
		{user, `{}`, []string{a, c}},
		{other, `{}`, []string{}},
		{key(srv), `{"connected_account_id": "jane's"}`, []string{a, c}},
		{user, `{"connected_account_id": "joe's"}`, []string{}},
		{key(srv), `{"connected_account_ids": ["joe's", "ann's"]}`, []string{b}},
		{key(srv), `{"connected_account_ids": []}`, []string{}},
		{key(srv), `{"device_ids": ["` + c + `", "another"]}`, []string{c}},
		{user, `{"device_ids": ["` + b + `"]}`, []string{}},
		{key(srv), `{"device_type": "august_lock"}`, []string{a, b, c}},
		{key(srv), `{"device_type": "ios_phone"}`, []string{}},
		{key(srv), `{"device_types": ["minut_sensor", "august_lock"]}`, []string{a, b, c}},
		{key(srv), `{"manufacturer": "august"}`, []string{a, b, c}},
		{key(srv), `{"manufacturer": "yale"}`, []string{}},
		{key(srv), `{"page_cursor": null, "limit": "2"}`, []string{a, b}},
	} {
		var page devicePage
		require.Empty(t, post(t, srv, "/devices/list", tt.body, tt.header, &page), tt.body)
		assert.Equal(t, tt.want, page.ids(), tt.body)
		for _, device := range page.Devices {
			assert.Equal(t, srv.WorkspaceID, device.WorkspaceID)
			assert.NotEmpty(t, device.ConnectedAccountID)
		}
	}

	require.NoError(t, sessions.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
		ClientSessionID: session.ClientSessionID, ConnectedAccountIDs: []string{"joe's", "jane's"}, UserIdentityID: "jane",
	}))
	session, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: session.ClientSessionID})
	require.NoError(t, err)
	assert.Equal(t, 3, session.DeviceCount)
	assert.Equal(t, []string{"jane's", "joe's"}, session.ConnectedAccountIDs)
	assert.Equal(t, "jane", session.UserIdentityID)
	var page devicePage
	require.Empty(t, post(t, srv, "/devices/list", `{}`, user, &page))
	assert.Equal(t, []string{a, b, c}, page.ids())

	session, err = sessions.Create(t.Context(), seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"jane's"}}, seam.WithAPIKey(elsewhere.APIKey))
	require.NoError(t, err)
	assert.Zero(t, session.DeviceCount, "devices are those of the first workspace")
}

func TestPagesOfDevices(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	var want, got, byURL []string
	for range 5 {
		want = append(want, srv.AddDevice("jane's"))
	}
	cursor, next := "null", srv.URL+"/devices/list?limit=2&connected_account_ids=jane's&connected_account_ids=joe's"
	for cursor != `""` {
		var page devicePage
		body := `{"limit": 2, "connected_account_ids": ["jane's", "joe's"], "page_cursor": ` + cursor + `}`
		require.Empty(t, post(t, srv, "/devices/list", body, key(srv), &page))
		got = append(got, page.ids()...)
		cursor = fmt.Sprintf("%q", page.Pagination.NextPageCursor)
		assert.Equal(t, cursor != `""`, page.Pagination.HasNextPage)

		u, err := url.Parse(next)
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), http.NoBody)
		require.NoError(t, err)
		req.Header = key(srv)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		page = devicePage{}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&page))
		require.NoError(t, resp.Body.Close())
		byURL, next = append(byURL, page.ids()...), page.Pagination.NextPageURL
	}
	assert.Equal(t, want, got)
	assert.Equal(t, want, byURL)
	assert.Empty(t, next)

	var page devicePage
	require.Empty(t, post(t, srv, "/devices/list", `{"limit": 4}`, key(srv), &page))
	for _, body := range []string{
		`{"limit": 3, "page_cursor": "` + page.Pagination.NextPageCursor + `"}`,
		`{"page_cursor": "bm8gSlNPTg=="}`,
		`{"page_cursor": "e30="}`,
	} {
		assert.Equal(t, "mismatched_page_parameters", post(t, srv, "/devices/list", body, key(srv), new(devicePage)), body)
	}
}

func TestConnectWebviews(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	user := http.Header{"Authorization": {"Bearer " + session.Token}}
	type answer struct {
		ConnectWebview map[string]any `json:"connect_webview"`
	}
	create := func(body string, header http.Header) map[string]any {
		var got answer
		require.Empty(t, post(t, srv, "/connect_webviews/create", body, header, &got))
		require.NotEmpty(t, got.ConnectWebview["connect_webview_id"])
		return got.ConnectWebview
	}
	get := func(webview map[string]any, header http.Header) (map[string]any, string) {
		var got answer
		failure := post(t, srv, "/connect_webviews/get", fmt.Sprintf(`{"connect_webview_id": %q}`, webview["connect_webview_id"]), header, &got)
		return got.ConnectWebview, failure
	}

	webview := create(`{"accepted_providers": ["yale", "nuki"], "custom_redirect_url": "https://app.test/done",
		"custom_redirect_failure_url": "https://app.test/failed", "device_selection_mode": "single"}`, key(srv))
	assert.Equal(t, []any{"yale", "nuki"}, webview["accepted_providers"])
	assert.Equal(t, "https://app.test/done", webview["custom_redirect_url"])
	assert.Equal(t, "https://app.test/failed", webview["custom_redirect_failure_url"])
	assert.Equal(t, "single", webview["device_selection_mode"])
	assert.Equal(t, srv.WorkspaceID, webview["workspace_id"])
	same, failure := get(webview, key(srv))
	require.Empty(t, failure)
	assert.Equal(t, webview, same)
	other := create(`{}`, key(srv))
	assert.NotEqual(t, webview["connect_webview_id"], other["connect_webview_id"])
	assert.Nil(t, other["custom_redirect_url"])

	_, failure = get(webview, http.Header{"Authorization": {"Bearer " + srv.NewWorkspace().APIKey}})
	assert.Equal(t, "connect_webview_not_found", failure, "it is in another workspace")
	_, failure = get(webview, user)
	assert.Equal(t, "connect_webview_not_found", failure, "it is not of this session")
	own := create(`{}`, user)
	same, failure = get(own, user)
	require.Empty(t, failure)
	assert.Equal(t, own, same)
	session, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	assert.Equal(t, []string{own["connect_webview_id"].(string)}, session.ConnectWebviewIDs)
}
