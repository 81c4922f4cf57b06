package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
)

// TestDoors connects an account of each of two users.
func TestDoors(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	jane, joe := site.visitor(), site.visitor()
	jane.signIn("jane_doe")
	joe.signIn("joe")
	assert.Empty(t, jane.doors(), "nothing is connected")
	janes := jane.connect()
	assert.Equal(t, []string{janes}, jane.doors())
	assert.Empty(t, joe.doors(), "another user's door")
	joes := joe.connect()
	second := joe.connect()
	assert.Equal(t, []string{janes}, jane.doors())
	assert.Equal(t, []string{joes, second}, joe.doors())
}

// TestNextSession tests that a user has the same doors after a sign-out, and after the
// session was revoked.
func TestNextSession(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	jane := site.visitor()
	jane.signIn("jane_doe")
	door := jane.connect()
	jane.signOut()
	assert.Equal(t, http.StatusUnauthorized, jane.get("/doors").StatusCode)
	jane.signIn("jane_doe")
	assert.Equal(t, []string{door}, jane.doors())

	session, err := site.app.sessions.Session(t.Context(), "jane_doe")
	require.NoError(t, err)
	require.NoError(t, site.client.ClientSessions.Revoke(t.Context(), session.ClientSessionID))
	jane.token(session.ClientSessionID)
	assert.Equal(t, []string{door}, jane.doors())
}

// TestUnlock tests what a visitor is told, and that a door is unlocked at most once.
func TestUnlock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		outcome seamtest.Outcome
		fault   seamtest.Fault
		status  int
		words   string
	}{
		"success": {status: http.StatusOK},
		"failed": {
			outcome: seamtest.Outcome{ErrorType: "device_disconnected", ErrorMessage: "internal"},
			status:  http.StatusBadGateway, words: "not connected",
		},
		"failed, of unknown type": {
			outcome: seamtest.Outcome{ErrorType: "uncategorized_error", ErrorMessage: "internal"},
			status:  http.StatusBadGateway, words: "could not be unlocked",
		},
		"lost response": {
			fault:  seamtest.Fault{Path: "/locks/unlock_door", Reset: true, TakesEffect: true},
			status: http.StatusGatewayTimeout, words: "Look whether the door is open",
		},
		"server error": {
			fault:  seamtest.Fault{Path: "/locks/unlock_door", Status: http.StatusBadGateway},
			status: http.StatusGatewayTimeout, words: "Look whether the door is open",
		},
		"too often": {
			fault:  seamtest.Fault{Path: "/locks/unlock_door", Status: http.StatusTooManyRequests},
			status: http.StatusTooManyRequests, words: "in a minute",
		},
		"refused": {
			fault:  seamtest.Fault{Path: "/locks/unlock_door", Status: http.StatusForbidden},
			status: http.StatusBadGateway, words: "could not be unlocked",
		},
		"unknown state": {
			fault:  seamtest.Fault{Path: "/action_attempts/get", Status: http.StatusForbidden},
			status: http.StatusGatewayTimeout, words: "Look whether the door is open",
		},
		"no list": {
			fault:  seamtest.Fault{Path: "/devices/list", Status: http.StatusBadGateway},
			status: http.StatusServiceUnavailable, words: "Try again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := startSite(t)
			jane := site.visitor()
			jane.signIn("jane_doe")
			door := jane.connect()
			site.seam.SetOutcome(tt.outcome)
			if tt.fault.Path != "" {
				site.seam.Fail(tt.fault)
			}
			reply := jane.unlock(door)
			assert.Equal(t, tt.status, reply.StatusCode)
			assert.Contains(t, reply.body, tt.words)
			assert.NotContains(t, reply.body, "internal")
			want := 1
			if tt.fault.Path == "/devices/list" {
				want = 0
			}
			assert.Equal(t, want, site.sent("/locks/unlock_door"))
		})
	}
}

// TestForgedUnlock tests that no request unlocks the door of another user.
func TestForgedUnlock(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	jane, joe := site.visitor(), site.visitor()
	jane.signIn("jane_doe")
	door := jane.connect()
	assert.Equal(t, http.StatusUnauthorized, joe.unlock(door).StatusCode)
	joe.signIn("joe")
	assert.Equal(t, http.StatusNotFound, joe.unlock(door).StatusCode, "without a session")
	joe.connect()
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"another user's": {`{"device_id": "` + door + `"}`, http.StatusNotFound},
		"another user":   {`{"device_id": "` + door + `", "user_identifier_key": "jane_doe"}`, http.StatusNotFound},
		"unknown":        {`{"device_id": "nothing"}`, http.StatusNotFound},
		"empty":          {`{"device_id": ""}`, http.StatusBadRequest},
		"none":           {`{}`, http.StatusBadRequest},
		"several":        {`{"device_id": ["` + door + `"]}`, http.StatusBadRequest},
		"not JSON":       {`device_id=` + door, http.StatusBadRequest},
		"nothing at all": {``, http.StatusBadRequest},
		"too large":      {`{"x": "` + string(make([]byte, 5000)) + `"}`, http.StatusBadRequest},
	} {
		assert.Equal(t, tt.status, joe.post("/unlock", tt.body).StatusCode, name)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, jane.get("/unlock?device_id="+door).StatusCode)
	assert.Zero(t, site.sent("/locks/unlock_door"))
	assert.Equal(t, http.StatusOK, jane.unlock(door).StatusCode)

	site.seam.Handle("/devices/list", func(seamtest.Request) (int, any) { // the filter by IDs has no effect
		return http.StatusOK, map[string]any{"devices": []any{map[string]any{"device_id": door}}}
	})
	assert.Equal(t, http.StatusNotFound, jane.unlock("another").StatusCode)
	assert.Equal(t, 1, site.sent("/locks/unlock_door"))
}

// TestSignOutMeanwhile signs a user out in another browser while a request waits for Seam.
func TestSignOutMeanwhile(t *testing.T) {
	t.Parallel()
	site := startSite(t)
	phone, laptop := site.visitor(), site.visitor()
	signIn := func() {
		phone.signIn("jane_doe")
		laptop.signIn("jane_doe")
	}
	signIn()
	door := phone.connect()
	require.NoError(t, site.app.sessions.Forget(t.Context(), "jane_doe"))
	asked, answer := site.hold("/client_sessions/get_or_create")
	late := phone.later(func() reply { return phone.session("") })
	<-asked
	laptop.signOut()
	answer()
	reply := late()
	assert.Equal(t, http.StatusUnauthorized, reply.StatusCode)
	assert.NotContains(t, reply.body, "token")
	site.seam.ClearFaults()

	signIn()
	site.seam.Handle("/devices/list", func(seamtest.Request) (int, any) {
		laptop.signOut()
		return http.StatusOK, map[string]any{"devices": []any{map[string]any{"device_id": door}}}
	})
	assert.Equal(t, http.StatusUnauthorized, phone.unlock(door).StatusCode)
	assert.Zero(t, site.sent("/locks/unlock_door"))
}

// TestSeamFails tests that visitors are told to try again, and can.
func TestSeamFails(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/connect_webviews/create", "/client_sessions/grant_access", "/devices/list"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			site := startSite(t)
			jane := site.visitor()
			jane.signIn("jane_doe")
			jane.token("")
			site.seam.Fail(seamtest.Fault{Path: path, Status: http.StatusInternalServerError, Times: 1})
			reply := jane.post("/connect", "{}")
			if path == "/devices/list" {
				reply = jane.get("/doors")
			}
			assert.Equal(t, http.StatusServiceUnavailable, reply.StatusCode)
			assert.JSONEq(t, `{"message": "That did not work. Try again in a moment."}`, reply.body)
			door := jane.connect()
			assert.Equal(t, []string{door}, jane.doors())
		})
	}
}
