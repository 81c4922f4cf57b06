package webhook

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/seam-go/seam/internal/redact"
)

// EventTypeClientSessionDeleted is the [Event.EventType] for a deleted client
// session. Seam sends no event for a session that is revoked or expires.
const EventTypeClientSessionDeleted = "client_session.deleted"

// Event is an event in a Seam workspace. Fields that Event lacks are in the JSON
// returned by [Event.Raw].
//
// This JSON can contain secrets, such as access codes. Packages fmt and log/slog do
// not show it. [encoding/json.Marshal] includes it, so that an Event can be put into
// a queue; [encoding/json.Unmarshal] restores the Event. Other encodings, such as
// encoding/gob, lose it. Loggers that encode a value as JSON show it: slog's JSON
// handler does so for an Event in a slice, map or struct.
//
// See https://docs.seam.co/latest/api/events.
type Event struct {
	// MessageID is the same in each attempt to deliver an event, including those
	// requested in the Seam console. Use it to recognize an event that was handled
	// before.
	MessageID string

	EventID     string    // Seam's ID of the event
	EventType   string    // such as client_session.deleted
	WorkspaceID string    // the workspace of the event
	CreatedAt   time.Time // when Seam created the event; zero if missing or malformed
	OccurredAt  time.Time // when it happened; zero if missing or malformed

	EventDescription string // a sentence for people; may be empty

	// ClientSessionDeleted is nil for events of another type.
	ClientSessionDeleted *ClientSessionDeleted

	raw *string // a pointer, since package fmt prints what a string contains
}

// ClientSessionDeleted has the fields of an [EventTypeClientSessionDeleted] event.
type ClientSessionDeleted struct {
	ClientSessionID string // never empty
}

// Raw returns the JSON of the event as received, or nil if the Event was not made
// from a delivery. The caller may modify the returned bytes. If the Event was
// restored by [encoding/json.Unmarshal], the JSON may have other spaces and escapes
// than received.
func (e Event) Raw() json.RawMessage {
	if e.raw == nil {
		return nil
	}
	return json.RawMessage(*e.raw)
}

// newEvent decodes a verified body. It ignores optional fields of the wrong type.
func newEvent(messageID string, body []byte) (Event, error) {
	invalid := func(why string) (Event, error) {
		return Event{}, fmt.Errorf("%w: message %s %s", ErrInvalidEvent, messageID, why)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return invalid("is not a JSON object")
	}
	text := func(name string) (value string) {
		_ = json.Unmarshal(fields[name], &value) // the empty string if it is not a string
		return value
	}
	date := func(name string) time.Time {
		t, _ := time.Parse(time.RFC3339, text(name)) // zero if it is not a time
		return t
	}
	raw := string(body)
	event := Event{
		MessageID:   messageID,
		EventID:     text("event_id"),
		EventType:   text("event_type"),
		WorkspaceID: text("workspace_id"),
		CreatedAt:   date("created_at"),
		OccurredAt:  date("occurred_at"),

		EventDescription: text("event_description"),

		raw: &raw,
	}
	if event.EventID == "" || event.EventType == "" {
		return invalid("has no event_id or event_type")
	}
	if event.EventType == EventTypeClientSessionDeleted {
		event.ClientSessionDeleted = &ClientSessionDeleted{text("client_session_id")}
		if event.ClientSessionDeleted.ClientSessionID == "" {
			return invalid("has no client_session_id")
		}
	}
	return event, nil
}

// fields has the fields of an event and none of its methods.
type fields Event

// encoded is the JSON encoding of an event.
type encoded struct {
	fields
	Raw json.RawMessage
}

// MarshalJSON implements [encoding/json.Marshaler]. The encoding includes
// [Event.Raw].
func (e Event) MarshalJSON() ([]byte, error) { return json.Marshal(encoded{fields(e), e.Raw()}) }

// UnmarshalJSON implements [encoding/json.Unmarshaler]. It decodes what
// [Event.MarshalJSON] returns, not the body of a webhook; see [Verifier.Verify].
func (e *Event) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil // by convention
	}
	var decoded encoded
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*e = Event(decoded.fields)
	if raw := string(decoded.Raw); raw != "" && raw != "null" {
		e.raw = &raw
	}
	return nil
}

// printedEvent is what package fmt and loggers print.
type printedEvent struct {
	MessageID, EventID, EventType, EventDescription, WorkspaceID string
	CreatedAt, OccurredAt                                        time.Time
	ClientSessionID, Raw                                         string
}

func (e Event) printed() printedEvent {
	p := printedEvent{
		e.MessageID, e.EventID, e.EventType, e.EventDescription, e.WorkspaceID,
		e.CreatedAt, e.OccurredAt, "", redact.Mark,
	}
	if e.ClientSessionDeleted != nil {
		p.ClientSessionID = e.ClientSessionDeleted.ClientSessionID
	}
	return p
}

// Format implements [fmt.Formatter]. It prints the event without its raw JSON.
func (e Event) Format(state fmt.State, verb rune) { redact.Format(state, verb, e.printed()) }

// LogValue implements [slog.LogValuer]. It logs the event without its raw JSON.
func (e Event) LogValue() slog.Value { return slog.AnyValue(e.printed()) }
