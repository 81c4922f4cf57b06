package seam_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// golden returns the body that a request must have. It is written by hand.
func (op operation) golden(t *testing.T, size string) any {
	t.Helper()
	return readJSON(t, "testdata/wire"+op.path+"_"+size+".json")
}

// fields returns the names of all fields in the golden requests of the operation.
func (op operation) fields(t *testing.T) []string {
	t.Helper()
	all := map[string]any{}
	for _, size := range []string{"smallest", "fullest"} {
		maps.Copy(all, op.golden(t, size).(map[string]any))
	}
	return slices.Sorted(maps.Keys(all))
}

// TestRequests tests the request of each operation against a file in testdata/wire.
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
					respond(http.StatusOK, op.success)(w, r)
				})
				require.NoError(t, call(t.Context(), client))
				assert.Equal(t, 1, requests)
			})
		}
	}
}

// TestRequestsMatchTheSchema tests that the fullest requests have each field of
// Seam's schema, except deprecated ones, and no other.
func TestRequestsMatchTheSchema(t *testing.T) {
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
		if !strings.HasPrefix(op.path, "/client_sessions/") {
			continue // the schema has only client sessions
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
	assert.Empty(t, untested, "operations of the schema without tests")

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

// TestFullestRequestsHaveAllParams tests that the fullest requests have each field
// of their params, since only those are compared with the schema.
func TestFullestRequestsHaveAllParams(t *testing.T) {
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

// TestInvalidParams tests params that are rejected before anything is sent.
func TestInvalidParams(t *testing.T) {
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
			"seam: ClientSessions.Delete: ClientSessionID is blank; set it",
		},
		{
			second(sessions.Get(ctx, seam.ClientSessionGetParams{})),
			"seam: ClientSessions.Get: params identify no session; set ClientSessionID or UserIdentifierKey",
		},
		{
			second(sessions.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: "\u00a0"})),
			"seam: ClientSessions.Get: ClientSessionID is blank; set it",
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
			"seam: ClientSessions.GetOrCreate: UserIdentifierKey is not valid UTF-8; pass UTF-8",
		},
		{
			second(sessions.Create(ctx, seam.ClientSessionCreateParams{ConnectedAccountIDs: []string{"a", ""}})),
			"seam: ClientSessions.Create: ConnectedAccountIDs[1] is blank; set it",
		},
		{
			second(sessions.Create(ctx, seam.ClientSessionCreateParams{ExpiresAt: expiry.AddDate(7974, 0, 0)})),
			"seam: ClientSessions.Create: ExpiresAt is not in the years 0 to 9999; set a time that is",
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
			sessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{ClientSessionID: sessionID}),
			"seam: ClientSessions.GrantAccess: params grant nothing; set ConnectWebviewIDs, ConnectedAccountIDs or UserIdentityID",
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
			"seam: ClientSessions.All: UserIdentityID is blank; set it",
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
			"seam: ClientSessions.Create: ExpiresAt is not in the years 0 to 9999; set a time that is",
		},
	} {
		require.ErrorIs(t, tt.err, seam.ErrInvalidParams)
		assert.EqualError(t, tt.err, tt.want)
	}
}

// TestExpiryLimits tests the first and the last year that JSON can express.
func TestExpiryLimits(t *testing.T) {
	t.Parallel()
	client := serve(t, respond(http.StatusOK, oneSession))
	for _, years := range []int{-2026, 7973} {
		_, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{ExpiresAt: expiry.AddDate(years, 0, 0)})
		require.NoError(t, err)
	}
}

// TestZeroParams tests the operations that need no params.
func TestZeroParams(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.JSONEq(t, `{}`, string(body))
		respond(http.StatusOK, oneSession)(w, r)
	})
	_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{}, seam.WithClientSessionToken("seam_cst1_token"))
	require.NoError(t, err)
	_, err = client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.NoError(t, err)
}

// TestFewestParams tests the fewest params that an operation needs.
func TestFewestParams(t *testing.T) {
	t.Parallel()
	client := serve(t, respond(http.StatusOK, oneSession))
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
		{ClientSessionID: sessionID, UserIdentifierKey: "jane_doe"},
	} {
		require.NoError(t, client.ClientSessions.GrantAccess(t.Context(), params))
	}
}

type webviewParams struct {
	UserIdentifierKey string `json:"user_identifier_key"`
	Name              string `json:"name"`
}

// TestPostParams tests what Post sends for its params.
func TestPostParams(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		params any
		want   string
	}{
		"nil":                        {nil, `{}`},
		"an empty map":               {map[string]any{}, `{}`},
		"a nil map":                  {map[string]any(nil), `{}`},
		"a struct":                   {webviewParams{UserIdentifierKey: "jane_doe"}, `{"user_identifier_key": "jane_doe", "name": ""}`},
		"a pointer to a struct":      {&webviewParams{"jane_doe", "door"}, `{"user_identifier_key": "jane_doe", "name": "door"}`},
		"blank texts in a map":       {map[string]any{"name": "", "tags": []string{" "}}, `{"name": "", "tags": [" "]}`},
		"a map of texts":             {map[string]string{"name": ""}, `{"name": ""}`},
		"bytes, raw JSON and a time": {map[string]any{"b": []byte{1}, "r": json.RawMessage(`[""]`), "t": time.Unix(0, 0).UTC()}, `{"b": "AQ==", "r": [""], "t": "1970-01-01T00:00:00Z"}`},
		"a blank text by pointer":    {struct{ Name *string }{new(string)}, `{"Name": ""}`},
		"a field that is not sent": {struct {
			A string `json:"-"`
		}{" "}, `{}`},
		"a type with its own JSON": {map[string]any{"d": json.Number("1")}, `{"d": 1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := offline(t, func(req *http.Request) (*http.Response, error) {
				assert.Equal(t, "https://connect.getseam.com/connect_webviews/create", req.URL.String())
				body, err := io.ReadAll(req.Body)
				assert.JSONEq(t, tt.want, string(body), err)
				return response(http.StatusOK, `{"ok": true}`)
			})
			require.NoError(t, client.Post(t.Context(), "/connect_webviews/create", tt.params, nil))
		})
	}
}

// node can be part of a cycle with two paths, which cannot be walked to its end.
type node struct{ A, B *node }

// hiding embeds a struct of an unexported type, whose fields encoding/json encodes.
type hiding struct{ embedded }

type embedded struct {
	UserIdentifierKey string `json:"user_identifier_key"`
}

// marshaler and textMarshaler encode themselves.
type (
	marshaler     string
	textMarshaler string
)

func (m marshaler) MarshalJSON() ([]byte, error) {
	return []byte(`"` + string(m) + `"`), nil
}

func (m textMarshaler) MarshalText() ([]byte, error) { return []byte(m), nil }

// failing cannot be encoded, and quotes itself in the error.
type failing string

func (f failing) MarshalJSON() ([]byte, error) { return nil, errors.New("cannot encode " + string(f)) }

// TestPostInvalidParams tests calls of Post that are rejected before anything is
// sent.
func TestPostInvalidParams(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.ErrUnexpectedEOF
	})
	cycle := &node{}
	cycle.A, cycle.B = cycle, cycle
	cyclic := map[string]any{}
	cyclic["a"], cyclic["b"] = cyclic, cyclic
	const noKey = "user_identifier_key is blank; set it or omit it"
	for name, tt := range map[string]struct {
		path           string
		params, result any
		want           string
	}{
		"a blank key in a map":     {params: map[string]any{"user_identifier_key": ""}, want: noKey},
		"a blank key in a struct":  {params: webviewParams{Name: "door"}, want: noKey},
		"a nested blank key":       {params: map[string]any{"a": []any{map[string]string{"user_identifier_key": " "}}}, want: noKey},
		"a blank text in a struct": {params: webviewParams{"jane_doe", " "}, want: "Name is blank; set it"},
		"invalid UTF-8":            {params: map[string]any{"a": []any{"b\xff"}}, want: "a[0] is not valid UTF-8; pass UTF-8"},
		"invalid UTF-8 in a key":   {params: map[string]any{"a\xff": 1}, want: "a key of params is not valid UTF-8; pass UTF-8"},
		"a time without JSON":      {params: map[string]any{"at": time.Time{}.AddDate(20000, 0, 0)}, want: "at is not in the years 0 to 9999; set a time that is"},
		"a number":                 {params: 5, want: "params are not a struct or a map; pass one, or nil"},
		"a list":                   {params: []string{"a"}, want: "params are not a struct or a map; pass one, or nil"},
		"a nil pointer":            {params: (*webviewParams)(nil), want: "params are not a struct or a map; pass one, or nil"},
		"a pointer to a nil map":   {params: new(map[string]any), want: "params are not a struct or a map; pass one, or nil"},
		"a time":                   {params: time.Now(), want: "params are not a struct or a map; pass one, or nil"},
		"a channel":                {params: map[string]any{"a": make(chan int)}, want: "params cannot be encoded: json: unsupported type: chan int"},
		"a cycle":                  {params: cycle, want: "A is nested too deeply; use fewer than 100 levels"},
		"an embedded struct":       {params: hiding{embedded{"jane\xff"}}, want: "UserIdentifierKey is not valid UTF-8; pass UTF-8"},
		"a pointer to one":         {params: struct{ *embedded }{&embedded{"jane\xff"}}, want: "UserIdentifierKey is not valid UTF-8; pass UTF-8"},
		"its own text":             {params: map[string]any{"a": textMarshaler("b\xff")}, want: "a is not valid UTF-8; pass UTF-8"},
		"its own JSON":             {params: map[string]any{"a": marshaler("b\xff")}, want: "params are not valid UTF-8; pass UTF-8"},
		"JSON that fails":          {params: map[string]any{"user_identifier_key": failing("jane_doe")}, want: "params cannot be encoded; pass what json.Marshal accepts"},
		"a key in a name":          {params: map[string]any{"user_identifier_key": map[string]any{"jane_doe": "\xff"}}, want: "REDACTED is not valid UTF-8; pass UTF-8"},
		"a result by value":        {result: webviewParams{}, want: "result is a nil pointer or not a pointer; pass a pointer, or nil to discard the response"},
		"a nil result":             {result: (*webviewParams)(nil), want: "result is a nil pointer or not a pointer; pass a pointer, or nil to discard the response"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := client.Post(t.Context(), "/devices/list", tt.params, tt.result)
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			assert.EqualError(t, err, "seam: Post /devices/list: "+tt.want)
		})
	}
	for _, path := range []string{
		"", "/", "devices/list", "https://evil.example/", "//evil.example/a", "/devices/", "/devices//list", "/devices/list#a",
		"/devices/../list", "/./list", "/devices/..", "/devices%2flist", `/devices\list`, "/devices list", "/devices/list\n", "/dévices",
	} {
		err := client.Post(t.Context(), path, nil, nil)
		require.ErrorIs(t, err, seam.ErrInvalidParams, path)
		require.EqualError(t, err, "seam: Post: the path is not that of an endpoint; use one such as /devices/list", path)
	}
	require.EqualError(t, client.Post(t.Context(), "/devices/list?limit=1", nil, nil), "seam: Post: the path has a query; pass it as params")
	_, err := seam.NewClient(seam.WithAPIKey("seam_test_key"), seam.WithIdempotent())
	require.ErrorIs(t, err, seam.ErrInvalidParams)
}
