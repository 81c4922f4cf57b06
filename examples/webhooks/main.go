// Webhooks keeps the sessions of users in memory, and forgets one as soon as Seam
// tells that it was deleted. With SEAM_WEBHOOK_SECRET and SEAM_API_KEY set it
// listens to the real service, which must reach it under a public URL. Without
// the secret it shows what happens on a Seam server of its own, and ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

const user = "seam-go-webhooks" // nobody's

// cache holds the sessions that are in use. Seam tells it of those that are deleted;
// whoever revokes one has to tell it too.
type cache struct {
	sessions *seam.ClientSessionsService

	mu      sync.Mutex
	byUser  map[string]*seam.ClientSession
	deleted int // how many events of deletion there were
}

// session returns a user's session, and asks Seam only for one that it has not.
func (c *cache) session(ctx context.Context, user string) (*seam.ClientSession, error) {
	c.mu.Lock()
	session, deleted := c.byUser[user], c.deleted
	c.mu.Unlock()
	if session != nil && time.Now().Before(session.ExpiresAt) {
		return session, nil
	}
	session, err := c.sessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: user})
	if err != nil {
		return nil, err
	}
	fmt.Println(user, "has the session", session.ClientSessionID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deleted == deleted { // else it may be this one that was deleted meanwhile
		c.byUser[user] = session
	}
	return session, nil
}

// handle forgets a deleted session. It does no harm to do that again.
func (c *cache) handle(_ context.Context, event webhook.Event) error {
	deleted := event.ClientSessionDeleted
	if deleted == nil {
		fmt.Println("An event of no interest:", event.EventType)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted++
	for user, session := range c.byUser {
		if session.ClientSessionID == deleted.ClientSessionID {
			delete(c.byUser, user)
			fmt.Println(user, "has no session any more: it was deleted")
		}
	}
	return nil
}

// newServer makes the server that receives events for the cache.
func (c *cache) newServer(addr, secret string) (*http.Server, error) {
	verifier, err := webhook.NewVerifier(secret)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(c.handle, slog.Default()))
	return &http.Server{Addr: addr, Handler: mux, ReadTimeout: 15 * time.Second}, nil
}

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen to the real service")
	flag.Parse()
	secret, run := os.Getenv("SEAM_WEBHOOK_SECRET"), listen
	if secret == "" {
		run = demo
	}
	if err := run(context.Background(), *addr, secret); err != nil {
		log.Fatal(err)
	}
}

// listen serves the real service until the program is ended.
func listen(ctx context.Context, addr, secret string) error {
	client, err := seam.NewClient()
	if err != nil {
		return err
	}
	c := &cache{sessions: client.ClientSessions, byUser: map[string]*seam.ClientSession{}}
	server, err := c.newServer(addr, secret)
	if err != nil {
		return err
	}
	if _, err := c.session(ctx, user); err != nil {
		return err
	}
	fmt.Printf("Waiting for events on http://%s/webhooks\n", addr)
	return server.ListenAndServe()
}

// demo deletes a session behind the cache's back.
func demo(ctx context.Context, _, _ string) error {
	fmt.Println("SEAM_WEBHOOK_SECRET is not set: this runs on a Seam server of its own.")
	srv, err := seamtest.Start()
	if err != nil {
		return err
	}
	defer srv.Close()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err != nil {
		return err
	}
	c := &cache{sessions: client.ClientSessions, byUser: map[string]*seam.ClientSession{}}
	server, err := c.newServer("", srv.WebhookSecret)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with the program
	if err != nil {
		return err
	}
	go func() { _ = server.Serve(listener) }() // if it fails, no delivery is answered
	defer func() { _ = server.Close() }()
	srv.AddWebhook("http://" + listener.Addr().String() + "/webhooks")

	session, err := c.session(ctx, user)
	if err != nil {
		return err
	}
	if err := client.ClientSessions.Delete(ctx, session.ClientSessionID); err != nil {
		return err
	}
	for _, delivery := range srv.Deliveries() { // which waits for them
		fmt.Println("The event was delivered and answered with", delivery.StatusCode)
	}
	_, err = c.session(ctx, user)
	return err
}
