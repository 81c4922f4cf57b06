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
	"testing"
	"testing/synctest"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// signIn returns a handler of a backend. It responds with a client session token for
// the user's browser.
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

// test stands in for the *testing.T that an example does not have.
type test struct{ cleanup []func() }

func (t *test) Helper()                           {}
func (t *test) Cleanup(f func())                  { t.cleanup = append(t.cleanup, f) }
func (t *test) Errorf(format string, args ...any) { log.Fatalf(format, args...) }
func (t *test) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (t *test) end() {
	for _, f := range t.cleanup {
		f()
	}
}

// visit calls the handler with a request of a user's browser.
func visit(handler http.HandlerFunc, user string) *httptest.ResponseRecorder {
	page := httptest.NewRecorder()
	handler(page, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/signin?user="+user, http.NoBody))
	return page
}

// Test a handler of a backend.
func Example() {
	var t test // in your own test, use its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	client := srv.Client(&t)

	page := visit(signIn(client), "jane_doe")
	fmt.Println(page.Code, strings.HasPrefix(page.Body.String(), `{"token":"seam_cst`))
	fmt.Println(srv.Requests()[0].Path, string(srv.Requests()[0].Body))
	// Output:
	// 200 true
	// /client_sessions/get_or_create {"user_identifier_key":"jane_doe"}
}

// Test a backend while Seam fails once, and while it keeps failing.
func ExampleServer_Fail() {
	var t test // in your own test, use its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	client := srv.Client(&t)
	handler := signIn(client)

	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Reset: true, Times: 1})
	fmt.Println(visit(handler, "jane_doe").Code, "after", len(srv.Requests()), "requests")

	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Status: http.StatusNotImplemented})
	fmt.Println(visit(handler, "jane_doe").Code)

	srv.ClearFaults()
	fmt.Println(visit(handler, "jane_doe").Code)
	// Output:
	// 200 after 2 requests
	// 502
	// 200
}

// Only requests for one user fail. Those for others succeed.
func ExampleFault() {
	var t test // in your own test, use its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	handler := signIn(srv.Client(&t))
	srv.Fail(seamtest.Fault{
		Match: func(r seamtest.Request) bool {
			var params struct {
				UserIdentifierKey string `json:"user_identifier_key"`
			}
			return json.Unmarshal(r.Body, &params) == nil && params.UserIdentifierKey == "jane_doe"
		},
		Status: http.StatusNotImplemented,
	})
	fmt.Println(visit(handler, "jane_doe").Code)
	fmt.Println(visit(handler, "another").Code)
	// Output:
	// 502
	// 200
}

// In a testing/synctest bubble, an outage and a webhook take no real time.
func Example_synctest() {
	t := new(testing.T) // in your own test, use its *testing.T
	synctest.Test(t, func(t *testing.T) {
		srv := seamtest.NewServer(t)
		sessions := srv.Client(t).ClientSessions

		srv.Fail(seamtest.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"60"}}})
		start := time.Now()
		_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
		fmt.Println(errors.Is(err, seam.ErrServer), "after", len(srv.Requests()), "attempts in 2 to 3 minutes:", time.Since(start).Truncate(time.Minute) == 2*time.Minute)
		srv.ClearFaults()

		verifier, err := webhook.NewVerifier(srv.WebhookSecret)
		if err != nil {
			t.Fatal(err)
		}
		srv.AddWebhookHandler("http://localhost/webhooks", verifier.Handler(func(_ context.Context, event webhook.Event) error {
			fmt.Println(event.EventType, event.ClientSessionDeleted.ClientSessionID)
			return nil
		}, nil))
		session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
		if err != nil {
			t.Fatal(err)
		}
		if err := sessions.Delete(t.Context(), session.ClientSessionID); err != nil {
			t.Fatal(err)
		}
		delivery := srv.Deliveries()[0]
		fmt.Println("response", delivery.StatusCode)

		time.Sleep(6 * time.Minute)
		_, err = verifier.Verify(delivery.Body, delivery.Header)
		fmt.Println("too old:", errors.Is(err, webhook.ErrInvalidTimestamp))
	})
	// Output:
	// true after 3 attempts in 2 to 3 minutes: true
	// client_session.deleted 00000001-0000-4000-8000-000000000000
	// response 204
	// too old: true
}

// A client session lists only the devices of its connected accounts.
func ExampleServer_AddDevice() {
	var t test // in your own test, use its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	client := srv.Client(&t)
	srv.AddDevice("account_of_jane_doe")
	srv.AddDevice("another_account")

	session, err := client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{
		UserIdentifierKey: "jane_doe", ConnectedAccountIDs: []string{"account_of_jane_doe"},
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	var list struct {
		Devices []struct {
			DeviceID           string `json:"device_id"`
			ConnectedAccountID string `json:"connected_account_id"`
		}
	}
	err = client.Post(context.Background(), "/devices/list", nil, &list, seam.WithClientSessionToken(session.Token))
	fmt.Println(list.Devices, err)
	// Output:
	// [{00000000-0000-4000-b000-000000000001 account_of_jane_doe}] <nil>
}

// Test a receiver of webhooks with the event for a deleted session.
func ExampleServer_AddWebhook() {
	var t test // in your own test, use its *testing.T
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
	for _, delivery := range srv.Deliveries() { // waits until all events are delivered
		fmt.Println("response", delivery.StatusCode)
	}
	// Output:
	// client_session.deleted 00000001-0000-4000-8000-000000000000
	// response 204
}

// Test a receiver of webhooks with an event of any type.
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
