// Webhooks keeps client sessions in a cache that drops a session as soon as Seam
// sends the event that it was deleted.
//
//	SEAM_WEBHOOK_SECRET=whsec_… SEAM_API_KEY=seam_… go run ./examples/webhooks
//
// Seam must be able to reach /webhooks under a public URL. Without
// SEAM_WEBHOOK_SECRET, the program starts a fake Seam server, deletes a session there
// and ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/webhook"
)

const user = "seam-go-webhooks" // not one of yours

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	run := demo
	if secret := os.Getenv("SEAM_WEBHOOK_SECRET"); secret != "" {
		run = func() error { return listen(*addr, secret) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// newCache returns a cache of client sessions, and the handler of the events that
// keep it up to date.
func newCache(client *seam.Client, secret string) (*sessioncache.Cache, http.Handler, error) {
	cache, err := sessioncache.New(client, sessioncache.Config{Logger: slog.Default()})
	if err != nil {
		return nil, nil, err
	}
	verifier, err := webhook.NewVerifier(secret)
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(func(ctx context.Context, event webhook.Event) error {
		fmt.Println("Received", event.EventType)
		return cache.HandleEvent(ctx, event) // which ignores other types; handle those here
	}, slog.Default()))
	return cache, mux, nil
}

// listen receives events from Seam until the server fails.
func listen(addr, secret string) error {
	client, err := seam.NewClient()
	if err != nil {
		return err
	}
	cache, handler, err := newCache(client, secret)
	if err != nil {
		return err
	}
	session, err := cache.Session(context.Background(), user)
	if err != nil {
		return err
	}
	fmt.Printf("Session %s is in the cache. Waiting for events on http://%s/webhooks\n", session.ClientSessionID, addr)
	server := &http.Server{Addr: addr, Handler: handler, ReadTimeout: 15 * time.Second}
	return server.ListenAndServe()
}

// demo deletes a session that is in the cache.
func demo() error {
	ctx := context.Background()
	fmt.Println("SEAM_WEBHOOK_SECRET is not set: this runs on a fake Seam server.")
	srv, err := seamtest.Start()
	if err != nil {
		return err
	}
	defer srv.Close()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err != nil {
		return err
	}
	cache, handler, err := newCache(client, srv.WebhookSecret)
	if err != nil {
		return err
	}
	srv.AddWebhookHandler("http://localhost/webhooks", handler)

	session, err := cache.Session(ctx, user)
	if err != nil {
		return err
	}
	fmt.Println("Session", session.ClientSessionID, "is in the cache.")
	if err := client.ClientSessions.Delete(ctx, session.ClientSessionID); err != nil {
		return err
	}
	srv.Deliveries() // waits for the event
	session, err = cache.Session(ctx, user)
	if err != nil {
		return err
	}
	fmt.Println("Session", session.ClientSessionID, "is in the cache.")
	return nil
}
