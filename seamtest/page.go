package seamtest

import (
	"html/template"
	"net/http"
	"slices"
)

// viewWebview is the path of the page on which a user completes a Connect Webview.
const viewWebview = "/connect_webviews/view"

// pages has the pages for browsers: the state of the server, and a Connect Webview. Their
// empty icon keeps browsers from requesting one, which nothing would answer.
var pages = template.Must(template.New("state").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><meta http-equiv="refresh" content="2"><title>seamtest</title>
<style>body{font:15px system-ui;margin:2em}table{border-collapse:collapse;margin-bottom:2em}th,td{text-align:left;padding:.2em .8em;border-bottom:1px solid #ccc}</style></head><body>
<h1>seamtest</h1>
<h2>Client sessions</h2><table id="sessions"><tr><th>ID<th>user<th>Connect Webviews<th>accounts<th>expires</tr>
{{range .Sessions}}<tr><td>{{.ClientSessionID}}<td>{{with .UserIdentifierKey}}{{.}}{{end}}<td>{{range .ConnectWebviewIDs}}{{.}} {{end}}<td>{{range .ConnectedAccountIDs}}{{.}} {{end}}<td>{{.ExpiresAt}}</tr>
{{end}}</table>
<h2>Devices</h2><table id="devices"><tr><th>ID<th>name<th>account<th>state</tr>
{{range .Devices}}<tr><td>{{.device_id}}<td>{{.display_name}}<td>{{.connected_account_id}}<td>{{if .properties.locked}}locked{{else}}unlocked{{end}}</tr>
{{end}}</table>
<h2>Requests, the newest first</h2><table id="requests">
{{range .Requests}}<tr><td>{{.Method}}<td>{{.Path}}<td>{{printf "%.200s" .Body}}</tr>
{{end}}</table></body></html>
{{define "webview"}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><meta name="viewport" content="width=device-width"><title>Connect Webview</title></head><body><h1>Connect Webview</h1>
<p id="status">{{.status}}</p>
{{if eq .status "pending"}}<form method="post"><button>Log in, with one lock</button></form>{{end}}</body></html>{{end}}`))

// servePage answers the requests of browsers that are not for the API. It reports
// whether it has.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.URL.Path == "/" && r.Method == http.MethodGet:
		s.serveState(w)
	case r.URL.Path == viewWebview:
		s.serveWebview(w, r)
	default:
		return false
	}
	return true
}

func (s *Server) serveState(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := slices.Clone(s.requests[max(0, len(s.requests)-100):])
	slices.Reverse(requests)
	sessions := slices.DeleteFunc(slices.Clone(s.sessions), func(session *session) bool { return session.revoked })
	var devices []object
	for _, device := range s.resources["device"] {
		devices = append(devices, device.fields)
	}
	_ = pages.Execute(w, struct {
		Sessions []*session
		Devices  []object
		Requests []Request
	}{sessions, devices, requests}) // the browser may have disconnected
}

// serveWebview shows a Connect Webview. A POST completes it, adds a lock to its new
// connected account, and goes on to its custom_redirect_url.
func (s *Server) serveWebview(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	webviews := s.resources["connect_webview"]
	i := slices.IndexFunc(webviews, func(webview *resource) bool { return webview.id() == r.URL.Query().Get("connect_webview_id") })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	webview := webviews[i]
	if r.Method == http.MethodPost && webview.fields["status"] == "pending" {
		workspace := s.workspace(webview.workspaceID)
		workspace.addDevice(workspace.complete(webview, ""))
		if next := webview.text("custom_redirect_url"); next != "" {
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
	}
	_ = pages.ExecuteTemplate(w, "webview", webview.fields)
}
