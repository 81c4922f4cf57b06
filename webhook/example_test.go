package webhook_test

import (
	"context"
	"errors"
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

// The secret is that of the Seam console, from the environment of the program.
const exampleSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

// deliver sends an event as Seam does, and prints the answer's status.
func deliver(receiver http.Handler, messageID, body string) {
	req := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body)) //nolint:noctx // as it is no real one
	req.Header = seamtest.SignWebhook(exampleSecret, messageID, time.Now(), []byte(body))
	answer := httptest.NewRecorder()
	receiver.ServeHTTP(answer, req)
	fmt.Println(answer.Code)
}

// An event is handled once, however often it is delivered.
func ExampleVerifier_Handler() {
	verifier, err := webhook.NewVerifier(exampleSecret)
	if err != nil {
		log.Fatal(err)
	}
	var mu sync.Mutex
	handled := map[string]bool{} // by MessageID; a table of a database in earnest
	handler := verifier.Handler(func(_ context.Context, event webhook.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if handled[event.MessageID] {
			return nil
		}
		if deleted := event.ClientSessionDeleted; deleted != nil {
			fmt.Println("deleted:", deleted.ClientSessionID) // if this fails, return the error: it will come again
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

// A handler of your own decides by itself what becomes of a delivery.
func ExampleVerifier_Parse() {
	verifier, err := webhook.NewVerifier(exampleSecret)
	if err != nil {
		log.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := verifier.Parse(r)
		switch {
		case errors.Is(err, webhook.ErrInvalidEvent):
			fmt.Println(err) // from Seam, but of no use: it must not come again
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		default:
			fmt.Println(event.EventType)
		}
	})
	deliver(handler, "msg_1", `{"event_id": "event_1", "event_type": "device.connected"}`)
	deliver(handler, "msg_2", `{}`)
	// Output:
	// device.connected
	// 200
	// webhook: invalid event: message msg_2 has no event_id or event_type
	// 200
}
