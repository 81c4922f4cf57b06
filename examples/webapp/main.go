// Webapp is a Go backend that signs visitors in and gives each a client session,
// with which their browser talks to Seam directly. The API key stays here. With
// SEAM_API_KEY set it uses the real service, else one of its own.
package main

import (
	"cmp"
	"crypto/rand"
	"embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

//go:embed page.html style.css
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// app holds who is signed in. A real one would keep that in its database.
type app struct {
	sessions *seam.ClientSessionsService
	endpoint string // where browsers reach Seam

	mu       sync.Mutex
	signedIn map[string]*seam.ClientSession // by cookie
}

// view is what the page shows.
type view struct {
	Endpoint, Nonce string
	Session         *seam.ClientSession // nil for a visitor who is not signed in
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /signin", a.signIn)
	mux.HandleFunc("POST /signout", a.signOut)
	mux.Handle("GET /style.css", http.FileServerFS(files))
	return http.NewCrossOriginProtection().Handler(mux) // no other site signs our users in or out
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	view := view{Endpoint: a.endpoint, Nonce: rand.Text(), Session: a.visitor(r)}
	w.Header().Set("Cache-Control", "no-store") // the page has a token in it
	w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'self'; script-src 'nonce-%s'; "+
		"connect-src 'self' %s; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", view.Nonce, a.endpoint))
	if err := page.Execute(w, view); err != nil {
		log.Print(err)
	}
}

func (a *app) visitor(r *http.Request) *seam.ClientSession {
	cookie, err := r.Cookie("visitor")
	if err != nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.signedIn[cookie.Value]
}

// signIn takes any name for a user. A real backend checks a password before it
// hands out the keys to a door.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.FormValue("name"))
	if name == "" { // Seam would make a session that is nobody's
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	session, err := a.sessions.GetOrCreate(r.Context(), seam.ClientSessionGetOrCreateParams{
		UserIdentifierKey: name,
		ExpiresAt:         time.Now().Add(24 * time.Hour),
	})
	if err != nil {
		log.Print(err)
		http.Error(w, "Seam cannot be reached, please try again.", http.StatusBadGateway)
		return
	}
	cookie := rand.Text()
	a.mu.Lock()
	a.signedIn[cookie] = session
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "visitor", Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	if session := a.visitor(r); session != nil {
		err := a.sessions.Revoke(r.Context(), session.ClientSessionID)
		if err != nil && !errors.Is(err, seam.ErrNotFound) {
			log.Print(err)
			http.Error(w, "Your access has not ended, please try again.", http.StatusBadGateway)
			return
		}
		cookie, _ := r.Cookie("visitor")
		a.mu.Lock()
		delete(a.signedIn, cookie.Value)
		a.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: "visitor", Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	if err := run(*addr); err != nil {
		log.Fatal(err)
	}
}

func run(addr string) error {
	endpoint := strings.TrimRight(cmp.Or(os.Getenv("SEAM_ENDPOINT"), "https://connect.getseam.com"), "/")
	var opts []seam.Option
	if os.Getenv("SEAM_API_KEY") == "" {
		srv, err := seamtest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		fmt.Println("SEAM_API_KEY is not set: this runs on a Seam server of its own.")
		endpoint, opts = srv.URL, []seam.Option{seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL)}
	}
	client, err := seam.NewClient(opts...)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr) //nolint:noctx // it ends with the program
	if err != nil {
		return err
	}
	fmt.Printf("Open http://%s\n", listener.Addr())
	app := &app{sessions: client.ClientSessions, endpoint: endpoint, signedIn: map[string]*seam.ClientSession{}}
	server := &http.Server{Handler: app.handler(), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
