package seamtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// signIn is a handler as a backend may have one: it gives a user's browser the
// token to reach Seam with.
func signIn(client *seam.Client) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session, err := client.ClientSessions.GetOrCreate(r.Context(), seam.ClientSessionGetOrCreateParams{
			UserIdentifierKey: r.FormValue("user"),
		})
		if err != nil {
			http.Error(w, "please try again", http.StatusBadGateway)
			return
		}
		if err := json.NewEncoder(w).Encode(map[string]string{"token": session.Token}); err != nil {
			log.Print(err)
		}
	}
}

// test is as much of a test as an example can be.
type test struct{ cleanup []func() }

func (t *test) Helper()                           {}
func (t *test) Cleanup(f func())                  { t.cleanup = append(t.cleanup, f) }
func (t *test) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (t *test) end() {
	for _, f := range t.cleanup {
		f()
	}
}

// visit is what a browser does with the handler.
func visit(handler http.HandlerFunc) *httptest.ResponseRecorder {
	page := httptest.NewRecorder()
	handler(page, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/signin?user=jane_doe", http.NoBody))
	return page
}

// A handler of a backend is tested with a server that knows no outside.
func Example() {
	var t test // in a test of your own: its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	client := srv.Client(&t)

	page := visit(signIn(client))
	fmt.Println(page.Code, strings.HasPrefix(page.Body.String(), `{"token":"seam_cst`))
	fmt.Println(srv.Requests()[0].Path, string(srv.Requests()[0].Body))
	// Output:
	// 200 true
	// /client_sessions/get_or_create {"user_identifier_key":"jane_doe"}
}

// A fault is injected: a single one is survived, and one that stays is told.
func ExampleServer_Fail() {
	var t test // in a test of your own: its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	client := srv.Client(&t)
	handler := signIn(client)

	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Reset: true, Times: 1})
	fmt.Println(visit(handler).Code, "after", len(srv.Requests()), "requests")

	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Status: http.StatusNotImplemented})
	fmt.Println(visit(handler).Code)

	srv.ClearFaults()
	fmt.Println(visit(handler).Code)
	// Output:
	// 200 after 2 requests
	// 502
	// 200
}

// A receiver of webhooks is tested with what a deletion sends to it.
func ExampleServer_AddWebhook() {
	var t test // in a test of your own: its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	verifier, err := webhook.NewVerifier(srv.WebhookSecret)
	if err != nil {
		t.Fatalf("%v", err)
	}
	receiver := httptest.NewServer(verifier.Handler(func(_ context.Context, event webhook.Event) error {
		fmt.Println(event.EventType, event.ClientSessionDeleted.ClientSessionID)
		return nil
	}, nil))
	defer receiver.Close()
	srv.AddWebhook(receiver.URL)

	sessions := srv.Client(&t).ClientSessions
	session, err := sessions.Create(context.Background(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := sessions.Delete(context.Background(), session.ClientSessionID); err != nil {
		t.Fatalf("%v", err)
	}
	for _, delivery := range srv.Deliveries() { // which waits for them
		fmt.Println("answered", delivery.StatusCode)
	}
	// Output:
	// client_session.deleted 00000001-0000-4000-8000-000000000000
	// answered 204
}

// A receiver is tested with an event of any type, with or without a server.
func ExampleSignWebhook() {
	const secret = "whsec_c29tZSBzZWNyZXQgb2YgdGhlIHRlc3Rz"
	verifier, err := webhook.NewVerifier(secret)
	if err != nil {
		log.Fatal(err)
	}
	body := `{"event_id": "event_1", "event_type": "device.connected", "device_id": "device_1"}`

	event, err := verifier.Verify([]byte(body), seamtest.SignWebhook(secret, "msg_1", time.Now(), []byte(body)))
	fmt.Println(event.EventType, event.MessageID, err)
	_, err = verifier.Verify([]byte(body), seamtest.SignWebhook(secret, "msg_1", time.Now().Add(-time.Hour), []byte(body)))
	fmt.Println(errors.Is(err, webhook.ErrInvalidTimestamp))
	// Output:
	// device.connected msg_1 <nil>
	// true
}
