package seamtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxRequestBody limits the body of a request, in bytes.
const maxRequestBody = 1 << 20

// endpoint is an endpoint of the API.
type endpoint struct {
	methods     []string
	credentials []credential // accepted credentials
	fields      []field
	do          func(*Server, call) (any, error)
}

var (
	withKey        = []credential{apiKey, personalAccessToken}
	withKeyOrToken = []credential{clientSessionToken, personalAccessToken, apiKey}
	toCreate       = []credential{apiKey, personalAccessToken, publishableKey}
)

// endpoints holds the endpoints by path, in the order of the API's documentation.
var endpoints = map[string]endpoint{
	"/client_sessions/create": {
		methods:     []string{http.MethodPost, http.MethodPut},
		credentials: toCreate,
		fields: []field{
			{name: "connected_account_ids", kind: list},
			{name: "connect_webview_ids", kind: list},
			{name: "user_identifier_key", kind: nonEmpty},
			{name: "customer_id", kind: text},
			{name: "customer_key", kind: nonEmpty},
			{name: "user_identity_id", kind: text},
			{name: "user_identity_ids", kind: list},
			{name: "expires_at", kind: dateTime},
		},
		do: (*Server).create,
	},
	"/client_sessions/delete": {
		methods:     []string{http.MethodDelete, http.MethodPost},
		credentials: withKey,
		fields:      []field{{name: "client_session_id", kind: text, required: true}},
		do:          (*Server).delete,
	},
	"/client_sessions/get": {
		methods:     []string{http.MethodGet, http.MethodPost},
		credentials: withKeyOrToken,
		fields: []field{
			{name: "client_session_id", kind: text},
			{name: "user_identifier_key", kind: text},
		},
		do: (*Server).get,
	},
	"/client_sessions/get_or_create": {
		methods:     []string{http.MethodPost},
		credentials: toCreate,
		fields: []field{
			{name: "connected_account_ids", kind: list},
			{name: "connect_webview_ids", kind: list},
			{name: "user_identifier_key", kind: nonEmpty},
			{name: "user_identity_id", kind: text},
			{name: "user_identity_ids", kind: list},
			{name: "expires_at", kind: dateTime},
		},
		do: (*Server).getOrCreate,
	},
	"/client_sessions/grant_access": {
		methods:     []string{http.MethodPatch, http.MethodPost},
		credentials: withKey,
		fields: []field{
			{name: "client_session_id", kind: text},
			{name: "user_identifier_key", kind: text},
			{name: "connected_account_ids", kind: list},
			{name: "connect_webview_ids", kind: list},
			{name: "user_identity_id", kind: text},
			{name: "user_identity_ids", kind: list},
		},
		do: (*Server).grantAccess,
	},
	"/client_sessions/list": {
		methods:     []string{http.MethodGet, http.MethodPost},
		credentials: withKey,
		fields: []field{
			{name: "client_session_id", kind: text},
			{name: "user_identifier_key", kind: text},
			{name: "connect_webview_id", kind: text},
			{name: "without_user_identifier_key", kind: flag},
			{name: "user_identity_id", kind: text},
		},
		do: (*Server).list,
	},
	"/client_sessions/revoke": {
		methods:     []string{http.MethodPost},
		credentials: withKey,
		fields:      []field{{name: "client_session_id", kind: text, required: true}},
		do:          (*Server).revoke,
	},
	"/connect_webviews/create": {
		methods:     []string{http.MethodPost},
		credentials: withKeyOrToken,
		fields: []field{
			{name: "accepted_providers", kind: list, oneOf: [][]string{providers}},
			{name: "custom_redirect_url", kind: text},
			{name: "device_selection_mode", kind: text, oneOf: [][]string{{"none", "single", "multiple"}}},
			{name: "custom_redirect_failure_url", kind: text},
		},
		do: (*Server).createWebview,
	},
	"/connect_webviews/get": {
		methods:     []string{http.MethodGet, http.MethodPost},
		credentials: withKeyOrToken,
		fields:      []field{{name: "connect_webview_id", kind: text, required: true}},
		do:          (*Server).getWebview,
	},
	"/locks/unlock_door": {
		methods:     []string{http.MethodPost},
		credentials: withKeyOrToken,
		fields:      []field{{name: "device_id", kind: text, required: true}, {name: "sync", kind: flag}},
		do:          (*Server).unlockDoor,
	},
	"/locks/lock_door": {
		methods:     []string{http.MethodPost},
		credentials: withKeyOrToken,
		fields:      []field{{name: "device_id", kind: text, required: true}, {name: "sync", kind: flag}},
		do:          (*Server).lockDoor,
	},
	"/action_attempts/get": {
		methods:     []string{http.MethodGet, http.MethodPost},
		credentials: withKeyOrToken,
		fields:      []field{{name: "action_attempt_id", kind: text, required: true}},
		do:          (*Server).getActionAttempt,
	},
	"/devices/get": {
		methods:     []string{http.MethodGet, http.MethodPost},
		credentials: withKeyOrToken,
		fields:      []field{{name: "device_id", kind: text}, {name: "name", kind: text}},
		do:          (*Server).getDevice,
	},
	"/locks/get": {
		methods:     []string{http.MethodGet, http.MethodPost},
		credentials: withKeyOrToken,
		fields:      []field{{name: "device_id", kind: text}, {name: "name", kind: text}},
		do:          (*Server).getLock,
	},
	"/devices/list": {
		methods:     []string{http.MethodGet, http.MethodPost},
		credentials: withKeyOrToken,
		fields: []field{
			{name: "device_ids", kind: list},
			{name: "connected_account_id", kind: text},
			{name: "connected_account_ids", kind: list},
			{name: "device_type", kind: text, oneOf: deviceTypes},
			{name: "device_types", kind: list, oneOf: deviceTypes},
			{name: "manufacturer", kind: text},
			{name: "user_identifier_key", kind: text},
			{name: "limit", kind: positive},
			{name: "page_cursor", kind: cursor},
		},
		do: (*Server).listDevices,
	},
}

// call is a valid request.
type call struct {
	caller
	method string
	params params
}

// refusal is an error response of the API.
type refusal struct {
	status           int
	Type             string `json:"type"`
	Message          string `json:"message"`
	ValidationErrors any    `json:"validation_errors,omitempty"`
}

func (r *refusal) Error() string { return r.Message }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
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
	status, response := http.StatusOK, any(map[string]any{"ok": true})
	if fault == nil || fault.TakesEffect {
		if err == nil {
			response, err = s.handle(r, body)
		}
		if err != nil {
			refused, ok := errors.AsType[*refusal](err)
			if !ok {
				refused = &refusal{status: http.StatusRequestEntityTooLarge, Type: "request_too_large", Message: err.Error()}
			}
			status, response = refused.status, map[string]any{"error": refused, "ok": false}
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

// handle authenticates and validates the request and runs its endpoint.
func (s *Server) handle(r *http.Request, body []byte) (any, error) {
	endpoint, ok := endpoints[r.URL.Path]
	if !ok {
		return nil, &refusal{status: http.StatusNotFound, Type: "not_found", Message: "No such endpoint"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	who, err := s.authenticate(r.Header, endpoint.credentials)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(endpoint.methods, r.Method) {
		return nil, &refusal{
			status: http.StatusMethodNotAllowed, Type: "method_not_allowed",
			Message: "only " + strings.Join(endpoint.methods, ",") + " accepted",
		}
	}
	params, err := read(r, body, endpoint.fields)
	if err != nil {
		return nil, err
	}
	if key := r.Header.Get("Seam-User-Identifier-Key"); key != "" && !params.has("user_identifier_key") && who.by == publishableKey {
		params["user_identifier_key"] = key
	}
	return endpoint.do(s, call{who, r.Method, params})
}

// read reads the params of GET and DELETE requests from the query, and those of other
// requests from the body.
func read(r *http.Request, body []byte, fields []field) (params, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return validate(fromQuery(r.URL.Query(), fields), fields)
	}
	if len(body) == 0 {
		return validate(map[string]any{}, fields)
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
	return validate(value, fields)
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
