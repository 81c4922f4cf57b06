package seam

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestListMemory tests the limit of a list's memory with sessions that have the most memory
// for their JSON: many elements without text.
func TestListMemory(t *testing.T) {
	t.Parallel()
	elements := strings.Repeat(`"",`, 1<<18-1) + `""`
	session := `{"client_session_id": "1", "token": "t", "connect_webview_ids": [` + elements + `],
		"connected_account_ids": [` + elements + `], "user_identity_ids": [` + elements + `]}`
	for n, fits := range map[int]bool{21: true, 22: false} {
		client, err := NewClient(WithAPIKey("seam_test_key"), WithHTTPClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			body := `{"client_sessions": [` + strings.Repeat(session+",", n-1) + session + `]}`
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
		})}))
		require.NoError(t, err)
		list, err := client.ClientSessions.List(t.Context(), ClientSessionListParams{})
		if fits {
			require.NoError(t, err)
			assert.Len(t, list, n)
		} else {
			require.ErrorIs(t, err, errListTooLarge)
			require.EqualError(t, err, "seam: POST /client_sessions/list: 200 OK: response needs more than 268435456 bytes of memory; use All or a filter")
		}
	}
}

// TestSessionSize tests the size of a session that the limit of a list's memory assumes.
func TestSessionSize(t *testing.T) {
	t.Parallel()
	assert.LessOrEqual(t, unsafe.Sizeof(ClientSession{}), 20*unsafe.Sizeof(""))
}
