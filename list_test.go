package seam_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

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

// listOf is a list of sessions with the IDs 0 to n-1.
func listOf(n int) string {
	sessions := make([]string, n)
	for i := range sessions {
		sessions[i] = fmt.Sprintf(`{"client_session_id": "%d", "token": "seam_cst%d", "device_count": %d}`, i, i, i)
	}
	return `{"client_sessions": [` + strings.Join(sessions, ",") + `], "ok": true}`
}

func TestListAndAllGiveTheSame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"none", listOf(0), 0},
		{"one", listOf(1), 1},
		{"many", listOf(5000), 5000},
		{"other keys around", `{"meta": {"client_sessions": [1]}, "client_sessions": [{"client_session_id": "0", "token": "t"}], "page": null}`, 1},
		{"unknown fields", `{"client_sessions": [{"client_session_id": "0", "token": "t", "is_new": {"a": [1]}}]}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sessions := serve(t, answer(http.StatusOK, tt.body)).ClientSessions
			list, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
			require.NoError(t, err)
			require.NotNil(t, list, "an empty list is one")
			require.Len(t, list, tt.want)
			for i, session := range list {
				require.Equal(t, fmt.Sprint(i), session.ClientSessionID)
			}
			var walked []seam.ClientSession
			for session, err := range sessions.All(t.Context(), seam.ClientSessionListParams{}) {
				require.NoError(t, err)
				walked = append(walked, session)
			}
			assert.Equal(t, list, append([]seam.ClientSession{}, walked...))
		})
	}
}

// TestListStartsAfresh has the first answer cut in the list: its sessions must
// not be there twice.
func TestListStartsAfresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := []attempt{cutsOff(http.StatusOK, listOf(100)[:3000]), answers(http.StatusOK, listOf(100))}
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			now := script[0]
			script = script[1:]
			return now(req)
		})
		list, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
		require.NoError(t, err)
		assert.Len(t, list, 100)
	})
}

// TestAllCutShort gives what came, then the error, and sends nothing again.
func TestAllCutShort(t *testing.T) {
	t.Parallel()
	requests := 0
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		requests++
		return cutsOff(http.StatusOK, listOf(100)[:3000])(req)
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

// TestAllLeftEarly ends the loop after a few sessions: nothing stays open, and
// no error comes.
func TestAllLeftEarly(t *testing.T) {
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

// TestAllLeftEarlyBesideAnError has the error come with the data: the loop that
// was left must not be entered again.
func TestAllLeftEarlyBesideAnError(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		resp, err := response(http.StatusOK, "")
		resp.Body = io.NopCloser(reader(func(p []byte) (int, error) {
			return copy(p, listOf(3)[:120]), io.ErrUnexpectedEOF
		}))
		return resp, err
	})
	entered := 0
	for _, err := range client.ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
		t.Log(err) // nil or not: decoders differ in that
		entered++
		break
	}
	assert.Equal(t, 1, entered)
}

// TestAllWhenTheContextEnds cancels inside of the loop, with all that is left
// already here.
func TestAllWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := serve(t, answer(http.StatusOK, listOf(50)))
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

// TestElementsAreApart has fields in one session that the next one lacks.
func TestElementsAreApart(t *testing.T) {
	t.Parallel()
	client := serve(t, answer(http.StatusOK, `{"client_sessions": [
		{"client_session_id": "1", "token": "seam_cst1", "device_count": 5, "connect_webview_ids": ["a"], "user_identity_id": "i"},
		{"client_session_id": "2", "token": "t"},
		{"client_session_id": "3", "token": "t", "connect_webview_ids": ["b"]}
	]}`))
	list, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	assert.Equal(t, []seam.ClientSession{
		{ClientSessionID: "1", Token: "seam_cst1", DeviceCount: 5, ConnectWebviewIDs: []string{"a"}, UserIdentityID: "i"},
		{ClientSessionID: "2", Token: "t"},
		{ClientSessionID: "3", Token: "t", ConnectWebviewIDs: []string{"b"}},
	}, list)
}

// TestListThatBreaksOff gives no part of a list.
func TestListThatBreaksOff(t *testing.T) {
	t.Parallel()
	client := serve(t, answer(http.StatusOK, `{"client_sessions": [{"client_session_id": "1", "token": "t"}, {}]}`))
	list, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.Error(t, err)
	assert.Nil(t, list)
}

// TestLongList is longer than any single value may be.
func TestLongList(t *testing.T) {
	t.Parallel()
	body := listOf(100_000)
	require.Greater(t, len(body), 6<<20)
	list, err := serve(t, answer(http.StatusOK, body)).ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	assert.Len(t, list, 100_000)
}

// TestAllInASlowLoop spends longer in the loop than any timeout.
func TestAllInASlowLoop(t *testing.T) {
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

// TestAllWithAStall has a pause in the answer that is longer than the timeout.
func TestAllWithAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		client := offline(t, stalls(`{"client_sessions": [{"client_session_id": "0", "token": "t"},`), seam.WithTimeout(30*time.Second))
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

// trickle is a body of which each read waits and gives ten bytes.
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

// TestListIsBounded has a list without an end, of which each session is small
// enough. All takes what comes; List would hold it.
func TestListIsBounded(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	begin := strings.NewReader(`{"client_sessions": [`)
	session := []byte(`{"client_session_id": "1", "token": "t", "more": "` + strings.Repeat("x", 1<<20) + `"},`)
	sent, rest := 0, session
	client := offline(t, func(*http.Request) (*http.Response, error) {
		resp, err := response(http.StatusOK, "")
		resp.Body = io.NopCloser(io.MultiReader(begin, reader(func(p []byte) (int, error) {
			n := copy(p, rest)
			if rest = rest[n:]; len(rest) == 0 {
				rest = session
			}
			sent += n
			return n, nil
		})))
		return resp, err
	}, seam.WithTimeout(time.Hour)) // as the race detector makes it slow
	list, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.ErrorContains(t, err, "more than 268435456 bytes")
	assert.Equal(t, 1, requireAPIError(t, err).Attempts)
	assert.Nil(t, list)
	assert.LessOrEqual(t, sent, 256<<20)

	begin.Reset(`{"client_sessions": [`)
	sent, rest = 0, session
	for _, err := range client.ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
		require.NoError(t, err)
		if sent > 257<<20 {
			break
		}
	}
}

// TestListOfManySmallSessions takes more room than its JSON.
func TestListOfManySmallSessions(t *testing.T) {
	t.Parallel()
	one := `{"client_session_id":"1","token":"t"},`
	client := offline(t, func(*http.Request) (*http.Response, error) {
		return response(http.StatusOK, `{"client_sessions":[`+strings.TrimSuffix(strings.Repeat(one, 2_000_000), ",")+`]}`)
	})
	_, err := client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.ErrorContains(t, err, "needs more than 268435456 bytes of memory")
}

// TestListOfLongLists has little JSON that takes much memory: sessions with lists
// of empty texts.
func TestListOfLongLists(t *testing.T) {
	t.Parallel()
	one := `{"client_session_id":"1","token":"t","connect_webview_ids":["` + strings.Repeat(`","`, 1<<20) + `"]}`
	sessions := offline(t, answers(http.StatusOK, `{"client_sessions":[`+strings.Repeat(one+",", 20)+one+`]}`)).ClientSessions
	_, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
	require.ErrorContains(t, err, "needs more than 268435456 bytes of memory")
	_, err = sessions.RevokeAll(t.Context(), seam.ClientSessionListParams{ClientSessionID: "1"})
	require.ErrorContains(t, err, "needs more than 268435456 bytes of memory")
}

func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	endless := func(begin string) attempt {
		return func(*http.Request) (*http.Response, error) {
			resp, err := response(http.StatusOK, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(begin), reader(func(p []byte) (int, error) {
				return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
			})))
			return resp, err
		}
	}
	for name, begin := range map[string]string{
		"in a session": `{"client_session": {"token": "`,
		"in a list":    `{"client_sessions": [{"client_session_id": "0", "token": "t"}, {"token": "`,
		"beside it":    `{"other": "`,
	} {
		for _, op := range operations {
			t.Run(name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				err := op.smallest(t.Context(), offline(t, endless(begin)))
				assert.Equal(t, 1, requireAPIError(t, err).Attempts)
				assert.ErrorContains(t, err, "more than")
			})
		}
	}
}
