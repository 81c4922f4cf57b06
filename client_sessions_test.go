package seam_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/seamtest"
)

// documented is the session in testdata/documented/get.json.
var documented = seam.ClientSession{
	ClientSessionID:     "c2cbd177-1ace-414b-bb1e-9f129e4a05c1",
	ConnectWebviewIDs:   []string{"dafe6400-7484-4fd1-8c17-1c901b444250"},
	ConnectedAccountIDs: []string{"8062d457-e28e-481f-aecc-509905627511"},
	CreatedAt:           time.Date(2025, 6, 15, 16, 54, 17, 946309000, time.UTC),
	CustomerID:          "e387e15f-be27-47ad-881f-4a6fc5460c57",
	DeviceCount:         1,
	ExpiresAt:           time.Date(2025, 6, 19, 15, 22, 40, 0, time.UTC),
	Token:               "seam_cst1891oqCmD_6dBwV8PJ2Fsoe9dWYVyMfVHq",
	UserIdentifierKey:   "jane_doe",
	UserIdentityID:      "89765fd3-6193-4d63-8605-e77f75356555",
	WorkspaceID:         "b887bf84-9849-4454-a562-cf84293d9781",
}

// TestDocumentedResponses tests the responses in Seam's documentation.
func TestDocumentedResponses(t *testing.T) {
	t.Parallel()
	get, err := os.ReadFile("testdata/documented/get.json")
	require.NoError(t, err)
	session, err := serve(t, respond(http.StatusOK, string(get))).ClientSessions.
		Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(&documented, session))

	object, err := os.ReadFile("testdata/documented/object.json")
	require.NoError(t, err)
	list, err := serve(t, respond(http.StatusOK, `{"client_sessions": [`+string(object)+`]}`)).ClientSessions.
		List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff([]seam.ClientSession{{
		ClientSessionID:     "c2cbd177-1ace-414b-bb1e-9f129e4a05c1",
		ConnectWebviewIDs:   []string{"550e8400-e29b-41d4-a716-446655440000"},
		ConnectedAccountIDs: []string{"f47ac10b-58cc-4372-a567-0e02b2c3d479"},
		CreatedAt:           time.Date(2025, 6, 15, 16, 54, 17, 946309000, time.UTC),
		CustomerID:          "77eccc4e-c8bc-4c7d-b83c-cb853ed3bade",
		DeviceCount:         1,
		ExpiresAt:           time.Date(2025, 6, 17, 16, 54, 17, 946309000, time.UTC),
		Token:               "seam_cst1891oqCmB_6dBwV8PJ2Fsoe9dWYVyMfVHq",
		UserIdentifierKey:   "user_id_1",
		UserIdentityID:      "a6e93f84-565e-47d7-8908-1ca71ada373c",
		UserIdentityIDs:     []string{"a6e93f84-565e-47d7-8908-1ca71ada373c"},
		WorkspaceID:         "b887bf84-9849-4454-a562-cf84293d9781",
	}}, list))

	revoke, err := os.ReadFile("testdata/documented/revoke.json")
	require.NoError(t, err)
	assert.NoError(t, serve(t, respond(http.StatusOK, string(revoke))).ClientSessions.Revoke(t.Context(), sessionID))
}

// TestLenientDecoding tests sessions that differ from the schema.
func TestLenientDecoding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       seam.ClientSession
	}{
		{"the least", `{"client_session_id": "not a UUID", "token": "t"}`, seam.ClientSession{ClientSessionID: "not a UUID", Token: "t"}},
		{
			"null for all that may be",
			`{"client_session_id": "1", "token": "t", "customer_key": null, "user_identifier_key": null, "user_identity_id": null,
			"user_identity_ids": null, "connect_webview_ids": null, "connected_account_ids": null, "device_count": null,
			"expires_at": null, "created_at": null}`,
			seam.ClientSession{ClientSessionID: "1", Token: "t"},
		},
		{"customer key", `{"client_session_id": "1", "token": "t", "customer_key": "acme"}`, seam.ClientSession{ClientSessionID: "1", Token: "t", CustomerKey: "acme"}},
		{"unknown fields", `{"client_session_id": "1", "token": "t", "revoked_at": {"a": []}}`, seam.ClientSession{ClientSessionID: "1", Token: "t"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			session, err := serve(t, respond(http.StatusOK, `{"client_session": `+tt.body+`}`)).ClientSessions.
				Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: tt.want.ClientSessionID})
			require.NoError(t, err)
			assert.Empty(t, cmp.Diff(&tt.want, session))
		})
	}
}

// TestMarshaledSessionKeepsItsToken tests the JSON of a session, which is for the
// user's browser or phone.
func TestMarshaledSessionKeepsItsToken(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(documented)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	want := readJSON(t, "testdata/documented/get.json").(map[string]any)["client_session"].(map[string]any)
	want["expires_at"] = "2025-06-19T15:22:40Z"
	assert.Empty(t, cmp.Diff(want, fields))

	text, err = json.Marshal(seam.ClientSession{ClientSessionID: "1", ConnectWebviewIDs: []string{}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"client_session_id": "1", "connect_webview_ids": [], "device_count": 0, "token": "", "user_identifier_key": "", "workspace_id": ""}`,
		string(text), "a zero time is omitted")
}

// revoker is a transport that responds to a list and, after 20 ms, to revokes.
type revoker struct {
	list     string
	failures map[string]fake.Transport // by session ID

	mu      sync.Mutex
	revoked []string
	running int
	most    int // revokes that ran at once
}

func (r *revoker) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/client_sessions/list" {
		return response(http.StatusOK, r.list)
	}
	var params struct {
		ClientSessionID string `json:"client_session_id"`
	}
	if err := json.NewDecoder(req.Body).Decode(&params); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.revoked = append(r.revoked, params.ClientSessionID)
	r.running++
	r.most = max(r.most, r.running)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.running--
		r.mu.Unlock()
	}()
	select {
	case <-time.After(20 * time.Millisecond):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if fail := r.failures[params.ClientSessionID]; fail != nil {
		return fail(req)
	}
	return response(http.StatusOK, done)
}

var ofJane = seam.ClientSessionListParams{UserIdentifierKey: "jane_doe"}

// listOfJane returns a list of n sessions of jane_doe.
func listOfJane(n int) string {
	return strings.ReplaceAll(listOf(n), `"token"`, `"user_identifier_key": "jane_doe", "token"`)
}

// TestRevokeAll tests which sessions RevokeAll revokes and returns.
func TestRevokeAll(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	sessions := srv.Client(t).ClientSessions
	ctx := t.Context()
	jane, err := sessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	john, err := sessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "john_doe"})
	require.NoError(t, err)

	revoked, err := sessions.RevokeAll(ctx, ofJane)
	require.NoError(t, err)
	assert.Equal(t, []seam.ClientSession{*jane}, revoked)
	_, err = sessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithClientSessionToken(jane.Token))
	require.ErrorIs(t, err, seam.ErrClientSessionRevoked)
	_, err = sessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithClientSessionToken(john.Token))
	require.NoError(t, err)

	revoked, err = sessions.RevokeAll(ctx, ofJane)
	require.NoError(t, err)
	assert.Equal(t, []seam.ClientSession{}, revoked, "nothing is left to revoke")
	revoked, err = sessions.RevokeAll(ctx, seam.ClientSessionListParams{ClientSessionID: john.ClientSessionID})
	require.NoError(t, err)
	assert.Equal(t, []seam.ClientSession{*john}, revoked)
	_, err = sessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithClientSessionToken(john.Token))
	require.ErrorIs(t, err, seam.ErrUnauthorized)
}

// TestRevokeAllUnderARateLimit tests that RevokeAll revokes all sessions although the
// server accepts 20 requests a second, and that it soon stops sending more.
func TestRevokeAllUnderARateLimit(t *testing.T) {
	t.Parallel()
	for name, tooMany := range map[string]fake.Transport{"no Retry-After": fake.Responds(429, ""), "Retry-After: 1": fake.Responds(429, "").With("Retry-After", "1")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const sessions, limit = 400, 20
				var list strings.Builder
				for i := range sessions {
					fmt.Fprintf(&list, `,{"client_session_id": "%d", "token": "seam_cst_1", "user_identifier_key": "jane"}`, i)
				}
				start := time.Now()
				var mu sync.Mutex
				revoked, requests, inSecond := map[string]int{}, 0, map[time.Duration]int{}
				client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: fake.Transport(func(req *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(req.Body)
					if err != nil || req.URL.Path == "/client_sessions/list" {
						return fake.Responds(200, `{"client_sessions": [`+list.String()[1:]+`]}`)(req)
					}
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					requests++
					second := time.Since(start).Truncate(time.Second)
					if inSecond[second]++; inSecond[second] > limit {
						return tooMany(req)
					}
					revoked[string(body)]++
					return fake.Responds(200, `{}`)(req)
				})}))
				got, err := client.ClientSessions.RevokeAll(t.Context(), seam.ClientSessionListParams{UserIdentifierKey: "jane"})
				require.NoError(t, err)
				assert.Len(t, got, sessions)
				assert.Len(t, revoked, sessions)
				assert.Less(t, requests, 2*sessions)
			})
		})
	}
}

// TestRevokeAllNeedsAFilter tests params and options that RevokeAll rejects.
func TestRevokeAllNeedsAFilter(t *testing.T) {
	t.Parallel()
	sessions := offline(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return response(http.StatusOK, listOfJane(1))
	}).ClientSessions
	for _, tt := range []struct {
		params seam.ClientSessionListParams
		opts   []seam.Option
		want   string
	}{
		{want: "params are empty; set at least one field"},
		{params: seam.ClientSessionListParams{UserIdentifierKey: " "}, want: "UserIdentifierKey is blank; set it"},
		{params: ofJane, opts: []seam.Option{seam.WithResponse(new(seam.Response))}, want: "RevokeAll sends several requests, which WithResponse cannot hold; omit it"},
		{params: ofJane, opts: []seam.Option{nil}, want: "an Option is nil; omit it"},
	} {
		revoked, err := sessions.RevokeAll(t.Context(), tt.params, tt.opts...)
		assert.Nil(t, revoked)
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		require.EqualError(t, err, "seam: ClientSessions.RevokeAll: "+tt.want)
	}
}

// TestRevokeAllFailures tests that RevokeAll attempts all sessions, and that one
// that is gone counts as revoked. Another server's 404 does not mean that.
func TestRevokeAllFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: &revoker{
			list: listOfJane(40),
			failures: map[string]fake.Transport{
				"3":  fake.Responds(http.StatusForbidden, `{"error": {"type": "forbidden"}}`),
				"7":  fake.Responds(http.StatusNotFound, `{"error": {"type": "client_session_not_found"}}`),
				"9":  fake.Responds(http.StatusUnauthorized, `{"error": {"type": "client_session_not_found", "message": "No key of jane_doe"}}`),
				"39": fake.Responds(http.StatusNotFound, `<html>`),
			},
		}}))
		revoked, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
		var ids []string
		for _, session := range revoked {
			ids = append(ids, session.ClientSessionID)
		}
		assert.Len(t, ids, 37)
		assert.Contains(t, ids, "7", "a session that does not exist counts as revoked")
		for _, id := range []string{"3", "9", "39"} {
			assert.NotContains(t, ids, id)
		}
		const session = "seam: ClientSessions.RevokeAll: client session "
		require.EqualError(t, err, session+"3: seam: POST /client_sessions/revoke: 403 forbidden (request request1)\n"+
			session+"9: seam: POST /client_sessions/revoke: 401 client_session_not_found: No key of REDACTED (request request1)\n"+
			session+"39: seam: POST /client_sessions/revoke: 404 Not Found: <html> (request request1)")
		require.ErrorIs(t, err, seam.ErrForbidden)
		require.ErrorIs(t, err, seam.ErrUnauthorized)
		assert.ErrorIs(t, err, seam.ErrNotFound)
	})
}

// TestRevokeAllOtherSessions tests that RevokeAll revokes nothing if the list has a
// session that the filter excludes.
func TestRevokeAllOtherSessions(t *testing.T) {
	t.Parallel()
	const mine = `{"client_session_id": "1", "user_identifier_key": "jane_doe", "connect_webview_ids": ["w"], "user_identity_id": "i"}`
	for name, tt := range map[string]struct {
		params seam.ClientSessionListParams
		mine   string
	}{
		"ID":           {seam.ClientSessionListParams{ClientSessionID: "1"}, mine},
		"key":          {seam.ClientSessionListParams{UserIdentifierKey: "jane_doe"}, mine},
		"webview":      {seam.ClientSessionListParams{ConnectWebviewID: "w"}, mine},
		"identity":     {seam.ClientSessionListParams{UserIdentityID: "i"}, mine},
		"old identity": {seam.ClientSessionListParams{UserIdentityID: "i"}, `{"client_session_id": "1", "user_identity_ids": ["h", "i"]}`},
		"no key":       {seam.ClientSessionListParams{WithoutUserIdentifierKey: true}, `{"client_session_id": "1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, revokes := tt.mine, 0
			client := offline(t, func(req *http.Request) (*http.Response, error) {
				if req.URL.Path == "/client_sessions/list" {
					return response(http.StatusOK, `{"client_sessions": [`+list+`]}`)
				}
				revokes++
				return response(http.StatusOK, done)
			})
			revoked, err := client.ClientSessions.RevokeAll(t.Context(), tt.params)
			require.NoError(t, err)
			require.Len(t, revoked, 1, "a token is not required")
			assert.Equal(t, "1", revoked[0].ClientSessionID)
			assert.Equal(t, 1, revokes)

			list += `, {"client_session_id": "2", "user_identifier_key": "john_doe"}`
			revoked, err = client.ClientSessions.RevokeAll(t.Context(), tt.params)
			assert.Nil(t, revoked)
			assert.Equal(t, 1, requireAPIError(t, err).Attempts)
			require.ErrorContains(t, err, "response has a client session that was not requested")
			assert.Equal(t, 1, revokes, "not even the requested one")
		})
	}
}

// TestRevokeAllKeyInErrorType tests a user identifier key that is a word in the type
// of Seam's error.
func TestRevokeAllKeyInErrorType(t *testing.T) {
	t.Parallel()
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/client_sessions/list" {
			return response(http.StatusOK, `{"client_sessions": [{"client_session_id": "1", "user_identifier_key": "client"}]}`)
		}
		return response(http.StatusNotFound, `{"error": {"type": "client_session_not_found"}}`)
	})
	revoked, err := client.ClientSessions.RevokeAll(t.Context(), seam.ClientSessionListParams{UserIdentifierKey: "client"})
	require.NoError(t, err)
	assert.Len(t, revoked, 1)
}

// TestRevokeAllRetries tests that the list and the revokes are retried, with the
// options of the call.
func TestRevokeAllRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := map[string]int{}
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			assert.Equal(t, "Bearer seam_other_key", req.Header.Get("Authorization"))
			attempts[req.URL.Path]++
			switch {
			case attempts[req.URL.Path] == 1:
				return response(http.StatusServiceUnavailable, "")
			case req.URL.Path == "/client_sessions/list":
				return response(http.StatusOK, listOfJane(1))
			}
			return response(http.StatusOK, done)
		})
		_, err := client.ClientSessions.RevokeAll(t.Context(), ofJane, seam.WithAPIKey("seam_other_key"))
		require.NoError(t, err)
		assert.Equal(t, map[string]int{"/client_sessions/list": 2, "/client_sessions/revoke": 2}, attempts)
	})
}

// TestRevokeAllIsConcurrent tests how many revokes run at once.
func TestRevokeAllIsConcurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &revoker{list: listOfJane(200)}
		client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: server}))
		start := time.Now()
		revoked, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
		require.NoError(t, err)
		assert.Len(t, revoked, 200)
		assert.Less(t, time.Since(start), 200*20*time.Millisecond/5)
		assert.Equal(t, 8, server.most)
		assert.Len(t, server.revoked, 200)
	})
}

// TestRevokeAllListCut tests that nothing is revoked if the list is not complete.
func TestRevokeAllListCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			assert.Equal(t, "/client_sessions/list", req.URL.Path)
			return fake.Cut(http.StatusOK, listOfJane(100)[:3000])(req)
		})
		revoked, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
		assert.Nil(t, revoked)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

// TestRevokeAllContextEnds tests that RevokeAll ends with its context. synctest
// tests that it leaves no goroutine.
func TestRevokeAllContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &revoker{list: listOfJane(100)}
		client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: server}))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		revoked, err := client.ClientSessions.RevokeAll(ctx, ofJane)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Len(t, revoked, 16, "two rounds of 20 ms")
		assert.Len(t, server.revoked, 24, "nothing more is sent")
		assert.Equal(t, 100-16, strings.Count(err.Error(), "client session "), "each session that was not revoked is named")
		assert.Zero(t, server.running)
	})
}

// TestRevokeAllPanics tests that the caller can recover a panic of the transport.
func TestRevokeAllPanics(t *testing.T) {
	t.Parallel()
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		if req.URL.Path != "/client_sessions/list" {
			panic("in the transport")
		}
		return response(http.StatusOK, listOfJane(20))
	})
	assert.PanicsWithValue(t, "in the transport", func() {
		_, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
		t.Error(err)
	})
}

// TestRevokeAllGoexit tests a transport that ends its goroutine, as t.FailNow does.
func TestRevokeAllGoexit(t *testing.T) {
	t.Parallel()
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		if req.URL.Path != "/client_sessions/list" {
			runtime.Goexit()
		}
		return response(http.StatusOK, listOfJane(20))
	})
	revoked, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
	assert.Empty(t, revoked)
	require.Error(t, err)
	assert.Equal(t, 20, strings.Count(err.Error(), "runtime.Goexit ended the call"))
}

// TestRevokeAllRedactsIDs tests that the errors show no secrets in IDs.
func TestRevokeAllRedactsIDs(t *testing.T) {
	t.Parallel()
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/client_sessions/list" {
			return response(http.StatusOK, `{"client_sessions": [{"client_session_id": "seam_test_key of jane_doe", "user_identifier_key": "jane_doe"}]}`)
		}
		return response(http.StatusForbidden, "")
	})
	_, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
	require.ErrorContains(t, err, "client session REDACTED of REDACTED: ")
}
