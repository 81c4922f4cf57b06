// Quickstart makes a client session for a user, reads it, lists it and revokes
// it. With SEAM_API_KEY set it uses the real service, else one of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	var opts []seam.Option
	if os.Getenv("SEAM_API_KEY") == "" {
		srv, err := seamtest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		opts = []seam.Option{seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL)}
		fmt.Println("SEAM_API_KEY is not set: this runs on a Seam server of its own.")
	}
	client, err := seam.NewClient(opts...)
	if err != nil {
		return err
	}

	const user = "seam-go-quickstart" // nobody's, as the session is revoked in the end
	session, err := client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{
		UserIdentifierKey: user,
		ExpiresAt:         time.Now().Add(24 * time.Hour),
	})
	if err != nil {
		return err
	}
	fmt.Println("Session", session.ClientSessionID, "is that of", session.UserIdentifierKey)
	fmt.Println("  a browser may use it for", time.Until(session.ExpiresAt).Round(time.Minute))
	fmt.Println("  devices that it reaches:", session.DeviceCount)

	asUser := seam.WithClientSessionToken(session.Token)
	if _, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, asUser); err != nil {
		return err
	}
	fmt.Println("Its token is good.")

	for other, err := range client.ClientSessions.All(ctx, seam.ClientSessionListParams{UserIdentifierKey: user}) {
		if err != nil {
			return err
		}
		fmt.Println("Listed:", other.ClientSessionID)
	}

	if err := client.ClientSessions.Revoke(ctx, session.ClientSessionID); err != nil {
		return err
	}
	_, err = client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, asUser)
	var apiErr *seam.APIError
	if !errors.As(err, &apiErr) {
		return fmt.Errorf("the token should be refused by now, but: %w", err)
	}
	fmt.Println("Revoked. The token is refused now:", apiErr.Type)
	return nil
}
