package benchmark_test

import (
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestCost limits the allocations of calls, compared with those of the floor.
//
//nolint:paralleltest // what other tests allocate would count
func TestCost(t *testing.T) {
	one, many := inMemory(documentedAnswer(t)), inMemory(documentedList(t, 10_000))
	const key = "jane_doe"
	clientOf := func(body inMemory) *seam.ClientSessionsService {
		return newClient(t, seam.WithHTTPClient(&http.Client{Transport: body})).ClientSessions
	}
	floorOne, floorMany := newFloor(one, endpoint), newFloor(many, endpoint)
	sessionsOne, sessionsMany := clientOf(one), clientOf(many)

	floorAllocs := testing.AllocsPerRun(100, func() {
		_, err := floorOne.get(t.Context(), key)
		require.NoError(t, err)
	})
	allocs := testing.AllocsPerRun(100, func() {
		_, err := sessionsOne.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: key})
		require.NoError(t, err)
	})
	assert.LessOrEqual(t, allocs, min(60, floorAllocs), "allocations of a Get")

	floorBytes := allocated(func() {
		_, err := floorMany.list(t.Context())
		require.NoError(t, err)
	})
	bytes := allocated(func() {
		_, err := sessionsMany.List(t.Context(), seam.ClientSessionListParams{})
		require.NoError(t, err)
	})
	assert.LessOrEqual(t, bytes, 0.6*floorBytes, "bytes that a List allocates")
}

// allocated returns the number of bytes that f allocates.
func allocated(f func()) float64 {
	var before, after runtime.MemStats
	f() // fills pools and caches
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}
