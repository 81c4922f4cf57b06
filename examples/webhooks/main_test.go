package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestMain keeps the tests away from the real service.
func TestMain(m *testing.M) {
	os.Clearenv()
	os.Exit(m.Run())
}

func Example() {
	main()
	// Output:
	// SEAM_WEBHOOK_SECRET is not set: this runs on a Seam server of its own.
	// seam-go-webhooks has the session 00000001-0000-4000-8000-000000000000
	// seam-go-webhooks has no session any more: it was deleted
	// The event was delivered and answered with 204
	// seam-go-webhooks has the session 00000002-0000-4000-8000-000000000000
}

func TestEvents(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	c := &cache{sessions: srv.Client(t).ClientSessions, byUser: map[string]*seam.ClientSession{}}
	session, err := c.session(t.Context(), "jane_doe")
	require.NoError(t, err)
	server, err := c.newServer("", srv.WebhookSecret)
	require.NoError(t, err)
	const deleted = `{"event_id": "1", "event_type": "client_session.deleted", "client_session_id": "`
	for _, tt := range []struct {
		name, body string
		unsigned   bool
		status     int
		known      bool // whether the session is still in the cache
	}{
		{name: "forged", body: deleted + session.ClientSessionID + `"}`, unsigned: true, status: 400, known: true},
		{name: "another type", body: `{"event_id": "1", "event_type": "device.connected"}`, status: 204, known: true},
		{name: "another session", body: deleted + `another"}`, status: 204, known: true},
		{name: "deleted", body: deleted + session.ClientSessionID + `"}`, status: 204},
		{name: "deleted, told again", body: deleted + session.ClientSessionID + `"}`, status: 204},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks", strings.NewReader(tt.body))
		if !tt.unsigned {
			req.Header = seamtest.SignWebhook(srv.WebhookSecret, "msg_1", time.Now(), []byte(tt.body))
		}
		answer := httptest.NewRecorder()
		server.Handler.ServeHTTP(answer, req)
		assert.Equal(t, tt.status, answer.Code, tt.name)
		assert.Equal(t, tt.known, c.byUser["jane_doe"] != nil, tt.name)
	}
}

// TestExpired asks for another session once the one in the cache has run out.
func TestExpired(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	c := &cache{sessions: srv.Client(t).ClientSessions, byUser: map[string]*seam.ClientSession{
		"jane_doe": {ClientSessionID: "old", ExpiresAt: time.Now().Add(-time.Second)},
	}}
	for range 2 {
		session, err := c.session(t.Context(), "jane_doe")
		require.NoError(t, err)
		assert.NotEqual(t, "old", session.ClientSessionID)
	}
	assert.Len(t, srv.Requests(), 1)
}

func TestListenNeedsAll(t *testing.T) {
	srv := seamtest.NewServer(t)
	require.ErrorContains(t, listen(t.Context(), "", srv.WebhookSecret), "no credential")
	t.Setenv("SEAM_API_KEY", srv.APIKey)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	require.ErrorContains(t, listen(t.Context(), "", "whsec_"), "invalid secret")
	require.ErrorContains(t, listen(t.Context(), "nowhere", srv.WebhookSecret), "nowhere")
	srv.Fail(seamtest.Fault{Status: http.StatusNotImplemented})
	require.ErrorContains(t, listen(t.Context(), "", srv.WebhookSecret), "501")
}
