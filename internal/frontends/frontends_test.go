// Package frontends tests that no request is lost or processed twice behind nginx and
// HAProxy, which close connections that are in use.
package frontends

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/transport"
)

// backend is a Seam server for Create alone. It counts how often it processes each.
type backend struct {
	address string

	mu        sync.Mutex
	processed map[string]int // by customer key
	conns     map[net.Conn]bool
}

func startBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{processed: map[string]int{}, conns: map[net.Conn]bool{}}
	server := httptest.NewUnstartedServer(b)
	server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.conns[conn] = true; state == http.StateClosed {
			delete(b.conns, conn)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	b.address = server.Listener.Addr().String()
	return b
}

// restart closes all connections, as a process that is killed does. It goes on listening,
// since another process might take the port.
func (b *backend) restart() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		_ = conn.Close()
	}
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var params struct {
		CustomerKey string `json:"customer_key"`
	}
	if json.NewDecoder(r.Body).Decode(&params) != nil {
		return // cut short, so not processed
	}
	b.mu.Lock()
	b.processed[params.CustomerKey]++
	b.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	_, _ = fmt.Fprintf(w, `{"client_session": {"client_session_id": %q, "token": "seam_cst_1"}, "ok": true}`, params.CustomerKey)
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// frontend is a proxy in front of a backend.
type frontend struct {
	url       string
	transport func() *http.Transport // a new one, which trusts the proxy
	process   *os.Process
}

// start starts a proxy. config is its configuration, in which DIR, LISTEN and BACKEND are
// replaced. It is in the file DIR/config, and a certificate with its key in DIR/pem.
func start(t *testing.T, b *backend, config, program string, args ...string) frontend {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && (os.Getenv("CI") != "true" || runtime.GOOS != "linux") {
		t.Skip(program + " is not installed")
	}
	require.NoError(t, err)
	dir := t.TempDir()
	address := freeAddress(t)

	issuer := httptest.NewTLSServer(nil)
	issuer.Close()
	certificate := issuer.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	written := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pem"), written, 0o600))
	replace := strings.NewReplacer("DIR", dir, "LISTEN", address, "BACKEND", b.address)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte(replace.Replace(config)+"\n"), 0o600))

	for i := range args {
		args[i] = replace.Replace(args[i])
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		return err == nil && conn.Close() == nil
	}, 10*time.Second, 10*time.Millisecond, "%s does not listen", program)

	roots := issuer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return frontend{"https://" + address, func() *http.Transport {
		pooled := transport.DefaultTransport().(*http.Transport).Clone()
		pooled.TLSClientConfig = &tls.Config{RootCAs: roots}
		t.Cleanup(pooled.CloseIdleConnections)
		return pooled
	}, command.Process}
}

// nginx closes each connection after some requests.
func nginx(protocol string, requests int) func(*testing.T, *backend) frontend {
	config := fmt.Sprintf(`
		daemon off; pid DIR/pid; error_log stderr crit; worker_processes 2;
		events {}
		http {
			access_log off;
			client_body_temp_path DIR/1; proxy_temp_path DIR/2; fastcgi_temp_path DIR/3; uwsgi_temp_path DIR/4; scgi_temp_path DIR/5;
			upstream backend { server BACKEND; keepalive 64; }
			server {
				listen LISTEN ssl %s;
				keepalive_requests %d;
				ssl_certificate DIR/pem; ssl_certificate_key DIR/pem;
				location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream off; }
			}
		}`, protocol, requests)
	return func(t *testing.T, b *backend) frontend {
		t.Helper()
		return start(t, b, config, "nginx", "-p", "DIR", "-e", "stderr", "-c", "DIR/config")
	}
}

func haproxy(t *testing.T, b *backend) frontend {
	t.Helper()
	return start(t, b, `
		defaults
			mode http
			timeout connect 5s
			timeout client 5s
			timeout server 5s
		frontend tls
			bind LISTEN ssl crt DIR/pem alpn h2
			default_backend backend
		backend backend
			server backend BACKEND
		`, "haproxy", "-f", "DIR/config")
}

// result says what became of calls.
type result struct {
	lost  map[string]int // by error
	twice []string       // customer keys of calls that were processed more than once
	odd   []string       // … of calls that succeeded without being processed
}

func (r result) losses() (n int) {
	for _, times := range r.lost {
		n += times
	}
	return n
}

// load makes calls from 64 goroutines while disturb runs again and again.
func load(t *testing.T, b *backend, calls int, disturb func(), call func(customerKey string) error) result {
	t.Helper()
	var next atomic.Int64
	var all, disturber sync.WaitGroup
	errs := make([]error, calls)
	done := make(chan struct{})
	disturber.Go(func() {
		for tick := time.Tick(50 * time.Millisecond); ; {
			select {
			case <-tick:
				disturb()
			case <-done:
				return
			}
		}
	})
	for range 64 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(calls); i = next.Add(1) - 1 {
				errs[i] = call(fmt.Sprint(t.Name(), i))
			}
		})
	}
	all.Wait()
	close(done)
	disturber.Wait()

	b.mu.Lock()
	defer b.mu.Unlock()
	r := result{lost: map[string]int{}}
	for i, err := range errs {
		key := fmt.Sprint(t.Name(), i)
		if err != nil {
			r.lost[err.Error()]++
		}
		switch {
		case b.processed[key] > 1:
			r.twice = append(r.twice, key)
		case b.processed[key] == 0 && err == nil:
			r.odd = append(r.odd, key)
		}
	}
	clear(b.processed)
	return r
}

func create(t *testing.T, f frontend, opts ...seam.Option) func(string) error {
	t.Helper()
	client, err := seam.NewClient(append(opts, seam.WithAPIKey("seam_key"), seam.WithEndpoint(f.url),
		seam.WithHTTPClient(&http.Client{Transport: f.transport()}))...)
	require.NoError(t, err)
	return func(customerKey string) error {
		_, err := client.ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{CustomerKey: customerKey})
		return err
	}
}

// createByHand is the same with net/http, which sends requests again by their GetBody.
func createByHand(t *testing.T, f frontend) func(string) error {
	t.Helper()
	client := &http.Client{Transport: f.transport()}
	return func(customerKey string) error {
		body := fmt.Sprintf(`{"customer_key": %q}`, customerKey)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/client_sessions/create", strings.NewReader(body))
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}
}

// TestFrontends makes Creates, with retries and without; in CI 10,000. None may be processed
// twice. Over connections that nginx ends after some requests, none may be lost that
// net/http keeps. While servers are restarted, some are lost after they were sent.
//
//nolint:paralleltest // each case takes the whole machine
func TestFrontends(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	calls := 200
	if os.Getenv("CI") == "true" {
		calls = 1000
	}
	for _, tt := range []struct {
		name    string
		start   func(*testing.T, *backend) frontend
		disturb func(*backend, frontend)
		lossy   bool
	}{
		{"nginx, HTTP/2, 20 requests a connection", nginx("http2", 20), nil, false},
		{"nginx, HTTP/2, 100 requests a connection", nginx("http2", 100), nil, false},
		{"nginx, HTTP/2, reloaded", nginx("http2", 100), reload, true},
		{"nginx, HTTP/1.1, reloaded", nginx("", 20), reload, true},
		{"HAProxy, HTTP/2, server restarted", haproxy, restart, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := startBackend(t)
			f := tt.start(t, b)
			disturb := func() {
				if tt.disturb != nil {
					tt.disturb(b, f)
				}
			}
			reference := load(t, b, calls, disturb, createByHand(t, f))
			t.Logf("net/http: %d of %d lost, %d processed twice", reference.losses(), calls, len(reference.twice))
			for name, opts := range map[string][]seam.Option{"retries": nil, "no retries": {seam.WithMaxRetries(0)}} {
				r := load(t, b, calls, disturb, create(t, f, opts...))
				t.Logf("%s: %d of %d lost, %d processed twice", name, r.losses(), calls, len(r.twice))
				assert.Empty(t, r.twice, name)
				assert.Empty(t, r.odd, name)
				if !tt.lossy {
					assert.Empty(t, r.lost, name)
				}
				for text := range r.lost {
					assert.NotContains(t, text, "cannot rewind", name)
					assert.NotContains(t, text, "graceful shutdown GOAWAY", name)
				}
			}
		})
	}
}

func reload(_ *backend, f frontend) { _ = f.process.Signal(syscall.SIGHUP) }

func restart(b *backend, _ frontend) { b.restart() }
