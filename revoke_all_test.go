package seam_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// revoker is a transport that answers a list with so many sessions, and takes 20
// ms for each revoke.
type revoker struct {
	list   string
	refuse map[string]attempt // by ID

	mu      sync.Mutex
	revoked []string
	running int
	most    int // that ran at once
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
	if refuse := r.refuse[params.ClientSessionID]; refuse != nil {
		return refuse(req)
	}
	return response(http.StatusOK, done)
}

var ofJane = seam.ClientSessionListParams{UserIdentifierKey: "jane_doe"}

// listOfJane is a list of n sessions that are all hers.
func listOfJane(n int) string {
	return strings.ReplaceAll(listOf(n), `"token"`, `"user_identifier_key": "jane_doe", "token"`)
}

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

// TestRevokeAllNeedsAFilter refuses what would sign a whole workspace out, and
// what the calls that run side by side could not share.
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
		{params: seam.ClientSessionListParams{UserIdentifierKey: " "}, want: "UserIdentifierKey is blank"},
		{params: ofJane, opts: []seam.Option{seam.WithResponse(new(seam.Response))}, want: "WithResponse is for a single call; several would overwrite the Response"},
		{params: ofJane, opts: []seam.Option{nil}, want: "an Option is nil; omit it"},
	} {
		revoked, err := sessions.RevokeAll(t.Context(), tt.params, tt.opts...)
		assert.Nil(t, revoked)
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		require.EqualError(t, err, "seam: ClientSessions.RevokeAll: "+tt.want)
	}
}

// TestRevokeAllGoesOn past sessions that cannot be revoked, and counts as revoked
// those that are gone. What some other server does not find is not gone.
func TestRevokeAllGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: &revoker{
			list: listOfJane(40),
			refuse: map[string]attempt{
				"3":  answers(http.StatusForbidden, `{"error": {"type": "forbidden"}}`),
				"7":  answers(http.StatusNotFound, `{"error": {"type": "client_session_not_found"}}`),
				"9":  answers(http.StatusUnauthorized, `{"error": {"type": "client_session_not_found", "message": "No key of jane_doe"}}`),
				"39": answers(http.StatusNotFound, `<html>`),
			},
		}}))
		revoked, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
		var ids []string
		for _, session := range revoked {
			ids = append(ids, session.ClientSessionID)
		}
		assert.Len(t, ids, 37)
		assert.Contains(t, ids, "7", "it is gone")
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

// TestRevokeAllOfOthers gets a list that does not heed what was asked for.
func TestRevokeAllOfOthers(t *testing.T) {
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
			require.Len(t, revoked, 1, "without a token too")
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

// TestRevokeAllOfAKeyThatIsAWord of the API's own must know a session that is gone.
func TestRevokeAllOfAKeyThatIsAWord(t *testing.T) {
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

// TestRevokeAllPanics where the caller can recover it, if the caller's transport
// does.
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

// TestRevokeAllTriesAgain has each request fail once, and sees that the options of
// the call are those of all its requests.
func TestRevokeAllTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := map[string]int{}
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			assert.Equal(t, "Bearer seam_other_key", req.Header.Get("Authorization"))
			tries[req.URL.Path]++
			switch {
			case tries[req.URL.Path] == 1:
				return response(http.StatusServiceUnavailable, "")
			case req.URL.Path == "/client_sessions/list":
				return response(http.StatusOK, listOfJane(1))
			}
			return response(http.StatusOK, done)
		})
		_, err := client.ClientSessions.RevokeAll(t.Context(), ofJane, seam.WithAPIKey("seam_other_key"))
		require.NoError(t, err)
		assert.Equal(t, map[string]int{"/client_sessions/list": 2, "/client_sessions/revoke": 2}, tries)
	})
}

// TestRevokeAllWhereGoroutinesEnd, as those of a test do that has failed in its
// transport.
func TestRevokeAllWhereGoroutinesEnd(t *testing.T) {
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
	assert.Equal(t, 20, strings.Count(err.Error(), "ended the goroutine"))
}

// TestRevokeAllIsConcurrent counts what runs side by side, and the time.
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

// TestRevokeAllCutShort gets no list, or a part of one: no session is revoked.
func TestRevokeAllCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			assert.Equal(t, "/client_sessions/list", req.URL.Path)
			return cutsOff(http.StatusOK, listOfJane(100)[:3000])(req)
		})
		revoked, err := client.ClientSessions.RevokeAll(t.Context(), ofJane)
		assert.Nil(t, revoked)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

// TestRevokeAllStops when its context ends. That no goroutine is left is checked
// by synctest.
func TestRevokeAllStops(t *testing.T) {
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

// TestRevokeAllMasksIDs that the server chose.
func TestRevokeAllMasksIDs(t *testing.T) {
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
