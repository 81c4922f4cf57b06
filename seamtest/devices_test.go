package seamtest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

type object = map[string]any

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
	client := srv.Client(t)
	sessions := client.ClientSessions
	session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"jane's"}})
	require.NoError(t, err)
	assert.Equal(t, 2, session.DeviceCount)
	workspace := seam.WithAPIKey(srv.APIKey)
	user := seam.WithClientSessionToken(session.Token)
	otherWorkspace := seam.WithAPIKey(srv.NewWorkspace().APIKey)

	for _, tt := range []struct {
		as     seam.Option
		params object
		want   []string
	}{
		{workspace, object{}, []string{a, b, c}},
		{user, object{}, []string{a, c}},
		{otherWorkspace, object{}, []string{}},
		{workspace, object{"connected_account_id": "jane's"}, []string{a, c}},
		{user, object{"connected_account_id": "joe's"}, []string{}},
		{workspace, object{"connected_account_ids": []string{"joe's", "ann's"}}, []string{b}},
		{workspace, object{"connected_account_ids": []string{}}, []string{}},
		{workspace, object{"device_ids": []string{c, "another"}}, []string{c}},
		{user, object{"device_ids": []string{b}}, []string{}},
		{workspace, object{"device_type": "august_lock"}, []string{a, b, c}},
		{workspace, object{"device_type": "ios_phone"}, []string{}},
		{workspace, object{"device_types": []string{"minut_sensor", "august_lock"}}, []string{a, b, c}},
		{workspace, object{"manufacturer": "august"}, []string{a, b, c}},
		{workspace, object{"manufacturer": "yale"}, []string{}},
		{workspace, object{"page_cursor": nil, "limit": 2}, []string{a, b}},
	} {
		var page devicePage
		require.NoError(t, client.Post(t.Context(), "/devices/list", tt.params, &page, tt.as))
		assert.Equal(t, tt.want, page.ids(), tt.params)
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
	require.NoError(t, client.Post(t.Context(), "/devices/list", nil, &page, user))
	assert.Equal(t, []string{a, b, c}, page.ids())

	session, err = sessions.Create(t.Context(), seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"jane's"}}, otherWorkspace)
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
	client := srv.Client(t)
	params := object{"limit": 2, "connected_account_ids": []string{"jane's", "joe's"}}
	next := srv.URL + "/devices/list?limit=2&connected_account_ids=jane's&connected_account_ids=joe's"
	for next != "" {
		var page devicePage
		require.NoError(t, client.Post(t.Context(), "/devices/list", params, &page))
		got = append(got, page.ids()...)
		params["page_cursor"] = page.Pagination.NextPageCursor
		assert.Equal(t, page.Pagination.NextPageCursor != "", page.Pagination.HasNextPage)

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, next, http.NoBody)
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

	var page devicePage
	require.NoError(t, client.Post(t.Context(), "/devices/list", object{"limit": 4}, &page))
	for _, params := range []object{
		{"limit": 3, "page_cursor": page.Pagination.NextPageCursor},
		{"page_cursor": "bm8gSlNPTg=="}, // not JSON
		{"page_cursor": "e30="},         // {}
	} {
		var apiErr *seam.APIError
		require.ErrorAs(t, client.Post(t.Context(), "/devices/list", params, nil), &apiErr)
		assert.Equal(t, "mismatched_page_parameters", apiErr.Type)
	}
}

func TestConnectWebviews(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	client := srv.Client(t)
	session, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	user := seam.WithClientSessionToken(session.Token)
	type response struct {
		ConnectWebview object `json:"connect_webview"`
	}
	create := func(params object, opts ...seam.Option) object {
		var got response
		require.NoError(t, client.Post(t.Context(), "/connect_webviews/create", params, &got, opts...))
		require.NotEmpty(t, got.ConnectWebview["connect_webview_id"])
		return got.ConnectWebview
	}
	get := func(webview object, opts ...seam.Option) (object, error) {
		var got response
		params := object{"connect_webview_id": webview["connect_webview_id"]}
		err := client.Post(t.Context(), "/connect_webviews/get", params, &got, opts...)
		return got.ConnectWebview, err
	}

	webview := create(object{
		"accepted_providers": []string{"yale", "nuki"}, "device_selection_mode": "single",
		"custom_redirect_url": "https://app.test/done", "custom_redirect_failure_url": "https://app.test/failed",
	})
	assert.Equal(t, []any{"yale", "nuki"}, webview["accepted_providers"])
	assert.Equal(t, "https://app.test/done", webview["custom_redirect_url"])
	assert.Equal(t, "https://app.test/failed", webview["custom_redirect_failure_url"])
	assert.Equal(t, "single", webview["device_selection_mode"])
	assert.Equal(t, srv.WorkspaceID, webview["workspace_id"])
	same, err := get(webview)
	require.NoError(t, err)
	assert.Equal(t, webview, same)
	another := create(object{})
	assert.NotEqual(t, webview["connect_webview_id"], another["connect_webview_id"])
	assert.Nil(t, another["custom_redirect_url"])

	_, err = get(webview, seam.WithAPIKey(srv.NewWorkspace().APIKey))
	require.ErrorIs(t, err, seam.ErrNotFound, "it is in another workspace")
	_, err = get(webview, user)
	require.ErrorIs(t, err, seam.ErrNotFound, "the session has no access")
	own := create(object{}, user)
	same, err = get(own, user)
	require.NoError(t, err)
	assert.Equal(t, own, same)
	session, err = client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	assert.Equal(t, []string{own["connect_webview_id"].(string)}, session.ConnectWebviewIDs)
}
