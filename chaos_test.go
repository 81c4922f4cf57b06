package seam_test

import (
	"context"
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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/seamtest"
)

var (
	seed  = flag.Uint64("seed", 0, "seed of TestChaos; 0 for a random one")
	calls = flag.Int("calls", 320, "number of calls of TestChaos")
)

// chaos is a proxy for a Seam server that spoils some responses, before or after the
// call took effect.
type chaos struct {
	t     *testing.T
	proxy *httputil.ReverseProxy

	mu      sync.Mutex
	rng     *rand.Rand
	creates map[string]int // number of effective creates, by customer key
}

// spoiled are the ways to spoil a response. After the first, 429, the call has had no
// effect. A reset connection is one more way.
var spoiled = []fake.Transport{
	fake.Responds(429, ""), fake.Responds(500, ""), fake.Responds(502, "<html>"), fake.Responds(503, "").With("Retry-After", "0"), fake.Responds(503, "").With("Retry-After", "86400"), fake.Responds(501, ""),
	fake.Responds(408, ""), fake.Responds(307, "").With("Location", "http://127.0.0.2:1/elsewhere"), fake.Responds(200, "<html>"), fake.Responds(200, ""), endless,
	fake.Cut(200, `{"client_`), fake.Cut(400, `{"err`), fake.Stalls(`{"client_`), fake.Hangs, fake.Fails(io.EOF),
}

func (c *chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	spoil, which, effect := c.rng.IntN(100) < 15, c.rng.IntN(len(spoiled)+1), c.rng.IntN(2) == 0
	c.mu.Unlock()

	recorder := httptest.NewRecorder()
	if !spoil || effect && which > 0 {
		c.forward(recorder, r)
	}
	switch {
	case !spoil:
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	case which == len(spoiled):
		conn, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(c.t, err) {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	default:
		attemptHandler(spoiled[which]).ServeHTTP(w, r)
	}
}

// forward forwards the call, even if its caller has left by then.
func (c *chaos) forward(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/client_sessions/create" {
		c.mu.Lock()
		c.creates[r.Header.Get("X-Customer")]++
		c.mu.Unlock()
	}
	c.proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}

// TestChaos makes calls from 64 goroutines to a server that spoils many of them. Each
// must return its result or a typed error. Nothing may be created twice, each
// session that a call returned must exist, and no connection or goroutine may be left.
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

	var created sync.Map // IDs of sessions, by customer key
	errs := make(chan error, workers)
	for worker := range uint64(workers) {
		go func() {
			rng := rand.New(rand.NewPCG(*seed, worker+1))
			var mine []string
			for call := range *calls / workers {
				if err := randomCall(t.Context(), client.ClientSessions, rng, fmt.Sprint(worker, "-", call), &mine, &created); err != nil {
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
	created.Range(func(customer, id any) bool {
		return assert.Equal(t, id, there[customer.(string)], "the session of %s", customer)
	})
	assert.Greater(t, len(there), *calls/20, "the server must not spoil everything")

	outer.CloseIdleConnections()
	assert.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, time.Millisecond, "all connections are closed")
	server.Close()
	inner.CloseIdleConnections()
	srv.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

// randomCall makes one call. It returns an error if the result is wrong, or the error
// of a call has no known type.
func randomCall(ctx context.Context, s *seam.ClientSessionsService, rng *rand.Rand, customer string, mine *[]string, created *sync.Map) error {
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
			created.Store(customer, session.ClientSessionID)
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
		if err == nil && op == 3 { // no other call uses this session
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
