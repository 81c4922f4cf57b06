package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// newClient makes a client of the real service, or, where there is no key for
// it, of a server of its own, which runs until stop is called.
func newClient(ctx context.Context, stderr io.Writer) (client *seam.Client, stop func(), err error) {
	if os.Getenv("SEAM_API_KEY") != "" {
		client, err = seam.NewClient()
		return client, func() {}, err
	}
	srv, err := seamtest.Start()
	if err != nil {
		return nil, nil, err
	}
	client, err = seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err != nil {
		srv.Close()
		return nil, nil, err
	}
	jane, err := client.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	if err != nil {
		srv.Close()
		return nil, nil, err
	}
	_, _ = fmt.Fprintln(stderr, "SEAM_API_KEY is not set: this is a Seam server of its own. It has", jane.ClientSessionID, "of jane_doe.")
	return client, srv.Close, nil
}
