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
	if err := visit1000Pages(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 request
	// signed in again: 00000002-0000-4000-8000-000000000000
}

func visit1000Pages() error {
	ctx := context.Background()
	srv, err := seamtest.Start() // in place of Seam
	if err != nil {
		return err
	}
	defer srv.Close()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err != nil {
		return err
	}

	cache, err := sessioncache.New(client, sessioncache.Config{Lifetime: 24 * time.Hour})
	if err != nil {
		return err
	}
	for range 1000 {
		if _, err := cache.Session(ctx, "jane_doe"); err != nil {
			return err
		}
	}
	fmt.Println(len(srv.Requests()), "request")

	if err := cache.SignOut(ctx, "jane_doe"); err != nil {
		return err
	}
	session, err := cache.Session(ctx, "jane_doe")
	if err != nil {
		return err
	}
	fmt.Println("signed in again:", session.ClientSessionID)
	return nil
}
