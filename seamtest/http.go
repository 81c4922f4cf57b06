package seamtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxRequestBody limits the body of a request, in bytes.
const maxRequestBody = 1 << 20

// Handle answers the requests to path with handler, in place of what the server
// simulates. If the path is in Seam's schema, handler gets only requests that are
// authorized and whose params are valid; others are refused. It may be called
// concurrently, and may call methods of the server. Its body is encoded as JSON.
// Handle panics if path does not begin with a slash.
//
// A request to an endpoint that nothing answers gets a 404, and one with a param that the
// simulation of its endpoint would ignore gets a 501. With [NewServer], they also fail the test,
// unless [Server.AllowUnanswered] was called.
func (s *Server) Handle(path string, handler func(Request) (status int, body any)) {
	if !strings.HasPrefix(path, "/") {
		panic(fmt.Sprintf("seamtest: Handle: path %q does not begin with a slash", path))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[path] = handler
}

// AllowUnanswered lets a test pass that has sent requests that nothing answers.
func (s *Server) AllowUnanswered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unansweredAllowed = true
}

// call is a valid request.
type call struct {
	caller
	method, path string
	params       params
}

// refusal is an error response of the API.
type refusal struct {
	status           int
	Type             string `json:"type"`
	Message          string `json:"message"`
	ValidationErrors any    `json:"validation_errors,omitempty"`
}

func (r *refusal) Error() string { return r.Message }

// ServeHTTP answers a request. It makes the server an [http.Handler], for programs that put
// it behind another one or call it without a network. Such a program must call Close too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.servePage(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))

	request := Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), body}
	s.mu.Lock()
	s.requests = append(s.requests, request)
	id := "request" + strconv.Itoa(len(s.requests))
	s.mu.Unlock()

	allow(w.Header(), r.Header.Get("Origin"))
	w.Header().Set("Seam-Request-Id", id)
	if r.Method == http.MethodOptions {
		return // a preflight needs no body
	}
	fault := s.nextFault(request)
	if fault != nil && fault.Delay > 0 {
		pause(r, fault.Delay)
		if fault.onlyDelays() {
			fault = nil
		}
	}
	status, response := http.StatusOK, any(object{"ok": true})
	if fault == nil || fault.TakesEffect {
		if err == nil {
			status, response, err = s.handle(r, request)
		}
		if err != nil {
			refused, ok := errors.AsType[*refusal](err)
			if !ok {
				refused = &refusal{status: http.StatusRequestEntityTooLarge, Type: "request_too_large", Message: err.Error()}
			}
			status, response = refused.status, object{"error": refused, "ok": false}
		}
	}
	text, err := json.Marshal(response)
	if err != nil {
		panic(err) // all responses can be encoded
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if fault != nil {
		fault.respond(w, r, status, text)
		return
	}
	write(w, status, text)
}

// handle authenticates and validates the request and answers it.
func (s *Server) handle(r *http.Request, request Request) (status int, response any, err error) {
	s.mu.Lock()
	handler := s.handlers[r.URL.Path]
	if endpoint, known := endpoints()[r.URL.Path]; known {
		response, err = s.simulate(r, request, endpoint, handler != nil)
	} else if handler == nil {
		err = s.unanswered(request, http.StatusNotFound, "Seam's schema does not have it")
	}
	s.mu.Unlock()
	if err != nil || handler == nil {
		return http.StatusOK, response, err
	}
	status, response = handler(request)
	return status, response, nil
}

// simulate authenticates and validates a request, and answers it unless it is for a
// handler of Handle. The caller must hold mu.
func (s *Server) simulate(r *http.Request, request Request, endpoint endpoint, handled bool) (any, error) {
	s.settle()
	who, err := s.authenticate(r.Header, endpoint)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(endpoint.Methods, r.Method) {
		return nil, &refusal{
			status: http.StatusMethodNotAllowed, Type: "method_not_allowed",
			Message: "only " + strings.Join(endpoint.Methods, ",") + " accepted",
		}
	}
	params, err := read(r, request.Body, endpoint.Params)
	if err != nil || handled {
		return nil, err
	}
	simulation, ok := simulations[r.URL.Path]
	if !ok {
		return nil, s.unanswered(request, http.StatusNotFound, "seamtest does not simulate it")
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(strings.Fields(simulation.params), name) {
			return nil, s.unanswered(request, http.StatusNotImplemented, "seamtest does not simulate its param "+name)
		}
	}
	if simulation.needs != nil {
		if lack := simulation.needs(params); lack != "" {
			return nil, invalidInput([]issue{{message: lack}})
		}
	}
	if key := r.Header.Get("Seam-User-Identifier-Key"); key != "" && !params.has("user_identifier_key") && who.by == publishableKey {
		params["user_identifier_key"] = key
	}
	response, err := simulation.run(s, call{who, r.Method, r.URL.Path, params})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(response) // while nothing changes it
	return json.RawMessage(text), err
}

// unanswered records a request that nothing answers, and returns its refusal.
func (s *Server) unanswered(request Request, status int, why string) error {
	text := fmt.Sprintf("nothing answers %s %s: %s; answer it with Server.Handle", request.Method, request.Path, why)
	s.unansweredRequests = append(s.unansweredRequests, text)
	kind := strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	return &refusal{status: status, Type: kind, Message: "seamtest: " + text}
}

// read reads the params of GET and DELETE requests from the query, unless there is a
// body, and those of other requests from the body.
func read(r *http.Request, body []byte, of *schema) (params, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodDelete && len(body) == 0 {
		return of.validate(of.fromQuery(r.URL.Query()))
	}
	if len(body) == 0 {
		return of.validate(map[string]any{})
	}
	if !strings.Contains(r.Header.Get("Content-Type"), "application/json") {
		return nil, &refusal{
			status: http.StatusBadRequest, Type: "invalid_content_type",
			Message: fmt.Sprintf(`%s requests must have Content-Type header with "application/json"`, r.Method),
		}
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return nil, &refusal{status: http.StatusBadRequest, Type: "invalid_json", Message: "Invalid JSON"}
	}
	return of.validate(value)
}

// allow sets the CORS headers that let pages of any origin use the API.
func allow(header http.Header, origin string) {
	if origin == "" {
		origin = "*"
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "accept, accept-version, authorization, client-session-token, content-length, "+
		"content-md5, content-type, date, seam-api-key, seam-client-session-token, seam-lts-version, seam-publishable-key, "+
		"seam-sdk-name, seam-sdk-version, seam-user-identifier-key, seam-workspace, user-agent, x-api-version, "+
		"x-csrf-token, x-requested-with")
	header.Set("Access-Control-Allow-Credentials", "true")
}

// write sends a response. It ignores errors, since the client may have disconnected.
func write(w http.ResponseWriter, status int, body []byte) {
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
