package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/seam-go/seam/webhook"
)

// An event is acted upon once, however often it is delivered.
func ExampleVerifier_Handler() {
	verifier, err := webhook.NewVerifier(os.Getenv("SEAM_WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	handled := map[string]bool{} // which would be a table of a database, locked against others
	http.Handle("POST /webhooks", verifier.Handler(func(_ context.Context, event webhook.Event) error {
		if handled[event.MessageID] {
			return nil
		}
		if deleted := event.ClientSessionDeleted; deleted != nil {
			fmt.Println("deleted:", deleted.ClientSessionID)
		}
		handled[event.MessageID] = true
		return nil
	}, slog.Default()))
}

// A handler of your own decides by itself what becomes of a delivery.
func ExampleVerifier_Verify() {
	verifier, err := webhook.NewVerifier(os.Getenv("SEAM_WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /webhooks", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		event, err := verifier.Verify(body, r.Header)
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
