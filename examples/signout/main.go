// Signout ends all access of one user, as when a phone is lost: it revokes the
// user's client sessions at Seam and tokens at IMKIT, and prints what it revoked.
//
//	go run ./examples/signout -user jane_doe
//
// It needs SEAM_API_KEY, IMKIT_ENDPOINT and IMKIT_API_KEY. Without a user it runs
// on servers of its own. What could not be revoked is told in the end, with the
// exit code 1; it does no harm to run it again.
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
	"syscall"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
	"github.com/seam-go/seam/seamtest"
)

func main() {
	log.SetFlags(0)
	user := flag.String("user", "", "the user identifier key at Seam, and the client ID at IMKIT")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatal("The user is given with -user.")
	}
	progress := io.Discard
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 { // a terminal
		progress = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *user, progress)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, user string, progress io.Writer) error {
	if user == "" {
		return demo(ctx, "jane_doe", progress)
	}
	client, err := seam.NewClient()
	if err != nil {
		return err
	}
	other, err := imkit.NewClient(os.Getenv("IMKIT_ENDPOINT"), os.Getenv("IMKIT_API_KEY"))
	if err != nil {
		return err
	}
	return signOut(ctx, client, other, user, progress)
}

// signOut goes on after what fails, since each session that it ends is one less.
func signOut(ctx context.Context, client *seam.Client, other *imkit.Client, user string, progress io.Writer) error {
	const clearLine = "\r\x1b[K"
	_, _ = fmt.Fprint(progress, "Seam: revoking sessions")
	sessions, sessionsErr := client.ClientSessions.RevokeAll(ctx, seam.ClientSessionListParams{UserIdentifierKey: user})
	_, _ = fmt.Fprint(progress, clearLine)
	for _, session := range sessions {
		fmt.Println("Revoked the session", session.ClientSessionID)
	}

	_, _ = fmt.Fprint(progress, clearLine, "IMKIT: revoking tokens")
	tokens, tokensErr := other.Tokens.RevokeAll(ctx, user)
	_, _ = fmt.Fprint(progress, clearLine)
	for _, token := range tokens {
		fmt.Printf("Revoked a token that was good for %v more\n", time.Until(token.ExpiresAt).Round(time.Hour))
	}
	return errors.Join(sessionsErr, tokensErr)
}

// demo signs out a user who has two sessions and two tokens.
func demo(ctx context.Context, user string, progress io.Writer) error {
	fmt.Println("No -user was given: this runs on servers of its own.")
	srv, err := seamtest.Start()
	if err != nil {
		return err
	}
	defer srv.Close()
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err != nil {
		return err
	}
	for _, expires := range []time.Time{time.Now().Add(-time.Hour), {}} { // one of long ago, and one in use
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
	return signOut(ctx, client, otherClient, user, progress)
}
