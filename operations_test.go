package seam_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/seamtest"
)

// operation is a method that sends a request, and how the tests for all operations
// call it.
type operation struct {
	name    string // such as ClientSessions.Get
	path    string
	success string // the body of a valid response
	repeats bool   // whether the operation retries after any transient failure
	// smallest and fullest call it with as few and with as many params as there
	// are. invalid calls it with params that must be rejected before anything is
	// sent.
	smallest, fullest, invalid func(context.Context, *seam.Client, ...seam.Option) error
}

const (
	sessionID   = "c2cbd177-1ace-414b-bb1e-9f129e4a05c1"
	webviewID   = "dafe6400-7484-4fd1-8c17-1c901b444250"
	accountID   = "8062d457-e28e-481f-aecc-509905627511"
	identityID  = "89765fd3-6193-4d63-8605-e77f75356555"
	oneSession  = `{"client_session": {"client_session_id": "` + sessionID + `", "token": "seam_cst1_token", "user_identifier_key": "jane_doe", "user_identity_id": "` + identityID + `"}, "ok": true}`
	noSessions  = `{"client_sessions": [], "ok": true}`
	twoSessions = `{"client_sessions": [{"client_session_id": "1", "token": "t"}, {"client_session_id": "2", "token": "t"}], "ok": true}`
	done        = `{"ok": true}`
)

// expiry is not in UTC: a request must convert it.
var expiry = time.Date(2026, 6, 1, 14, 30, 0, 0, time.FixedZone("CEST", 2*60*60))

var operations = []operation{
	{
		name: "ClientSessions.Create", path: "/client_sessions/create", success: oneSession,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{}, opts...))
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{
				CustomerID:          "customer_1",
				CustomerKey:         "acme",
				UserIdentifierKey:   "jane_doe",
				ConnectWebviewIDs:   []string{webviewID},
				ConnectedAccountIDs: []string{accountID, "second"},
				UserIdentityID:      identityID,
				ExpiresAt:           expiry,
			}, opts...))
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: " "}, opts...))
		},
	},
	{
		name: "ClientSessions.Delete", path: "/client_sessions/delete", success: done, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.Delete(ctx, sessionID, opts...)
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.Delete(ctx, sessionID, opts...)
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.Delete(ctx, "", opts...)
		},
	},
	{
		name: "ClientSessions.Get", path: "/client_sessions/get", success: oneSession, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: sessionID}, opts...))
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.Get(ctx, seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}, opts...))
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, opts...))
		},
	},
	{
		name: "ClientSessions.GetOrCreate", path: "/client_sessions/get_or_create", success: oneSession, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane_doe"}, opts...))
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{
				UserIdentifierKey:   "jane_doe",
				ConnectWebviewIDs:   []string{webviewID},
				ConnectedAccountIDs: []string{accountID, "second"},
				UserIdentityID:      identityID,
				ExpiresAt:           expiry,
			}, opts...))
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{}, opts...))
		},
	},
	{
		name: "ClientSessions.GrantAccess", path: "/client_sessions/grant_access", success: done, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{
				ClientSessionID:   sessionID,
				ConnectWebviewIDs: []string{webviewID},
			}, opts...)
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{
				ClientSessionID:     sessionID,
				UserIdentifierKey:   "jane_doe",
				ConnectWebviewIDs:   []string{webviewID},
				ConnectedAccountIDs: []string{accountID, "second"},
				UserIdentityID:      identityID,
			}, opts...)
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{UserIdentityID: identityID}, opts...)
		},
	},
	{
		name: "ClientSessions.List", path: "/client_sessions/list", success: noSessions, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.List(ctx, seam.ClientSessionListParams{}, opts...))
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.List(ctx, fullestList, opts...))
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return second(c.ClientSessions.List(ctx, seam.ClientSessionListParams{ClientSessionID: "\t"}, opts...))
		},
	},
	{
		name: "ClientSessions.All", path: "/client_sessions/list", success: noSessions, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return all(ctx, c.ClientSessions, seam.ClientSessionListParams{}, opts...)
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return all(ctx, c.ClientSessions, fullestList, opts...)
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return all(ctx, c.ClientSessions, seam.ClientSessionListParams{ClientSessionID: "\t"}, opts...)
		},
	},
	{
		name: "ClientSessions.Revoke", path: "/client_sessions/revoke", success: done, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.Revoke(ctx, sessionID, opts...)
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.Revoke(ctx, sessionID, opts...)
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.ClientSessions.Revoke(ctx, "", opts...)
		},
	},
	{
		name: "Post", path: "/connect_webviews/create", success: `{"connect_webview": {"connect_webview_id": "1"}, "ok": true}`,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.Post(ctx, "/connect_webviews/create", nil, new(postResult), opts...)
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.Post(ctx, "/connect_webviews/create", fullestPost, new(postResult), opts...)
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.Post(ctx, "/connect_webviews/create?a=b", nil, nil, opts...)
		},
	},
	{
		name: "Post with WithIdempotent", path: "/devices/list", success: `{"devices": [], "ok": true}`, repeats: true,
		smallest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.Post(ctx, "/devices/list", nil, new(postResult), append(opts, seam.WithIdempotent())...)
		},
		fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.Post(ctx, "/devices/list", fullestPost, new(postResult), append(opts, seam.WithIdempotent())...)
		},
		invalid: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
			return c.Post(ctx, "/devices/list", 5, nil, append(opts, seam.WithIdempotent())...)
		},
	},
}

// TestOperationsAreComplete tests that each method of each service is in
// operations, so that the tests for all operations include it.
func TestOperationsAreComplete(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{"ClientSessions.RevokeAll": true} // two operations; see client_sessions_test.go
	for _, op := range operations {
		tested[op.name] = true
	}
	for field := range reflect.TypeFor[seam.Client]().Fields() {
		if !field.IsExported() {
			continue
		}
		for method := range field.Type.Methods() {
			assert.True(t, tested[field.Name+"."+method.Name], "%s.%s is not in operations", field.Name, method.Name)
		}
	}
}

// postResult has a field of the wrong type for some responses of the tests.
type postResult struct {
	ClientSession struct {
		CreatedAt time.Time `json:"created_at"`
	} `json:"client_session"`
}

var fullestPost = map[string]any{
	"custom_metadata": []any{map[string]any{"user_identifier_key": "jane_doe", "note": ""}},
	"expires_at":      expiry.UTC(),
}

var fullestList = seam.ClientSessionListParams{
	ClientSessionID:          sessionID,
	UserIdentifierKey:        "jane_doe",
	ConnectWebviewID:         webviewID,
	UserIdentityID:           identityID,
	WithoutUserIdentifierKey: true,
}

// unchecked reports whether the operation does not check the content of a response.
func (op operation) unchecked() bool { return op.success == done || strings.HasPrefix(op.name, "Post") }

func second[T any](_ T, err error) error { return err }

// all calls All and loops to the end.
func all(ctx context.Context, s *seam.ClientSessionsService, params seam.ClientSessionListParams, opts ...seam.Option) error {
	for _, err := range s.All(ctx, params, opts...) {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestMain starts a server for the examples, and points the environment to it.
func TestMain(m *testing.M) {
	srv, err := seamtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	for name, value := range map[string]string{
		"SEAM_API_KEY":               srv.APIKey,
		"SEAM_ENDPOINT":              srv.URL,
		"SEAM_PERSONAL_ACCESS_TOKEN": "",
		"SEAM_WORKSPACE_ID":          "",
	} {
		if err := os.Setenv(name, value); err != nil {
			log.Fatal(err)
		}
	}
	status := m.Run()
	srv.Close()
	os.Exit(status)
}

// newClient returns a client for DefaultEndpoint, unless opts have another one.
func newClient(tb testing.TB, opts ...seam.Option) *seam.Client {
	tb.Helper()
	client, err := seam.NewClient(append([]seam.Option{
		seam.WithAPIKey("seam_test_key"),
		seam.WithEndpoint("https://connect.getseam.com"),
	}, opts...)...)
	require.NoError(tb, err)
	return client
}

// serve returns a client for a server with that handler.
func serve(tb testing.TB, handler http.HandlerFunc, opts ...seam.Option) *seam.Client {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return newClient(tb, append([]seam.Option{seam.WithEndpoint(server.URL)}, opts...)...)
}

// respond returns a handler that responds with JSON.
func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Seam-Request-Id", "request1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// response returns a response like that of respond.
func response(status int, body string) (*http.Response, error) {
	return fake.Responds(status, body)(nil)
}

// offline returns a client over a transport without a network.
func offline(tb testing.TB, f fake.Transport, opts ...seam.Option) *seam.Client {
	tb.Helper()
	return newClient(tb, append([]seam.Option{seam.WithHTTPClient(&http.Client{Transport: f})}, opts...)...)
}

// requireAPIError returns err as an APIError, or fails the test.
func requireAPIError(t *testing.T, err error) *seam.APIError {
	t.Helper()
	var apiErr *seam.APIError
	require.ErrorAs(t, err, &apiErr)
	return apiErr
}

// newTestLogger returns a logger of all levels, without times.
func newTestLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			if attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		},
	}))
}

// listOf returns a list of sessions with the IDs 0 to n-1.
func listOf(n int) string {
	sessions := make([]string, n)
	for i := range sessions {
		sessions[i] = fmt.Sprintf(`{"client_session_id": "%d", "token": "seam_cst%d", "device_count": %d}`, i, i, i)
	}
	return `{"client_sessions": [` + strings.Join(sessions, ",") + `], "ok": true}`
}

func readJSON(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(text, &value), file)
	return value
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}
