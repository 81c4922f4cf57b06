package main

import (
	"context"
	"crypto/rand"
	"embed"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/sessioncache"
)

//go:embed page.html page.js style.css
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// lifetime is how long a sign-in and a client session last.
const lifetime = 24 * time.Hour

// app is the backend.
type app struct {
	seam     *api.Client
	sessions *sessioncache.Cache
	endpoint string   // where browsers reach Seam
	site     *url.URL // where browsers reach this backend

	mu       sync.Mutex          // in production, the maps are tables of your database
	signIns  map[string]signIn   // by cookie
	webviews map[string][]string // the IDs of each user's Connect Webviews
}

type signIn struct {
	user    string
	expires time.Time
}

func newApp(client *api.Client, endpoint string, site *url.URL) (*app, error) {
	a := &app{seam: client, endpoint: endpoint, site: site, signIns: map[string]signIn{}, webviews: map[string][]string{}}
	var err error
	a.sessions, err = sessioncache.New(client.Client, sessioncache.Config{Lifetime: lifetime, Logger: slog.Default(), Params: a.access})
	return a, err
}

// access returns what the session of a user has access to. A user who has signed out gets
// it again with the next session.
func (a *app) access(_ context.Context, user string) (seam.ClientSessionGetOrCreateParams, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return seam.ClientSessionGetOrCreateParams{ConnectWebviewIDs: slices.Clone(a.webviews[user])}, nil
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /signin", a.signIn)
	mux.HandleFunc("POST /signout", a.signOut)
	mux.Handle("POST /seam/session", a.sessions.Handler(a.userOf))
	mux.Handle("POST /connect", a.forUser(a.connect))
	mux.Handle("GET /doors", a.forUser(a.doors))
	mux.Handle("POST /unlock", a.forUser(a.unlock))
	mux.Handle("GET /page.js", http.FileServerFS(files))
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
	header := w.Header()
	header.Set("Cache-Control", "no-store") // the page differs between visitors
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; "+
		"connect-src 'self' "+a.endpoint+"/; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	view := struct{ Endpoint, Notice, User string }{a.endpoint, notice, user}
	if err := page.Execute(w, view); err != nil {
		slog.Error("the page was not sent", "error", err)
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

// userOf returns your own ID of the user who sent the request.
func (a *app) userOf(r *http.Request) (string, error) {
	_, found, ok := a.signedIn(r)
	if !ok {
		return "", sessioncache.ErrNotSignedIn
	}
	return found.user, nil
}

// signIn accepts any name. A real backend checks a password before it hands out
// access to a door.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.PostFormValue("name"))
	if length := utf8.RuneCountInString(name); length < 1 || length > 60 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		a.showPage(w, http.StatusBadRequest, "", "Enter a name of 1 to 60 characters.")
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
		if err := a.sessions.SignOut(ctx, current.user); err != nil {
			a.mu.Lock()
			a.signIns[cookie] = current // so that the user can try again
			a.mu.Unlock()
			slog.Error("a user may still be signed in", "error", err) // without secrets
			http.Error(w, "You may still be signed in. Try again.", http.StatusServiceUnavailable)
			return
		}
	}
	http.SetCookie(w, a.cookie(""))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
