package sessioncache_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
)

func Example() {
	srv, err := seamtest.Start() // stands for the real service
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	cache, err := sessioncache.New(client, sessioncache.Config{Lifetime: 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	for range 1000 { // page views
		if _, err := cache.Session(ctx, "jane_doe"); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(srv.Requests()), "request")
	if err := cache.SignOut(ctx, "jane_doe"); err != nil {
		log.Fatal(err)
	}
	session, err := cache.Session(ctx, "jane_doe")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in again:", session.ClientSessionID)
	// Output:
	// 1 request
	// signed in again: 00000002-0000-4000-8000-000000000000
}
