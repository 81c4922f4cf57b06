package seam_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

var (
	seed  = flag.Uint64("seed", 0, "of TestChaos; 0 for a new one")
	calls = flag.Int("calls", 2000, "how many TestChaos makes")
)

// chaos stands before a Seam server and spoils a part of the calls, before or
// after they have taken effect.
type chaos struct {
	t     *testing.T
	proxy *httputil.ReverseProxy

	mu      sync.Mutex
	rng     *rand.Rand
	creates map[string]int // that took effect, by customer key
}

// spoilt are the ways to answer other than with the answer. The first, 429, is a
// promise that nothing was done. One more is to reset the connection.
var spoilt = []attempt{
	answers(429, ""), answers(500, ""), answers(502, "<html>"), asksToWait(503, "0"), asksToWait(503, "86400"), answers(501, ""),
	answers(408, ""), redirects(307), answers(200, "<html>"), answers(200, ""), endless,
	cutsOff(200, `{"client_`), cutsOff(400, `{"err`), stalls(`{"client_`), hangs, fails(io.EOF),
}

func (c *chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	spoil, which, effect := c.rng.IntN(100) < 15, c.rng.IntN(len(spoilt)+1), c.rng.IntN(2) == 0
	c.mu.Unlock()

	recorder := httptest.NewRecorder()
	if !spoil || effect && which > 0 {
		c.forward(recorder, r)
	}
	switch {
	case !spoil:
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	case which == len(spoilt):
		conn, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(c.t, err) {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	default:
		attemptHandler(spoilt[which]).ServeHTTP(w, r)
	}
}

// forward has the call take effect, even if its caller has gone by then.
func (c *chaos) forward(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/client_sessions/create" {
		c.mu.Lock()
		c.creates[r.Header.Get("X-Customer")]++
		c.mu.Unlock()
	}
	c.proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}

// TestChaos makes calls from 64 goroutines to a server that spoils many of them.
// Each must end in its result or in a typed error; nothing may be created twice,
// and what a caller was told of must be there. In the end nothing is left open.
//
//nolint:paralleltest // it looks for goroutines that are left
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const workers = 64
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("go test -run TestChaos -calls %d -seed %d .", *calls, *seed)
	before := goleak.IgnoreCurrent()

	srv, err := seamtest.Start()
	require.NoError(t, err)
	inner := http.DefaultTransport.(*http.Transport).Clone()
	inner.MaxIdleConnsPerHost = workers
	target, err := url.Parse(srv.URL)
	require.NoError(t, err)
	c := &chaos{t: t, rng: rand.New(rand.NewPCG(*seed, 0)), creates: map[string]int{}}
	c.proxy = &httputil.ReverseProxy{Transport: inner, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	var open atomic.Int64
	server := httptest.NewUnstartedServer(c)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	server.Start()
	outer := http.DefaultTransport.(*http.Transport).Clone()
	outer.MaxIdleConnsPerHost = workers
	client := newClient(t, seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(server.URL),
		seam.WithHTTPClient(&http.Client{Transport: outer}), seam.WithTimeout(time.Second))

	var told sync.Map // IDs of sessions, by customer key
	errs := make(chan error, workers)
	for worker := range uint64(workers) {
		go func() {
			rng := rand.New(rand.NewPCG(*seed, worker+1))
			var mine []string
			for call := range *calls / workers {
				if err := randomCall(t.Context(), client.ClientSessions, rng, fmt.Sprint(worker, "-", call), &mine, &told); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range workers {
		require.NoError(t, <-errs)
	}

	for customer, times := range c.creates {
		require.Equal(t, 1, times, "creates of %s", customer)
	}
	there := map[string]string{}
	for session, err := range srv.Client(t).ClientSessions.All(t.Context(), seam.ClientSessionListParams{}) {
		require.NoError(t, err)
		there[session.CustomerKey] = session.ClientSessionID
	}
	told.Range(func(customer, id any) bool {
		return assert.Equal(t, id, there[customer.(string)], "the session of %s", customer)
	})
	assert.Greater(t, len(there), *calls/20, "some were created at all")

	outer.CloseIdleConnections()
	assert.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, time.Millisecond, "no connection is left")
	server.Close()
	inner.CloseIdleConnections()
	srv.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

// randomCall makes one call. It returns an error if the call ends in a way in
// which no call may end.
func randomCall(ctx context.Context, s *seam.ClientSessionsService, rng *rand.Rand, customer string, mine *[]string, told *sync.Map) error {
	var session *seam.ClientSession
	var err error
	id := "unknown"
	if len(*mine) > 0 {
		id = (*mine)[rng.IntN(len(*mine))]
	}
	switch op := rng.IntN(10); op {
	case 0, 1:
		session, err = s.Create(ctx, seam.ClientSessionCreateParams{CustomerKey: customer}, seam.WithHeader("X-Customer", customer))
		if err == nil {
			told.Store(customer, session.ClientSessionID)
			*mine = append(*mine, session.ClientSessionID)
			if session.CustomerKey != customer {
				return fmt.Errorf("asked for a session of %s, got %v", customer, session)
			}
		}
	case 2, 3:
		session, err = s.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "user " + customer})
		if err == nil && session.UserIdentifierKey != "user "+customer {
			return fmt.Errorf("asked for a session of user %s, got %v", customer, session)
		}
		if err == nil && op == 3 { // a session that nobody else counts on
			err = s.Revoke(ctx, session.ClientSessionID)
		}
	case 4:
		err = s.Delete(ctx, "unknown")
	case 5:
		err = s.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{ClientSessionID: id, ConnectWebviewIDs: []string{webviewID}})
	case 6:
		var list []seam.ClientSession
		list, err = s.List(ctx, seam.ClientSessionListParams{ClientSessionID: id})
		if err == nil && id != "unknown" && (len(list) != 1 || list[0].ClientSessionID != id) {
			return fmt.Errorf("asked for a list of %s, got %v", id, list)
		}
	case 7:
		for session, allErr := range s.All(ctx, seam.ClientSessionListParams{ClientSessionID: id}) {
			if err = allErr; err == nil && session.ClientSessionID != id {
				return fmt.Errorf("asked for all of %s, got %v", id, session)
			}
		}
	default:
		session, err = s.Get(ctx, seam.ClientSessionGetParams{ClientSessionID: id})
		if err == nil && session.ClientSessionID != id {
			return fmt.Errorf("asked for %s, got %v", id, session)
		}
	}
	var apiErr *seam.APIError
	var netErr *net.OpError
	switch {
	case err == nil, errors.As(err, &apiErr), errors.As(err, &netErr):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF):
	default:
		return fmt.Errorf("an error of no known type: %w", err)
	}
	return nil
}

// TestUntrustedCertificate calls a server that cannot prove who it is, once.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	var made atomic.Int64
	server := httptest.NewUnstartedServer(answer(http.StatusOK, oneSession))
	server.Config.ErrorLog = nil
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, seam.WithEndpoint(server.URL))
	for i, op := range operations {
		err := op.smallest(t.Context(), client)
		var untrusted *tls.CertificateVerificationError
		require.ErrorAs(t, err, &untrusted)
		assert.Equal(t, int64(i+1), made.Load(), "it is tried once")
	}
}

// TestMemory has servers answer with far more than is read.
//
//nolint:paralleltest // it measures the memory of the whole process
func TestMemory(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	for range 128 {
		_, err := zip.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, zip.Close())
	bombs := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(status)
			_, _ = w.Write(bomb.Bytes())
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"gzip bomb":             bombs(http.StatusOK),
		"gzip bomb in an error": bombs(http.StatusBadGateway),
		"a gibibyte":            attemptHandler(endless).ServeHTTP,
		"deep":                  answer(http.StatusOK, string(bytes.Repeat([]byte(`{"client_sessions":[`), 100_000))),
	} {
		for _, op := range operations {
			client := serve(t, handler, seam.WithMaxRetries(0))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			require.Error(t, op.smallest(t.Context(), client))
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "%s/%s", name, op.name)
		}
	}
}
