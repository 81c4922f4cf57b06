package seam

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unsafe"

	"github.com/seam-go/seam/internal/redact"
)

// ClientSession is a client session: it says what one of your users can reach
// through Seam, and has the token for that.
//
// Printed with package fmt or log/slog, it shows REDACTED in place of its token.
// [encoding/json.Marshal] includes the token, for the user's browser or phone.
// So does whatever prints a session without its methods: package fmt for the
// verbs %p and %w and in unexported fields of other types, and the JSON handler
// of log/slog for a session inside a slice, map or struct.
//
// See https://docs.seam.co/latest/api/client_sessions.
type ClientSession struct {
	ClientSessionID     string    `json:"client_session_id"`
	ConnectWebviewIDs   []string  `json:"connect_webview_ids,omitzero"`   // where the user can connect devices
	ConnectedAccountIDs []string  `json:"connected_account_ids,omitzero"` // whose devices the user can reach
	CreatedAt           time.Time `json:"created_at,omitzero"`
	CustomerID          string    `json:"customer_id,omitzero"`
	CustomerKey         string    `json:"customer_key,omitzero"` // your own ID of the customer
	DeviceCount         int       `json:"device_count"`
	ExpiresAt           time.Time `json:"expires_at,omitzero"` // when Token stops working

	// Token lets a browser or phone call Seam as the user, until the session
	// expires or is revoked. Treat it as a password.
	Token string `json:"token"`

	// UserIdentifierKey is your own ID of the user, empty if the session has none.
	UserIdentifierKey string `json:"user_identifier_key"`
	UserIdentityID    string `json:"user_identity_id,omitzero"`

	// UserIdentityIDs holds UserIdentityID. There could once be several.
	//
	// Deprecated: Use UserIdentityID.
	UserIdentityIDs []string `json:"user_identity_ids,omitzero"`
	WorkspaceID     string   `json:"workspace_id"`
}

// complete returns an error if s lacks what every client session has.
func (s *ClientSession) complete() error {
	switch {
	case s.ClientSessionID == "":
		return errors.New("response has a client session without an ID")
	case s.Token == "":
		return errors.New("response has a client session without a token")
	}
	return nil
}

// size returns the bytes of memory that s takes, without its texts.
func (s *ClientSession) size() int {
	elements := len(s.ConnectWebviewIDs) + len(s.ConnectedAccountIDs) + len(s.UserIdentityIDs)
	return int(unsafe.Sizeof(*s)) + elements*int(unsafe.Sizeof(""))
}

// redacted returns what is printed of s.
func (s ClientSession) redacted() any {
	type fields ClientSession // without methods, which would call redacted again
	if s.Token != "" {
		s.Token = redact.Mark
	}
	return fields(s)
}

// Format implements [fmt.Formatter]. It prints s without its token.
func (s ClientSession) Format(state fmt.State, verb rune) { redact.Format(state, verb, s.redacted()) }

// LogValue implements [slog.LogValuer]. It logs s without its token.
func (s ClientSession) LogValue() slog.Value { return slog.AnyValue(s.redacted()) }
