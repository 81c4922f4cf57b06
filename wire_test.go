package seam_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// golden is the hand-written body of an operation's request.
func (op operation) golden(t *testing.T, size string) any {
	t.Helper()
	return readJSON(t, "testdata/wire"+op.path+"_"+size+".json")
}

// fields are the names of all fields that the goldens of an operation have.
func (op operation) fields(t *testing.T) []string {
	t.Helper()
	all := map[string]any{}
	for _, size := range []string{"smallest", "fullest"} {
		maps.Copy(all, op.golden(t, size).(map[string]any))
	}
	return slices.Sorted(maps.Keys(all))
}

func readJSON(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(text, &value), file)
	return value
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		for size, call := range map[string]func(context.Context, *seam.Client, ...seam.Option) error{
			"smallest": op.smallest,
			"fullest":  op.fullest,
		} {
			t.Run(op.name+"/"+size, func(t *testing.T) {
				t.Parallel()
				requests := 0
				client := serve(t, func(w http.ResponseWriter, r *http.Request) {
					requests++
					assert.Equal(t, http.MethodPost, r.Method)
					assert.Equal(t, op.path, r.URL.String())
					body, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					assert.Equal(t, int64(len(body)), r.ContentLength)
					var sent any
					assert.NoError(t, json.Unmarshal(body, &sent))
					assert.Empty(t, cmp.Diff(op.golden(t, size), sent))
					answer(http.StatusOK, op.success)(w, r)
				})
				require.NoError(t, call(t.Context(), client))
				assert.Equal(t, 1, requests)
			})
		}
	}
}

// TestRequestsHaveTheSchemasFields holds the fullest requests against the
// vendor's schema, which must have each of their fields, and no other but
// deprecated ones.
func TestRequestsHaveTheSchemasFields(t *testing.T) {
	t.Parallel()
	type property struct {
		Deprecated bool
	}
	var schema struct {
		Paths map[string]struct {
			Post struct {
				RequestBody struct {
					Content map[string]struct {
						Schema struct {
							Properties map[string]property
						}
					}
				}
			}
		}
		Schemas map[string]struct {
			Properties map[string]property
		}
	}
	text, err := os.ReadFile("testdata/client_sessions.openapi.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &schema))

	untested := schema.Paths
	for _, op := range operations {
		if _, found := schema.Paths[op.path]; !found {
			require.Contains(t, op.name, "Post", "the schema has only client sessions")
			continue
		}
		var want []string
		for name, property := range schema.Paths[op.path].Post.RequestBody.Content["application/json"].Schema.Properties {
			if !property.Deprecated {
				want = append(want, name)
			}
		}
		require.NotEmpty(t, want, op.name)
		assert.ElementsMatch(t, want, op.fields(t), op.name)
	}
	for _, op := range operations {
		delete(untested, op.path)
	}
	assert.Empty(t, untested, "operations of the schema")

	t.Run("ClientSession", func(t *testing.T) {
		t.Parallel()
		var fields []string
		for field := range reflect.TypeFor[seam.ClientSession]().Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			fields = append(fields, name)
		}
		for name := range schema.Schemas["client_session"].Properties {
			assert.Contains(t, fields, name)
		}
	})
}

// TestParamsAreAllInTheFullestRequests sees to it that no field of the params
// is left out of the goldens, and so of the comparison with the schema.
func TestParamsAreAllInTheFullestRequests(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		field, name, found := strings.Cut(op.name, ".")
		if !found {
			continue // Post, whose params are the caller's
		}
		service, found := reflect.TypeFor[seam.Client]().FieldByName(field)
		require.True(t, found, op.name)
		method, found := service.Type.MethodByName(name)
		require.True(t, found, op.name)
		if params := method.Type.In(2); params.Kind() == reflect.Struct {
			assert.Len(t, op.fields(t), params.NumField(), op.name)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	common := map[string]string{
		"Accept":           "application/json",
		"Content-Type":     "application/json",
		"Seam-Sdk-Name":    "seam-go",
		"Seam-Sdk-Version": seam.Version,
	}
	credentials := []string{"Authorization", "Seam-Workspace", "Seam-Publishable-Key", "Client-Session-Token", "Cookie"}
	for _, tt := range []struct {
		name string
		opts []seam.Option
		want map[string]string
	}{
		{
			name: "API key",
			want: map[string]string{"Authorization": "Bearer seam_test_key"},
		},
		{
			name: "personal access token",
			opts: []seam.Option{seam.WithPersonalAccessToken("seam_at1_token", "workspace_1")},
			want: map[string]string{"Authorization": "Bearer seam_at1_token", "Seam-Workspace": "workspace_1"},
		},
		{
			name: "client session token",
			opts: []seam.Option{seam.WithClientSessionToken("seam_cst1_token")},
			want: map[string]string{"Authorization": "Bearer seam_cst1_token"},
		},
		{
			name: "publishable key",
			opts: []seam.Option{seam.WithPublishableKey("seam_pk1_token")},
			want: map[string]string{"Seam-Publishable-Key": "seam_pk1_token"},
		},
		{
			name: "one credential takes the place of another",
			opts: []seam.Option{
				seam.WithPersonalAccessToken("seam_at1_token", "workspace_1"),
				seam.WithPublishableKey("seam_pk1_token"),
			},
			want: map[string]string{"Seam-Publishable-Key": "seam_pk1_token"},
		},
		{
			name: "own headers",
			opts: []seam.Option{
				seam.WithHeader("x-tenant", "first"),
				seam.WithHeader("X-Tenant", "second"),
				seam.WithHeader("X-Empty", ""),
				seam.WithHeader("User-Agent", "backend/1"),
			},
			want: map[string]string{"Authorization": "Bearer seam_test_key", "X-Tenant": "second", "User-Agent": "backend/1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var seen []http.Header
			handler := func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.Header)
				answer(http.StatusOK, done)(w, r)
			}
			onClient, onCall := serve(t, handler, tt.opts...), serve(t, handler)
			require.NoError(t, onClient.ClientSessions.Revoke(t.Context(), sessionID))
			require.NoError(t, onCall.ClientSessions.Revoke(t.Context(), sessionID, tt.opts...))
			require.NoError(t, onCall.ClientSessions.Revoke(t.Context(), sessionID))

			for _, header := range seen[:2] {
				for name, value := range common {
					assert.Equal(t, []string{value}, header[name], name)
				}
				for name, value := range tt.want {
					assert.Equal(t, []string{value}, header[name], name)
				}
				for _, name := range credentials {
					assert.Equal(t, tt.want[name] != "", header.Get(name) != "", name)
				}
				assert.NotEmpty(t, header.Get("User-Agent"))
			}
			assert.Equal(t, "Bearer seam_test_key", seen[2].Get("Authorization"), "an option holds for its call alone")
			assert.Empty(t, seen[2].Get("X-Tenant"), "an option holds for its call alone")
		})
	}
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		assert.True(t, strings.HasPrefix(r.UserAgent(), "seam-go/"+seam.Version+" (go"), r.UserAgent())
		answer(http.StatusOK, done)(w, r)
	})
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
}

func TestEndpointKeepsItsPath(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"https://seam.test/proxy%2Fed/v1", "https://seam.test/proxy%2Fed/v1//"} {
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			assert.Equal(t, "https://seam.test/proxy%2Fed/v1/client_sessions/revoke", req.URL.String())
			return response(http.StatusOK, done)
		}, seam.WithEndpoint(endpoint))
		require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	}
}

// TestRefusedParams lists what is refused before anything is sent, beside the
// invalid calls of all operations.
func TestRefusedParams(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.ErrUnexpectedEOF
	})
	ctx, sessions := t.Context(), client.ClientSessions
	for _, tt := range []struct {
		err  error
		want string
	}{
		{
			sessions.Revoke(ctx, ""),
			"seam: ClientSessions.Revoke: the ID is empty; pass the ClientSessionID of a session",
		},
		{
			sessions.Delete(ctx, " \n"),
			"seam: ClientSessions.Delete: ClientSessionID is blank",
		},
		{
			second(sessions.Get(ctx, seam.ClientSessionGetParams{})),
			"seam: ClientSessions.Get: params identify no session; set ClientSessionID or UserIdentifierKey",
		},
		{
			second(sessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: "\u00a0"})),
			"seam: ClientSessions.Get: ClientSessionID is blank",
		},
		{
			second(sessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithPublishableKey("seam_pk1"))),
			"seam: ClientSessions.Get: params identify no session; set ClientSessionID or UserIdentifierKey",
		},
		{
			second(sessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{ExpiresAt: expiry, ConnectWebviewIDs: []string{webviewID}})),
			"seam: ClientSessions.GetOrCreate: params identify no user; set UserIdentifierKey or UserIdentityID",
		},
		{
			second(sessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "a\xff"})),
			"seam: ClientSessions.GetOrCreate: UserIdentifierKey is not valid UTF-8",
		},
		{
			second(sessions.Create(ctx, seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"a", ""}})),
			"seam: ClientSessions.Create: ConnectedAccountIDs is blank",
		},
		{
			second(sessions.Create(ctx, seam.ClientSessionCreateParams{ExpiresAt: expiry.AddDate(7974, 0, 0)})),
			"seam: ClientSessions.Create: ExpiresAt is not in the years 0 to 9999",
		},
		{
			sessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{UserIdentityID: identityID}),
			"seam: ClientSessions.GrantAccess: params identify no session; set ClientSessionID or UserIdentifierKey",
		},
		{
			sessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{UserIdentifierKey: "jane_doe"}),
			"seam: ClientSessions.GrantAccess: params grant nothing; set ConnectWebviewIDs, ConnectedAccountIDs or UserIdentityID",
		},
		{
			second(sessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: sessionID, UserIdentifierKey: "jane_doe"})),
			"seam: ClientSessions.Get: params have both ClientSessionID and UserIdentifierKey; set only one",
		},
		{
			sessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{
				ClientSessionID: sessionID, UserIdentifierKey: "bob", UserIdentityID: identityID,
			}),
			"seam: ClientSessions.GrantAccess: params have both ClientSessionID and UserIdentifierKey; set only one",
		},
		{
			sessions.Revoke(nil, sessionID), //nolint:staticcheck // a nil context is the point
			"seam: ClientSessions.Revoke: the context is nil; use context.Background",
		},
		{
			second(sessions.Create(ctx, seam.ClientSessionCreateParams{}, seam.WithIdempotent())),
			"seam: ClientSessions.Create: WithIdempotent is for Client.Post; omit it",
		},
		{
			all(ctx, sessions, seam.ClientSessionListParams{UserIdentityID: " "}),
			"seam: ClientSessions.All: UserIdentityID is blank",
		},
		{
			sessions.Revoke(ctx, sessionID, seam.WithMaxRetries(-1)),
			"seam: ClientSessions.Revoke: the number of retries is negative; use 0 to send each request once",
		},
		{
			sessions.Revoke(ctx, "", seam.WithMaxRetries(-1)),
			"seam: ClientSessions.Revoke: the number of retries is negative; use 0 to send each request once",
		},
		{
			second(sessions.Create(ctx, seam.ClientSessionCreateParams{ExpiresAt: expiry.AddDate(-2027, 0, 0)})),
			"seam: ClientSessions.Create: ExpiresAt is not in the years 0 to 9999",
		},
	} {
		require.ErrorIs(t, tt.err, seam.ErrInvalidParams)
		assert.EqualError(t, tt.err, tt.want)
	}
}

// TestExpiryAtTheEnds sends the first and the last year that JSON can express.
func TestExpiryAtTheEnds(t *testing.T) {
	t.Parallel()
	client := serve(t, answer(http.StatusOK, oneSession))
	for _, years := range []int{-2026, 7973} {
		_, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{ExpiresAt: expiry.AddDate(years, 0, 0)})
		require.NoError(t, err)
	}
}

// TestZeroParamsThatAreEnough lists the calls that need no params.
func TestZeroParamsThatAreEnough(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.JSONEq(t, `{}`, string(body))
		answer(http.StatusOK, oneSession)(w, r)
	})
	_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken("seam_cst1_token"))
	require.NoError(t, err)
	_, err = client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.NoError(t, err)
}

// TestEachParamIsEnough lists the fewest params with which the operations that
// need some do.
func TestEachParamIsEnough(t *testing.T) {
	t.Parallel()
	client := serve(t, answer(http.StatusOK, oneSession))
	for _, params := range []seam.ClientSessionGetOrCreateParams{
		{UserIdentifierKey: "jane_doe"},
		{UserIdentityID: identityID},
	} {
		_, err := client.ClientSessions.GetOrCreate(t.Context(), params)
		require.NoError(t, err)
	}
	for _, params := range []seam.ClientSessionGrantAccessParams{
		{UserIdentifierKey: "jane_doe", ConnectWebviewIDs: []string{webviewID}},
		{UserIdentifierKey: "jane_doe", ConnectedAccountIDs: []string{accountID}},
		{ClientSessionID: sessionID, UserIdentityID: identityID},
	} {
		require.NoError(t, client.ClientSessions.GrantAccess(t.Context(), params))
	}
}
