package seam

import (
	"fmt"
	"log/slog"
	"time"
)

// ClientSession is a client session: what one of your users may reach through
// Seam, and the token to reach it with.
//
// Printed with package fmt or log/slog it shows everything but its token.
// [encoding/json.Marshal] includes the token, and so does what prints a session
// without asking it: fmt in an unexported field of something else, and slog's
// JSON handler in a slice, map or struct.
//
// See https://docs.seam.co/latest/api/client_sessions.
type ClientSession struct {
	ClientSessionID     string    `json:"client_session_id"`
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitzero"`   // where the user may connect devices
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitzero"` // whose devices the user can reach
	CreatedAt           time.Time `json:"created_at,omitzero"`
	CustomerID          string    `json:"customer_id,omitzero"`  // in the vendor's documents, not in its schema
	CustomerKey         string    `json:"customer_key,omitzero"` // your own ID of the customer
	DeviceCount         int       `json:"device_count"`
	ExpiresAt           time.Time `json:"expires_at,omitzero"` // from when on Token is refused

	// Token lets a browser or phone call Seam as the session's user, until the
	// session expires or is revoked. Treat it as a password.
	Token string `json:"token"`

	// UserIdentifierKey is your own ID of the user, empty if the session has none.
	UserIdentifierKey string `json:"user_identifier_key"`
	UserIdentityID    string `json:"user_identity_id,omitzero"`

	// UserIdentityIDs holds the UserIdentityID, as it once could several.
	//
	// Deprecated: Use UserIdentityID.
	UserIdentityIDs []string `json:"user_identity_ids,omitzero"`
	WorkspaceID     string   `json:"workspace_id"`
}

// printedClientSession has the fields of a session without its methods, so that
// those can print it.
type printedClientSession ClientSession

func (s ClientSession) printed() printedClientSession {
	if s.Token != "" {
		s.Token = "REDACTED"
	}
	return printedClientSession(s)
}

// Format implements [fmt.Formatter]: the session is printed without its token.
func (s ClientSession) Format(state fmt.State, verb rune) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), s.printed())
}

// LogValue implements [slog.LogValuer]: the session is logged without its token.
func (s ClientSession) LogValue() slog.Value { return slog.AnyValue(s.printed()) }
