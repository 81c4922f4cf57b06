package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
)

// server answers requests in memory.
type server struct {
	mu       sync.Mutex
	requests []request
	answer   func(r request) (status int, body any, err error)
	header   http.Header // of all responses
}

type request struct {
	Path   string
	Body   map[string]any
	Header http.Header
	Number int // of the requests to this path, from 1
	ctx    context.Context
}

// RoundTrip implements [http.RoundTripper].
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	received := request{Path: r.URL.Path, Header: r.Header, Number: 1, ctx: r.Context()}
	if err := json.Unmarshal(text, &received.Body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	for _, earlier := range s.requests {
		if earlier.Path == received.Path {
			received.Number++
		}
	}
	s.requests = append(s.requests, received)
	s.mu.Unlock()
	status, body, err := s.answer(received)
	if err != nil {
		return nil, err
	}
	var encoded []byte
	if raw, ok := body.(string); ok {
		encoded = []byte(raw)
	} else if encoded, err = json.Marshal(body); err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Seam-Request-Id": {"request_1"}}
	maps.Copy(header, s.header)
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(encoded)), Request: r}, nil
}

// client returns a client of s.
func (s *server) client(tb testing.TB, opts ...seam.Option) *api.Client {
	tb.Helper()
	opts = append([]seam.Option{seam.WithAPIKey("seam_test1_key"), seam.WithHTTPClient(&http.Client{Transport: s})}, opts...)
	core, err := seam.NewClient(opts...)
	require.NoError(tb, err)
	return api.New(core)
}

// paths returns the paths of the requests.
func (s *server) paths() []string {
	paths := []string{}
	for _, r := range s.requests {
		paths = append(paths, r.Path)
	}
	return paths
}

// answering returns a server that gives the same answer to all requests.
func answering(body any) *server {
	return &server{answer: func(request) (int, any, error) { return http.StatusOK, body, nil }}
}

// method is a method of a service.
type method struct {
	name string // such as Devices.Unmanaged.List
	path string // such as /devices/unmanaged/list
	call func(client *api.Client, ctx context.Context, params any, opts ...seam.Option) (any, error)
	// params is the type of its params.
	params reflect.Type
}

// methods returns all methods of the client for operations, by path. It does not return
// All: each is beside a List.
func methods(tb testing.TB) map[string]method {
	tb.Helper()
	found := map[string]method{}
	var walk func(v reflect.Value, name string, index []int)
	walk = func(v reflect.Value, name string, index []int) {
		for i := range v.Type().NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() || field.Anonymous || !strings.HasSuffix(field.Type.String(), "Service") {
				continue
			}
			service, at := v.Field(i), append(append([]int{}, index...), i)
			for j := range service.Type().NumMethod() {
				info := service.Type().Method(j)
				if info.Name == "All" || info.Name == "Wait" {
					continue
				}
				m := method{name: name + field.Name + "." + info.Name, params: info.Type.In(2)}
				m.call = func(client *api.Client, ctx context.Context, params any, opts ...seam.Option) (any, error) {
					receiver := reflect.ValueOf(client)
					for _, i := range at {
						receiver = receiver.Elem().Field(i)
					}
					in := []reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(params)}
					for _, opt := range opts {
						in = append(in, reflect.ValueOf(opt))
					}
					out := receiver.Method(j).Call(in)
					err, _ := out[len(out)-1].Interface().(error)
					if len(out) == 1 {
						return nil, err
					}
					return out[0].Interface(), err
				}
				m.path = pathOf(m.name)
				found[m.path] = m
			}
			walk(service.Elem(), name+field.Name+".", at)
		}
	}
	walk(reflect.ValueOf(answering(nil).client(tb)).Elem(), "", nil)
	return found
}

// pathOf returns the path of an operation for the name of its method.
func pathOf(name string) string {
	var b strings.Builder
	name = strings.NewReplacer("HVAC", "Hvac", "ID", "Id").Replace(name)
	start := true
	for _, r := range "." + name {
		switch {
		case r == '.':
			b.WriteByte('/')
			start = true
		case r >= 'A' && r <= 'Z':
			if !start {
				b.WriteByte('_')
			}
			b.WriteString(strings.ToLower(string(r)))
			start = false
		default:
			b.WriteRune(r)
			start = false
		}
	}
	return b.String()
}

// decodeParams returns params from JSON.
func decodeParams(tb testing.TB, m method, sample any) any {
	tb.Helper()
	text, err := json.Marshal(sample)
	require.NoError(tb, err)
	params := reflect.New(m.params)
	require.NoError(tb, json.Unmarshal(text, params.Interface()), "%s %s", m.path, text)
	return params.Elem().Interface()
}

// answer returns a response to an operation that is valid by the schema.
func (p pinned) answer(op operation) map[string]any {
	if op.Response == nil {
		return map[string]any{}
	}
	response := p.samples(op.Response, "", true)[0].(map[string]any)
	response["ok"] = true
	if pagination, ok := response["pagination"].(map[string]any); ok {
		pagination["has_next_page"], pagination["next_page_cursor"] = false, nil
	}
	if attempt, ok := response["action_attempt"].(map[string]any); ok {
		attempt["status"] = "success"
	}
	return response
}
