package seamtest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// ask returns a function that posts and returns the response.
func ask(t *testing.T, client *seam.Client, opts ...seam.Option) func(path string, params object) object {
	t.Helper()
	return func(path string, params object) (got object) {
		t.Helper()
		require.NoError(t, client.Post(t.Context(), path, params, &got, opts...), path)
		return got
	}
}

// texts returns a field of each object in a list.
func texts(list any, name string) []string {
	found := []string{}
	for _, item := range list.([]any) {
		found = append(found, item.(object)[name].(string))
	}
	return found
}

// TestUnsimulatedParams sends params that Seam has and the server does not obey.
func TestUnsimulatedParams(t *testing.T) {
	t.Parallel()
	var b tb
	srv := seamtest.NewServer(&b)
	for path, params := range map[string]string{
		"/locks/unlock_door":       `{"device_id": "lock", "sync": true}`,
		"/devices/list":            `{"space_id": "space"}`,
		"/connect_webviews/create": `{"provider_category": "stable"}`,
	} {
		status, got := send(t, srv, http.MethodPost, path, params, key(srv))
		assert.Equal(t, http.StatusNotImplemented, status)
		assert.Regexp(t, "nothing answers POST "+path+": seamtest does not simulate its param (sync|space_id|provider_category); answer it with Server.Handle", got.Error.Message)
	}
	b.cleanup()
	assert.Len(t, b.errors, 3)
}

// TestOfUser lists what a user has, through accounts and Connect Webviews.
func TestOfUser(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	client := srv.Client(t)
	post := ask(t, client)
	webview := post("/connect_webviews/create", nil)["connect_webview"].(object)["connect_webview_id"].(string)
	post("/connect_webviews/create", nil)
	for user, params := range map[string]seam.ClientSessionCreateParams{
		"jane": {ConnectWebviewIDs: []string{webview}}, "joe": {ConnectedAccountIDs: []string{"joe's"}},
		"ann": {ConnectedAccountIDs: []string{"jane's"}},
	} {
		params.UserIdentifierKey = user
		_, err := client.ClientSessions.Create(t.Context(), params)
		require.NoError(t, err)
	}
	srv.CompleteWebview(webview, "jane's")
	janes, joes := srv.AddDevice("jane's"), srv.AddDevice("joe's")
	code := post("/access_codes/create", object{"device_id": janes})["access_code"].(object)["access_code_id"].(string)

	for _, tt := range []struct {
		path, key, id string
		params        object
		jane, joe     []string
	}{
		{"/connect_webviews/list", "connect_webviews", "connect_webview_id", nil, []string{webview}, []string{}},
		{"/connected_accounts/list", "connected_accounts", "connected_account_id", nil, []string{"jane's"}, []string{"joe's"}},
		{"/devices/list", "devices", "device_id", nil, []string{janes}, []string{joes}},
		{"/locks/list", "locks", "device_id", nil, []string{janes}, []string{joes}},
		{"/access_codes/list", "access_codes", "access_code_id", object{"device_id": janes}, []string{code}, []string{}},
	} {
		for user, want := range map[string][]string{"jane": tt.jane, "joe": tt.joe, "nobody": {}} {
			params := object{"user_identifier_key": user}
			for name, value := range tt.params {
				params[name] = value
			}
			assert.Equal(t, want, texts(post(tt.path, params)[tt.key], tt.id), "%s of %s", tt.path, user)
		}
	}
	devices := func(user string) []string {
		t.Helper()
		return texts(post("/devices/list", object{"user_identifier_key": user})["devices"], "device_id")
	}
	assert.Equal(t, []string{janes}, devices("ann"))
	assert.Empty(t, post("/connect_webviews/list", object{"user_identifier_key": "ann"})["connect_webviews"], "she only shares the account")
	post("/connect_webviews/delete", object{"connect_webview_id": webview})
	assert.Empty(t, devices("jane"))
	jane, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane"})
	require.NoError(t, err)
	assert.Empty(t, jane.ConnectWebviewIDs)

	// A session that ends, or that becomes another user's.
	get := func(user string) (*seam.ClientSession, error) {
		return client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: user})
	}
	joe, err := get("joe")
	require.NoError(t, err)
	require.NoError(t, client.ClientSessions.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
		ClientSessionID: joe.ClientSessionID, UserIdentifierKey: "jim", UserIdentityID: "jim",
	}))
	assert.Equal(t, []string{joes}, devices("jim"))
	assert.Empty(t, devices("joe"))
	_, err = get("joe")
	require.ErrorIs(t, err, seam.ErrNotFound)
	require.NoError(t, client.ClientSessions.Delete(t.Context(), joe.ClientSessionID))
	_, err = get("jim")
	require.ErrorIs(t, err, seam.ErrNotFound)
	ann, err := get("ann")
	require.NoError(t, err)
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), ann.ClientSessionID))
	assert.Empty(t, devices("ann"))
}

// TestEmptyKey lists the devices of a user without a key, which package seam refuses. It is no
// filter.
func TestEmptyKey(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	lock := srv.AddDevice("account")
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/devices/list", strings.NewReader(`{"user_identifier_key": ""}`))
	req.Header = key(srv)
	req.Header.Set("Content-Type", "application/json")
	resp := httptest.NewRecorder()
	srv.ServeHTTP(resp, req)
	assert.Equal(t, http.StatusOK, resp.Code)
	assert.Contains(t, resp.Body.String(), lock)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	post := ask(t, srv.Client(t))
	webview := post("/connect_webviews/create", object{"custom_metadata": object{"id": "7", "vip": true}})["connect_webview"].(object)["connect_webview_id"].(string)
	account := srv.CompleteWebview(webview, "")
	a := srv.AddDevice(account)
	srv.Advance(time.Hour)
	b := srv.AddDevice("another")
	post("/devices/update", object{"device_id": b, "name": "Back Door", "custom_metadata": object{"floor": "3"}})
	soon := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	for _, tt := range []struct {
		params object
		want   []string
	}{
		{object{"connect_webview_id": webview}, []string{a}},
		{object{"connect_webview_id": "unknown"}, []string{}},
		{object{"created_before": soon}, []string{a}},
		{object{"custom_metadata_has": object{"floor": "3"}}, []string{b}},
		{object{"custom_metadata_has": object{"a": "", "b": "", "c": "", "d": "", "e": "", "f": "", "g": "", "floor": "3"}}, []string{}},
		{object{"search": "BACK d"}, []string{b}},
		{object{"search": "3", "connected_account_id": "another"}, []string{b}},
		{object{"search": "nothing has this"}, []string{}},
	} {
		for path, key := range map[string]string{"/devices/list": "devices", "/locks/list": "locks"} {
			assert.Equal(t, tt.want, texts(post(path, tt.params)[key], "device_id"), tt.params)
		}
	}
	assert.Equal(t, []string{webview}, texts(post("/connect_webviews/list", object{"custom_metadata_has": object{"vip": true}})["connect_webviews"], "connect_webview_id"))
	assert.Equal(t, account, post("/connected_accounts/get", object{"email": account + "@example.com"})["connected_account"].(object)["connected_account_id"])
	assert.Equal(t, b, post("/devices/get", object{"name": "Back Door"})["device"].(object)["device_id"])
}

// TestAccessCodes creates, changes and deletes access codes. Each takes the time that the test sets.
func TestAccessCodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		received := receiveEvents(t, srv.Workspace)
		post := ask(t, srv.Client(t))
		lock, broken := srv.AddDevice("account"), srv.AddDevice("account")
		srv.SetOutcome(seamtest.Outcome{DeviceID: lock, Pending: time.Second})
		srv.SetOutcome(seamtest.Outcome{DeviceID: broken, ErrorType: "device_disconnected", ErrorMessage: "no answer"})
		get := func(id any) object {
			return post("/access_codes/get", object{"access_code_id": id})["access_code"].(object)
		}

		code := post("/access_codes/create", object{"device_id": lock, "name": "Guest"})["access_code"].(object)
		id := code["access_code_id"]
		assert.Equal(t, "setting", get(id)["status"])
		assert.Len(t, code["code"], 4)
		time.Sleep(time.Second)
		assert.Equal(t, "set", get(id)["status"])
		times := object{"access_code_id": id, "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-02T00:00:00Z"}
		post("/access_codes/update", times)
		assert.Equal(t, "ongoing", get(id)["type"])
		time.Sleep(time.Second)
		assert.Equal(t, "time_bound", get(id)["type"])
		assert.Equal(t, "2030-01-02T00:00:00Z", get(id)["ends_at"])
		post("/access_codes/update", object{"access_code_id": id, "type": "ongoing"})
		time.Sleep(time.Second)
		assert.NotContains(t, get(id), "ends_at")
		err := srv.Client(t).Post(t.Context(), "/access_codes/delete", object{"access_code_id": id, "device_id": broken}, nil)
		require.ErrorIs(t, err, seam.ErrNotFound, "it is on another lock")
		post("/access_codes/delete", object{"access_code_id": id, "device_id": lock})
		post("/access_codes/delete", object{"access_code_id": id}) // has no effect
		time.Sleep(time.Second)
		require.ErrorIs(t, srv.Client(t).Post(t.Context(), "/access_codes/get", object{"access_code_id": id}, nil), seam.ErrNotFound)

		failed := post("/access_codes/create", object{"device_id": broken})["access_code"].(object)["access_code_id"]
		synctest.Wait()
		assert.Equal(t, "failed_to_set_on_device", get(failed)["errors"].([]any)[0].(object)["error_code"])
		post("/access_codes/delete", object{"access_code_id": failed})
		synctest.Wait()
		get(failed) // it is still there
		assert.Equal(t, []string{
			"access_code.created", "access_code.set_on_device", "access_code.changed", "access_code.changed", "access_code.deleted",
			"access_code.created", "access_code.failed_to_set_on_device",
		}, types(srv, received))
	})
}

// TestDeletedAccount checks that nothing of an account outlives it but the events of its end.
func TestDeletedAccount(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	client, received := srv.Client(t), receiveEvents(t, srv.Workspace)
	post := ask(t, client)
	session, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{
		UserIdentifierKey: "jane", ConnectedAccountIDs: []string{"jane's", "another"},
	})
	require.NoError(t, err)
	lock, other := srv.AddDevice("jane's"), srv.AddDevice("another")
	post("/access_codes/create", object{"device_id": lock, "code": "1234"})
	post("/access_codes/create", object{"device_id": other, "code": "1234"}) // on another lock
	elsewhere := srv.NewWorkspace()
	elsewhere.AddDevice("jane's")
	same, err := elsewhere.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"jane's"}})
	require.NoError(t, err)
	srv.SetOutcome(seamtest.Outcome{Pending: time.Hour})
	post("/locks/unlock_door", object{"device_id": lock})
	post("/connected_accounts/delete", object{"connected_account_id": "jane's"})
	assert.Equal(t, []string{other}, texts(post("/devices/list", nil)["devices"], "device_id"))
	session, err = client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: session.ClientSessionID})
	require.NoError(t, err)
	assert.Equal(t, []string{"another"}, session.ConnectedAccountIDs)
	same, err = elsewhere.Client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: same.ClientSessionID})
	require.NoError(t, err)
	assert.Equal(t, 1, same.DeviceCount, "in another workspace, an account with the same ID is another one")
	ends := []string{"access_code.deleted", "device.deleted", "connected_account.deleted"}
	all := texts(post("/events/list", object{"since": "2020-01-01T00:00:00Z", "connected_account_id": "jane's"})["events"], "event_type")
	assert.Equal(t, ends, all)
	got := types(srv, received)
	assert.Equal(t, ends, got[len(got)-3:])
	srv.Advance(time.Hour)
	assert.Equal(t, got, types(srv, received), "the lock does not move any more")
	require.ErrorIs(t, client.Post(t.Context(), "/connected_accounts/delete", object{"connected_account_id": "jane's"}, nil), seam.ErrNotFound)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	client := srv.Client(t)
	lock := srv.AddDevice("jane's")
	session, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"jane's"}})
	require.NoError(t, err)
	start := time.Now()
	first := srv.SendEvent("device.low_battery", object{"device_id": lock})
	srv.Advance(time.Hour)
	second := srv.SendEvent("device.connected", object{"device_id": lock})
	other := srv.SendEvent("device.connected", object{"device_id": "another"})
	srv.NewWorkspace().SendEvent("device.connected", object{"device_id": lock})
	at := func(after time.Duration) string { return start.Add(after).UTC().Format(time.RFC3339) }
	long := object{"since": at(-time.Hour)}
	for _, tt := range []struct {
		params object
		want   []string
	}{
		{long, []string{first, second, other}},
		{object{"since": at(30 * time.Minute)}, []string{second, other}},
		{object{"between": []string{at(-time.Hour), at(30 * time.Minute)}}, []string{first}},
		{object{"between": []string{at(30 * time.Minute), at(2 * time.Hour)}}, []string{second, other}},
		{object{"since": at(-time.Hour), "event_type": "device.low_battery"}, []string{first}},
		{object{"since": at(-time.Hour), "event_ids": []string{other}}, []string{other}},
		{object{"since": at(-time.Hour), "device_ids": []string{lock}, "limit": 1}, []string{first}},
	} {
		assert.Equal(t, tt.want, texts(ask(t, client)("/events/list", tt.params)["events"], "event_id"), tt.params)
	}
	asJane := ask(t, client, seam.WithClientSessionToken(session.Token))
	assert.Equal(t, []string{first, second}, texts(asJane("/events/list", long)["events"], "event_id"))
	assert.Equal(t, "device.low_battery", asJane("/events/get", object{"event_id": first})["event"].(object)["event_type"])
	for _, params := range []object{{"since": "yesterday"}, {"since": at(0), "between": []string{at(0), at(1)}}} {
		require.ErrorIs(t, client.Post(t.Context(), "/events/list", params, nil), seam.ErrInvalidParams)
	}
}
