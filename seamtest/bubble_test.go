package seamtest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// TestOutageInABubble waits for all retries on the bubble's clock.
func TestOutageInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		sessions := srv.Client(t).ClientSessions
		srv.Fail(seamtest.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"60"}}, Times: 3})
		start := time.Now()
		_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
		require.ErrorIs(t, err, seam.ErrServer)
		assert.Len(t, srv.Requests(), 3)
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Minute)
		assert.Less(t, time.Since(start), 3*time.Minute)
		_, err = sessions.List(t.Context(), seam.ClientSessionListParams{})
		require.NoError(t, err)
	})
}

// TestClockOfABubble is also the server's clock.
func TestClockOfABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		sessions := srv.Client(t).ClientSessions
		session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{ExpiresAt: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		token := seam.WithClientSessionToken(session.Token)
		time.Sleep(time.Hour - time.Millisecond) // with an idle connection
		_, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{}, token)
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
		_, err = sessions.Get(t.Context(), seam.ClientSessionGetParams{}, token)
		require.ErrorIs(t, err, seam.ErrClientSessionExpired)
	})
}

// TestCloseInABubble closes a server during a request that would not end.
func TestCloseInABubble(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]seamtest.Fault{"stall": {Stall: true}, "delay": {Delay: time.Hour}} {
		for size, key := range map[string]string{"small": "jane_doe", "large": strings.Repeat("x", 4<<20)} {
			t.Run(name+" of a "+size+" request", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := seamtest.NewServer(t)
					sessions := srv.Client(t, seam.WithMaxRetries(0)).ClientSessions
					srv.Fail(fault)
					ended := make(chan error)
					go func() {
						_, err := sessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: key})
						ended <- err
					}()
					synctest.Wait()
					require.Len(t, srv.Requests(), 1)
					start := time.Now()
					srv.Close()
					require.Error(t, <-ended)
					assert.Zero(t, time.Since(start))
				})
			})
		}
	}
}

// TestLargeRequestInABubble gets its response before the server has read it whole.
func TestLargeRequestInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		var apiErr *seam.APIError
		_, err := srv.Client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: strings.Repeat("x", 4<<20)})
		require.ErrorAs(t, err, &apiErr)
		assert.Equal(t, http.StatusRequestEntityTooLarge, apiErr.StatusCode)
	})
}

// TestURLInABubble fails at once, in each way to use it.
func TestURLInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/client_sessions/list", http.NoBody)
		require.NoError(t, err)
		_, err = http.DefaultClient.Do(req) //nolint:bodyclose // there is none
		require.ErrorContains(t, err, "in-a-synctest-bubble://use-Server.Client")
		_, err = seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		_, err = srv.Client(t, seam.WithHTTPClient(http.DefaultClient)).ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
		require.ErrorContains(t, err, "dial tcp 127.0.0.1:0")
		assert.PanicsWithValue(t, "seamtest: AddWebhook: a testing/synctest bubble has no network; use AddWebhookHandler", func() {
			srv.AddWebhook("http://localhost/webhooks")
		})
	})
}

// TestServerOutsideOfTheBubble fails with an error instead of hanging.
func TestServerOutsideOfTheBubble(t *testing.T) {
	t.Parallel()
	outside := seamtest.NewServer(t)
	client := outside.Client(t)
	var inside *seam.Client
	synctest.Test(t, func(t *testing.T) {
		_, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
		require.ErrorContains(t, err, "must be in the same testing/synctest bubble")
		inside = seamtest.NewServer(t).Client(t)
	})
	_, err := inside.ClientSessions.List(t.Context(), seam.ClientSessionListParams{}, seam.WithMaxRetries(0))
	require.ErrorContains(t, err, "must be in the same testing/synctest bubble")
}

// TestCloseOutsideOfTheBubble happens if NewServer has the *testing.T of the test
// around the bubble.
func TestCloseOutsideOfTheBubble(t *testing.T) {
	t.Parallel()
	outer := new(tb)
	started, closed := make(chan bool), make(chan bool)
	go func() {
		defer close(closed)
		<-started
		assert.Panics(t, outer.cleanup)
	}()
	synctest.Test(t, func(*testing.T) {
		srv := seamtest.NewServer(outer)
		defer srv.Close()
		started <- true
		<-closed
	})
}

// TestWebhookHandler delivers in memory, both in a bubble and outside of one.
func TestWebhookHandler(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T) {
		t.Helper()
		srv := seamtest.NewServer(t)
		verifier, err := webhook.NewVerifier(srv.WebhookSecret)
		require.NoError(t, err)
		var got []webhook.Event
		mux := http.NewServeMux()
		mux.Handle("POST backend.test/webhooks", verifier.Handler(func(_ context.Context, event webhook.Event) error {
			got = append(got, event)
			if len(got) == 1 {
				return assert.AnError
			}
			return nil
		}, nil))
		srv.AddWebhookHandler("http://backend.test/webhooks", mux)
		session := deleteNew(t, srv.Client(t).ClientSessions)
		deliveries := srv.Deliveries()
		require.Len(t, deliveries, 2)
		assert.Equal(t, http.StatusInternalServerError, deliveries[0].StatusCode)
		assert.Equal(t, http.StatusNoContent, deliveries[1].StatusCode)
		assert.Equal(t, "http://backend.test/webhooks", deliveries[1].URL)
		require.Len(t, got, 2)
		assert.Equal(t, session.ClientSessionID, got[1].ClientSessionDeleted.ClientSessionID)
	}
	t.Run("in a bubble", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
	t.Run("outside of one", func(t *testing.T) {
		t.Parallel()
		test(t)
	})
}

// TestSlowReceiver does not respond within the 15 seconds of a delivery.
func TestSlowReceiver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		srv.AddWebhookHandler("http://localhost/", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}))
		start := time.Now()
		deleteNew(t, srv.Client(t).ClientSessions)
		deliveries := srv.Deliveries()
		require.Len(t, deliveries, 8)
		require.ErrorIs(t, deliveries[0].Err, context.DeadlineExceeded)
		assert.Equal(t, 2*time.Minute, time.Since(start))
	})
}
