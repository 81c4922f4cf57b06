// Webapp is a backend whose pages call Seam from the browser. It signs visitors in
// and gives their pages the token of a client session from a sessioncache. A page
// whose token is revoked gets another one without a reload. The API key stays in the
// backend.
//
//	go run ./examples/webapp
//
// The credential comes from SEAM_API_KEY, or from SEAM_PERSONAL_ACCESS_TOKEN with
// SEAM_WORKSPACE_ID. If neither is set, the program starts a fake Seam server and
// ignores SEAM_ENDPOINT.
//
// Behind a proxy that terminates TLS, give the address that visitors see:
//
//	go run ./examples/webapp -addr 0.0.0.0:8080 -url https://shop.example.com
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/sessioncache"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	site := flag.String("url", "", "`URL` that visitors open, if it is not http://<address>")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	if err := run(*addr, *site); err != nil {
		log.Fatal(err)
	}
}

func run(addr, siteURL string) error {
	client, endpoint, stop, err := connect()
	if err != nil {
		return err
	}
	defer stop()
	sessions, err := sessioncache.New(client, sessioncache.Config{Lifetime: lifetime, Logger: slog.Default()})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr) //nolint:noctx // it ends with the program
	if err != nil {
		return err
	}
	site, err := parseSite(cmp.Or(siteURL, "http://"+listener.Addr().String()))
	if err != nil {
		return err
	}
	fmt.Println("Open", site)
	server := &http.Server{
		Handler:           newApp(sessions, endpoint, site).handler(),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
	}
	return server.Serve(listener)
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

// connect returns a client and the endpoint that it uses. The caller must call stop.
func connect() (client *seam.Client, endpoint string, stop func(), err error) {
	endpoint = strings.TrimRight(cmp.Or(os.Getenv("SEAM_ENDPOINT"), seam.DefaultEndpoint), "/")
	stop = func() {}
	var opts []seam.Option
	if cmp.Or(os.Getenv("SEAM_API_KEY"), os.Getenv("SEAM_PERSONAL_ACCESS_TOKEN")) == "" {
		srv, err := seamtest.Start()
		if err != nil {
			return nil, "", nil, err
		}
		fmt.Println("No Seam credential is set: this runs on a fake Seam server.")
		endpoint, stop = srv.URL, srv.Close
		opts = []seam.Option{seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL)}
	}
	client, err = seam.NewClient(opts...)
	return client, endpoint, stop, err
}
