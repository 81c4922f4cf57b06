package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/webhook"
)

// bodies are signed bodies with the event that each contains, or a zero event if it
// is invalid.
var bodies = map[string]struct {
	body   string
	want   webhook.Event
	vendor string // as in tampered
}{
	"event of another type": {
		body: `{"event_id": "1", "event_type": "device.connected", "workspace_id": "w", "device_id": "d",
			"event_description": "A device was connected",
			"created_at": "2000-01-01T00:00:00Z", "occurred_at": "1999-12-31T23:00:00.5-01:00"}`,
		want: webhook.Event{
			EventID: "1", EventType: "device.connected", WorkspaceID: "w", EventDescription: "A device was connected",
			CreatedAt: time.Unix(bubble, 0), OccurredAt: time.Unix(bubble, 500e6),
		},
	},
	"required fields only": {
		body: `{"event_id": "1", "event_type": "a"}`,
		want: webhook.Event{EventID: "1", EventType: "a"},
	},
	"fields of other types": {
		body: `{"event_id": "1", "event_type": "a", "workspace_id": 7, "created_at": {}, "occurred_at": "yesterday"}`,
		want: webhook.Event{EventID: "1", EventType: "a"},
	},
	"numbers out of range": {
		body: `{"event_id": "1", "event_type": "a", "n": 1e999, "workspace_id": -1e999}`,
		want: webhook.Event{EventID: "1", EventType: "a"},
	},
	"repeated fields": {
		body: `{"event_id": "1", "event_type": "client_session.deleted", "event_type": "a", "event_id": "2"}`,
		want: webhook.Event{EventID: "2", EventType: "a"},
	},
	"names in upper case": {
		body: `{"event_id": "1", "event_type": "a", "EVENT_TYPE": "client_session.deleted", "Workspace_ID": "w"}`,
		want: webhook.Event{EventID: "1", EventType: "a"},
	},
	"session ID in an event of another type": {
		body: `{"event_id": "1", "event_type": "client_session.created", "client_session_id": "c"}`,
		want: webhook.Event{EventID: "1", EventType: "client_session.created"},
	},
	"names of Event's own fields": {
		body: `{"event_id": "1", "event_type": "a", "Raw": 1, "MessageID": 2, "ClientSessionDeleted": [], "message_id": {}}`,
		want: webhook.Event{EventID: "1", EventType: "a"},
	},
	"deleted session": {
		body: `{"event_id": "1", "event_type": "client_session.deleted", "client_session_id": "c"}`,
		want: webhook.Event{
			EventID: "1", EventType: "client_session.deleted",
			ClientSessionDeleted: &webhook.ClientSessionDeleted{ClientSessionID: "c"},
		},
	},
	"no session ID": {
		body:   `{"event_id": "1", "event_type": "client_session.deleted"}`,
		vendor: "it ignores the fields of an event type",
	},
	"session ID that is not a string": {
		body:   `{"event_id": "1", "event_type": "client_session.deleted", "client_session_id": 1}`,
		vendor: "it ignores the fields of an event type",
	},
	"empty session ID": {
		body:   `{"event_id": "1", "event_type": "client_session.deleted", "client_session_id": ""}`,
		vendor: "it ignores the fields of an event type",
	},
	"no event ID":                     {body: `{"event_type": "a"}`},
	"event ID that is not a string":   {body: `{"event_id": 1, "event_type": "a"}`},
	"event ID that is null":           {body: `{"event_id": null, "event_type": "a"}`},
	"no event type":                   {body: `{"event_id": "1"}`},
	"event type that is not a string": {body: `{"event_id": "1", "event_type": ["a"]}`},
	"empty event ID":                  {body: `{"event_id": "", "event_type": "a"}`, vendor: "it accepts empty strings"},
	"empty event type":                {body: `{"event_id": "1", "event_type": ""}`, vendor: "it accepts empty strings"},
	"empty object":                    {body: `{}`},
	"null":                            {body: `null`},
	"array":                           {body: `[{"event_id": "1", "event_type": "a"}]`},
	"text":                            {body: `"event_id event_type"`},
	"nothing":                         {body: ``},
	"JSON cut short":                  {body: `{"event_id": "1", "event_type": "a"`},
	"two objects":                     {body: `{"event_id": "1", "event_type": "a"}{}`},
	"form":                            {body: `event_id=1&event_type=a`},
	"byte order mark":                 {body: "\ufeff" + `{"event_id": "1", "event_type": "a"}`},
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, tt := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := newVerifier(t, secret).Verify([]byte(tt.body), sign(tt.body))
			if tt.want.EventID == "" {
				require.ErrorIs(t, err, webhook.ErrInvalidEvent)
				assert.Contains(t, err.Error(), "message msg_1 ", "the message can be looked up")
				assert.Empty(t, event.MessageID)
				return
			}
			require.NoError(t, err)
			want := tt.want
			want.MessageID = "msg_1"
			assert.Empty(t, cmp.Diff(want, event, cmpopts.EquateApproxTime(0), cmpopts.IgnoreUnexported(webhook.Event{})))
			assert.Equal(t, tt.body, string(event.Raw()))
		})
	}
}

// TestPrintedEventHidesRaw prints an event and values that contain one.
func TestPrintedEventHidesRaw(t *testing.T) {
	t.Parallel()
	const pin = "4071"
	body := `{"event_id": "event_1", "event_type": "access_code.set_on_device", "code": "` + pin + `"}`
	event, err := newVerifier(t, secret).Verify([]byte(body), sign(body))
	require.NoError(t, err)
	var prints bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%w", "%p", "%t"} {
		for _, value := range []any{event, &event, []webhook.Event{event}, struct{ E webhook.Event }{event}, struct{ e *webhook.Event }{&event}, struct{ e webhook.Event }{event}} {
			fmt.Fprintf(&prints, verb+"\n", value)
			fmt.Fprint(&prints, fmt.Errorf(verb+"\n", value))
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&prints, nil), slog.NewJSONHandler(&prints, nil)} {
		slog.New(handler).LogAttrs(t.Context(), slog.LevelInfo, "", slog.Any("event", event), slog.Any("pointer", &event))
	}
	for _, leak := range []string{pin, fmt.Sprintf("%x", pin), strings.ToUpper(fmt.Sprintf("%x", pin)), "52 48 55 49"} {
		assert.NotContains(t, prints.String(), leak)
	}
	assert.Contains(t, prints.String(), "access_code.set_on_device")

	ofSession, header := deleted(t)
	synctest.Test(t, func(t *testing.T) {
		event, err := newVerifier(t, secret).Verify(ofSession, header)
		require.NoError(t, err)
		assert.Equal(t, "{MessageID:msg_1 EventID:e1a2b3c4-0000-4000-8000-000000000001 EventType:client_session.deleted "+
			"EventDescription:A client session was deleted. WorkspaceID:398d80b7-3f96-47c2-b85a-6f8ba21d07be "+
			"CreatedAt:2000-01-01 00:00:00.25 +0000 UTC OccurredAt:1999-12-31 23:59:59 +0000 UTC "+
			"ClientSessionID:c2cbd177-1ace-414b-bb1e-9f129e4a05c1 Raw:REDACTED}", fmt.Sprintf("%+v", event))
	})
}

// TestMarshalledEventIsComplete encodes and decodes events, as a queue does.
func TestMarshalledEventIsComplete(t *testing.T) {
	t.Parallel()
	const body = `{"event_id":"1","event_type":"client_session.deleted","client_session_id":"c",` +
		`"created_at":"2000-01-01T00:00:00Z","event_description":"A session was deleted"}`
	event, err := newVerifier(t, secret).Verify([]byte(body), sign(body))
	require.NoError(t, err)
	for _, want := range []webhook.Event{event, {}, {EventID: "made by hand"}} {
		text, err := json.Marshal(want)
		require.NoError(t, err)
		var got webhook.Event
		require.NoError(t, json.Unmarshal(text, &got))
		assert.Equal(t, want, got)
		assert.Equal(t, want.Raw(), got.Raw())
	}
	text, err := json.Marshal(event)
	require.NoError(t, err)
	assert.JSONEq(t, `{"MessageID": "msg_1", "EventID": "1", "EventType": "client_session.deleted", "WorkspaceID": "",
		"CreatedAt": "2000-01-01T00:00:00Z", "OccurredAt": "0001-01-01T00:00:00Z", "EventDescription": "A session was deleted",
		"ClientSessionDeleted": {"ClientSessionID": "c"}, "Raw": `+body+`}`, string(text))

	before := event
	require.NoError(t, json.Unmarshal([]byte("null"), &event))
	assert.Equal(t, before, event)
	require.Error(t, json.Unmarshal([]byte(`{"EventID": 1}`), &event))
	require.NoError(t, json.Unmarshal([]byte(`{"EventID": "2", "Raw": [1]}`), &event))
	assert.Equal(t, "[1]", string(event.Raw()))
	assert.Nil(t, event.ClientSessionDeleted)
	assert.JSONEq(t, body, string(before.Raw()), "a copy does not change")
}
