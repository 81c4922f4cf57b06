package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
	"github.com/seam-go/seam/sessioncache/redisstore"
)

const user = cachetest.User

var key = []byte("0123456789abcdef0123456789abcdef")

// redis is a redis-server on loopback.
type redis struct {
	addr   string
	folder string
	args   []string
	server *exec.Cmd
}

// newRedis starts a server with further arguments and stops it at the end of the test.
func newRedis(tb testing.TB, args ...string) *redis {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const missing = "no redis-server: install Debian's package of that name"
		if os.Getenv("CI") != "" {
			tb.Fatal(missing)
		}
		tb.Skip(missing)
	}
	r := &redis{addr: "127.0.0.1:" + freePort(tb), folder: tb.TempDir(), args: args}
	r.run(tb)
	tb.Cleanup(func() { r.kill(tb) })
	return r
}

// freePort returns a port that is free now.
func freePort(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	require.NoError(tb, err)
	require.NoError(tb, listener.Close())
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(tb, err)
	return port
}

// run starts the server and waits until it responds.
func (r *redis) run(tb testing.TB) {
	tb.Helper()
	host, port, err := net.SplitHostPort(r.addr)
	require.NoError(tb, err)
	r.server = exec.CommandContext(context.Background(), "redis-server", append([]string{"--bind", host, "--port", port,
		"--dir", r.folder, "--save", "", "--appendonly", "no", "--loglevel", "warning"}, r.args...)...)
	require.NoError(tb, r.server.Start())
	waitForPing(tb, r.addr)
}

// waitForPing waits until a server responds.
func waitForPing(tb testing.TB, addr string) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		conn, err := net.Dial("tcp", addr) //nolint:noctx // to this machine
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		response := make([]byte, 5)
		_, err = fmt.Fprint(conn, "PING\r\n")
		_, readErr := conn.Read(response)
		return err == nil && readErr == nil && string(response) == "+PONG"
	}, time.Minute, 10*time.Millisecond)
}

// kill kills the server.
func (r *redis) kill(tb testing.TB) {
	tb.Helper()
	if r.server.ProcessState == nil {
		require.NoError(tb, r.server.Process.Kill())
		_ = r.server.Wait() // it was killed
	}
}

// hang suspends the server, which keeps its connections, until the returned function is called.
func (r *redis) hang(tb testing.TB) (goOn func()) {
	tb.Helper()
	signal := func(name string) { // package syscall does not have these signals on Windows
		require.NoError(tb, exec.CommandContext(context.WithoutCancel(tb.Context()), "kill", name, strconv.Itoa(r.server.Process.Pid)).Run())
	}
	signal("-STOP")
	return func() { signal("-CONT") }
}

// client returns a client for the test.
func (r *redis) client(tb testing.TB) rueidis.Client {
	tb.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.addr}, DisableCache: true, ForceSingleClient: true})
	require.NoError(tb, err)
	tb.Cleanup(client.Close)
	return client
}

// do executes a command, in words.
func (r *redis) do(tb testing.TB, command string) rueidis.RedisResult {
	tb.Helper()
	client := r.client(tb)
	defer client.Close()
	result := client.Do(tb.Context(), client.B().Arbitrary(strings.Fields(command)...).Build())
	require.NoError(tb, result.Error(), command)
	return result
}

// patient is a timeout for requests to Redis that a slow machine does not exceed.
const patient = time.Minute

// store returns a new store.
func (r *redis) store(tb testing.TB, key []byte, timeout time.Duration) *redisstore.Store {
	tb.Helper()
	store, err := redisstore.New(rueidis.ClientOption{InitAddress: []string{r.addr}, ConnWriteTimeout: timeout}, key)
	require.NoError(tb, err)
	tb.Cleanup(store.Close)
	return store
}

// caches returns n caches, each with its own store, as in n processes.
func (r *redis) caches(tb testing.TB, srv *cachetest.Seam, n int, timeout time.Duration, config sessioncache.Config) []*sessioncache.Cache {
	tb.Helper()
	caches := make([]*sessioncache.Cache, n)
	for i := range caches {
		config.Store = r.store(tb, key, timeout)
		var err error
		caches[i], err = sessioncache.New(srv.Client(tb), config)
		require.NoError(tb, err)
	}
	return caches
}
