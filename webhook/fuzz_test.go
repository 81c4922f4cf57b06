package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// unsigned reports whether err means that a delivery is not signed.
func unsigned(err error) bool {
	return errors.Is(err, webhook.ErrInvalidHeaders) || errors.Is(err, webhook.ErrInvalidTimestamp) || errors.Is(err, webhook.ErrInvalidSignature)
}

// FuzzVerify verifies arbitrary headers and bodies. A delivery must be accepted if
// and only if its timestamp is current and it has a valid signature, which the test
// computes itself. Timestamps in the seeds are relative to the current time.
func FuzzVerify(f *testing.F) {
	for _, tampered := range tampered {
		header := sign(small)
		if tampered.header != nil {
			tampered.header(header)
		}
		f.Add(true, int64(0), header.Get("Svix-Id"), header.Get("Svix-Timestamp"), header.Get("Svix-Signature"), header.Get("Webhook-Id"), small)
	}
	for text := range timestamps {
		f.Add(false, int64(0), "msg_1", text, "v1,abc", "", small)
	}
	for _, ahead := range []int64{0, -300, 300, -299, 301, 1 << 62} {
		f.Add(true, ahead, "msg_1", "", "v1,abc v1,SIGNATURE", "", small)
		f.Add(false, ahead, "msg_1", "", "SIGNATURE v1,SIGNATURE,v2", "msg_1", small)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	require.NoError(f, err)
	verifier, err := webhook.NewVerifier(other, secret)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, svix bool, ahead int64, id, timestamp, signature, otherID, body string) {
		if timestamp == "" {
			timestamp = strconv.FormatInt(time.Now().Unix()+ahead, 10)
		}
		sent, timeErr := strconv.ParseInt(timestamp, 10, 64)
		mac := hmac.New(sha256.New, key)
		mac.Write(fmt.Appendf(nil, "%s.%d.%s", id, sent, body))
		good := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		signature = strings.ReplaceAll(signature, "SIGNATURE", good)

		prefixes := []string{"Webhook-", "Svix-"}
		if svix {
			slices.Reverse(prefixes)
		}
		header := http.Header{}
		header.Set(prefixes[0]+"Id", id)
		header.Set(prefixes[0]+"Timestamp", timestamp)
		header.Set(prefixes[0]+"Signature", signature)
		if otherID != "" {
			header.Set(prefixes[1]+"Id", otherID)
		}

		signed := timeErr == nil && id != "" && !strings.Contains(id, ".") && (svix || otherID == "") &&
			slices.ContainsFunc(strings.Split(signature, " "), func(s string) bool { return s == "v1,"+good || strings.HasPrefix(s, "v1,"+good+",") })
		before := time.Now().Unix()
		event, err := verifier.Verify([]byte(body), header)
		after := time.Now().Unix()
		switch {
		case err == nil || errors.Is(err, webhook.ErrInvalidEvent):
			require.True(t, signed)
			require.True(t, sent >= before-300 && sent <= after+300)
			if err == nil {
				require.Equal(t, id, event.MessageID)
				require.Equal(t, body, string(event.Raw()))
			}
		default:
			require.True(t, unsigned(err), err)
			require.False(t, signed && sent >= after-300 && sent <= before+300)
			require.Less(t, len(err.Error()), 200)
		}
	})
}

// FuzzEvent verifies arbitrary signed bodies. A body must be accepted if and only if
// it is a JSON object with the required fields.
func FuzzEvent(f *testing.F) {
	for _, tt := range bodies {
		f.Add([]byte(tt.body))
	}
	verifier, err := webhook.NewVerifier(secret)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := verifier.Verify(body, seamtest.SignWebhook(secret, "msg_1", time.Now(), body))
		fields := map[string]json.RawMessage{}
		isObject := json.Unmarshal(body, &fields) == nil
		text := func(name string) string {
			value, _ := func() (any, error) { var v any; err := json.Unmarshal(fields[name], &v); return v, err }()
			text, _ := value.(string)
			return text
		}
		usable := isObject && text("event_id") != "" && text("event_type") != "" &&
			(text("event_type") != "client_session.deleted" || text("client_session_id") != "")
		if err != nil {
			require.ErrorIs(t, err, webhook.ErrInvalidEvent)
			require.False(t, usable)
			return
		}
		require.True(t, usable)
		require.Equal(t, text("event_id"), event.EventID)
		require.Equal(t, text("event_type"), event.EventType)
		require.Equal(t, event.EventType == "client_session.deleted", event.ClientSessionDeleted != nil)
		if event.ClientSessionDeleted != nil {
			require.Equal(t, text("client_session_id"), event.ClientSessionDeleted.ClientSessionID)
		}
	})
}
