package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

const webhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

// receive returns the event that package webhook receives for a body.
func receive(t *testing.T, body any) webhook.Event {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	verifier, err := webhook.NewVerifier(webhookSecret)
	require.NoError(t, err)
	event, err := verifier.Verify(text, seamtest.SignWebhook(webhookSecret, "msg_1", time.Now(), text))
	require.NoError(t, err)
	return event
}

// TestDecodeEvent decodes each type of event in the schema, and one that is not.
func TestDecodeEvent(t *testing.T) {
	t.Parallel()
	p := readPinned(t)
	kinds := map[string]bool{}
	for _, sample := range p.samples(p.Schemas["event"], "", true) {
		event, err := api.DecodeEvent(receive(t, sample))
		require.NoError(t, err)
		assert.Equal(t, pruned(sample), pruned(encoded(t, event)))
		kinds[event.EventType] = true
	}
	assert.Len(t, kinds, 109)

	event, err := api.DecodeEvent(receive(t, map[string]any{"event_id": "event_1", "event_type": "gate.opened", "device_id": "device_1", "gate": "west"}))
	require.NoError(t, err)
	assert.Equal(t, api.Event{EventID: "event_1", EventType: "gate.opened", DeviceID: "device_1"}.DeviceID, event.DeviceID)
	assert.Equal(t, "gate.opened", event.EventType)

	_, err = api.DecodeEvent(webhook.Event{EventID: "event_1"})
	assert.EqualError(t, err, "api: event event_1 has no JSON; pass one that package webhook has received")
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	event, err := api.DecodeEvent(receive(t, map[string]any{"event_id": "event_1", "event_type": "lock.unlocked", "occurred_at": ""}))
	require.NoError(t, err)
	switch event.EventType {
	case api.EventTypeLockUnlocked:
	default:
		t.Errorf("got %s", event.EventType)
	}
	assert.True(t, event.OccurredAt.IsZero())
}
