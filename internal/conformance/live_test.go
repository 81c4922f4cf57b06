package conformance_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

var live = flag.Bool("live", false, "run the suite against the workspace of SEAM_TEST_API_KEY")

// TestLive runs the suite against a real workspace and prints how its responses differ
// from those of the vendor's fake server. It needs SEAM_TEST_API_KEY. The steps for other
// credentials also need SEAM_TEST_PUBLISHABLE_KEY and SEAM_TEST_PERSONAL_ACCESS_TOKEN.
// SEAM_TEST_ENDPOINT is the URL of the API. The default is Seam's.
//
// It uses only sessions that it created itself, and deletes them at the end.
func TestLive(t *testing.T) {
	t.Parallel()
	if !*live {
		t.Skip("run with -live only: see make live")
	}
	service := &service{t: t, recorded: recordings(t), prefix: "seam-go-" + strings.ToLower(rand.Text()) + "-", keys: map[string]bool{}, made: map[string]bool{}, real: map[string]string{}}
	workspace := seamtest.Workspace{
		WorkspaceID:         maskedWorkspace,
		APIKey:              os.Getenv("SEAM_TEST_API_KEY"),
		PublishableKey:      os.Getenv("SEAM_TEST_PUBLISHABLE_KEY"),
		PersonalAccessToken: os.Getenv("SEAM_TEST_PERSONAL_ACCESS_TOKEN"),
	}
	require.NotEmpty(t, workspace.APIKey, "set SEAM_TEST_API_KEY to an API key of a sandbox workspace")
	lacks := []string{"get_in_outage"}
	if workspace.PublishableKey == "" {
		lacks = append(lacks, "create_with_access_and_publishable_key", "publishable_key_without_user")
	}
	if workspace.PersonalAccessToken == "" {
		lacks = append(lacks, "get_with_personal_access_token")
	}
	endpoint := cmp.Or(os.Getenv("SEAM_TEST_ENDPOINT"), seam.DefaultEndpoint)
	client, err := seam.NewClient(
		seam.WithAPIKey(workspace.APIKey), seam.WithEndpoint(endpoint), seam.WithHTTPClient(&http.Client{Transport: service}),
	)
	require.NoError(t, err)

	t.Cleanup(func() {
		service.next(t)
		t.Logf("Differences between the service and the vendor's fake server:\n%s", service.table())
		if err := service.remove(client); err != nil {
			t.Errorf("Some of these sessions could not be deleted, delete them by hand: %v: %v", slices.Sorted(maps.Keys(service.made)), err)
		}
	})
	conformance(t, peer{
		endpoint:  endpoint,
		Workspace: workspace,
		lacks:     lacks,
		transport: service,
		exchange:  service.next,
	})
}

// service is a transport to a workspace that others use too. It replaces the users in
// requests by users of this run, and hides the sessions of all other users from the
// suite. It also masks tokens and the ID of the workspace, because failed steps print
// them.
type service struct {
	recorded map[string]exchange

	mu     sync.Mutex
	t      *testing.T        // the step
	prefix string            // of this run's user identifier keys
	keys   map[string]bool   // those keys without the prefix, as the suite has them
	made   map[string]bool   // the IDs of this run's sessions
	real   map[string]string // real tokens and workspace ID, by their masks
	rows   []string          // of the table
}

const maskedWorkspace = "workspace"

func (s *service) next(t *testing.T) {
	t.Helper()
	s.t = t
}

func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	s.mu.Lock()
	err = s.hide(req, sent)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var body any
	if json.Unmarshal(text, &body) == nil {
		if err := s.reveal(req, resp.StatusCode, body); err != nil {
			return nil, err
		}
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
		text = bytes.ReplaceAll(text, []byte(s.prefix), nil)
	}
	s.compare(req, resp, text)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, nil
}

// hide replaces the user in a request by a user of this run, and the masked token by the
// real one.
func (s *service) hide(req *http.Request, sent []byte) error {
	if !strings.Contains(req.URL.Path, "/client_sessions/") {
		return errors.New("not sent: TestLive only calls endpoints of client sessions")
	}
	const name = "user_identifier_key"
	if key := req.Header.Get("Seam-User-Identifier-Key"); key != "" {
		s.keys[key] = true
		req.Header.Set("Seam-User-Identifier-Key", s.prefix+key)
	}
	if query := req.URL.Query(); query.Get(name) != "" {
		s.keys[query.Get(name)] = true
		query.Set(name, s.prefix+query.Get(name))
		req.URL.RawQuery = query.Encode()
	}
	var body map[string]any
	_ = json.Unmarshal(sent, &body) // some steps send no body, or invalid JSON
	if key, _ := body[name].(string); key != "" {
		s.keys[key] = true
		body[name] = s.prefix + key
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = text
	} else if path.Base(req.URL.Path) == "get_or_create" {
		return errors.New("not sent: without a user identifier key, the response may be a session of others")
	}
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
	if real, ok := s.real[strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")]; ok {
		req.Header.Set("Authorization", "Bearer "+real)
	}
	if req.Header.Get("Seam-Workspace") == maskedWorkspace {
		req.Header.Set("Seam-Workspace", s.real[maskedWorkspace])
	}
	return nil
}

// reveal removes the sessions of others from the list in a response, and stores the
// tokens for later requests. A single session of others is an error.
func (s *service) reveal(req *http.Request, status int, body any) error {
	object, _ := body.(map[string]any)
	if session, ok := object["client_session"].(map[string]any); ok {
		created := req.Method == http.MethodPost && path.Base(req.URL.Path) == "create" && status == http.StatusOK
		if !s.own(session, created) {
			return errors.New("the response is a session of others")
		}
	}
	if sessions, ok := object["client_sessions"].([]any); ok {
		object["client_sessions"] = slices.DeleteFunc(sessions, func(item any) bool {
			session, _ := item.(map[string]any)
			return !s.own(session, false)
		})
	}
	return nil
}

// own reports whether the session was created by this run. If created is true, it was.
// own masks the session's token and workspace.
func (s *service) own(session map[string]any, created bool) bool {
	id, _ := session["client_session_id"].(string)
	key, _ := session["user_identifier_key"].(string)
	if !created && !strings.HasPrefix(key, s.prefix) && !s.made[id] {
		return false
	}
	s.made[id] = true
	if token, _ := session["token"].(string); token != "" {
		masked := token[:min(len("seam_cst"), len(token))] + "1_of_" + id
		s.real[masked], session["token"] = token, masked
	}
	if id, ok := session["workspace_id"].(string); ok {
		s.real[maskedWorkspace], session["workspace_id"] = id, maskedWorkspace
	}
	return true
}

// remove deletes the sessions that this run created.
func (s *service) remove(client *seam.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own has ended
	defer cancel()
	var errs []error
	list := func() (sessions []seam.ClientSession) {
		for _, key := range slices.Sorted(maps.Keys(s.keys)) {
			found, err := client.ClientSessions.List(ctx, seam.ClientSessionListParams{UserIdentifierKey: key})
			sessions, errs = append(sessions, found...), append(errs, err)
		}
		return sessions
	}
	list() // also finds sessions whose create got no response
	for id := range s.made {
		err := client.ClientSessions.Delete(ctx, id)
		if apiErr, ok := errors.AsType[*seam.APIError](err); !ok || apiErr.Type != "client_session_not_found" {
			errs = append(errs, err)
		}
	}
	for _, session := range list() {
		errs = append(errs, fmt.Errorf("client session %s still exists", session.ClientSessionID))
	}
	return errors.Join(errs...)
}

// compare adds the differences between a response and the recording of its step to the
// table.
func (s *service) compare(req *http.Request, resp *http.Response, body []byte) {
	_, step, ok := strings.Cut(s.t.Name(), "/")
	if !ok {
		return // no step
	}
	var is exchange
	was, recorded := s.recorded[step]
	is.Response.Status = resp.StatusCode
	is.Response.Header = answerHeader(req, resp)
	if json.Unmarshal(body, &is.Response.Body) != nil && len(body) > 0 {
		is.Response.Body = "no JSON"
	}
	before, now := was.facts(), is.facts()
	if !recorded {
		s.rows = append(s.rows, strings.Join([]string{step, "status", "-", now["status"]}, "\t"))
		return
	}
	facts := maps.Clone(before)
	maps.Copy(facts, now)
	for _, fact := range slices.Sorted(maps.Keys(facts)) {
		if before[fact] != now[fact] {
			s.rows = append(s.rows, strings.Join([]string{step, fact, cmp.Or(before[fact], "-"), cmp.Or(now[fact], "-")}, "\t"))
		}
	}
}

// facts returns what two servers should agree on in a response: the status, the headers,
// the error, and the types of all other values.
func (e *exchange) facts() map[string]string {
	facts := map[string]string{"status": fmt.Sprint(e.Response.Status)}
	for name, value := range e.Response.Header {
		switch name {
		case "seam-request-id":
			value = "some"
		case "access-control-allow-headers", "access-control-allow-methods":
			value = strings.Join(slices.Sorted(strings.SplitSeq(value, ", ")), ", ")
		}
		facts["header "+name] = value
	}
	addFacts(facts, "", e.Response.Body)
	return facts
}

func addFacts(facts map[string]string, name string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			if key != "stack" { // only the fake server sends it
				addFacts(facts, strings.TrimPrefix(name+"."+key, "."), child)
			}
		}
	case nil:
		facts[name] = "null"
	case string:
		if name == "error.type" || name == "error.message" || name == "" {
			facts[name] = value
		} else {
			facts[name] = "string"
		}
	case []any:
		facts[name] = "array"
		if strings.HasPrefix(name, "error.validation_errors") {
			facts[name] = fmt.Sprint(value)
		}
	default:
		facts[name] = fmt.Sprintf("%T", value)
	}
}

// table formats the rows.
func (s *service) table() string {
	if len(s.rows) == 0 {
		return "nothing"
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(columns, "STEP\tFACT\tFAKE\tSERVICE\n%s\n", strings.Join(s.rows, "\n"))
	_ = columns.Flush()
	return text.String()
}
