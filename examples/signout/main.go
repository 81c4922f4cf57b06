// Signout ends all access of a user, for example after the loss of a phone. It revokes
// the user's client sessions at Seam and access tokens at IMKIT.
//
//	go run ./examples/signout -user jane_doe
//
// The credential for Seam comes from SEAM_API_KEY, or from SEAM_PERSONAL_ACCESS_TOKEN
// with SEAM_WORKSPACE_ID. IMKIT needs IMKIT_ENDPOINT and IMKIT_API_KEY. Without -user,
// the program starts fake servers.
//
// The exit status is 1 if something could not be revoked. Signout is idempotent.
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
	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
	"github.com/seam-go/seam/seamtest"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("signout", flag.ContinueOnError)
	user := flags.String("user", "", "user identifier key at Seam and client ID at IMKIT")
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		flags.Usage()
		return nil
	} else if err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: give the user with -user", flags.Arg(0))
	case flags.NFlag() == 0:
		return demo(ctx, out)
	case strings.TrimSpace(*user) == "":
		return errors.New("-user is empty")
	}
	client, err := seam.NewClient()
	if err != nil {
		return err
	}
	for _, name := range []string{"IMKIT_ENDPOINT", "IMKIT_API_KEY"} {
		if os.Getenv(name) == "" {
			return fmt.Errorf("%s is not set", name)
		}
	}
	other, err := imkit.NewClient(os.Getenv("IMKIT_ENDPOINT"), os.Getenv("IMKIT_API_KEY"))
	if err != nil {
		return err
	}
	return signOut(ctx, client, other, *user, out)
}

// signOut continues after a failure, so that it revokes as much as it can.
func signOut(ctx context.Context, client *seam.Client, other *imkit.Client, user string, out io.Writer) error {
	sessions, seamErr := client.ClientSessions.RevokeAll(ctx, seam.ClientSessionListParams{}, seam.WithUser(user))
	for _, session := range sessions {
		_, _ = fmt.Fprintln(out, "Revoked the session", session.ClientSessionID)
	}
	tokens, imkitErr := other.Tokens.RevokeAll(ctx, user)
	for _, token := range tokens {
		_, _ = fmt.Fprintln(out, "Revoked a token", expiry(token))
	}
	err := errors.Join(seamErr, imkitErr)
	if err == nil && len(sessions)+len(tokens) == 0 {
		_, _ = fmt.Fprintln(out, user, "had no session and no token.")
	}
	return err
}

func expiry(token imkit.Token) string {
	at := token.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case token.ExpiresAt.IsZero():
		return "without an expiry"
	case token.ExpiresAt.Before(time.Now()):
		return "that expired on " + at
	}
	return "that was good until " + at
}

// demo signs out a user who has two sessions and two tokens.
func demo(ctx context.Context, out io.Writer) error {
	_, _ = fmt.Fprintln(out, "No -user is given: this runs on servers of its own.")
	srv, err := seamtest.Start()
	if err != nil {
		return err
	}
	defer srv.Close()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err != nil {
		return err
	}
	const user = "jane_doe"
	for _, expires := range []time.Time{time.Now().Add(-time.Hour), {}} { // one expired, one in use
		_, err := client.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: user, ExpiresAt: expires})
		if err != nil {
			return err
		}
	}

	other, err := imkittest.Start()
	if err != nil {
		return err
	}
	defer other.Close()
	otherClient, err := imkit.NewClient(other.URL, imkittest.APIKey)
	if err != nil {
		return err
	}
	other.AddToken(user)
	other.AddToken(user)
	return signOut(ctx, client, otherClient, user, out)
}
