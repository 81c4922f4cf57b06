package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"github.com/seam-go/seam/webhook"
)

// An event is acted upon once, however often it is delivered.
func ExampleVerifier_Handler() {
	verifier, err := webhook.NewVerifier(os.Getenv("SEAM_WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	var handled sync.Map // which would be a table of a database
	http.Handle("POST /webhooks", verifier.Handler(func(_ context.Context, event webhook.Event) error {
		if _, again := handled.LoadOrStore(event.MessageID, true); again {
			return nil
		}
		if deleted := event.ClientSessionDeleted; deleted != nil {
			fmt.Println("deleted:", deleted.ClientSessionID)
		}
		return nil
	}, slog.Default()))
}

// A handler of your own decides by itself what becomes of a delivery.
func ExampleVerifier_Parse() {
	verifier, err := webhook.NewVerifier(os.Getenv("SEAM_WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /webhooks", func(w http.ResponseWriter, r *http.Request) {
		event, err := verifier.Parse(r)
		switch {
		case errors.Is(err, webhook.ErrInvalidEvent):
			log.Print(err) // from Seam, but of no use: it must not come again
		case err != nil:
			http.Error(w, "", http.StatusBadRequest)
		default:
			fmt.Println(event.EventType)
		}
	})
}
