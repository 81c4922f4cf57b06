package seamtest

import (
	"cmp"
	"net/http"
	"strings"
)

// credential is a way to authenticate.
type credential int

const (
	apiKey credential = iota
	personalAccessToken
	clientSessionToken
	publishableKey
)

// caller is the sender of a request.
type caller struct {
	by          credential
	workspaceID string
	session     *session // nil without a client session token
}

func unauthorized(kind, message string) (caller, error) {
	return caller{}, &refusal{status: http.StatusUnauthorized, Type: kind, Message: message}
}

// authenticate returns the sender of a request to an endpoint.
func (s *Server) authenticate(header http.Header, to endpoint) (caller, error) {
	authorization := header.Get("Authorization")
	token, _ := strings.CutPrefix(authorization, "Bearer ")
	ofSession := cmp.Or(header.Get("Seam-Client-Session-Token"), header.Get("Client-Session-Token"))
	if authorization == "" || ofSession != "" && to.accepts(clientSessionToken) {
		token = ofSession
	}
	switch {
	case token == "" && to.accepts(publishableKey):
		return s.byPublishableKey(header.Get("Seam-Publishable-Key"))
	case token == "":
		return unauthorized("unauthorized", "No Authorization header")
	case token == authorization:
		return unauthorized("unauthorized", "No token provided")
	case strings.HasPrefix(token, "seam_cst"):
		if !to.accepts(clientSessionToken) {
			return unauthorized("client_session_token_used_for_api_key", "A client session token was used instead of an API key")
		}
		return s.byClientSessionToken(token)
	case strings.HasPrefix(token, "seam_at"):
		return s.byPersonalAccessToken(token, header.Get("Seam-Workspace"))
	case strings.HasPrefix(token, "ey"):
		return unauthorized("unauthorized", "A JWT was used instead of an API key")
	}
	for _, workspace := range s.workspaces {
		if workspace.APIKey == token {
			return caller{by: apiKey, workspaceID: workspace.WorkspaceID}, nil
		}
	}
	return unauthorized("unauthorized", "API Key not found")
}

func (s *Server) byPublishableKey(key string) (caller, error) {
	if key == "" {
		return unauthorized("publishable_key_header_required", "Seam-Publishable-Key header required.")
	}
	for _, workspace := range s.workspaces {
		if workspace.PublishableKey == key {
			return caller{by: publishableKey, workspaceID: workspace.WorkspaceID}, nil
		}
	}
	return unauthorized("workspace_not_found", "Cannot find workspace associated with this publishable_key")
}

func (s *Server) byPersonalAccessToken(token, workspaceID string) (caller, error) {
	if workspaceID == "" {
		return caller{}, &refusal{
			status: http.StatusBadRequest, Type: "missing_workspace_id",
			Message: "When using access token authentication, you must provide the Seam-Workspace header",
		}
	}
	for _, workspace := range s.workspaces {
		if workspace.PersonalAccessToken == token && workspace.WorkspaceID == workspaceID {
			return caller{by: personalAccessToken, workspaceID: workspaceID}, nil
		}
	}
	return unauthorized("unauthorized", "Access token not found")
}

func (s *Server) byClientSessionToken(token string) (caller, error) {
	for _, session := range s.sessions {
		switch {
		case session.Token != token:
		case session.revoked:
			return unauthorized("client_session_revoked", "Unauthorized (client session revoked)")
		case !s.isLive(session):
			return unauthorized("client_session_expired", "Unauthorized (client session expired)")
		default:
			return caller{by: clientSessionToken, workspaceID: session.WorkspaceID, session: session}, nil
		}
	}
	return unauthorized("client_session_not_found", "Unauthorized (client session not found)")
}
