package benchmark_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// The benchmarks come in pairs, seam and floor. `make bench` runs them in turn and
// compares them with benchstat.

const endpoint = "https://connect.getseam.com"

// inMemory is a transport with almost no cost.
type inMemory []byte

func (body inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: req,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, req.Body.Close()
}

// newClient returns a client of the real endpoint, unless opts contain another one.
func newClient(tb testing.TB, opts ...seam.Option) *seam.Client {
	tb.Helper()
	client, err := seam.NewClient(append([]seam.Option{
		seam.WithAPIKey("seam_test_key"),
		seam.WithEndpoint(endpoint),
	}, opts...)...)
	require.NoError(tb, err)
	return client
}

func documentedAnswer(tb testing.TB) []byte {
	tb.Helper()
	body, err := os.ReadFile("../../testdata/documented/get.json")
	require.NoError(tb, err)
	return body
}

// documentedList returns a list of n copies of the session in Seam's documentation.
func documentedList(tb testing.TB, n int) []byte {
	tb.Helper()
	one := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(documentedAnswer(tb))), `{
  "client_session": `), "\n}")
	return []byte(`{"client_sessions":[` + strings.Repeat(one+",", n-1) + one + `],"ok":true}`)
}

func BenchmarkGet(b *testing.B) {
	body := inMemory(documentedAnswer(b))
	b.Run("who=floor", func(b *testing.B) {
		floor := newFloor(body, endpoint)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := floor.get(b.Context(), "jane_doe"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("who=seam", func(b *testing.B) {
		sessions := newClient(b, seam.WithHTTPClient(&http.Client{Transport: body})).ClientSessions
		b.ReportAllocs()
		for b.Loop() {
			if _, err := sessions.Get(b.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkGetOverLoopback calls Get from many goroutines and counts the connections.
func BenchmarkGetOverLoopback(b *testing.B) {
	body := documentedAnswer(b)
	for _, chunked := range []bool{false, true} {
		for _, workers := range []int{1, 16, 64, 256} {
			for _, who := range []string{"floor", "seam"} {
				b.Run(fmt.Sprintf("chunked=%t/workers=%d/who=%s", chunked, workers, who), func(b *testing.B) {
					var made atomic.Int64
					server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						if chunked {
							_, _ = w.Write(body[:20])
							_ = http.NewResponseController(w).Flush()
							_, _ = w.Write(body[20:])
							return
						}
						_, _ = w.Write(body)
					}))
					server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
						if state == http.StateNew {
							made.Add(1)
						}
					}
					server.Start()
					defer server.Close()
					tuned := http.DefaultTransport.(*http.Transport).Clone()
					tuned.MaxIdleConns, tuned.MaxIdleConnsPerHost = 0, 1024
					floor := newFloor(tuned, server.URL)
					sessions := newClient(b, seam.WithEndpoint(server.URL)).ClientSessions

					var group sync.WaitGroup
					calls := make(chan struct{}, workers)
					b.ResetTimer()
					for range workers {
						group.Go(func() {
							for range calls {
								var err error
								if who == "floor" {
									_, err = floor.get(b.Context(), "jane_doe")
								} else {
									_, err = sessions.Get(b.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
								}
								if err != nil {
									b.Error(err)
								}
							}
						})
					}
					for range b.N {
						calls <- struct{}{}
					}
					close(calls)
					group.Wait()
					b.ReportMetric(float64(made.Load()), "conns")
				})
			}
		}
	}
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		body := inMemory(documentedList(b, n))
		b.Run(fmt.Sprintf("sessions=%d/who=floor", n), func(b *testing.B) {
			floor := newFloor(body, endpoint)
			b.ReportAllocs()
			for b.Loop() {
				if list, err := floor.list(b.Context()); err != nil || len(list) != n {
					b.Fatal(len(list), err)
				}
			}
		})
		b.Run(fmt.Sprintf("sessions=%d/who=seam", n), func(b *testing.B) {
			sessions := newClient(b, seam.WithHTTPClient(&http.Client{Transport: body})).ClientSessions
			b.ReportAllocs()
			for b.Loop() {
				if list, err := sessions.List(b.Context(), seam.ClientSessionListParams{}); err != nil || len(list) != n {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}

// heapMiB returns the size of the heap in use, in MiB.
func heapMiB() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // since what is in a pool outlives the first
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc) / (1 << 20)
}

// BenchmarkAll iterates over a list and measures the heap.
func BenchmarkAll(b *testing.B) {
	const n = 200_000
	body := inMemory(documentedList(b, n))
	b.Run("who=floor", func(b *testing.B) {
		floor := newFloor(body, endpoint)
		var grown float64
		for b.Loop() {
			before := heapMiB()
			list, err := floor.list(b.Context())
			if err != nil || len(list) != n {
				b.Fatal(len(list), err)
			}
			grown = max(grown, heapMiB()-before)
			runtime.KeepAlive(list)
		}
		b.ReportMetric(grown, "heap-MiB")
	})
	b.Run("who=seam", func(b *testing.B) {
		sessions := newClient(b, seam.WithHTTPClient(&http.Client{Transport: body})).ClientSessions
		var grown float64
		for b.Loop() {
			before, seen := heapMiB(), 0
			for _, err := range sessions.All(b.Context(), seam.ClientSessionListParams{}) {
				if err != nil {
					b.Fatal(err)
				}
				if seen++; seen == n/2 {
					grown = max(grown, heapMiB()-before)
				}
			}
			if seen != n {
				b.Fatal(seen)
			}
		}
		b.ReportMetric(grown, "heap-MiB")
	})
}

// BenchmarkKept lists many sessions and keeps one of them.
func BenchmarkKept(b *testing.B) {
	body := inMemory(documentedList(b, 100_000))
	sessions := newClient(b, seam.WithHTTPClient(&http.Client{Transport: body})).ClientSessions
	var kept seam.ClientSession
	grown := math.Inf(1)
	for b.Loop() {
		before := heapMiB()
		list, err := sessions.List(b.Context(), seam.ClientSessionListParams{})
		if err != nil {
			b.Fatal(err)
		}
		kept = list[5000]
		grown = min(grown, heapMiB()-before)
		runtime.KeepAlive(kept)
	}
	b.ReportMetric(grown*1024, "heap-KiB")
}

func BenchmarkNewClient(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seam.NewClient(seam.WithAPIKey("seam_test_key")); err != nil {
			b.Fatal(err)
		}
	}
}
