// Webapp is a backend whose pages talk to Seam from the browser. It signs visitors
// in and hands their pages the token of a client session. Seam's API key never
// leaves the backend.
//
//	go run ./examples/webapp
//
// The credential comes from SEAM_API_KEY, or from SEAM_PERSONAL_ACCESS_TOKEN with
// SEAM_WORKSPACE_ID. If neither is set, the program starts a Seam server of its own.
//
// Behind a proxy that terminates TLS, give the address that visitors see:
//
//	go run ./examples/webapp -addr 0.0.0.0:8080 -url https://shop.example.com
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

//go:embed page.html style.css
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// lifetime is how long a sign-in and a client session last.
const lifetime = 24 * time.Hour

// app is the backend.
type app struct {
	sessions *seam.ClientSessionsService
	endpoint string   // where browsers reach Seam
	site     *url.URL // where browsers reach this backend

	mu      sync.Mutex
	signIns map[string]signIn // by cookie; in production, a table of your database
}

type signIn struct {
	user    string
	expires time.Time
}

func newApp(client *seam.Client, endpoint string, site *url.URL) *app {
	return &app{sessions: client.ClientSessions, endpoint: endpoint, site: site, signIns: map[string]signIn{}}
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /signin", a.signIn)
	mux.HandleFunc("POST /signout", a.signOut)
	mux.Handle("POST /seam/session", sessionHandler(a.sessions, a.userOf))
	mux.Handle("GET /style.css", http.FileServerFS(files))
	return a.protect(mux)
}

// protect rejects requests that other sites make or that are addressed to another
// host, and tells browsers to be strict with the responses.
func (a *app) protect(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(next, 4<<10))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("Referrer-Policy", "same-origin")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !strings.EqualFold(r.Host, a.site.Host) {
			http.Error(w, "This site is at "+a.site.String(), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	user, _ := a.userOf(r)
	a.showPage(w, http.StatusOK, user, "")
}

// showPage shows the account of a user, or the sign-in if user is empty.
func (a *app) showPage(w http.ResponseWriter, status int, user, notice string) {
	nonce := rand.Text()
	header := w.Header()
	header.Set("Cache-Control", "no-store") // the page differs between visitors
	header.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'self'; script-src 'nonce-%s'; "+
		"connect-src 'self' %s/; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", nonce, a.endpoint))
	header.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	view := struct{ Endpoint, Nonce, Notice, User string }{a.endpoint, nonce, notice, user}
	if err := page.Execute(w, view); err != nil {
		log.Print(err)
	}
}

// cookie holds a visitor's sign-in. If value is empty, it removes the cookie.
func (a *app) cookie(value string) *http.Cookie {
	cookie := &http.Cookie{
		Name: "visitor", Value: value, Path: "/", MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if a.site.Scheme == "https" { // else the site is on this machine
		cookie.Name, cookie.Secure = "__Host-visitor", true
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	return cookie
}

// signedIn returns the value of the visitor's cookie and the sign-in that it stands
// for, or false if there is none.
func (a *app) signedIn(r *http.Request) (string, signIn, bool) {
	cookie, err := r.Cookie(a.cookie("").Name)
	if err != nil {
		return "", signIn{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.signIns[cookie.Value]
	return cookie.Value, found, ok && time.Now().Before(found.expires)
}

var errSignedOut = errors.New("the visitor is not signed in")

// userOf returns your own ID of the user who sent the request.
func (a *app) userOf(r *http.Request) (string, error) {
	_, found, ok := a.signedIn(r)
	if !ok {
		return "", errSignedOut
	}
	return found.user, nil
}

// signIn accepts any name. A real backend checks a password before it hands out
// access to a door.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.PostFormValue("name"))
	if length := utf8.RuneCountInString(name); length < 1 || length > 60 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		a.showPage(w, http.StatusBadRequest, "", "Enter a name of 1 to 60 letters.")
		return
	}
	old, _, _ := a.signedIn(r)
	now, cookie := time.Now(), rand.Text()
	a.mu.Lock()
	maps.DeleteFunc(a.signIns, func(cookie string, s signIn) bool { return cookie == old || now.After(s.expires) })
	a.signIns[cookie] = signIn{name, now.Add(lifetime)}
	a.mu.Unlock()
	http.SetCookie(w, a.cookie(cookie))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signOut signs the user out in all browsers, since they share one client session.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, current, ok := a.signedIn(r); ok {
		// The sign-ins go first: otherwise another page could get a new token
		// while the sessions are being revoked.
		a.mu.Lock()
		maps.DeleteFunc(a.signIns, func(_ string, s signIn) bool { return s.user == current.user })
		a.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 20*time.Second) // even if the page is closed
		defer cancel()
		var failed error
		for _, err := range a.sessions.RevokeAll(ctx, seam.ClientSessionListParams{UserIdentifierKey: current.user}) {
			failed = errors.Join(failed, err)
		}
		if err := failed; err != nil {
			a.mu.Lock()
			a.signIns[cookie] = current // so that the user can try again
			a.mu.Unlock()
			unavailable(w, err)
			return
		}
	}
	http.SetCookie(w, a.cookie(""))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// sessionHandler gives a page the token of its user's client session: when the page
// loads, and again after Seam has refused the token.
func sessionHandler(sessions *seam.ClientSessionsService, userOf func(*http.Request) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		user, err := userOf(r)
		if err != nil {
			http.Error(w, "Sign in first.", http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		session, err := sessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{
			UserIdentifierKey: user,
			ExpiresAt:         time.Now().Add(lifetime),
		})
		if err != nil {
			unavailable(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // an error means that the visitor is gone
			"token": session.Token, "expires_at": session.ExpiresAt, "client_session_id": session.ClientSessionID,
		})
	})
}

// unavailable reports that a call to Seam failed.
func unavailable(w http.ResponseWriter, err error) {
	log.Print(err) // without secrets
	wait := 5 * time.Second
	if apiErr, ok := errors.AsType[*seam.APIError](err); ok {
		wait = max(wait, apiErr.RetryAfter)
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	http.Error(w, "Seam is not available. Try again.", http.StatusServiceUnavailable)
}

// parseSite parses the address of the site. Plain http is for this machine alone,
// because the cookie would cross a network unencrypted.
func parseSite(address string) (*url.URL, error) {
	site, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil {
		return nil, fmt.Errorf("-url: %w", err)
	}
	local := site.Hostname() == "localhost" || net.ParseIP(site.Hostname()).IsLoopback()
	origin := url.URL{Scheme: site.Scheme, Host: site.Host}
	if site.Host == "" || *site != origin || site.Scheme != "https" && !(site.Scheme == "http" && local) {
		return nil, fmt.Errorf("%q is not the address of a site: give one such as https://shop.example.com with -url", address)
	}
	return site, nil
}

// connect returns a client and the endpoint that it uses. Call stop in the end.
func connect() (client *seam.Client, endpoint string, stop func(), err error) {
	endpoint = strings.TrimRight(cmp.Or(os.Getenv("SEAM_ENDPOINT"), "https://connect.getseam.com"), "/")
	stop = func() {}
	var opts []seam.Option
	if cmp.Or(os.Getenv("SEAM_API_KEY"), os.Getenv("SEAM_PERSONAL_ACCESS_TOKEN"), os.Getenv("SEAM_ENDPOINT")) == "" {
		srv, err := seamtest.Start()
		if err != nil {
			return nil, "", nil, err
		}
		fmt.Println("No Seam credential is set: this runs on a Seam server of its own.")
		endpoint, stop = srv.URL, srv.Close
		opts = []seam.Option{seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL)}
	}
	client, err = seam.NewClient(opts...)
	return client, endpoint, stop, err
}

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
		Handler:           newApp(client, endpoint, site).handler(),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
	}
	return server.Serve(listener)
}
