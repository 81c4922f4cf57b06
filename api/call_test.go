package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
)

func TestNilCore(t *testing.T) {
	t.Parallel()
	assert.PanicsWithValue(t, "api: New was called with a nil *seam.Client; create one with seam.NewClient", func() { api.New(nil) })
}

// page returns a page of devices.
func page(cursor any, ids ...string) map[string]any {
	devices := []any{}
	for _, id := range ids {
		devices = append(devices, map[string]any{"device_id": id})
	}
	return map[string]any{"devices": devices, "pagination": map[string]any{"has_next_page": cursor != nil, "next_page_cursor": cursor}, "ok": true}
}

// paging returns a server that answers with one page after the other.
func paging(pages ...any) *server {
	return &server{answer: func(r request) (int, any, error) { return http.StatusOK, pages[min(r.Number, len(pages))-1], nil }}
}

// TestPages reads all pages, with the same params for each.
func TestPages(t *testing.T) {
	t.Parallel()
	srv := paging(page("c2", "d1", "d2"), page("c3"), page(nil, "d3"))
	devices, err := srv.client(t).Devices.List(t.Context(), api.DeviceListParams{Search: "door", Limit: 2})
	require.NoError(t, err)
	require.Len(t, devices, 3)
	assert.Equal(t, "d3", devices[2].DeviceID)
	cursors := []any{}
	for _, r := range srv.requests {
		assert.Equal(t, "door", r.Body["search"])
		assert.InDelta(t, 2, r.Body["limit"], 0)
		cursors = append(cursors, r.Body["page_cursor"])
	}
	assert.Equal(t, []any{nil, "c2", "c3"}, cursors)
}

// TestAll requests a page when the loop needs it, and begins anew in each loop.
func TestAll(t *testing.T) {
	t.Parallel()
	srv := paging(page("c2", "d1", "d2"), page(nil, "d3"))
	all := srv.client(t).Devices.All(t.Context(), api.DeviceListParams{PageCursor: "c1"})
	assert.Empty(t, srv.requests)
	for device, err := range all {
		require.NoError(t, err)
		if device.DeviceID == "d1" {
			break
		}
	}
	assert.Len(t, srv.requests, 1)
	for _, err := range all {
		require.NoError(t, err)
		break
	}
	require.Len(t, srv.requests, 2)
	assert.Equal(t, "c1", srv.requests[1].Body["page_cursor"])
}

// TestAllEndsWithItsContext also within a page.
func TestAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	count := 0
	for _, err := range paging(page(nil, "d1", "d2", "d3")).client(t).Devices.All(ctx, api.DeviceListParams{}) {
		cancel()
		count++
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 2, count)
}

// TestBadPages must never take a part for the whole.
func TestBadPages(t *testing.T) {
	t.Parallel()
	more := map[string]any{"devices": []any{}, "pagination": map[string]any{"has_next_page": true}}
	for _, tt := range []struct {
		name  string
		pages []any
		want  string
	}{
		{"a cursor that comes twice", []any{page("c2", "d1"), page("c2", "d2")}, "cursor that an earlier page had"},
		{"cursors in a circle", []any{page("c2"), page("c3"), page("c2")}, "cursor that an earlier page had"},
		{"more pages without a cursor", []any{more}, "no cursor for the next page"},
		{"no key", []any{map[string]any{"ok": true}}, "response has no devices"},
		{"a second page without its key", []any{page("c2", "d1"), map[string]any{"ok": true}}, "response has no devices"},
		{"null", []any{map[string]any{"devices": nil}}, "response has no usable devices"},
		{"no list", []any{map[string]any{"devices": "none"}}, "response has no usable devices"},
		{"an object without an ID", []any{map[string]any{"devices": []any{map[string]any{"device_id": "d1"}, map[string]any{"name": "x"}}}}, "without an ID"},
		{"an odd object", []any{map[string]any{"devices": []any{5}}}, "without an ID"},
		{"no JSON", []any{"<html>"}, "response cannot be decoded"},
		{"an array", []any{"[]"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			devices, err := paging(tt.pages...).client(t).Devices.List(t.Context(), api.DeviceListParams{})
			require.Error(t, err)
			require.ErrorContains(t, err, tt.want)
			assert.Nil(t, devices)
		})
	}
	t.Run("pages of an endpoint that has none", func(t *testing.T) {
		t.Parallel()
		_, err := paging(map[string]any{"devices": []any{}, "pagination": map[string]any{"has_next_page": true, "next_page_cursor": "c2"}}).
			client(t).Locks.List(t.Context(), api.LockListParams{})
		assert.ErrorContains(t, err, "one page of several")
	})
}

// TestPagesSurviveFailures retries a page, not what was read before it.
func TestPagesSurviveFailures(t *testing.T) {
	t.Parallel()
	pages := []any{page("c2", "d1"), nil, page(nil, "d2")}
	srv := &server{answer: func(r request) (int, any, error) {
		if pages[r.Number-1] == nil {
			return http.StatusServiceUnavailable, "", nil
		}
		return http.StatusOK, pages[r.Number-1], nil
	}}
	synctest.Test(t, func(t *testing.T) {
		devices, err := srv.client(t).Devices.List(t.Context(), api.DeviceListParams{})
		require.NoError(t, err)
		assert.Len(t, devices, 2)
	})
}

// TestIdentity rejects an answer that is about something else.
func TestIdentity(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer any
		want   string
	}{
		"another device": {map[string]any{"device": map[string]any{"device_id": "device_2"}}, "response has a device that was not requested"},
		"no ID":          {map[string]any{"device": map[string]any{"display_name": "Door"}}, "response has a device without an ID"},
		"an odd ID":      {map[string]any{"device": map[string]any{"device_id": 5}}, "response has a device without an ID"},
		"no key":         {map[string]any{"lock": map[string]any{"device_id": "device_1"}}, "response has no device"},
		"null":           {map[string]any{"device": nil}, "response has no usable device"},
		"an array":       {map[string]any{"device": []any{}}, "response has no usable device"},
		"a failure":      {map[string]any{"device": map[string]any{"device_id": "device_1"}, "ok": false}, "response says that the request failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device, err := answering(tt.answer).client(t).Devices.Get(t.Context(), api.DeviceGetParams{DeviceID: "device_1"})
			assert.Nil(t, device)
			var apiErr *seam.APIError
			require.ErrorAs(t, err, &apiErr)
			assert.Equal(t, "request_1", apiErr.RequestID)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestInvalidParams(t *testing.T) {
	t.Parallel()
	srv := answering(map[string]any{})
	client := srv.client(t)
	_, err := client.Locks.UnlockDoor(t.Context(), api.LockUnlockDoorParams{})
	require.EqualError(t, err, "seam: Post /locks/unlock_door: DeviceID is empty; set it")
	_, err = client.Locks.UnlockDoor(t.Context(), api.LockUnlockDoorParams{DeviceID: " "})
	require.ErrorIs(t, err, seam.ErrInvalidParams)
	_, err = client.Devices.Get(t.Context(), api.DeviceGetParams{})
	require.EqualError(t, err, "seam: Post /devices/get: DeviceID and Name are empty; set one")
	_, err = client.AccessGrants.Create(t.Context(), api.AccessGrantCreateParams{
		UserIdentityID: "user", RequestedAccessMethods: []api.AccessMethodRequest{{Code: "1234"}},
	})
	require.EqualError(t, err, "seam: Post /access_grants/create: RequestedAccessMethods.Mode is empty; set it")
	assert.Empty(t, srv.requests)
}

// TestZeroAndEmpty sends false, 0 and an empty list when they are meant.
func TestZeroAndEmpty(t *testing.T) {
	t.Parallel()
	srv := answering(page(nil))
	client := srv.client(t)
	_, err := client.Devices.List(t.Context(), api.DeviceListParams{DeviceIDs: []string{}})
	require.NoError(t, err)
	_, err = client.Locks.ConfigureAutoLock(t.Context(), api.LockConfigureAutoLockParams{
		DeviceID: "device_1", AutoLockEnabled: new(false), AutoLockDelaySeconds: new(0),
	})
	require.Error(t, err) // the answer has no action attempt
	assert.Equal(t, map[string]any{"device_ids": []any{}}, srv.requests[0].Body)
	assert.Equal(t, map[string]any{"device_id": "device_1", "auto_lock_enabled": false, "auto_lock_delay_seconds": 0.0}, srv.requests[1].Body)
}

// TestNullable clears a field, sets it, and leaves it as it is.
func TestNullable(t *testing.T) {
	t.Parallel()
	srv := answering(map[string]any{"ok": true})
	require.NoError(t, srv.client(t).UserIdentities.Update(t.Context(), api.UserIdentityUpdateParams{
		UserIdentityID: "user", FullName: api.Set("Jane Doe"), PhoneNumber: api.Null[string](),
	}))
	assert.Equal(t, map[string]any{"user_identity_id": "user", "full_name": "Jane Doe", "phone_number": nil}, srv.requests[0].Body)
	assert.Equal(t, "{Jane Doe null unchanged}", fmt.Sprint(struct{ A, B, C api.Nullable[string] }{A: api.Set("Jane Doe"), B: api.Null[string]()}))
}

// TestOptionsReachEachRequest also for polls and pages.
func TestOptionsReachEachRequest(t *testing.T) {
	t.Parallel()
	option := seam.WithHeader("Trace", "t1")
	srv := lock(status("success"))
	synctest.Test(t, func(t *testing.T) {
		_, err := srv.client(t).Locks.UnlockDoor(t.Context(), unlock, option)
		require.NoError(t, err)
	})
	pages := paging(page("c2"), page(nil))
	_, err := pages.client(t).Devices.List(t.Context(), api.DeviceListParams{}, option)
	require.NoError(t, err)
	for _, r := range slices.Concat(srv.requests, pages.requests) {
		assert.Equal(t, "t1", r.Header.Get("Trace"))
	}
}

// TestErrorsMaskParams masks a PIN that Seam repeats.
func TestErrorsMaskParams(t *testing.T) {
	t.Parallel()
	srv := &server{answer: func(request) (int, any, error) {
		return http.StatusBadRequest, map[string]any{"error": map[string]any{
			"type": "invalid_input", "message": "code 4711 is in use",
			"validation_errors": map[string]any{"_errors": []any{}, "code": map[string]any{"_errors": []any{"4711 is too short"}}},
		}}, nil
	}}
	_, err := srv.client(t).AccessCodes.Create(t.Context(), api.AccessCodeCreateParams{DeviceID: "device_1", Code: "4711"})
	var apiErr *seam.APIError
	require.ErrorAs(t, err, &apiErr)
	require.ErrorIs(t, err, seam.ErrInvalidParams)
	assert.Equal(t, "code REDACTED is in use", apiErr.Message)
	assert.Equal(t, []string{"REDACTED is too short"}, apiErr.ValidationErrors["code"])
	assert.NotContains(t, err.Error(), "4711")
}

// TestEmbeddedCore has the methods of package seam.
func TestEmbeddedCore(t *testing.T) {
	t.Parallel()
	srv := answering(map[string]any{"client_sessions": []any{}})
	client := srv.client(t)
	_, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	require.NoError(t, client.Post(t.Context(), "/devices/new_endpoint", nil, &struct{}{}))
	assert.Equal(t, []string{"/client_sessions/list", "/devices/new_endpoint"}, srv.paths())
	_, err = client.Devices.Get(t.Context(), api.DeviceGetParams{DeviceID: "d"}, nil)
	require.ErrorIs(t, err, seam.ErrInvalidParams)
	assert.True(t, errors.Is(err, seam.ErrInvalidParams) && strings.Contains(err.Error(), "Option is nil"))
}
