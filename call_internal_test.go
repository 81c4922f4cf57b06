package seam

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/transport"
)

// heavy says that it takes 64 MiB of memory, and takes none.
type heavy struct{}

func (*heavy) size() int { return 64 << 20 }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestListMemory tests the limit of a list's memory, which takes long to reach
// with sessions.
func TestListMemory(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`{"values": [{}, {}, {}, {}]}`:     4,
		`{"values": [{}, {}, {}, {}, {}]}`: 0,
	} {
		cfg := config{endpoint: DefaultEndpoint, timeout: time.Minute, transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
		})}
		call := newCall(func() config { return cfg }, "Test.List", "/test/list", transport.RetryTransient, nil)
		call.params = struct{}{}
		values, err := list(t.Context(), call, "values", func(*heavy) error { return nil })
		assert.Len(t, values, want)
		if want == 0 {
			require.ErrorIs(t, err, errListTooLarge)
			require.EqualError(t, err, "seam: POST /test/list: 200 OK: response needs more than 268435456 bytes of memory; use All or a filter")
		} else {
			require.NoError(t, err)
		}
	}
}

// TestClientSessionSize tests that the elements of each field count.
func TestClientSessionSize(t *testing.T) {
	t.Parallel()
	session := ClientSession{ConnectWebviewIDs: make([]string, 1), ConnectedAccountIDs: make([]string, 10), UserIdentityIDs: make([]string, 100)}
	assert.Equal(t, int(unsafe.Sizeof(session)+111*unsafe.Sizeof("")), session.size())
}
