package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
)

// testdata is in the module's root. Other packages read the recordings too.
const testdata = "../../testdata/"

var record = flag.Bool("record", false, "write testdata/recorded.json instead of comparing with it")

// vendorSeed has the credentials that Seam's fake server starts with.
var vendorSeed = seamtest.Workspace{
	WorkspaceID:         "seed_workspace_1",
	APIKey:              "seam_apikey1_token",
	PublishableKey:      "seam_pk1_token",
	PersonalAccessToken: "seam_at1_longtoken",
}

// everything tests client sessions and the other resources.
func everything(t *testing.T, p peer) {
	t.Helper()
	conformance(t, p)
	endpoints(t, p)
}

// TestConformanceRecorded runs the suite against the recorded responses of Seam's
// fake server. It does not need Node.
func TestConformanceRecorded(t *testing.T) {
	t.Parallel()
	tape := &tape{recorded: recordings(t)}
	everything(t, peer{
		endpoint:  "http://localhost",
		Workspace: vendorSeed,
		lacks:     slices.Concat(lackedByVendorFake, endpointsLackedByVendorFake),
		transport: tape,
		exchange:  tape.next,
		outage:    func(*testing.T, ...string) {},
	})
}

// TestConformanceVendorFake runs the suite against Seam's fake server and compares
// the responses with the recordings.
func TestConformanceVendorFake(t *testing.T) {
	t.Parallel()
	endpoint := startVendorFake(t)
	tape := &tape{live: http.DefaultTransport, recorded: map[string]exchange{}}
	if *record {
		t.Cleanup(func() { tape.write(t) })
	} else {
		tape.recorded = recordings(t)
	}
	everything(t, peer{
		endpoint:  endpoint,
		Workspace: vendorSeed,
		lacks:     slices.Concat(lackedByVendorFake, endpointsLackedByVendorFake),
		transport: tape,
		exchange:  tape.next,
		outage: func(t *testing.T, paths ...string) {
			t.Helper()
			routes, err := json.Marshal(append([]string{}, paths...))
			require.NoError(t, err)
			body := `{"workspace_id": "seed_workspace_1", "routes": ` + string(routes) + `}`
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
				endpoint+"/_fake/simulate_workspace_outage", strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
		},
	})
}

// TestConformanceSeamtest runs the suite against package seamtest. Its statuses and
// errors must be the recorded ones.
func TestConformanceSeamtest(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	for _, account := range []string{johnsAccount, johnsAccount, johnsAccount, johnsAccount, janesAccount} {
		srv.AddDevice(account)
	}
	tape := &tape{live: http.DefaultTransport, recorded: recordings(t), loose: true}
	everything(t, peer{
		endpoint:  srv.URL,
		Workspace: srv.Workspace,
		transport: tape,
		exchange:  tape.next,
		outage: func(_ *testing.T, paths ...string) {
			srv.ClearFaults()
			for _, path := range paths {
				srv.Fail(seamtest.Fault{Path: path, Status: http.StatusServiceUnavailable})
			}
		},
	})
}

// TestRecordingsAreTheSameEverywhere looks for text that differs from one machine
// or day to another.
func TestRecordingsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(recordedFile)
	require.NoError(t, err)
	assert.NotRegexp(t, `stack|node_modules|file:|\.js|127\.0|localhost`, string(text))
	for _, date := range regexp.MustCompile(`\d{4}-\d\d-\d\dT[^"]*`).FindAllString(string(text), -1) {
		assert.Contains(t, []string{settledCreatedAt, settledExpiresAt}, date)
	}
}

// startVendorFake starts Seam's fake server and returns its URL.
func startVendorFake(t *testing.T) string {
	t.Helper()
	const server = testdata + "fake-seam-connect/node_modules/@seamapi/fake-seam-connect/dist/server.js"
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(server)
	}
	if err != nil {
		const missing = "no Node, or no `make fake` yet: the suite did not run against Seam's fake server"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}

	var listen net.ListenConfig
	free, err := listen.Listen(t.Context(), "tcp", "localhost:0")
	require.NoError(t, err)
	port := free.Addr().(*net.TCPAddr).Port
	require.NoError(t, free.Close())

	cmd := exec.CommandContext(t.Context(), node, server, "--seed")
	cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(port))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // killed as the test's context ends

	endpoint := "http://localhost:" + strconv.Itoa(port)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), endpoint) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return endpoint
		}
	}
	t.Fatal("Seam's fake server exited before it listened")
	return ""
}

// recordedFile has the recorded exchange of each step, in one file so that the module is small.
const recordedFile = testdata + "recorded.json"

// recordings returns what recordedFile has.
func recordings(t *testing.T) map[string]exchange {
	t.Helper()
	text, err := os.ReadFile(recordedFile)
	require.NoError(t, err)
	var recorded map[string]exchange
	require.NoError(t, json.Unmarshal(text, &recorded))
	return recorded
}

// exchange is a request and its response, as in recordedFile.
type exchange struct {
	Request struct {
		Method string            `json:"method"`
		Target string            `json:"target"`
		Header map[string]string `json:"header"`
		Body   any               `json:"body,omitempty"`
	} `json:"request"`
	Response struct {
		Status int               `json:"status"`
		Header map[string]string `json:"header"`
		Body   any               `json:"body,omitempty"`
	} `json:"response"`
}

// tape is a transport that replays recorded exchanges. With a live transport it
// records them, or compares them with the recordings. Each step of the suite is one
// exchange, under the step's name.
type tape struct {
	t        *testing.T // the step
	name     string
	recorded map[string]exchange
	live     http.RoundTripper
	// loose compares only the status and the error, and only if there is a recording.
	loose bool
}

func (p *tape) next(t *testing.T) {
	t.Helper()
	p.t, p.name = t, path.Base(t.Name())
}

func (p *tape) RoundTrip(req *http.Request) (*http.Response, error) {
	var is exchange
	was, found := p.recorded[p.name]
	if p.loose && !found {
		return p.live.RoundTrip(req)
	}
	if !*record {
		require.True(p.t, found, "no recording; make record makes it")
	}

	sent, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	is.Request.Method, is.Request.Target = req.Method, req.URL.RequestURI()
	is.Request.Header = pick(req.Header, "Authorization", "Content-Type", "Seam-Publishable-Key", "Seam-Workspace")
	if len(sent) > 0 {
		require.NoError(p.t, json.Unmarshal(sent, &is.Request.Body))
		settle(is.Request.Body)
	}

	if p.live == nil {
		assert.Empty(p.t, cmp.Diff(was.Request, is.Request), "request %s", p.name)
		return was.replay(req)
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(sent))
	resp, err := p.live.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	is.Response.Status = resp.StatusCode
	is.Response.Header = answerHeader(req, resp)
	if len(got) > 0 {
		require.NoError(p.t, json.Unmarshal(got, &is.Response.Body))
		settle(is.Response.Body)
	}
	switch {
	case p.loose:
		assert.Equal(p.t, was.Response.Status, is.Response.Status, p.name)
		if !slices.Contains(wordedByVendorFake, p.name) {
			assert.Empty(p.t, cmp.Diff(was.apiError(), is.apiError()), p.name)
		}
	case *record:
		p.recorded[p.name] = is
	default:
		assert.Empty(p.t, cmp.Diff(was, is), "recording %s; make record writes it anew", p.name)
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	return resp, nil
}

// write writes recordedFile, unless the test has failed.
func (p *tape) write(t *testing.T) {
	t.Helper()
	if t.Failed() {
		return
	}
	text, err := json.MarshalIndent(p.recorded, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(recordedFile, append(text, '\n'), 0o644))
}

// apiError returns the error in the response, or nil.
func (e *exchange) apiError() any {
	body, _ := e.Response.Body.(map[string]any)
	return body["error"]
}

func (e *exchange) replay(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: e.Response.Status, Header: http.Header{}, Body: http.NoBody, Request: req}
	for name, value := range e.Response.Header {
		resp.Header.Set(name, value)
	}
	if e.Response.Body != nil {
		text, err := json.Marshal(e.Response.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(text))
	}
	return resp, nil
}

// answerHeader returns the headers of a response that the recordings contain.
func answerHeader(req *http.Request, resp *http.Response) map[string]string {
	if req.Method == http.MethodOptions {
		return pick(resp.Header, "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers")
	}
	return pick(resp.Header, "Content-Type", "Seam-Request-Id")
}

func pick(header http.Header, names ...string) map[string]string {
	picked := map[string]string{}
	for _, name := range names {
		if value := header.Get(name); value != "" {
			picked[strings.ToLower(name)] = value
		}
	}
	return picked
}

const (
	settledCreatedAt = "2025-06-15T16:54:17.946Z"
	settledExpiresAt = "2026-06-15T16:54:17.946Z"
)

// settled has fixed values for the fields that differ in each recording.
var settled = map[string]string{
	"created_at":       settledCreatedAt,
	"occurred_at":      settledCreatedAt,
	"expires_at":       settledExpiresAt,
	"url":              "https://fakeseamconnect.test/connect_webviews/view",
	"page_cursor":      "c2V0dGxlZA==",
	"next_page_cursor": "c2V0dGxlZA==",
	"next_page_url":    "https://fakeseamconnect.test/devices/list",
}

// settle replaces the fields that differ in each recording, and removes stack traces.
func settle(body any) {
	if list, ok := body.([]any); ok {
		for _, item := range list {
			settle(item)
		}
	}
	object, _ := body.(map[string]any)
	delete(object, "stack")
	for name, value := range object {
		if fixed, ok := settled[name]; ok && value != nil {
			object[name] = fixed
		} else {
			settle(value)
		}
	}
}
