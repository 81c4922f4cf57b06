package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
)

// testdata is the module's own: other packages read the recordings too.
const testdata = "../../testdata/"

var record = flag.Bool("record", false, "write testdata/recorded instead of comparing with it")

// vendorSeed is what the vendor's fake is started with.
var vendorSeed = seamtest.Workspace{
	WorkspaceID:         "seed_workspace_1",
	APIKey:              "seam_apikey1_token",
	PublishableKey:      "seam_pk1_token",
	PersonalAccessToken: "seam_at1_longtoken",
}

// TestConformanceRecorded runs the suite against what the vendor's fake once
// answered, so that it needs no Node.
func TestConformanceRecorded(t *testing.T) {
	t.Parallel()
	tape := &tape{}
	conformance(t, peer{
		endpoint:  "http://localhost",
		Workspace: vendorSeed,
		lacks:     lackedByVendorFake,
		transport: tape,
		exchange:  tape.next,
		outage:    func(*testing.T, ...string) {},
	})
}

// TestConformanceVendorFake runs the suite against the vendor's fake, and holds
// what that answers against the recordings.
func TestConformanceVendorFake(t *testing.T) {
	t.Parallel()
	endpoint := startVendorFake(t)
	tape := &tape{live: http.DefaultTransport}
	conformance(t, peer{
		endpoint:  endpoint,
		Workspace: vendorSeed,
		lacks:     lackedByVendorFake,
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

// TestRecordingsAreTheSameEverywhere looks for what only one machine or one day
// would put into them.
func TestRecordingsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(testdata + "recorded/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NotRegexp(t, `stack|node_modules|file:|\.js|127\.0|localhost`, string(text), file)
		for _, date := range regexp.MustCompile(`\d{4}-\d\d-\d\dT[^"]*`).FindAllString(string(text), -1) {
			assert.Contains(t, []string{settledCreatedAt, settledExpiresAt}, date, file)
		}
	}
}

// startVendorFake starts the vendor's fake server and returns its URL.
func startVendorFake(t *testing.T) string {
	t.Helper()
	const server = testdata + "fake-seam-connect/node_modules/@seamapi/fake-seam-connect/dist/server.js"
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(server)
	}
	if err != nil {
		const missing = "no Node, or no `make fake` yet: the suite against the vendor's fake server did not run"
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
	t.Fatal("the vendor's fake server ended before it listened")
	return ""
}

// exchange is a request and its answer, as in testdata/recorded.
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

// tape is a transport that plays exchanges back, or, with a live one below,
// records them or compares them with what was recorded. Each step of the
// suite is one exchange, under the step's name.
type tape struct {
	t    *testing.T // the step
	name string
	live http.RoundTripper
	// loose compares no more than the status and the error, of what is recorded.
	loose bool
}

func (p *tape) next(t *testing.T) {
	t.Helper()
	p.t, p.name = t, path.Base(t.Name())
}

func (p *tape) RoundTrip(req *http.Request) (*http.Response, error) {
	file := testdata + "recorded/" + p.name + ".json"
	var was, is exchange
	text, err := os.ReadFile(file)
	switch {
	case p.loose && errors.Is(err, fs.ErrNotExist):
		return p.live.RoundTrip(req)
	case p.loose || !*record:
		require.NoError(p.t, err)
		require.NoError(p.t, json.Unmarshal(text, &was))
	}

	sent, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	is.Request.Method, is.Request.Target = req.Method, req.URL.RequestURI()
	is.Request.Header = pick(req.Header, "Authorization", "Content-Type", "Seam-Publishable-Key", "Seam-Workspace")
	if len(sent) > 0 {
		require.NoError(p.t, json.Unmarshal(sent, &is.Request.Body))
	}

	if p.live == nil {
		assert.Empty(p.t, cmp.Diff(was.Request, is.Request), "request %s", p.name)
		return was.answer(req)
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
	is.Response.Header = pick(resp.Header, "Content-Type", "Seam-Request-Id")
	if req.Method == http.MethodOptions {
		is.Response.Header = pick(resp.Header, "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers")
	}
	if len(got) > 0 {
		require.NoError(p.t, json.Unmarshal(got, &is.Response.Body))
		settle(is.Response.Body)
	}
	switch {
	case p.loose:
		assert.Equal(p.t, was.Response.Status, is.Response.Status, p.name)
		assert.Empty(p.t, cmp.Diff(was.apiError(), is.apiError()), p.name)
	case *record:
		text, err := json.MarshalIndent(is, "", "  ")
		require.NoError(p.t, err)
		require.NoError(p.t, os.WriteFile(file, append(text, '\n'), 0o644))
	default:
		assert.Empty(p.t, cmp.Diff(was, is), "recording %s; make record writes it anew", p.name)
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	return resp, nil
}

// apiError is the error in the answer, nil if it has none.
func (e *exchange) apiError() any {
	body, _ := e.Response.Body.(map[string]any)
	return body["error"]
}

func (e *exchange) answer(req *http.Request) (*http.Response, error) {
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

// settle takes out of a body what is different each time it is recorded, and
// where.
func settle(body any) {
	object, _ := body.(map[string]any)
	delete(object, "stack")
	for name, fixed := range map[string]string{"created_at": settledCreatedAt, "expires_at": settledExpiresAt} {
		if _, ok := object[name]; ok {
			object[name] = fixed
		}
	}
	for _, child := range object {
		settle(child)
	}
}
