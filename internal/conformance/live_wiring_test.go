package conformance_test

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestLiveWiring runs TestLive in another process, as make live does, against fake
// servers.
func TestLiveWiring(t *testing.T) {
	t.Parallel()
	t.Run("seamtest", func(t *testing.T) {
		t.Parallel()
		srv := seamtest.NewServer(t)
		others := otherSessions(t, srv)
		output, outcomes := runLive(t, srv.URL, srv.Workspace)
		passed := 0
		for step, outcome := range outcomes {
			if step == "get_in_outage" {
				assert.Equal(t, "SKIP", outcome, step)
			} else {
				assert.Equal(t, "PASS", outcome, step)
				passed++
			}
		}
		assert.Greater(t, passed, 30)
		assert.Regexp(t, `(?m)^ +put_existing +client_session.device_count +- +float64$`, output, "the fake leaves it out")
		assert.Regexp(t, `(?m)^ +list +status +- +200$`, output, "the fake does not know it")
		assert.Equal(t, others, allSessions(t, srv))
	})
	for step, fault := range map[string]seamtest.Fault{
		"grant_access": {Path: "/client_sessions/grant_access", Status: http.StatusTeapot},
		"create":       {Path: "/client_sessions/create", Status: http.StatusTeapot, TakesEffect: true},
	} {
		t.Run("seamtest in trouble with "+step, func(t *testing.T) {
			t.Parallel()
			srv := seamtest.NewServer(t)
			others := otherSessions(t, srv)
			srv.Fail(fault)
			output, outcomes := runLive(t, srv.URL, srv.Workspace)
			assert.Equal(t, "FAIL", outcomes[step], output)
			assert.Equal(t, others, allSessions(t, srv))
		})
	}
	t.Run("API key alone", func(t *testing.T) {
		t.Parallel()
		srv := seamtest.NewServer(t)
		_, outcomes := runLive(t, srv.URL, seamtest.Workspace{APIKey: srv.APIKey})
		for step, outcome := range outcomes {
			assert.NotEqual(t, "FAIL", outcome, step)
		}
		assert.Equal(t, "SKIP", outcomes["get_with_personal_access_token"])
		assert.Empty(t, allSessions(t, srv))
	})
	t.Run("no API key", func(t *testing.T) {
		t.Parallel()
		output, _ := runLive(t, "http://localhost:1", seamtest.Workspace{})
		assert.Contains(t, output, "set SEAM_TEST_API_KEY to an API key of a sandbox workspace")
	})
	t.Run("vendor's fake", func(t *testing.T) {
		t.Parallel()
		output, outcomes := runLive(t, startVendorFake(t), vendorSeed)
		_, table, found := strings.Cut(output, "Differences between the service and the vendor's fake server:\n")
		require.True(t, found, output)
		table, _, _ = strings.Cut(table, "live_test.go")
		for step, outcome := range outcomes {
			lacked := slices.Contains(lackedByVendorFake, step)
			assert.Equal(t, lacked, outcome == "FAIL", step)
		}
		for _, step := range lackedByVendorFake {
			assert.Contains(t, outcomes, step)
		}
		for _, row := range regexp.MustCompile(`(?m)^ +([a-z]\w*) .*$`).FindAllStringSubmatch(table, -1) {
			assert.Contains(t, lackedByVendorFake, row[1], row[0])
		}
		assert.Contains(t, output, "delete them by hand: [cst", "it has no way to delete")
	})
}

// otherSessions creates sessions that the suite must not touch, and returns them.
func otherSessions(t *testing.T, srv *seamtest.Server) []seam.ClientSession {
	t.Helper()
	for _, key := range []string{"jane", "joe", ""} {
		_, err := srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: key})
		require.NoError(t, err)
	}
	return allSessions(t, srv)
}

func allSessions(t *testing.T, srv *seamtest.Server) []seam.ClientSession {
	t.Helper()
	sessions, err := srv.Client(t).ClientSessions.List(t.Context(), seam.ClientSessionListParams{})
	require.NoError(t, err)
	return sessions
}

// runLive runs TestLive. It returns its output and the outcome of each step.
func runLive(t *testing.T, endpoint string, workspace seamtest.Workspace) (string, map[string]string) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run=^TestLive$", "-live")
	cmd.Env = append(os.Environ(),
		"SEAM_TEST_ENDPOINT="+endpoint,
		"SEAM_TEST_API_KEY="+workspace.APIKey,
		"SEAM_TEST_PUBLISHABLE_KEY="+workspace.PublishableKey,
		"SEAM_TEST_PERSONAL_ACCESS_TOKEN="+workspace.PersonalAccessToken,
	)
	output, _ := cmd.CombinedOutput()
	assert.NotContains(t, string(output), "panic:")
	outcomes := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^    --- (\w+): TestLive/(\S+)`).FindAllStringSubmatch(string(output), -1) {
		outcomes[line[2]] = line[1]
	}
	return string(output), outcomes
}
