// Webapp is the backend of a site on which people open their own doors, and its page.
// Visitors sign in, connect the account of their locks in a Connect Webview, see their
// doors, unlock one and sign out. The backend lists a user's doors and unlocks them; the
// page asks Seam itself for their state, with the token of a client session from a
// sessioncache. The API key stays in the backend.
//
//	go -C examples/webapp run .
//
// The credential comes from SEAM_API_KEY, or from SEAM_PERSONAL_ACCESS_TOKEN with
// SEAM_WORKSPACE_ID. If neither is set, the program starts a fake Seam server and
// ignores SEAM_ENDPOINT. SEAM_WEBHOOK_SECRET is that of a webhook whose URL ends in
// /webhooks.
//
// Health and metrics are at another address, which only operators should reach. Behind a
// proxy that terminates TLS, give the address that visitors see:
//
//	go -C examples/webapp run . -addr 0.0.0.0:8080 -url https://shop.example.com
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("webapp", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on")
	opsAddr := flags.String("ops", "127.0.0.1:8081", "`address` of health and metrics")
	siteURL := flags.String("url", "", "`URL` that visitors open, if it is not http://<address>")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	ops, err := listen.Listen(ctx, "tcp", *opsAddr)
	if err != nil {
		return err
	}
	here := "http://" + listener.Addr().String()
	site, err := parseSite(cmp.Or(*siteURL, here))
	if err != nil {
		return err
	}

	metrics := newMetrics()
	up, err := connect(out, seam.WithObserver(metrics.observe))
	if err != nil {
		return err
	}
	if up.fake != nil {
		defer up.fake.Close()
		up.fake.AddWebhook(here + "/webhooks")
	}
	app, err := newApp(up.client, up.endpoint, site) //nolint:contextcheck // it sends nothing
	if err != nil {
		return err
	}
	metrics.watch(app.sessions)
	mux := http.NewServeMux()
	mux.Handle("/", app.handler())
	if up.webhookSecret != "" { // deliveries are signed, so the protection from other sites is not for them
		verifier, err := webhook.NewVerifier(up.webhookSecret)
		if err != nil {
			return err
		}
		mux.Handle("POST /webhooks", verifier.Handler(app.sessions.HandleEvent, slog.Default()))
	}
	opsMux := http.NewServeMux()
	opsMux.Handle("GET /metrics", promhttp.HandlerFor(metrics.registry, promhttp.HandlerOpts{}))
	opsMux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		// Seam does not count: its outage is no reason to stop or restart this backend.
		if ctx.Err() != nil {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	if _, err := fmt.Fprintf(out, "Health and metrics are at http://%s/healthz and /metrics\nOpen %s\n", ops.Addr(), site); err != nil {
		return err
	}
	return serve(ctx, newServer(mux), listener, newServer(opsMux), ops)
}

func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 2 * actionTimeout, IdleTimeout: 2 * time.Minute,
	}
}

// serve serves until ctx ends, and then until all requests have been answered. The
// health is served until the end.
func serve(ctx context.Context, server *http.Server, listener net.Listener, opsServer *http.Server, ops net.Listener) error {
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(listener) }()
	go func() { failed <- opsServer.Serve(ops) }()
	select {
	case err := <-failed:
		return errors.Join(err, server.Close(), opsServer.Close())
	case <-ctx.Done():
	}
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), actionTimeout+5*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(rest), opsServer.Close())
}

// parseSite parses the address of the site. Plain http is for this machine alone,
// because the cookie would cross a network unencrypted.
func parseSite(address string) (*url.URL, error) {
	site, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil {
		return nil, fmt.Errorf("-url: %w", err)
	}
	local := site.Hostname() == "localhost" || net.ParseIP(site.Hostname()).IsLoopback()
	secure := site.Scheme == "https" || site.Scheme == "http" && local
	if origin := (url.URL{Scheme: site.Scheme, Host: site.Host}); !secure || site.Host == "" || *site != origin {
		return nil, fmt.Errorf("%q cannot be the address of the site: give one with https, or with http and a loopback host, with -url", address)
	}
	return site, nil
}

// upstream is Seam, or a fake Seam server.
type upstream struct {
	client        *api.Client
	endpoint      string           // where browsers reach it
	webhookSecret string           // empty if it sends no webhooks
	fake          *seamtest.Server // nil if it is Seam
}

// connect returns the Seam of the credential in the environment, or starts a fake one if
// there is none. The caller must close that.
func connect(out io.Writer, opts ...seam.Option) (upstream, error) {
	up := upstream{
		endpoint:      strings.TrimRight(cmp.Or(os.Getenv("SEAM_ENDPOINT"), seam.DefaultEndpoint), "/"),
		webhookSecret: os.Getenv("SEAM_WEBHOOK_SECRET"),
	}
	if cmp.Or(os.Getenv("SEAM_API_KEY"), os.Getenv("SEAM_PERSONAL_ACCESS_TOKEN")) == "" {
		_, _ = fmt.Fprintln(out, "No Seam credential is set: this runs on a fake Seam server.")
		fake, err := seamtest.Start()
		if err != nil {
			return upstream{}, err
		}
		fake.SetOutcome(seamtest.Outcome{Pending: 2 * time.Second}) // about what a lock takes
		up = upstream{endpoint: fake.URL, webhookSecret: fake.WebhookSecret, fake: fake}
		opts = append(opts, seam.WithAPIKey(fake.APIKey), seam.WithEndpoint(fake.URL))
	}
	core, err := seam.NewClient(opts...)
	if err != nil {
		return upstream{}, err
	}
	up.client = api.New(core)
	return up, nil
}
