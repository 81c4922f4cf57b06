package seam

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/seam-go/seam/internal/redact"
)

// ClientSession gives one of your users access to Seam.
//
// Formatted with package fmt or log/slog, it shows REDACTED in place of its token.
// [encoding/json.Marshal] includes the token, so that it can be sent to the user's
// browser or phone. The token still appears if a ClientSession is formatted with %p or %w,
// if fmt formats another type that has it in an unexported field, or if the JSON handler
// of log/slog logs a slice, map or struct that contains it.
//
// See https://docs.seam.co/latest/api/client_sessions.
type ClientSession struct {
	ClientSessionID     string    `json:"client_session_id"`
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitzero"`   // Connect Webviews that the user can use
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitzero"` // accounts whose devices the user can access
	CreatedAt           time.Time `json:"created_at,omitzero"`
	CustomerID          string    `json:"customer_id,omitzero"`  // Seam's ID of the customer
	CustomerKey         string    `json:"customer_key,omitzero"` // your application's ID of the customer
	DeviceCount         int       `json:"device_count"`          // number of devices that the user can access
	ExpiresAt           time.Time `json:"expires_at,omitzero"`   // when Token stops working

	// Token authenticates the user's browser or phone, until the session expires, is
	// revoked or is deleted. Treat it as a password.
	Token string `json:"token"`

	// UserIdentifierKey is your application's ID of the user, or empty.
	UserIdentifierKey string `json:"user_identifier_key"`
	UserIdentityID    string `json:"user_identity_id,omitzero"` // Seam's ID of the user, or empty

	// UserIdentityIDs is an older form of UserIdentityID.
	//
	// Deprecated: Use UserIdentityID.
	UserIdentityIDs []string `json:"user_identity_ids,omitzero"`
	WorkspaceID     string   `json:"workspace_id"`
}

// redacted returns s as it is formatted.
func (s ClientSession) redacted() any {
	type fields ClientSession // without methods, which would call redacted again
	if s.Token != "" {
		s.Token = redact.Mark
	}
	return fields(s)
}

// Format implements [fmt.Formatter]. It omits the token.
func (s ClientSession) Format(state fmt.State, verb rune) { redact.Format(state, verb, s.redacted()) }

// LogValue implements [slog.LogValuer]. It omits the token.
func (s ClientSession) LogValue() slog.Value { return slog.AnyValue(s.redacted()) }
