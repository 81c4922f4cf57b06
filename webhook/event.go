package webhook

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/seam-go/seam/internal/redact"
)

// EventTypeClientSessionDeleted is the [Event.EventType] for a deleted client session.
const EventTypeClientSessionDeleted = "client_session.deleted"

// Event is an event in a Seam workspace. [Event.Raw] returns its complete JSON. To read
// the fields of other types of events, such as lock.locked, decode that.
//
// Raw may contain secrets, such as access codes. Formatted with package fmt or
// log/slog, an Event shows REDACTED in its place. [encoding/json.Marshal] includes it,
// so that an Event can be put into a queue. So does the JSON handler of log/slog for an
// Event inside a slice, map or struct. Other encodings, such as encoding/gob, lose it.
//
// See https://docs.seam.co/latest/api/events.
type Event struct {
	// MessageID is the value of the ID header. By the Standard Webhooks specification it
	// is the same in all attempts to deliver an event. Use it to deduplicate events.
	MessageID string

	EventID     string    // ID of the event in Seam's API
	EventType   string    // such as client_session.deleted
	WorkspaceID string    // may be empty
	CreatedAt   time.Time // when Seam created the event; zero if missing or malformed
	OccurredAt  time.Time // when it happened; zero if missing or malformed

	EventDescription string // human-readable description; may be empty

	// ClientSessionDeleted is nil for events of other types.
	ClientSessionDeleted *ClientSessionDeleted

	raw *string // a pointer, so that package fmt does not print the text
}

// ClientSessionDeleted has the fields of an [EventTypeClientSessionDeleted] event.
type ClientSessionDeleted struct {
	ClientSessionID string // never empty
}

// Raw returns a copy of the event's JSON as received, or nil if the Event was not
// decoded from a delivery. After encoding with [encoding/json.Marshal] and decoding,
// the JSON may differ in whitespace and escapes.
func (e Event) Raw() json.RawMessage {
	if e.raw == nil {
		return nil
	}
	return json.RawMessage(*e.raw)
}

// newEvent decodes a verified body. Optional fields of the wrong type are zero.
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

// fields has the fields of an Event without its methods.
type fields Event

// encoded is the JSON encoding of an event.
type encoded struct {
	fields
	Raw json.RawMessage
}

// MarshalJSON implements [encoding/json.Marshaler]. The encoding includes
// [Event.Raw].
func (e Event) MarshalJSON() ([]byte, error) { return json.Marshal(encoded{fields(e), e.Raw()}) }

// UnmarshalJSON implements [encoding/json.Unmarshaler]. It decodes the encoding of
// [Event.MarshalJSON] and does not verify it. To decode a delivery, use
// [Verifier.Verify].
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

// printedEvent is the form of an Event that packages fmt and log/slog print.
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

// Format implements [fmt.Formatter]. It omits Raw.
func (e Event) Format(state fmt.State, verb rune) { redact.Format(state, verb, e.printed()) }

// LogValue implements [slog.LogValuer]. It omits Raw.
func (e Event) LogValue() slog.Value { return slog.AnyValue(e.printed()) }
