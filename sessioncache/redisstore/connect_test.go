package redisstore_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
	"github.com/seam-go/seam/sessioncache/redisstore"
)

// listen serves connections until the test ends, and returns the address.
func listen(tb testing.TB, serve func(net.Conn)) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at the end
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// check returns the error of a store, from New or from its first use.
func check(tb testing.TB, option rueidis.ClientOption) error {
	tb.Helper()
	option.ConnWriteTimeout = patient
	store, err := redisstore.New(option, key)
	if err != nil {
		return err
	}
	defer store.Close()
	return store.Ping(tb.Context())
}

// TestUnusableServers checks that the error tells what to do about a server that cannot be used.
func TestUnusableServers(t *testing.T) {
	t.Parallel()
	cluster := newRedis(t, "--cluster-enabled", "yes", "--cluster-port", freePort(t))
	cluster.do(t, "CLUSTER ADDSLOTSRANGE 0 16383")
	cluster.waitForCluster(t)
	for name, tt := range map[string]struct {
		option rueidis.ClientOption
		says   string
	}{
		"a proxy that closes the connection": {
			rueidis.ClientOption{InitAddress: []string{listen(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) })}},
			"there is a proxy before it that does not support RESP3, such as twemproxy",
		},
		"no RESP3": {
			rueidis.ClientOption{InitAddress: []string{listen(t, func(conn net.Conn) {
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "*") {
						_, _ = fmt.Fprint(conn, "-ERR unknown command `HELLO`, with args beginning with: `3`\r\n")
					}
				}
			})}},
			"does not support client-side caching with RESP3; use Redis 6.2 or later",
		},
		"a Sentinel without MasterSet": {
			rueidis.ClientOption{InitAddress: []string{newSentinel(t, newRedis(t))}},
			"if this is a Sentinel, set ClientOption.Sentinel.MasterSet",
		},
		"a cluster as a single server": {
			rueidis.ClientOption{InitAddress: []string{cluster.addr}, ForceSingleClient: true},
			"the server is part of a cluster, so omit ForceSingleClient",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := check(t, tt.option)
			require.ErrorContains(t, err, "redisstore: cannot use Redis at "+tt.option.InitAddress[0])
			assert.ErrorContains(t, err, tt.says)
		})
	}
}

// documentedRights returns the rights in docs/redis.md.
func documentedRights(tb testing.TB) []string {
	tb.Helper()
	docs, err := os.ReadFile("../../docs/redis.md")
	require.NoError(tb, err)
	_, rest, _ := strings.Cut(string(docs), "ACL SETUSER seam ")
	documented, _, _ := strings.Cut(rest, "\n```")
	rights := strings.Fields(documented)
	require.NotEmpty(tb, rights)
	return rights
}

// TestRights checks that the store works with the documented rights, and that the error names each
// of them that is missing.
func TestRights(t *testing.T) {
	t.Parallel()
	rights := documentedRights(t)
	redis, srv := newRedis(t), &cachetest.Seam{}
	store := func(name string, rights ...string) (*redisstore.Store, error) {
		redis.do(t, "ACL SETUSER "+name+" "+strings.Join(rights, " "))
		return redisstore.New(rueidis.ClientOption{InitAddress: []string{redis.addr}, Username: name, Password: "password", ConnWriteTimeout: patient}, key)
	}
	usable, err := store("seam", rights...)
	require.NoError(t, err)
	t.Cleanup(usable.Close)
	cache, err := sessioncache.New(srv.Client(t), sessioncache.Config{Store: usable})
	require.NoError(t, err)
	for _, end := range cachetest.Endings {
		requireHit(t, cache, user)
		end(t, srv, cache)
	}
	assert.Zero(t, cache.Stats().StoreErrors)
	for i, right := range rights {
		command, isCommand := strings.CutPrefix(right, "+")
		switch command {
		case "cluster|slots", "cluster|shards", "asking": // tested with a cluster
			continue
		case "auth", "hello": // not checked by Redis
			continue
		}
		if isCommand {
			_, err := store(fmt.Sprint("without_", i), append(rights[:len(rights):len(rights)], "-"+command)...)
			require.ErrorContains(t, err, "; permit the commands ", right)
			require.ErrorContains(t, err, strings.ReplaceAll(strings.ToUpper(command), "|", " "), right)
			require.ErrorContains(t, err, "seam:*", right)
		}
	}
}

// TestTLS checks a connection with TLS, and that the certificate is verified.
func TestTLS(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	privateText, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "cert"), filepath.Join(folder, "key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateText}), 0o600))
	port := freePort(t)
	newRedis(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-auth-clients", "no")
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(certificate)
	require.NoError(t, err)
	roots.AddCert(parsed)
	require.NoError(t, check(t, rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + port}, TLSConfig: &tls.Config{RootCAs: roots}}))
	require.ErrorContains(t, check(t, rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + port}, TLSConfig: &tls.Config{}}), "certificate")
}

// TestDemotedPrimary has a primary become a replica and keep its connections, while its address leads
// to the new one. The store connects anew.
func TestDemotedPrimary(t *testing.T) {
	t.Parallel()
	before, srv := newRedis(t, "--repl-diskless-sync-delay", "0"), &cachetest.Seam{}
	after := before.replicate(t)
	var current atomic.Pointer[redis]
	current.Store(before)
	address := listen(t, func(conn net.Conn) {
		server, err := net.Dial("tcp", current.Load().addr) //nolint:noctx // to this machine
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() { _, _ = io.Copy(server, conn); _ = server.Close() }()
		_, _ = io.Copy(conn, server)
	})
	cache := (&redis{addr: address}).caches(t, srv, 1, patient, sessioncache.Config{})[0]
	srv.Get(t, cache)
	current.Store(after)
	after.do(t, "REPLICAOF NO ONE")
	before.do(t, "REPLICAOF "+strings.ReplaceAll(after.addr, ":", " "))
	_, err := cache.Session(t.Context(), "another") // notices
	require.NoError(t, err)
	require.Eventually(t, func() bool { return cache.SignOut(t.Context(), user) == nil }, bound, 10*time.Millisecond)
	assert.Empty(t, after.names(t, "seam:user:*"))
	srv.Get(t, cache)
	assert.Len(t, after.names(t, "seam:user:*"), 1)
}

// TestFIPS runs tests with the cryptography that FIPS 140 permits.
func TestFIPS(t *testing.T) {
	t.Parallel()
	newRedis(t) // else there is nothing to run
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^(TestOneFetchForAll|TestEndedSession|TestChangeOfKey)$")
	run.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := run.CombinedOutput()
	require.NoError(t, err, string(out))
}
