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
	// SEAM_WEBHOOK_SECRET is not set: this runs on a fake Seam server.
	// Session 00000001-0000-4000-8000-000000000000 is in the cache.
	// Received client_session.deleted
	// Session 00000002-0000-4000-8000-000000000000 is in the cache.
}

func TestEvents(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	cache, handler, err := newCache(srv.Client(t), srv.WebhookSecret)
	require.NoError(t, err)
	session, err := cache.Session(t.Context(), "jane_doe")
	require.NoError(t, err)
	require.NoError(t, srv.Client(t).ClientSessions.Delete(t.Context(), session.ClientSessionID))
	const deleted = `{"event_id": "1", "event_type": "client_session.deleted", "client_session_id": "`
	for _, tt := range []struct {
		name, body string
		unsigned   bool
		status     int
		fetches    uint64 // so far, once the session is needed again
	}{
		{name: "forged", body: deleted + session.ClientSessionID + `"}`, unsigned: true, status: 400, fetches: 1},
		{name: "another type", body: `{"event_id": "1", "event_type": "device.connected"}`, status: 204, fetches: 1},
		{name: "another session", body: deleted + `another"}`, status: 204, fetches: 1},
		{name: "deleted", body: deleted + session.ClientSessionID + `"}`, status: 204, fetches: 2},
		{name: "deleted, delivered again", body: deleted + session.ClientSessionID + `"}`, status: 204, fetches: 2},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks", strings.NewReader(tt.body))
		if !tt.unsigned {
			req.Header = seamtest.SignWebhook(srv.WebhookSecret, "msg_1", time.Now(), []byte(tt.body))
		}
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, req)
		assert.Equal(t, tt.status, response.Code, tt.name)
		_, err := cache.Session(t.Context(), "jane_doe")
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.fetches, cache.Stats().Fetches, tt.name)
	}
}

func TestListenNeedsAll(t *testing.T) {
	srv := seamtest.NewServer(t)
	require.ErrorContains(t, listen("", srv.WebhookSecret), "no credential")
	t.Setenv("SEAM_API_KEY", srv.APIKey)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	require.ErrorContains(t, listen("", "whsec_"), "invalid secret")
	require.ErrorContains(t, listen("nowhere", srv.WebhookSecret), "nowhere")
	srv.Fail(seamtest.Fault{Status: http.StatusNotImplemented})
	require.ErrorContains(t, listen("", srv.WebhookSecret), "501")
}
