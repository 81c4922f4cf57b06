package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// vendorCase is a delivery that the vendor's library verifies or signs.
type vendorCase struct {
	Sign      bool              `json:"sign,omitempty"`
	Secret    string            `json:"secret"`
	ID        string            `json:"id,omitempty"`
	Timestamp int64             `json:"timestamp,omitempty"`
	Payload   string            `json:"payload"`
	Headers   map[string]string `json:"headers"`

	name   string
	vendor string // why the vendor's library differs, as in tampered
}

// outcome is the result of a case.
type outcome struct {
	Signature string
	Event     map[string]any
	Error     string
}

// askVendor runs the vendor's library at the time of the bubble.
func askVendor(t *testing.T, cases []vendorCase) []outcome {
	t.Helper()
	const folder = "../testdata/seamapi-webhook"
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(folder + "/node_modules/@seamapi/webhook")
	}
	if err != nil {
		const missing = "no Node, or no `make fake` yet: nothing was compared with the vendor's library"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	input, err := json.Marshal(map[string]any{"now": bubble, "cases": cases})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), node, folder+"/run.js")
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(input)), os.Stderr
	output, err := cmd.Output()
	require.NoError(t, err)
	var outcomes []outcome
	require.NoError(t, json.Unmarshal(output, &outcomes))
	require.Len(t, outcomes, len(cases))
	return outcomes
}

// signThen signs body at the time of the bubble.
func signThen(secret, body string) http.Header {
	return seamtest.SignWebhook(secret, "msg_1", time.Unix(bubble, 0), []byte(body))
}

// TestVendorVerifies verifies all deliveries of these tests with this package and with
// the vendor's library. The results must be the same, except in the cases that say
// why they differ.
func TestVendorVerifies(t *testing.T) {
	t.Parallel()
	var cases []vendorCase
	add := func(name, secret, body string, header http.Header, vendor string) {
		headers := map[string]string{}
		for name := range header {
			headers[strings.ToLower(name)] = strings.Join(header[name], ", ") // as Node joins header lines
		}
		cases = append(cases, vendorCase{Secret: secret, Payload: body, Headers: headers, name: name, vendor: vendor})
	}
	for name, tt := range tampered {
		body, header := small, signThen(secret, small)
		if tt.body != "" {
			body = tt.body
		}
		if tt.header != nil {
			tt.header(header)
		}
		add(name, secret, body, header, tt.vendor)
	}
	for text, tt := range timestamps {
		add("timestamp "+text, secret, small, signedFor(text), tt.vendor)
	}
	for name, tt := range bodies {
		add(name, secret, tt.body, signThen(secret, tt.body), tt.vendor)
	}
	body, header := deleted(t)
	add("signed with openssl", secret, string(body), header, "")
	const guessed = "it accepts keys that can be guessed"
	short := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23))
	add("key of 23 bytes", short, small, signThen(short, small), guessed)
	add("key of no bytes", "whsec_", small, signThen("whsec_", small), guessed)
	add("no secret", "", small, signThen("", small), "")
	add("secret without its prefix", strings.TrimPrefix(secret, "whsec_"), small, signThen(secret, small), "")
	add("secret that is not base64", "whsec_!"+secret[len("whsec_!"):], small, signThen(secret, small), "")
	add("secret with a trailing line break", secret+"\n", small, signThen(secret, small), "")
	add("secret with a trailing character", secret+"!", small, signThen(secret, small), "it ignores an incomplete base64 group")

	theirs := askVendor(t, cases)
	synctest.Test(t, func(t *testing.T) {
		for i, c := range cases {
			ours := outcome{}
			verifier, err := webhook.NewVerifier(c.Secret)
			if err == nil {
				header := http.Header{}
				for name, value := range c.Headers {
					header.Set(name, value)
				}
				var event webhook.Event
				if event, err = verifier.Verify([]byte(c.Payload), header); err == nil {
					assert.Equal(t, theirs[i].Event["event_id"], event.EventID, c.name)
					assert.Equal(t, theirs[i].Event["event_type"], event.EventType, c.name)
				}
			}
			switch {
			case err == nil:
			case errors.Is(err, webhook.ErrInvalidSecret):
				ours.Error = "Error"
			case errors.Is(err, webhook.ErrInvalidEvent):
				ours.Error = "SeamInvalidWebhookPayloadError"
			default:
				ours.Error = "WebhookVerificationError"
			}
			if c.vendor == "" {
				assert.Equal(t, theirs[i].Error, ours.Error, c.name)
			} else {
				assert.NotEqual(t, theirs[i].Error, ours.Error, c.name)
			}
		}
	})
}

// TestVendorSigns compares the signatures of seamtest and of the vendor's library,
// and verifies the latter.
func TestVendorSigns(t *testing.T) {
	t.Parallel()
	var cases []vendorCase
	for name, tt := range bodies {
		cases = append(cases, vendorCase{
			Sign: true, Secret: secret, ID: "msg_" + name, Timestamp: bubble - 300, Payload: tt.body, name: name,
		})
	}
	cases = append(cases,
		vendorCase{Sign: true, Secret: other, ID: "msg_1", Payload: `{"event_id": "Zoë 🔑\u0000", "event_type": "a"}`, Timestamp: bubble},
		vendorCase{Sign: true, Secret: "whsec_" + strings.Repeat("0", 88), ID: "msg_1", Payload: small, Timestamp: bubble},
	)
	theirs := askVendor(t, cases)
	synctest.Test(t, func(t *testing.T) {
		for i, c := range cases {
			header := seamtest.SignWebhook(c.Secret, c.ID, time.Unix(c.Timestamp, 0), []byte(c.Payload))
			assert.Equal(t, theirs[i].Signature, header.Get("Svix-Signature"), c.name)

			header.Set("Svix-Signature", theirs[i].Signature)
			event, err := newVerifier(t, c.Secret).Verify([]byte(c.Payload), header)
			if bodies[c.name].want.EventID != "" || c.name == "" {
				require.NoError(t, err, c.name)
				assert.Equal(t, c.ID, event.MessageID)
			} else {
				require.ErrorIs(t, err, webhook.ErrInvalidEvent, c.name)
			}
		}
	})
}
