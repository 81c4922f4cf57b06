package seam_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestWalkedLists says what becomes of lists, well made and hostile. It holds for
// either decoder that a build may have, encoding/json or encoding/json/v2: run
// it with both.
func TestWalkedLists(t *testing.T) {
	t.Parallel()
	one := func(fields string) string {
		return `{"client_sessions": [{"client_session_id": "1", "token": "t"` + fields + `}], "ok": true}`
	}
	session := func(set func(*seam.ClientSession)) []seam.ClientSession {
		s := seam.ClientSession{ClientSessionID: "1", Token: "t"}
		set(&s)
		return []seam.ClientSession{s}
	}
	plain := session(func(*seam.ClientSession) {})
	for _, tt := range []struct {
		name, body string
		want       []seam.ClientSession
		refused    string // part of the error
	}{
		{name: "plain", body: one(""), want: plain},
		{name: "white space", body: "\n\t " + strings.ReplaceAll(one(""), " ", "\r\n") + " \n", want: plain},
		{name: "unknown field", body: one(`, "a": [{"b": [1, null, true, "x"]}]`), want: plain},
		{name: "unknown key before", body: `{"a": {"client_sessions": [5]}, ` + one("")[1:], want: plain},
		{name: "name in capitals", body: one(`, "TOKEN": "t"`), want: session(func(s *seam.ClientSession) { s.Token = "t" })},
		{name: "name without underscores", body: one(`, "workspaceid": "w", "workspace-id": "w"`), want: plain},
		{name: "name twice", body: one(`, "token": "a", "token": "b"`), want: session(func(s *seam.ClientSession) { s.Token = "b" })},
		{name: "key twice", body: `{"client_sessions": [], ` + one("")[1:], want: plain},
		{name: "invalid UTF-8", body: one(`, "token": "a` + "\xff" + `b"`), want: session(func(s *seam.ClientSession) { s.Token = "a\ufffdb" })},
		{name: "half a surrogate pair", body: one(`, "token": "\ud800"`), want: session(func(s *seam.ClientSession) { s.Token = "\ufffd" })},
		{name: "escapes", body: one(`, "token": "\u0041\n\/\ud83d\ude00"`), want: session(func(s *seam.ClientSession) { s.Token = "A\n/😀" })},
		{name: "empty list of IDs", body: one(`, "connect_webview_ids": []`), want: session(func(s *seam.ClientSession) { s.ConnectWebviewIDs = []string{} })},
		{name: "null for everything", body: one(`, "connect_webview_ids": null, "created_at": null, "device_count": null`), want: plain},
		{name: "time with a zone", body: one(`, "created_at": "2025-06-15T16:54:17.9+02:00"`), want: session(func(s *seam.ClientSession) {
			s.CreatedAt = time.Date(2025, 6, 15, 14, 54, 17, 900_000_000, time.UTC)
		})},
		{name: "count", body: one(`, "device_count": 3`), want: session(func(s *seam.ClientSession) { s.DeviceCount = 3 })},
		{name: "no sessions", body: `{"client_sessions": []}`, want: []seam.ClientSession{}},

		{name: "nothing", body: "", refused: "unexpected EOF"},
		{name: "null", body: "null", refused: "JSON object"},
		{name: "a list", body: "[]", refused: "JSON object"},
		{name: "without the key", body: `{"ok": true}`, refused: "has no client_sessions"},
		{name: "key as null", body: `{"client_sessions": null}`, refused: "array is expected"},
		{name: "key as an object", body: `{"client_sessions": {}}`, refused: "array is expected"},
		{name: "session as null", body: `{"client_sessions": [null]}`, refused: "a client session without an ID"},
		{name: "session as a text", body: `{"client_sessions": ["1"]}`, refused: "wrong type"},
		{name: "session without an ID", body: `{"client_sessions": [{}]}`, refused: "a client session without an ID"},
		{name: "count as 3.0", body: one(`, "device_count": 3.0`), refused: "wrong type, expected an integer"},
		{name: "count as 1e300", body: one(`, "device_count": 1e300`), refused: "wrong type, expected an integer"},
		{name: "count as a text", body: one(`, "device_count": "3"`), refused: "wrong type"},
		{name: "count that is too large", body: one(`, "device_count": 1e999`), refused: "cannot be decoded"},
		{name: "count with a leading zero", body: one(`, "device_count": 01`), refused: "cannot be decoded"},
		{name: "IDs as a text", body: one(`, "connect_webview_ids": "a"`), refused: "wrong type"},
		{name: "time that is none", body: one(`, "created_at": "yesterday"`), refused: "cannot be decoded"},
		{name: "time without a zone", body: one(`, "created_at": "2025-06-15T16:54:17"`), refused: "cannot be decoded"},
		{name: "cut off", body: strings.TrimSuffix(one(""), `, "ok": true}`), refused: "unexpected EOF"},
		{name: "cut off in a session", body: `{"client_sessions": [{"client_se`, refused: "unexpected EOF"},
		{name: "more after the end", body: one("") + "{}", refused: "data after the end"},
		{name: "garbage after the end", body: one("") + "x", refused: "data after the end"},
		{name: "comma at the end", body: `{"client_sessions": [{"client_session_id": "1", "token": "t"},]}`, refused: "cannot be decoded"},
		{name: "control character in a text", body: one(`, "token": "a` + "\x01" + `"`), refused: "cannot be decoded"},
		{name: "wrong bracket", body: `{"client_sessions": [}`, refused: "cannot be decoded"},
		{name: "too deep", body: `{"a": ` + strings.Repeat("[", 100_000), refused: "cannot be decoded"},
		{name: "too deep in a session", body: one(`, "a": ` + strings.Repeat(`{"a":`, 100_000)), refused: "cannot be decoded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sessions := offline(t, answers(http.StatusOK, tt.body)).ClientSessions
			got, err := sessions.List(t.Context(), seam.ClientSessionListParams{})
			if tt.refused != "" {
				require.ErrorContains(t, err, tt.refused)
				assert.Nil(t, got)
				return
			}
			require.NoError(t, err)
			assert.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}
