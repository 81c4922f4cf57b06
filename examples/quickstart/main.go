// Quickstart creates a client session for a user, gets it, lists it and revokes it.
//
//	go run ./examples/quickstart
//
// The credential comes from SEAM_API_KEY, or from SEAM_PERSONAL_ACCESS_TOKEN with
// SEAM_WORKSPACE_ID. If neither is set, the program starts a fake Seam server and
// ignores SEAM_ENDPOINT.
package main

import (
	"cmp"
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
	if cmp.Or(os.Getenv("SEAM_API_KEY"), os.Getenv("SEAM_PERSONAL_ACCESS_TOKEN")) == "" {
		srv, err := seamtest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		opts = []seam.Option{seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL)}
		fmt.Println("No Seam credential is set: this runs on a fake Seam server.")
	}
	client, err := seam.NewClient(opts...)
	if err != nil {
		return err
	}

	const user = "seam-go-quickstart" // not one of yours: its session is revoked at the end
	session, err := client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{
		UserIdentifierKey: user,
		ExpiresAt:         time.Now().Add(24 * time.Hour),
	})
	if err != nil {
		return err
	}
	fmt.Printf("Session %s belongs to %s.\n", session.ClientSessionID, session.UserIdentifierKey)
	fmt.Printf("  It expires in %v.\n", time.Until(session.ExpiresAt).Round(time.Minute))
	fmt.Printf("  It has access to %d devices.\n", session.DeviceCount)

	asUser := seam.WithClientSessionToken(session.Token)
	if _, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, asUser); err != nil {
		return err
	}
	fmt.Println("Seam accepts its token.")

	for other, err := range client.ClientSessions.All(ctx, seam.ClientSessionListParams{}, seam.WithUser(user)) {
		if err != nil {
			return err
		}
		fmt.Println("Listed:", other.ClientSessionID)
	}

	if err := client.ClientSessions.Revoke(ctx, session.ClientSessionID); err != nil {
		return err
	}
	_, err = client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, asUser)
	if !errors.Is(err, seam.ErrClientSessionRevoked) {
		return errors.Join(errors.New("the revoked token was not refused"), err)
	}
	fmt.Println("Revoked. Seam refuses the token now.")
	return nil
}
