// Command seamd runs a fake Seam server, for programs in any language:
//
//	go run github.com/seam-go/seam/seamtest/seamd -addr 127.0.0.1:9000
//
// It prints the key to use. The page at its address shows its sessions, its devices and
// the requests as they come. A Connect Webview is completed at its URL.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run runs the server until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("seamd", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", "127.0.0.1:9000", "`address` to listen on")
	users := flags.String("users", "", "user identifier `keys`, separated by commas: each gets a session and locks")
	locks := flags.Int("locks", 1, "`number` of locks of each of the users")
	latency := flags.Duration("latency", 0, "delay of each response")
	pending := flags.Duration("pending", time.Second, "how long action attempts are pending")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *latency < 0 || *pending < 0 {
		return errors.New("-latency and -pending must not be negative")
	}
	srv, err := seamtest.Listen(*addr)
	if err != nil {
		return err
	}
	defer srv.Close()
	srv.SetOutcome(seamtest.Outcome{Pending: *pending})
	client, err := seam.NewClient(seam.WithEndpoint(srv.URL), seam.WithAPIKey(srv.APIKey), seam.WithInsecureHTTP())
	if err != nil {
		return err
	}
	for user := range strings.SplitSeq(*users, ",") {
		if user == "" {
			continue
		}
		account := "account_of_" + user
		if _, err := client.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{
			UserIdentifierKey: user, ConnectedAccountIDs: []string{account},
		}); err != nil {
			return err
		}
		for range *locks {
			srv.AddDevice(account)
		}
	}
	if *latency > 0 {
		srv.Fail(seamtest.Fault{Delay: *latency})
	}
	if _, err := fmt.Fprintf(out, "SEAM_ENDPOINT=%s\nSEAM_API_KEY=%s\n", srv.URL, srv.APIKey); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
