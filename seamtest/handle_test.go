package seamtest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestSchema sends params to endpoints of which only the schema is known.
func TestSchema(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.AllowUnanswered()
	for _, tt := range []struct {
		path, body, want string // want is the error message; empty: the params are valid
	}{
		{"access_codes/create", `{"device_id": "lock"}`, ""},
		{"access_codes/create", `{}`, "device_id is required"},
		{"access_codes/create", `{"device_id": "lock", "names": "Jane", "cod": "1"}`, "Unrecognized key(s) in object: 'cod', 'names'"},
		{"access_codes/create", `{"device_id": "lock", "code": "123"}`, `String must contain at least 4 character(s) for "code"`},
		{"access_codes/create", `{"device_id": "lock", "code": "12a4"}`, `Invalid for "code"`},
		{"access_codes/create", `{"device_id": "lock", "preferred_code_length": "4"}`, `Expected number, received string for "preferred_code_length"`},
		{"access_codes/list", `{"device_id": "lock", "page_cursor": null}`, ""},
		{"access_codes/list", `{"device_id": null}`, `Expected string, received null for "device_id"`},
		{"access_codes/create", `{"device_id": "lock", "ends_at": "2030-01-01T00:00:00Z"}`, "Both starts_at and ends_at must be provided if one is"},
		{"access_codes/update", `{"access_code_id": "code", "type": "time_bound"}`, "'time_bound' Access codes must include both starts_at and ends_at"},
		{"access_codes/get", `{"access_code_id": "code", "code": "1234"}`, `Both "access_code_id" and "code" can not be provided`},
		{"acs/users/list", `{"limit": 0}`, `Number must be greater than 0 for "limit"`},
		{"acs/users/list", `{"limit": 1.5}`, `Expected integer, received float for "limit"`},
		{"connect_webviews/create", `{"custom_metadata": {"id": 1}}`, `Invalid input for "custom_metadata.id"`},
		{"connect_webviews/create", `{"device_selection_mode": "all"}`, `Invalid enum value. Expected 'none' | 'single' | 'multiple', received 'all' for "device_selection_mode"`},
		{"connected_accounts/get", `{"email": "jane@example.com"}`, ""},
		{"connected_accounts/get", `{}`, "Invalid input"},
		{"connected_accounts/get", `{"emial": "a"}`, "2 Input Errors: Invalid input, Unrecognized key(s) in object: 'emial'"},
		{"devices/unmanaged/update", `{"device_id": "lock", "is_managed": false}`, `Invalid literal value, expected true for "is_managed"`},
		{"access_grants/create", `{"user_identity_id": "jane", "requested_access_methods": [{"mode": "code"}]}`, ""},
		{"access_grants/create", `{"user_identity_id": "jane", "requested_access_methods": [{"mod": "code"}]}`, "2 Input Errors: " +
			`requested_access_methods.0.mode is required, Unrecognized key(s) in object: 'mod' for "requested_access_methods.0"`},
	} {
		status, got := send(t, srv, http.MethodPost, "/"+tt.path, tt.body, key(srv))
		if tt.want == "" {
			assert.NotEqual(t, "invalid_input", got.Error.Type, "%s %s: %s", tt.path, tt.body, got.Error.Message)
			continue
		}
		assert.Equal(t, http.StatusBadRequest, status, tt.body)
		assert.Equal(t, tt.want, got.Error.Message, tt.path)
	}
}

func TestHandle(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	client := srv.Client(t, seam.WithMaxRetries(0))
	srv.Handle("/access_codes/create", func(r seamtest.Request) (int, any) {
		assert.Len(t, srv.Requests(), 1, "it may call the server's methods")
		assert.JSONEq(t, `{"device_id": "lock"}`, string(r.Body))
		return http.StatusOK, object{"access_code": object{"code": "1234"}, "ok": true}
	})
	var got struct {
		AccessCode struct{ Code string } `json:"access_code"`
	}
	require.NoError(t, client.Post(t.Context(), "/access_codes/create", object{"device_id": "lock"}, &got))
	assert.Equal(t, "1234", got.AccessCode.Code)
	require.ErrorIs(t, client.Post(t.Context(), "/access_codes/create", object{"device": "lock"}, nil), seam.ErrInvalidParams)
	require.ErrorIs(t, client.Post(t.Context(), "/access_codes/create", nil, nil, seam.WithAPIKey("seam_unknown")), seam.ErrUnauthorized)

	srv.Handle("/devices/list", func(seamtest.Request) (int, any) {
		return http.StatusConflict, object{"error": object{"type": "busy", "message": "later"}, "ok": false}
	})
	require.ErrorIs(t, client.Post(t.Context(), "/devices/list", nil, nil), seam.ErrConflict, "instead of the simulation")
	srv.Handle("/new/endpoint", func(seamtest.Request) (int, any) { return http.StatusOK, object{"ok": true} })
	require.NoError(t, client.Post(t.Context(), "/new/endpoint", object{"anything": 1}, nil))

	srv.Fail(seamtest.Fault{Path: "/access_codes/create", Status: 503, Times: 1})
	require.ErrorIs(t, client.Post(t.Context(), "/access_codes/create", object{"device_id": "lock"}, nil), seam.ErrServer)
	srv.Fail(seamtest.Fault{Path: "/new/endpoint", Status: 503})
	srv.Fail(seamtest.Fault{Path: "/thermostats/cool", Status: 503})
	require.ErrorIs(t, client.Post(t.Context(), "/thermostats/cool", nil, nil), seam.ErrServer, "an endpoint that nothing answers")
	assert.Panics(t, func() { srv.Handle("devices/list", nil) })
}

// TestUnanswered sends requests that nothing answers.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		var b tb
		srv := seamtest.NewServer(&b)
		if allowed {
			srv.AllowUnanswered()
		}
		for _, path := range []string{"/noise_sensors/list", "/unknown"} {
			status, got := send(t, srv, http.MethodPost, path, `{}`, key(srv))
			assert.Equal(t, http.StatusNotFound, status)
			assert.Equal(t, "not_found", got.Error.Type)
			assert.Contains(t, got.Error.Message, "nothing answers POST "+path)
		}
		b.cleanup()
		if allowed {
			assert.Empty(t, b.errors)
		} else {
			assert.Equal(t, []string{
				"seamtest: nothing answers POST /noise_sensors/list: seamtest does not simulate it; answer it with Server.Handle, or call Server.AllowUnanswered",
				"seamtest: nothing answers POST /unknown: Seam's schema does not have it; answer it with Server.Handle, or call Server.AllowUnanswered",
			}, b.errors)
		}
	}
}
