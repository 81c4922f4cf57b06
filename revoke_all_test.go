package seam_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
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

	var revoked []seam.ClientSession
	for session, err := range sessions.RevokeAll(ctx, ofJane) {
		require.NoError(t, err)
		revoked = append(revoked, session)
	}
	assert.Equal(t, []seam.ClientSession{*jane}, revoked)
	_, err = sessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithClientSessionToken(jane.Token))
	require.ErrorIs(t, err, seam.ErrUnauthorized)
	_, err = sessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithClientSessionToken(john.Token))
	require.NoError(t, err)

	for session, err := range sessions.RevokeAll(ctx, ofJane) {
		t.Error("nothing is left to revoke", session, err)
	}
	for session, err := range sessions.RevokeAll(ctx, seam.ClientSessionListParams{ClientSessionID: john.ClientSessionID}) {
		require.NoError(t, err)
		assert.Equal(t, *john, session)
	}
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
		{want: "at least one of the params is needed"},
		{params: seam.ClientSessionListParams{UserIdentifierKey: " "}, want: "UserIdentifierKey is blank"},
		{params: ofJane, opts: []seam.Option{seam.WithResponse(new(seam.Response))}, want: "WithResponse belongs to a single call, as concurrent ones would share it"},
		{params: ofJane, opts: []seam.Option{nil}, want: "an Option is nil"},
	} {
		items := 0
		for session, err := range sessions.RevokeAll(t.Context(), tt.params, tt.opts...) {
			items++
			assert.Zero(t, session)
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			require.EqualError(t, err, "seam: ClientSessions.RevokeAll: "+tt.want)
		}
		assert.Equal(t, 1, items)
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
		var ids, failed []string
		for session, err := range client.ClientSessions.RevokeAll(t.Context(), ofJane) {
			ids = append(ids, session.ClientSessionID)
			if err != nil {
				failed = append(failed, session.ClientSessionID+": "+err.Error())
			}
		}
		slices.Sort(ids)
		assert.Len(t, slices.Compact(ids), 40)
		assert.ElementsMatch(t, []string{
			"3: seam: POST /client_sessions/revoke: 403 forbidden (request request1)",
			"9: seam: POST /client_sessions/revoke: 401 client_session_not_found: No key of REDACTED (request request1)",
			"39: seam: POST /client_sessions/revoke: 404 Not Found: <html> (request request1)",
		}, failed)
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
			for session, err := range client.ClientSessions.RevokeAll(t.Context(), tt.params) {
				require.NoError(t, err)
				assert.Equal(t, "1", session.ClientSessionID)
			}
			assert.Equal(t, 1, revokes)

			list += `, {"client_session_id": "2", "user_identifier_key": "john_doe"}`
			items := 0
			for session, err := range client.ClientSessions.RevokeAll(t.Context(), tt.params) {
				items++
				assert.Zero(t, session)
				assert.Equal(t, 1, requireAPIError(t, err).Attempts)
				require.ErrorContains(t, err, "answer has sessions that were not asked for")
			}
			assert.Equal(t, 1, items)
			assert.Equal(t, 1, revokes, "not even the one that was asked for")
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
	for _, err := range client.ClientSessions.RevokeAll(t.Context(), seam.ClientSessionListParams{UserIdentifierKey: "client"}) {
		require.NoError(t, err)
	}
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
		for _, err := range client.ClientSessions.RevokeAll(t.Context(), ofJane) {
			t.Error(err)
		}
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
		for _, err := range client.ClientSessions.RevokeAll(t.Context(), ofJane, seam.WithAPIKey("seam_other_key")) {
			require.NoError(t, err)
		}
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
	failed := 0
	for _, err := range client.ClientSessions.RevokeAll(t.Context(), ofJane) {
		require.ErrorContains(t, err, "ended the goroutine")
		failed++
	}
	assert.Equal(t, 20, failed)
}

// TestRevokeAllIsConcurrent counts what runs side by side, and the time.
func TestRevokeAllIsConcurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &revoker{list: listOfJane(200)}
		client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: server}))
		start := time.Now()
		for _, err := range client.ClientSessions.RevokeAll(t.Context(), ofJane) {
			require.NoError(t, err)
		}
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
		items := 0
		for session, err := range client.ClientSessions.RevokeAll(t.Context(), ofJane) {
			items++
			assert.Zero(t, session)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
		assert.Equal(t, 1, items)
	})
}

// TestRevokeAllStops when its loop is left, by whatever way, or its context
// ends: what is on its way is waited for, and nothing else begun. That no
// goroutine is left is what synctest itself sees to.
func TestRevokeAllStops(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(cancel context.CancelFunc) (again bool){
		"break":  func(context.CancelFunc) bool { return false },
		"panic":  func(context.CancelFunc) bool { panic("of the loop") },
		"cancel": func(cancel context.CancelFunc) bool { cancel(); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &revoker{list: listOfJane(100)}
				client := newClient(t, seam.WithHTTPClient(&http.Client{Transport: server}))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				seen, failed := 0, 0
				func() {
					defer func() { _ = recover() }()
					for session, err := range client.ClientSessions.RevokeAll(ctx, ofJane) {
						assert.NotEmpty(t, session.ClientSessionID)
						if seen++; err != nil {
							require.ErrorIs(t, err, context.Canceled)
							failed++
						}
						if seen < 10 {
							continue
						}
						if !leave(cancel) {
							break
						}
					}
				}()
				assert.Zero(t, server.running)
				assert.Less(t, len(server.revoked), 10+8)
				if name == "cancel" {
					assert.Equal(t, 100, seen, "each session that was not revoked is told")
					assert.GreaterOrEqual(t, failed, 100-len(server.revoked))
				}
			})
		})
	}
}

// TestRevokeAllInASlowLoop leaves no answer open while the loop takes its time.
func TestRevokeAllInASlowLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := &closing{Reader: strings.NewReader(listOfJane(20))}
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			resp, err := response(http.StatusOK, done)
			if req.URL.Path == "/client_sessions/list" {
				resp.Body = list
			} else if !list.closed {
				err = errors.New("the list is still open")
			}
			return resp, err
		})
		var seen []string
		for session, err := range client.ClientSessions.RevokeAll(t.Context(), ofJane) {
			require.NoError(t, err)
			seen = append(seen, session.ClientSessionID)
			time.Sleep(time.Hour)
		}
		assert.Len(t, seen, 20, fmt.Sprint(seen))
	})
}
