package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// program is the running program.
type program struct {
	site, ops string
	stop      context.CancelFunc
	ended     <-chan error
}

// startProgram runs the program with the environment of the test.
func startProgram(t *testing.T) program {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-ops", "127.0.0.1:0"}, write)
		ended <- err
		_ = write.CloseWithError(err)
	}()
	t.Cleanup(func() {
		stop()
		_, _ = io.Copy(io.Discard, read) // until it has ended
	})
	lines := bufio.NewScanner(read)
	for p := (program{stop: stop, ended: ended}); lines.Scan(); {
		if ops, ok := strings.CutPrefix(lines.Text(), "Health and metrics are at "); ok {
			p.ops, _, _ = strings.Cut(ops, "/healthz")
		}
		if site, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			p.site = site
			return p
		}
	}
	t.Fatalf("the program did not start: %v", lines.Err())
	return program{}
}

// visitor returns a visitor of the program, whose Seam is srv.
func (p program) visitor(t *testing.T, srv *seamtest.Server) *visitor {
	t.Helper()
	return (&site{t: t, url: p.site, seam: srv, http: &http.Client{Transport: &http.Transport{}}}).visitor()
}

// TestProgram runs the whole program for a real service: with webhooks, health and
// metrics, and a shutdown that does not cut off who waits for a door.
func TestProgram(t *testing.T) {
	srv := seamtest.NewServer(t)
	t.Setenv("SEAM_API_KEY", srv.APIKey)
	t.Setenv("SEAM_ENDPOINT", srv.URL)
	t.Setenv("SEAM_WEBHOOK_SECRET", srv.WebhookSecret)
	p := startProgram(t)
	visitor, ops := p.visitor(t, srv), p.visitor(t, srv)
	ops.url = p.ops
	assert.Equal(t, "ok\n", ops.get("/healthz").body)
	assert.Equal(t, http.StatusNotFound, visitor.get("/metrics").StatusCode, "not for visitors")

	visitor.signIn("jane_doe")
	door := visitor.connect()
	first := visitor.token("")
	session, err := srv.Client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, visitor.post("/webhooks", "{}").StatusCode, "not signed")
	srv.AddWebhook(p.site + "/webhooks")
	require.NoError(t, srv.Client(t).ClientSessions.Delete(t.Context(), session.ClientSessionID))
	for _, delivery := range srv.Deliveries() {
		assert.Equal(t, http.StatusNoContent, delivery.StatusCode)
	}
	assert.NotEqual(t, first, visitor.token(""), "the webhook removed the deleted session from the cache")

	metrics := ops.get("/metrics").body
	assert.Contains(t, metrics, `seam_attempt_duration_seconds_count{operation="Post /connect_webviews/create",status="200"} 1`)
	assert.Regexp(t, `(?m)^seam_sessioncache_fetches_total [1-9]`, metrics)
	assert.NotContains(t, metrics, "jane_doe")

	srv.SetOutcome(seamtest.Outcome{Pending: time.Hour})
	unlocked := visitor.later(func() reply { return visitor.unlock(door) })
	require.Eventually(t, func() bool { return visitor.sent("/locks/unlock_door") == 1 }, time.Minute, time.Millisecond)
	p.stop()
	require.Eventually(t, func() bool {
		return ops.get("/healthz").StatusCode == http.StatusServiceUnavailable
	}, time.Minute, time.Millisecond, "the load balancer learns of the end")
	srv.Advance(2 * time.Hour)
	assert.Equal(t, http.StatusOK, unlocked().StatusCode)
	require.NoError(t, <-p.ended)
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"unexpected": {"here"}, "flag": {"-nothing"}, "address": {"-addr", "nowhere"}, "ops": {"-addr", "127.0.0.1:0", "-ops", "nowhere"},
		"url": {"-addr", "127.0.0.1:0", "-ops", "127.0.0.1:0", "-url", "http://shop.example.com"},
	} {
		require.Error(t, run(t.Context(), args, io.Discard), name)
	}
}

func TestParseSite(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"http://127.0.0.1:8080":         true,
		"http://[::1]:8080":             true,
		"http://localhost:8080":         true,
		"https://shop.example.com":      true,
		"https://shop.example.com:8443": true,
		"https://shop.example.com/":     true,
		"http://shop.example.com":       false, // the cookie would cross the network unencrypted
		"http://[::]:8080":              false,
		"http://192.0.2.1:8080":         false,
		"https://shop.example.com/app":  false,
		"https://shop.example.com?a":    false,
		"https://jane@shop.example.com": false,
		"ftp://shop.example.com":        false,
		"shop.example.com":              false,
		"https://":                      false,
		"":                              false,
		"%":                             false,
	} {
		_, err := parseSite(address)
		if ok {
			require.NoError(t, err, address)
		} else {
			require.ErrorContains(t, err, "-url", address)
		}
	}
}

// TestCredentials tests that the environment decides whom the webapp talks to.
func TestCredentials(t *testing.T) {
	srv := seamtest.NewServer(t)
	for _, tt := range []struct {
		name string
		env  map[string]string
		fake bool // whether it starts a fake Seam server
		err  string
	}{
		{"nothing", nil, true, ""},
		{"API key", map[string]string{"SEAM_API_KEY": srv.APIKey, "SEAM_ENDPOINT": srv.URL + "/"}, false, ""},
		{"personal access token", map[string]string{
			"SEAM_PERSONAL_ACCESS_TOKEN": srv.PersonalAccessToken, "SEAM_WORKSPACE_ID": srv.WorkspaceID, "SEAM_ENDPOINT": srv.URL,
		}, false, ""},
		{"no workspace", map[string]string{"SEAM_PERSONAL_ACCESS_TOKEN": srv.PersonalAccessToken}, false, "SEAM_WORKSPACE_ID"},
		{"both", map[string]string{"SEAM_API_KEY": srv.APIKey, "SEAM_PERSONAL_ACCESS_TOKEN": srv.PersonalAccessToken}, false, "both"},
		{"endpoint alone", map[string]string{"SEAM_ENDPOINT": srv.URL}, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			up, err := connect(io.Discard)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			if up.fake != nil {
				defer up.fake.Close()
			}
			assert.Equal(t, tt.fake, up.fake != nil)
			assert.Equal(t, tt.fake, up.endpoint != srv.URL, up.endpoint)
			_, err = up.client.ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
			require.NoError(t, err)
		})
	}
}
