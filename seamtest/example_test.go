package seamtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// signIn is a handler as a backend may have one: it gives a user's browser the
// token to reach Seam with.
func signIn(client *seam.Client) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session, err := client.ClientSessions.GetOrCreate(r.Context(), seam.ClientSessionGetOrCreateParams{
			UserIdentifierKey: r.FormValue("user"),
		})
		if err != nil {
			http.Error(w, "please try again", http.StatusBadGateway)
			return
		}
		if err := json.NewEncoder(w).Encode(map[string]string{"token": session.Token}); err != nil {
			log.Print(err)
		}
	}
}

// test is as much of a test as an example can be.
type test struct{ cleanup []func() }

func (t *test) Helper()                           {}
func (t *test) Cleanup(f func())                  { t.cleanup = append(t.cleanup, f) }
func (t *test) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (t *test) end() {
	for _, f := range t.cleanup {
		f()
	}
}

// visit is what a browser does with the handler.
func visit(handler http.HandlerFunc) *httptest.ResponseRecorder {
	page := httptest.NewRecorder()
	handler(page, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/signin?user=jane_doe", http.NoBody))
	return page
}

// A handler of a backend is tested with a server that knows no outside.
func Example() {
	var t test // in a test of your own: its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	client := srv.Client(&t)

	page := visit(signIn(client))
	fmt.Println(page.Code, strings.HasPrefix(page.Body.String(), `{"token":"seam_cst`))
	fmt.Println(srv.Requests()[0].Path, string(srv.Requests()[0].Body))
	// Output:
	// 200 true
	// /client_sessions/get_or_create {"user_identifier_key":"jane_doe"}
}

// A fault is injected: a single one is survived, and one that stays is told.
func ExampleServer_Fail() {
	var t test // in a test of your own: its *testing.T
	defer t.end()
	srv := seamtest.NewServer(&t)
	client := srv.Client(&t)
	handler := signIn(client)

	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Reset: true, Times: 1})
	fmt.Println(visit(handler).Code, "after", len(srv.Requests()), "requests")

	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Status: http.StatusNotImplemented})
	fmt.Println(visit(handler).Code)

	srv.Heal()
	fmt.Println(visit(handler).Code)
	// Output:
	// 200 after 2 requests
	// 502
	// 200
}
