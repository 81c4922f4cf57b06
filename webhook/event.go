package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// EventTypeClientSessionDeleted is the [Event.EventType] of a session that was
// deleted. There is none for one that was revoked or has expired.
const EventTypeClientSessionDeleted = "client_session.deleted"

// Event is something that has happened in a workspace. An event of a type that this
// package does not know has its type and Raw.
//
// Printed with package fmt or log/slog it does not show Raw, in which other
// events have the codes of locks. What prints an event without asking it does:
// fmt in an unexported field of something else, and slog's JSON handler in a
// slice, map or struct. [encoding/json.Marshal] keeps all, for a queue, and of Raw
// the same JSON if not the same bytes.
//
// See https://docs.seam.co/latest/api/events.
type Event struct {
	// MessageID is the same in each try to deliver an event, also one that was
	// asked for by hand. Whoever remembers those that were handled knows what
	// comes again.
	MessageID string

	EventID     string // Seam's own ID of the event
	EventType   string // such as client_session.deleted
	WorkspaceID string
	CreatedAt   time.Time // of the event; zero if that has no such time
	OccurredAt  time.Time // of what it tells of; zero likewise

	EventDescription string // for people; empty if there is none

	// ClientSessionDeleted is nil for an event of another type.
	ClientSessionDeleted *ClientSessionDeleted

	Raw json.RawMessage // the body as it came
}

// ClientSessionDeleted is what an [EventTypeClientSessionDeleted] tells.
type ClientSessionDeleted struct {
	ClientSessionID string // never empty
}

// newEvent reads a body that is signed. Of what an event need not have, it takes
// what it can read.
func newEvent(messageID string, body []byte) (Event, error) {
	unusable := func(why string) (Event, error) {
		return Event{}, fmt.Errorf("%w: message %s %s", ErrInvalidEvent, messageID, why)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return unusable("is no JSON object")
	}
	text := func(name string) (value string) {
		_ = json.Unmarshal(fields[name], &value) // what is no text is as good as none
		return value
	}
	at := func(name string) time.Time {
		at, _ := time.Parse(time.RFC3339, text(name)) // likewise
		return at
	}
	event := Event{
		MessageID:   messageID,
		EventID:     text("event_id"),
		EventType:   text("event_type"),
		WorkspaceID: text("workspace_id"),
		CreatedAt:   at("created_at"),
		OccurredAt:  at("occurred_at"),
		Raw:         bytes.Clone(body), // which is the caller's

		EventDescription: text("event_description"),
	}
	if event.EventID == "" || event.EventType == "" {
		return unusable("has no event_id or event_type")
	}
	if event.EventType == EventTypeClientSessionDeleted {
		event.ClientSessionDeleted = &ClientSessionDeleted{text("client_session_id")}
		if event.ClientSessionDeleted.ClientSessionID == "" {
			return unusable("has no client_session_id")
		}
	}
	return event, nil
}

// printedEvent is what a print shows of an event.
type printedEvent struct {
	MessageID, EventID, EventType, EventDescription, WorkspaceID string
	CreatedAt, OccurredAt                                        time.Time
	ClientSessionID, Raw                                         string
}

func (e Event) printed() printedEvent {
	printed := printedEvent{
		e.MessageID, e.EventID, e.EventType, e.EventDescription, e.WorkspaceID,
		e.CreatedAt, e.OccurredAt, "", "REDACTED",
	}
	if e.ClientSessionDeleted != nil {
		printed.ClientSessionID = e.ClientSessionDeleted.ClientSessionID
	}
	return printed
}

// Format implements [fmt.Formatter]: the event is printed without Raw.
func (e Event) Format(state fmt.State, verb rune) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), e.printed())
}

// LogValue implements [slog.LogValuer]: the event is logged without Raw.
func (e Event) LogValue() slog.Value { return slog.AnyValue(e.printed()) }
