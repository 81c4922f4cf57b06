package webhook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// In a program, read the secret from the environment.
const exampleSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

// deliver delivers an event as Seam does and prints the status of the response.
func deliver(receiver http.Handler, messageID, body string) {
	req := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body)) //nolint:noctx // no client sends it
	req.Header = seamtest.SignWebhook(exampleSecret, messageID, time.Now(), []byte(body))
	response := httptest.NewRecorder()
	receiver.ServeHTTP(response, req)
	fmt.Println(response.Code)
}

// Handle each event once, even if it is delivered several times.
func ExampleVerifier_Handler() {
	verifier, err := webhook.NewVerifier(exampleSecret)
	if err != nil {
		log.Fatal(err)
	}
	var mu sync.Mutex
	handled := map[string]bool{} // by MessageID; use a database table instead
	handler := verifier.Handler(func(_ context.Context, event webhook.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if handled[event.MessageID] {
			return nil
		}
		if deleted := event.ClientSessionDeleted; deleted != nil {
			fmt.Println("deleted:", deleted.ClientSessionID) // after an error, Seam retries
		}
		handled[event.MessageID] = true
		return nil
	}, slog.Default())

	const body = `{"event_id": "event_1", "event_type": "client_session.deleted", "client_session_id": "session_1"}`
	deliver(handler, "msg_1", body)
	deliver(handler, "msg_1", body)
	// Output:
	// deleted: session_1
	// 204
	// 204
}

// Verify deliveries in your own handler.
func ExampleVerifier_Parse() {
	verifier, err := webhook.NewVerifier(exampleSecret)
	if err != nil {
		log.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := verifier.Parse(r)
		if err != nil {
			fmt.Println(err)
			w.WriteHeader(http.StatusBadRequest) // the event is delivered again
			return
		}
		fmt.Println(event.EventType)
	})
	deliver(handler, "msg_1", `{"event_id": "event_1", "event_type": "device.connected"}`)
	deliver(handler, "msg_2", `{}`)
	// Output:
	// device.connected
	// 200
	// webhook: invalid event: message msg_2 has no event_id or event_type
	// 400
}
