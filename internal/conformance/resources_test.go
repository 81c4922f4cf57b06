package conformance_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// ofUser lists what a user has.
func ofUser(t *testing.T, p peer) {
	t.Helper()
	john := object{"user_identifier_key": "john"}
	var webview object
	t.Run("webviews_of_user", func(t *testing.T) {
		assert.Len(t, p.post(t, "/connect_webviews/list", john).ConnectWebviews, 1)
	})
	t.Run("devices_of_user", func(t *testing.T) {
		assert.Len(t, p.post(t, listDevices, john).Devices, 4)
	})
	t.Run("locks_of_user", func(t *testing.T) {
		assert.Empty(t, p.post(t, "/locks/list", object{"user_identifier_key": "nobody"}).Locks)
	})
	t.Run("accounts_of_user", func(t *testing.T) {
		got := p.post(t, "/connected_accounts/list", john).ConnectedAccounts
		require.Len(t, got, 1)
		assert.Equal(t, johnsAccount, got[0].ConnectedAccountID)
	})
	t.Run("webviews", func(t *testing.T) {
		all := p.post(t, "/connect_webviews/list", nil).ConnectWebviews
		assert.GreaterOrEqual(t, len(all), 2)
		webview = object{"connect_webview_id": all[0].ConnectWebviewID}
	})
	t.Run("webview_delete", func(t *testing.T) {
		p.post(t, "/connect_webviews/delete", webview)
		require.ErrorIs(t, p.client(t).Post(t.Context(), getWebview, webview, nil), seam.ErrNotFound)
	})
}

// lockSteps list and rename a lock.
func lockSteps(t *testing.T, p peer, lock string) {
	t.Helper()
	t.Run("locks", func(t *testing.T) {
		got := p.post(t, "/locks/list", object{"device_ids": []string{lock}}).Locks
		require.Len(t, got, 1)
		assert.Equal(t, lock, got[0].DeviceID)
	})
	t.Run("device_rename", func(t *testing.T) {
		p.post(t, "/devices/update", object{"device_id": lock, "name": "Front Door"})
	})
	t.Run("device_renamed", func(t *testing.T) {
		assert.Equal(t, lock, p.post(t, "/devices/get", object{"name": "Front Door"}).Device.DeviceID)
	})
}

// accessCodes creates, changes and deletes the access code of a lock.
func accessCodes(t *testing.T, p peer, lock string) {
	t.Helper()
	var code response
	params := object{"device_id": lock, "code": "4321", "name": "Front Door"}
	t.Run("access_code_create", func(t *testing.T) {
		code = p.post(t, "/access_codes/create", params)
		assert.NotEmpty(t, code.AccessCode.AccessCodeID)
		assert.Equal(t, lock, code.AccessCode.DeviceID)
		assert.Equal(t, "4321", code.AccessCode.Code)
		assert.Equal(t, "Front Door", code.AccessCode.Name)
		assert.Equal(t, "ongoing", code.AccessCode.Type)
	})
	id := code.AccessCode.AccessCodeID
	t.Run("access_code_create_again", func(t *testing.T) {
		p.next(t)
		apiErr := requireAPIError(t, p.client(t).Post(t.Context(), "/access_codes/create", params, nil))
		assert.Equal(t, http.StatusConflict, apiErr.StatusCode)
		assert.Equal(t, "duplicate_access_code", apiErr.Type)
	})
	t.Run("access_code_list", func(t *testing.T) {
		got := p.post(t, "/access_codes/list", object{"device_id": lock, "access_code_ids": []string{id}}).AccessCodes
		require.Len(t, got, 1)
		assert.Equal(t, id, got[0].AccessCodeID)
	})
	t.Run("access_code_list_of_user", func(t *testing.T) {
		assert.Empty(t, p.post(t, "/access_codes/list", object{"device_id": lock, "user_identifier_key": "nobody"}).AccessCodes)
	})
	for _, tt := range []struct {
		step, path, actionType string
		params                 object
	}{
		{"access_code_update", "/access_codes/update", "UPDATE_ACCESS_CODE", object{"access_code_id": id, "code": "9876"}},
		{"access_code_delete", "/access_codes/delete", "DELETE_ACCESS_CODE", object{"access_code_id": id}},
	} {
		t.Run(tt.step, func(t *testing.T) {
			attempt := p.post(t, tt.path, tt.params).ActionAttempt
			assert.Equal(t, tt.actionType, attempt.ActionType)
			assert.Equal(t, "pending", attempt.Status)
		})
		if tt.step == "access_code_update" {
			t.Run("access_code_get", func(t *testing.T) {
				got := p.post(t, "/access_codes/get", object{"device_id": lock, "code": "9876"}).AccessCode
				assert.Equal(t, id, got.AccessCodeID)
				assert.Equal(t, "Front Door", got.Name)
			})
		}
	}
	for _, tt := range []struct{ step, path, errorType string }{
		{"access_code_deleted", "/access_codes/get", "not_found"},
		{"access_code_delete_again", "/access_codes/delete", "access_code_not_found"},
	} {
		t.Run(tt.step, func(t *testing.T) {
			p.next(t)
			apiErr := requireAPIError(t, p.client(t).Post(t.Context(), tt.path, object{"access_code_id": id}, nil))
			assert.Equal(t, http.StatusNotFound, apiErr.StatusCode)
			assert.Equal(t, tt.errorType, apiErr.Type)
		})
	}
}

// events looks for what the other steps have done to a lock.
func events(t *testing.T, p peer, lock string) {
	t.Helper()
	var unlocked event
	t.Run("events", func(t *testing.T) {
		got := p.post(t, "/events/list", object{"since": settledCreatedAt, "device_id": lock, "event_types": []string{"lock.unlocked"}}).Events
		require.Len(t, got, 1)
		unlocked = got[0]
		assert.Equal(t, "lock.unlocked", unlocked.EventType)
		assert.Equal(t, lock, unlocked.DeviceID)
	})
	t.Run("event", func(t *testing.T) {
		assert.Equal(t, unlocked, p.post(t, "/events/get", object{"event_id": unlocked.EventID}).Event)
	})
}

// accounts changes and deletes a connected account.
func accounts(t *testing.T, p peer) {
	t.Helper()
	byID := object{"connected_account_id": janesAccount}
	t.Run("account", func(t *testing.T) {
		assert.Equal(t, janesAccount, p.post(t, "/connected_accounts/get", byID).ConnectedAccount.ConnectedAccountID)
	})
	t.Run("accounts_page", func(t *testing.T) {
		got := p.post(t, "/connected_accounts/list", object{"limit": 1})
		assert.Len(t, got.ConnectedAccounts, 1)
		assert.True(t, got.Pagination.HasNextPage)
	})
	t.Run("account_search", func(t *testing.T) {
		assert.Empty(t, p.post(t, "/connected_accounts/list", object{"search": "nothing has this"}).ConnectedAccounts)
	})
	t.Run("account_update", func(t *testing.T) {
		got := p.post(t, "/connected_accounts/update", object{
			"connected_account_id": janesAccount, "automatically_manage_new_devices": false, "custom_metadata": object{"id": "1"},
		}).ConnectedAccount
		assert.False(t, got.AutomaticallyManageNewDevices)
		assert.Equal(t, object{"id": "1"}, got.CustomMetadata)
	})
	t.Run("account_delete", func(t *testing.T) {
		p.post(t, "/connected_accounts/delete", byID)
	})
	t.Run("account_deleted", func(t *testing.T) {
		p.next(t)
		require.ErrorIs(t, p.client(t).Post(t.Context(), "/connected_accounts/get", byID, nil), seam.ErrNotFound)
	})
	t.Run("devices_of_deleted_account", func(t *testing.T) {
		assert.Empty(t, p.post(t, listDevices, byID).Devices)
	})
}
