package seam

import (
	"flag"
	"net/http"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/fake"
)

var runLarge = flag.Bool("large", false, "run TestListMemory")

// TestListMemory tests the limit of a list's memory with many small sessions, and with
// elements without text. The list exceeds the limit by neither of them alone.
func TestListMemory(t *testing.T) {
	t.Parallel()
	if !*runLarge {
		t.Skip("decodes 80 MB; make chaos runs it")
	}
	elements := strings.Repeat(`"",`, 1<<18-1) + `""`
	large := `{"client_session_id": "1", "token": "t", "connect_webview_ids": [` + elements + `],
		"connected_account_ids": [` + elements + `], "user_identity_ids": [` + elements + `]}`
	body := `{"client_sessions": [` + strings.Repeat(`{"client_session_id": "1", "token": "t"},`, 700_000) + strings.Repeat(large+",", 3) + large + `]}`
	client, err := NewClient(WithAPIKey("seam_test_key"), WithTimeout(10*time.Minute), WithHTTPClient(&http.Client{Transport: fake.Responds(http.StatusOK, body)}))
	require.NoError(t, err)
	_, err = client.ClientSessions.List(t.Context(), ClientSessionListParams{})
	require.ErrorIs(t, err, errListTooLarge)
	require.EqualError(t, err, "seam: POST /client_sessions/list: 200 OK: response needs more than 268435456 bytes of memory; use All or a filter (request request1)")
}

// TestSessionSize tests the size of a session that the limit of a list's memory assumes.
func TestSessionSize(t *testing.T) {
	t.Parallel()
	assert.LessOrEqual(t, unsafe.Sizeof(ClientSession{}), 20*unsafe.Sizeof(""))
}
