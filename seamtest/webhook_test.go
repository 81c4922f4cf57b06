package seamtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// deleteNew creates a session and deletes it.
func deleteNew(t *testing.T, sessions *seam.ClientSessionsService) *seam.ClientSession {
	t.Helper()
	session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.NoError(t, err)
	require.NoError(t, sessions.Delete(t.Context(), session.ClientSessionID))
	return session
}

// receive starts a receiver of webhooks. It responds with each of statuses once, and
// then with 204.
func receive(t *testing.T, statuses ...int) (url string) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusNoContent
		if len(statuses) > 0 {
			status, statuses = statuses[0], statuses[1:]
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(receiver.Close)
	return receiver.URL
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	assert.Empty(t, srv.Deliveries())
	var method, contentType, body string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		method, contentType, body = r.Method, r.Header.Get("Content-Type"), string(text)
		assert.True(t, r.Close, "no connection is left")
	}))
	defer receiver.Close()
	srv.AddWebhook(receiver.URL + "/hooks?a=b")
	srv.Advance(time.Hour)
	before := time.Now()
	session := deleteNew(t, srv.Client(t).ClientSessions)

	deliveries := srv.Deliveries()
	require.Len(t, deliveries, 1)
	delivery := deliveries[0]
	assert.Equal(t, receiver.URL+"/hooks?a=b", delivery.URL)
	assert.Equal(t, http.StatusOK, delivery.StatusCode)
	require.NoError(t, delivery.Err)
	assert.Equal(t, http.MethodPost, method)
	assert.Equal(t, "application/json", contentType)
	assert.Equal(t, string(delivery.Body), body)

	var event map[string]string
	require.NoError(t, json.Unmarshal(delivery.Body, &event))
	at, err := time.Parse("2006-01-02T15:04:05.000Z", event["occurred_at"])
	require.NoError(t, err)
	assert.False(t, at.Before(before.Add(time.Hour).Truncate(time.Millisecond)), "the event has the time of the server's clock")
	assert.Equal(t, map[string]string{
		"event_id":          "00000000-0000-4000-9000-000000000001",
		"event_type":        "client_session.deleted",
		"workspace_id":      srv.WorkspaceID,
		"client_session_id": session.ClientSessionID,
		"occurred_at":       event["occurred_at"],
		"created_at":        event["occurred_at"],
	}, event)

	verifier, err := webhook.NewVerifier(srv.WebhookSecret)
	require.NoError(t, err)
	_, err = verifier.Verify(delivery.Body, delivery.Header)
	require.NoError(t, err, "the signature has the time of the test's clock")
}

func TestWhatIsDelivered(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.AddWebhook(receive(t))
	sessions := srv.Client(t).ClientSessions
	session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.NoError(t, err)
	require.NoError(t, sessions.Revoke(t.Context(), session.ClientSessionID))
	require.ErrorIs(t, sessions.Delete(t.Context(), "another"), seam.ErrNotFound)
	deleteNew(t, srv.Client(t, seam.WithAPIKey(srv.NewWorkspace().APIKey)).ClientSessions)
	assert.Empty(t, srv.Deliveries())
	require.NoError(t, sessions.Delete(t.Context(), session.ClientSessionID))
	assert.Len(t, srv.Deliveries(), 1, "a revoked session can be deleted")
}

func TestDeliveriesAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		statuses []int
		want     []int
	}{
		{"accepted at once", []int{299}, []int{299}},
		{"refused twice", []int{400, 503}, []int{400, 503, 204}},
		{"redirected", []int{307}, []int{307, 204}},
		{"refused for good", []int{500, 500, 500, 500, 500, 500, 500, 500}, []int{500, 500, 500, 500, 500, 500, 500, 500}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := seamtest.NewServer(t)
			srv.AddWebhook(receive(t, tt.statuses...))
			deleteNew(t, srv.Client(t).ClientSessions)
			var statuses []int
			for _, delivery := range srv.Deliveries() {
				statuses = append(statuses, delivery.StatusCode)
				assert.Equal(t, []string{"msg_1"}, delivery.Header["Svix-Id"])
			}
			assert.Equal(t, tt.want, statuses)
			deleteNew(t, srv.Client(t).ClientSessions)
			assert.Len(t, srv.Deliveries(), len(tt.want)+1, "the next event is delivered all the same")
		})
	}
}

func TestNobodyReceives(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.AddWebhook("http://127.0.0.1:1") // no test gets this port
	deleteNew(t, srv.Client(t).ClientSessions)
	deliveries := srv.Deliveries()
	assert.Len(t, deliveries, 8)
	for _, delivery := range deliveries {
		require.ErrorContains(t, delivery.Err, "refused")
		assert.Zero(t, delivery.StatusCode)
	}
}

// TestDeliveryOrder deletes sessions while the receiver does not respond.
func TestDeliveryOrder(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	open := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-open }))
	defer receiver.Close()
	second := receive(t)
	srv.AddWebhook(receiver.URL)
	srv.AddWebhook(second)
	var want, got [][2]string
	for range 20 {
		session := deleteNew(t, srv.Client(t).ClientSessions) // does not wait
		want = append(want, [2]string{receiver.URL, session.ClientSessionID}, [2]string{second, session.ClientSessionID})
	}
	close(open)
	for _, delivery := range srv.Deliveries() {
		var event map[string]string
		require.NoError(t, json.Unmarshal(delivery.Body, &event))
		got = append(got, [2]string{delivery.URL, event["client_session_id"]})
	}
	assert.Equal(t, want, got)
}

// TestManyDeliveries are waited for in several goroutines.
func TestManyDeliveries(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.AddWebhook(receive(t))
	client := srv.Client(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				session, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{})
				if assert.NoError(t, err) {
					assert.NoError(t, client.ClientSessions.Delete(t.Context(), session.ClientSessionID))
					assert.NotEmpty(t, srv.Deliveries())
				}
			}
		})
	}
	group.Wait()
	assert.Len(t, srv.Deliveries(), 40)
}

// TestCloseEndsDeliveries closes a server whose receiver never responds.
//
//nolint:paralleltest // it counts goroutines
func TestCloseEndsDeliveries(t *testing.T) {
	here := goleak.IgnoreCurrent()
	srv, err := seamtest.Start()
	require.NoError(t, err)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL), seam.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	arrived := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body) // net/http then notices the end of the connection
		<-r.Context().Done()
	}))
	srv.AddWebhook(receiver.URL)
	deleteNew(t, client.ClientSessions)
	deleteNew(t, client.ClientSessions)
	<-arrived
	srv.Close()
	deliveries := srv.Deliveries()
	require.Len(t, deliveries, 1)
	require.ErrorContains(t, deliveries[0].Err, "context canceled")
	receiver.Close()
	transport.CloseIdleConnections()
	goleak.VerifyNone(t, here)
}

func TestUnusableWebhooks(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	for _, address := range []string{"", "/hooks", "localhost:8080/hooks", "ftp://localhost/", "http://:80/", "http://a b/", "\x00"} {
		assert.Panics(t, func() { srv.AddWebhook(address) }, address)
		assert.Panics(t, func() { srv.AddWebhookHandler(address, http.NotFoundHandler()) }, address)
	}
	for _, secret := range []string{"seam_key", "whsec_!"} {
		assert.PanicsWithValue(t, "seamtest: SignWebhook: the secret must be base64, after whsec_", func() {
			seamtest.SignWebhook(secret, "msg_1", time.Now(), nil)
		})
	}
}
