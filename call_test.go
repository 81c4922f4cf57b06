package seam_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
)

// TestContextEnds tests that each operation returns in the moment in which its
// context ends.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	reason := errors.New("the user left")
	for _, op := range operations {
		for _, tt := range []struct {
			name    string
			attempt fake.Transport
			status  int // of the APIError, 0 if there is none
		}{
			{name: "before the response", attempt: fake.Hangs},
			{name: "in the response", attempt: fake.Stalls("{"), status: 200},
		} {
			t.Run(tt.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(100*time.Millisecond, func() { cancel(reason) })
					client := offline(t, tt.attempt)
					err := op.smallest(ctx, client)

					require.ErrorIs(t, err, context.Canceled)
					require.ErrorIs(t, err, reason)
					assert.Equal(t, 100*time.Millisecond, time.Since(start))
					var apiErr *seam.APIError
					if errors.As(err, &apiErr) || tt.status != 0 {
						assert.Equal(t, tt.status, apiErr.StatusCode)
					}
				})
			})
		}
	}
}

// TestEndedContext tests that nothing is sent once the context has ended.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	why := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	for _, op := range operations {
		err := op.smallest(ctx, offline(t, func(*http.Request) (*http.Response, error) {
			t.Error("a request was sent")
			return response(http.StatusOK, op.success)
		}))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.EqualError(t, err, "seam: POST "+op.path+": context canceled: the user left")
	}
}

// TestResponsesAreChecked tests 2xx responses that are not what was requested. Each
// is an APIError.
func TestResponsesAreChecked(t *testing.T) {
	t.Parallel()
	session := func(fields string) string {
		return `{"client_session_id": "` + sessionID + `", "token": "t", "user_identifier_key": "jane_doe"` + fields + `}`
	}
	one := func(fields string) string { return `{"client_session": ` + session(fields) + `, "ok": true}` }
	many := func(after string) string { return `{"client_sessions": [` + session("") + `]` + after + `}` }
	get := func(params seam.ClientSessionGetParams) func(context.Context, *seam.ClientSessionsService) error {
		return func(ctx context.Context, s *seam.ClientSessionsService) error { return second(s.Get(ctx, params)) }
	}
	getOrCreate := func(params seam.ClientSessionGetOrCreateParams) func(context.Context, *seam.ClientSessionsService) error {
		return func(ctx context.Context, s *seam.ClientSessionsService) error {
			return second(s.GetOrCreate(ctx, params))
		}
	}
	list := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return second(s.List(ctx, seam.ClientSessionListParams{}))
	}
	stream := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return all(ctx, s, seam.ClientSessionListParams{})
	}
	revokeAll := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return second(s.RevokeAll(ctx, seam.ClientSessionListParams{UserIdentifierKey: "jane_doe"}))
	}
	create := func(ctx context.Context, s *seam.ClientSessionsService) error {
		return second(s.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "other_user"}))
	}
	const otherSession, nextPage = "was not requested", "one page of several"
	const failed = "says that the request failed"
	for name, tt := range map[string]struct {
		call func(context.Context, *seam.ClientSessionsService) error
		body string
		want string
	}{
		"GetOrCreate returns another user":     {getOrCreate(seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "other_user"}), one(""), otherSession},
		"GetOrCreate returns another identity": {getOrCreate(seam.ClientSessionGetOrCreateParams{UserIdentityID: "other_user"}), one(`, "user_identity_id": "jane_doe"`), otherSession},
		"Create returns another user":          {create, one(""), otherSession},
		"Get returns another user":             {get(seam.ClientSessionGetParams{UserIdentifierKey: "other_user"}), one(""), otherSession},
		"Get returns another session":          {get(seam.ClientSessionGetParams{ClientSessionID: "1"}), one(""), otherSession},
		"Get without a token":                  {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), strings.Replace(one(""), `"t"`, `""`, 1), "without a token"},
		"List without a token":                 {list, strings.Replace(many(""), `"t"`, `null`, 1), "without a token"},
		"All without a token":                  {stream, strings.Replace(many(""), `"t"`, `""`, 1), "without a token"},
		"Get that is not ok":                   {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), strings.Replace(one(""), "true", "false", 1), failed},
		"Get with an ok of another type":       {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), strings.Replace(one(""), "true", `"no"`, 1), failed},
		"List that is not ok":                  {list, many(`, "ok": false`), failed},
		"All that is not ok":                   {stream, many(`, "ok": false`), failed},
		"List with an error":                   {list, many(`, "error": {"type": "partial"}`), failed},
		"List returns another user": {func(ctx context.Context, s *seam.ClientSessionsService) error {
			return second(s.List(ctx, seam.ClientSessionListParams{UserIdentifierKey: "other_user"}))
		}, many(""), otherSession},
		"All returns another user": {func(ctx context.Context, s *seam.ClientSessionsService) error {
			return all(ctx, s, seam.ClientSessionListParams{UserIdentifierKey: "other_user"})
		}, many(""), otherSession},
		"Get with a blank token":                 {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), strings.Replace(one(""), `"t"`, `" "`, 1), "without a token"},
		"List with a cursor to the next page":    {list, many(`, "pagination": {"next_page_cursor": "c"}`), nextPage},
		"List with a next page":                  {list, many(`, "pagination": {"has_next_page": true, "next_page_cursor": "c"}`), nextPage},
		"All with a next page":                   {stream, many(`, "pagination": {"has_next_page": true}`), nextPage},
		"RevokeAll with a next page":             {revokeAll, many(`, "pagination": {"has_next_page": true}`), nextPage},
		"Get with a device count of 1.5":         {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), one(`, "device_count": 1.5`), "expected an integer"},
		"Get with a time as a number":            {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), one(`, "expires_at": 1893456000`), "expected a time as a string"},
		"Get without its key":                    {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), `{"ok": true}`, "has no client_session"},
		"Get with null":                          {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), `{"client_session": null}`, "has no client_session"},
		"Get with a next page":                   {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), strings.Replace(one(""), `"ok"`, `"pagination": {"has_next_page": true}, "ok"`, 1), nextPage},
		"Get with data after the end":            {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), one("") + "{}", "invalid JSON"},
		"Get of more than 4 MiB":                 {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), one("") + strings.Repeat(" ", 4<<20), "more than 4194304 bytes"},
		"Get with a session of the wrong type":   {get(seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}), `{"client_session": "t"}`, "expected an object"},
		"List with sessions of the wrong type":   {list, `{"client_sessions": [5]}`, "expected an object"},
		"List with null for a session":           {list, `{"client_sessions": [null]}`, "without an ID"},
		"List with null":                         {list, `{"client_sessions": null}`, "no array where one is expected"},
		"List without its key":                   {list, `{"ok": true}`, "has no client_sessions"},
		"List with an object in place of a list": {list, `{"client_sessions": {}}`, "no array where one is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := offline(t, func(req *http.Request) (*http.Response, error) {
				assert.NotEqual(t, "/client_sessions/revoke", req.URL.Path, "nothing is revoked")
				return response(http.StatusOK, tt.body)
			})
			err := tt.call(t.Context(), client.ClientSessions)
			assert.Equal(t, http.StatusOK, requireAPIError(t, err).StatusCode)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

// TestResponsesThatAreAccepted tests responses that are unusual but complete.
func TestResponsesThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		strings.Replace(oneSession, `, "ok": true`, "", 1),
		strings.Replace(oneSession, `"ok": true`, `"ok": null, "error": null`, 1),
		strings.Replace(oneSession, `"ok": true`, `"pagination": {"has_next_page": false, "next_page_cursor": null}, "warnings": []`, 1),
	} {
		session, err := offline(t, fake.Responds(http.StatusOK, body)).ClientSessions.
			GetOrCreate(t.Context(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane_doe"})
		require.NoError(t, err, body)
		assert.Equal(t, sessionID, session.ClientSessionID)
	}
}

// TestResponsesWithoutContent tests which responses mean that an operation without
// a result succeeded.
func TestResponsesWithoutContent(t *testing.T) {
	t.Parallel()
	for body, done := range map[string]bool{
		`{}`:                            true,
		`{"ok": true}`:                  true,
		`{"ok": true, "more": 1}`:       true,
		`{"client_session": {"a": 1}}`:  false,
		`{"ok": true, "error": {}}`:     false,
		`{"ok": false}`:                 false,
		`{"ok": null}`:                  false,
		`{"ok": "true"}`:                false,
		`{"error": {"type": "x"}}`:      false,
		`{"message": "down for today"}`: false,
		`[]`:                            false,
		`true`:                          false,
	} {
		err := serve(t, respond(http.StatusOK, body)).ClientSessions.Revoke(t.Context(), sessionID)
		assert.Equal(t, done, err == nil, body)
	}
}

// TestPostResults tests how Post decodes 2xx responses.
func TestPostResults(t *testing.T) {
	t.Parallel()
	type result struct {
		Devices []struct {
			DeviceID string `json:"device_id"`
		} `json:"devices"`
	}
	for name, tt := range map[string]struct {
		body string
		want string // the device ID
		err  string
	}{
		"content":             {body: `{"devices": [{"device_id": "1"}], "ok": true}`, want: "1"},
		"content without ok":  {body: `{"devices": [{"device_id": "1"}]}`, want: "1"},
		"a next page":         {body: `{"devices": [{"device_id": "1"}], "pagination": {"has_next_page": true}}`, want: "1"},
		"not ok":              {body: `{"devices": [{"device_id": "1"}], "ok": false}`, err: "says that the request failed"},
		"an error":            {body: `{"devices": [], "error": {"type": "t"}}`, err: "says that the request failed"},
		"another type":        {body: `{"devices": "seam_cst_secret"}`, err: "value of the wrong type, expected an array"},
		"null":                {body: `null`, err: "response is null"},
		"a list":              {body: `[]`, err: "expected an object"},
		"a page of a proxy":   {body: `<html>`, err: "invalid JSON"},
		"nothing":             {body: ``, err: "unexpected EOF"},
		"more than one value": {body: `{}{}`, err: "invalid JSON"},
		"more than 4 MiB":     {body: `{"a": "` + strings.Repeat("x", 4<<20) + `"}`, err: "more than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got result
			err := offline(t, fake.Responds(http.StatusOK, tt.body)).Post(t.Context(), "/devices/list", nil, &got)
			if tt.err != "" {
				assert.Equal(t, http.StatusOK, requireAPIError(t, err).StatusCode)
				require.ErrorContains(t, err, tt.err)
				assert.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			require.Len(t, got.Devices, 1)
			assert.Equal(t, tt.want, got.Devices[0].DeviceID)
		})
	}
	for body, done := range map[string]bool{`{}`: true, `{"ok": true}`: true, `{"device": {}, "ok": true}`: true, `{"device": {}}`: false, `<html>`: false, ``: false} {
		err := offline(t, fake.Responds(http.StatusOK, body)).Post(t.Context(), "/locks/lock_door", nil, nil)
		assert.Equal(t, done, err == nil, "%s without a result: %v", body, err)
	}
}

// TestListAndAllGiveTheSame tests that List and All return the same sessions.
func TestListAndAllGiveTheSame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"none", listOf(0), 0},
		{"one", listOf(1), 1},
		{"many", listOf(500), 500},
		{"other keys around", `{"meta": {"client_sessions": [1]}, "client_sessions": [{"client_session_id": "0", "token": "t"}], "page": null}`, 1},
		{"unknown fields", `{"client_sessions": [{"client_session_id": "0", "token": "t", "is_new": {"a": [1]}}]}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sessions := serve(t, respond(http.StatusOK, tt.body)).ClientSessions
			list, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
			require.NoError(t, err)
			require.NotNil(t, list, "an empty list is not nil")
			require.Len(t, list, tt.want)
			for i, session := range list {
				require.Equal(t, fmt.Sprint(i), session.ClientSessionID)
			}
			var streamed []seam.ClientSession
			for session, err := range sessions.All(t.Context(), seam.ClientSessionListParams{}) {
				require.NoError(t, err)
				streamed = append(streamed, session)
			}
			assert.Equal(t, list, append([]seam.ClientSession{}, streamed...))
		})
	}
}

// TestSessionsShareNoFields tests that a session has no fields of the session
// before it.
func TestSessionsShareNoFields(t *testing.T) {
	t.Parallel()
	sessions := serve(t, respond(http.StatusOK, `{"client_sessions": [
		{"client_session_id": "1", "token": "seam_cst1", "device_count": 5, "connect_webview_ids": ["a"], "user_identity_id": "i"},
		{"client_session_id": "2", "token": "t"},
		{"client_session_id": "3", "token": "t", "connect_webview_ids": ["b"]}
	]}`)).ClientSessions
	list, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	var streamed []seam.ClientSession
	for session, err := range sessions.All(t.Context(), seam.ClientSessionListParams{}) {
		require.NoError(t, err)
		streamed = append(streamed, session)
	}
	for _, got := range [][]seam.ClientSession{list, streamed} {
		assert.Equal(t, []seam.ClientSession{
			{ClientSessionID: "1", Token: "seam_cst1", DeviceCount: 5, ConnectWebviewIDs: []string{"a"}, UserIdentityID: "i"},
			{ClientSessionID: "2", Token: "t"},
			{ClientSessionID: "3", Token: "t", ConnectWebviewIDs: []string{"b"}},
		}, got)
	}
}

// TestListIsAllOrNothing tests that List returns no part of a list.
func TestListIsAllOrNothing(t *testing.T) {
	t.Parallel()
	client := serve(t, respond(http.StatusOK, `{"client_sessions": [{"client_session_id": "1", "token": "t"}, {}]}`))
	list, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.Error(t, err)
	assert.Nil(t, list)
}

// TestListRetryStartsOver tests that a retry of List discards the sessions of a cut
// response.
func TestListRetryStartsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := []fake.Transport{fake.Cut(http.StatusOK, listOf(100)[:3000]), fake.Responds(http.StatusOK, listOf(100))}
		client := offline(t, fake.Script(attempts...))
		list, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
		require.NoError(t, err)
		assert.Len(t, list, 100)
	})
}

// TestAllCut tests that All yields the sessions of a cut response, then the error,
// and does not retry.
func TestAllCut(t *testing.T) {
	t.Parallel()
	requests := 0
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		requests++
		return fake.Cut(http.StatusOK, listOf(100)[:3000])(req)
	})
	var got int
	var last error
	for session, err := range client.ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
		require.NoError(t, last, "an error is the last item")
		if last = err; err == nil {
			require.Equal(t, fmt.Sprint(got), session.ClientSessionID)
			got++
		}
	}
	require.ErrorIs(t, last, io.ErrUnexpectedEOF)
	assert.Positive(t, got)
	assert.Equal(t, 1, requests)
}

// TestAllBreak tests that a break ends All and closes the response.
func TestAllBreak(t *testing.T) {
	t.Parallel()
	body := &closing{Reader: strings.NewReader(listOf(1000))}
	client := offline(t, func(*http.Request) (*http.Response, error) {
		resp, err := response(http.StatusOK, "")
		resp.Body = body
		return resp, err
	})
	seen := 0
	for _, err := range client.ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
		require.NoError(t, err)
		if seen++; seen == 3 {
			break
		}
	}
	assert.Equal(t, 3, seen)
	assert.True(t, body.closed)
}

// TestAllBreakBeforeAnError tests that All yields nothing after a break, even if the
// same read returns an error.
func TestAllBreakBeforeAnError(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		resp, err := response(http.StatusOK, "")
		resp.Body = io.NopCloser(fake.Reader(func(p []byte) (int, error) {
			return copy(p, listOf(3)[:120]), io.ErrUnexpectedEOF
		}))
		return resp, err
	})
	entered := 0
	for _, err := range client.ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
		t.Log(err) // the two decoders may return the session or the error
		entered++
		break
	}
	assert.Equal(t, 1, entered)
}

// TestAllContextEnds tests that the end of the context ends a loop, even if the
// rest of the response has arrived.
func TestAllContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := serve(t, respond(http.StatusOK, listOf(50)))
	seen, last := 0, error(nil)
	for _, err := range client.ClientSessions.All(ctx, seam.ClientSessionListParams{}) {
		if last = err; err == nil {
			seen++
		}
		cancel()
	}
	require.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 1, seen)
}

// trickle is a body. Each read waits and returns up to ten bytes.
type trickle struct {
	ctx   context.Context
	rest  string
	pause time.Duration
}

func (r *trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(r.pause):
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
	if r.rest == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 10)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestAllSlowLoop tests that the time in the loop body counts towards no timeout.
func TestAllSlowLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			resp, err := response(http.StatusOK, "")
			resp.Body = io.NopCloser(&trickle{ctx: req.Context(), rest: listOf(5), pause: 20 * time.Second})
			return resp, err
		}, seam.WithTimeout(30*time.Second))
		seen := 0
		for _, err := range client.ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
			require.NoError(t, err)
			seen++
			time.Sleep(time.Hour)
		}
		assert.Equal(t, 5, seen)
	})
}

// TestAllStalledResponse tests that the timeout limits each pause of a response.
func TestAllStalledResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		client := offline(t, fake.Stalls(`{"client_sessions": [{"client_session_id": "0", "token": "t"},`), seam.WithTimeout(30*time.Second))
		seen, last := 0, error(nil)
		for _, err := range client.ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
			if last = err; err == nil {
				seen++
			}
		}
		require.ErrorIs(t, last, context.DeadlineExceeded)
		assert.Equal(t, 1, seen)
		assert.Equal(t, 30*time.Second, time.Since(start))
	})
}

// TestResponsesTakeLittleMemory tests members that the package reads but does not keep.
//
//nolint:paralleltest // it counts allocations
func TestResponsesTakeLittleMemory(t *testing.T) {
	objects := "[" + strings.Repeat("{},", 1<<20) + "{}]"
	for _, name := range []string{"ok", "error", "other"} {
		sessions := offline(t, fake.Responds(http.StatusOK, `{"`+name+`": `+objects+`}`)).ClientSessions
		allocations := testing.AllocsPerRun(1, func() {
			_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
			require.Error(t, err)
		})
		assert.Less(t, allocations, 1000.0, name)
	}
}
