package webhook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// secret is of the minimal length.
const (
	secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	other  = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhl"
	small  = `{"event_id": "event_1", "event_type": "device.connected"}`
)

// bubble is the initial time in a synctest bubble: midnight UTC 2000-01-01.
const bubble = 946684800

func newVerifier(tb testing.TB, secrets ...string) *webhook.Verifier {
	tb.Helper()
	verifier, err := webhook.NewVerifier(secrets...)
	require.NoError(tb, err)
	return verifier
}

// sign returns the header of a delivery at the current time.
func sign(body string) http.Header {
	return seamtest.SignWebhook(secret, "msg_1", time.Now(), []byte(body))
}

// deleted returns a delivery signed with openssl at the time of the bubble.
func deleted(tb testing.TB) ([]byte, http.Header) {
	tb.Helper()
	body, err := os.ReadFile("testdata/client_session.deleted.json")
	require.NoError(tb, err)
	header := http.Header{}
	header.Set("svix-id", "msg_1")
	header.Set("svix-timestamp", "946684800")
	header.Set("svix-signature", "v1,qD/PwQjcaXmCJTOEBTQs/OvzTYqrlE39v+wg9hUwFf4=")
	return body, header
}

func TestVerify(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body, header := deleted(t)
		event, err := newVerifier(t, secret).Verify(body, header)
		require.NoError(t, err)
		assert.Equal(t, "client_session.deleted", event.EventType)
		assert.Empty(t, cmp.Diff(webhook.Event{
			MessageID:   "msg_1",
			EventID:     "e1a2b3c4-0000-4000-8000-000000000001",
			EventType:   webhook.EventTypeClientSessionDeleted,
			WorkspaceID: "398d80b7-3f96-47c2-b85a-6f8ba21d07be",
			CreatedAt:   time.Date(2000, 1, 1, 0, 0, 0, 250e6, time.UTC),
			OccurredAt:  time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC),

			EventDescription: "A client session was deleted.",
			ClientSessionDeleted: &webhook.ClientSessionDeleted{
				ClientSessionID: "c2cbd177-1ace-414b-bb1e-9f129e4a05c1",
			},
		}, event, cmpopts.IgnoreUnexported(webhook.Event{})))
		assert.Equal(t, string(body), string(event.Raw()))

		header["Webhook-Id"], header["Webhook-Timestamp"], header["Webhook-Signature"] =
			header["Svix-Id"], header["Svix-Timestamp"], header["Svix-Signature"]
		for _, name := range parts {
			header.Del("Svix-" + name)
		}
		again, err := newVerifier(t, secret).Verify(body, header)
		require.NoError(t, err)
		assert.Equal(t, event, again)

		clear(body)
		assert.True(t, strings.HasPrefix(string(event.Raw()), `{"event_id"`), "the event does not use the buffer of the caller")
	})
}

// parts are the names of the headers without their prefix.
var parts = []string{"Id", "Timestamp", "Signature"}

// tampered are deliveries that differ from a valid one in one respect.
var tampered = map[string]struct {
	body   string // small if empty
	header func(http.Header)
	want   error // nil if it is still valid
	// vendor says why the vendor's library decides otherwise; empty if it does not.
	vendor string
}{
	"unchanged": {},
	"another body": {
		body: small + " ",
		want: webhook.ErrInvalidSignature,
	},
	"another message": {
		header: func(h http.Header) { h.Set("Svix-Id", "msg_2") },
		want:   webhook.ErrInvalidSignature,
	},
	"another second": {
		header: func(h http.Header) { h.Set("Svix-Timestamp", "946684801") },
		want:   webhook.ErrInvalidSignature,
	},
	"signature of another version": {
		header: func(h http.Header) { h.Set("Svix-Signature", "v2"+h.Get("Svix-Signature")[2:]) },
		want:   webhook.ErrInvalidSignature,
	},
	"signature of the asymmetric version": {
		header: func(h http.Header) { h.Set("Svix-Signature", "v1a"+h.Get("Svix-Signature")[2:]) },
		want:   webhook.ErrInvalidSignature,
	},
	"signature without a version": {
		header: func(h http.Header) { h.Set("Svix-Signature", h.Get("Svix-Signature")[3:]) },
		want:   webhook.ErrInvalidSignature,
	},
	"signature cut short": {
		header: func(h http.Header) { h.Set("Svix-Signature", strings.TrimSuffix(h.Get("Svix-Signature"), "=")) },
		want:   webhook.ErrInvalidSignature,
	},
	"empty signature": {
		header: func(h http.Header) { h.Set("Svix-Signature", "v1,") },
		want:   webhook.ErrInvalidSignature,
	},
	"signature with another secret": {
		header: func(h http.Header) {
			h["Svix-Signature"] = seamtest.SignWebhook(other, "msg_1", time.Unix(bubble, 0), []byte(small))["Svix-Signature"]
		},
		want: webhook.ErrInvalidSignature,
	},
	"signature with an empty key": {
		header: func(h http.Header) {
			h["Svix-Signature"] = seamtest.SignWebhook("", "msg_1", time.Unix(bubble, 0), []byte(small))["Svix-Signature"]
		},
		want: webhook.ErrInvalidSignature,
	},
	"several signatures, the last one valid": {
		header: func(h http.Header) { h.Set("Svix-Signature", "v1, v1,abc v1a,abc "+h.Get("Svix-Signature")) },
	},
	"several signatures, the first one valid": {
		header: func(h http.Header) { h.Set("Svix-Signature", h.Get("Svix-Signature")+" v1,abc") },
	},
	"no ID":        {header: func(h http.Header) { h.Del("Svix-Id") }, want: webhook.ErrInvalidHeaders},
	"no timestamp": {header: func(h http.Header) { h.Del("Svix-Timestamp") }, want: webhook.ErrInvalidHeaders},
	"no signature": {header: func(h http.Header) { h.Del("Svix-Signature") }, want: webhook.ErrInvalidHeaders},
	"an empty ID":  {header: func(h http.Header) { h.Set("Svix-Id", "") }, want: webhook.ErrInvalidHeaders},
	"no headers": {
		header: func(h http.Header) { clear(h) },
		want:   webhook.ErrInvalidHeaders,
	},
	"the other header set": {
		header: func(h http.Header) { rename(h, parts...) },
	},
	"both header sets, Svix- invalid": {
		header: func(h http.Header) {
			rename(h, parts...)
			h.Set("Svix-Id", "msg_2")
			h.Set("Svix-Timestamp", "946684800")
			h.Set("Svix-Signature", "v1,abc")
		},
		want: webhook.ErrInvalidSignature,
	},
	"both header sets, Webhook- invalid": {
		header: func(h http.Header) { h.Set("Webhook-Id", "msg_2") },
	},
	"ID from the other header set": {
		header: func(h http.Header) { rename(h, "Id") },
		want:   webhook.ErrInvalidHeaders,
		vendor: "it accepts headers from both sets",
	},
	"timestamp from the other header set": {
		header: func(h http.Header) { rename(h, "Timestamp") },
		want:   webhook.ErrInvalidHeaders,
		vendor: "it accepts headers from both sets",
	},
	"signature from the other header set": {
		header: func(h http.Header) { rename(h, "Signature") },
		want:   webhook.ErrInvalidHeaders,
		vendor: "it accepts headers from both sets",
	},
	"Webhook- set and an empty Svix- header": {
		header: func(h http.Header) {
			rename(h, parts...)
			h.Set("Svix-Id", "")
		},
		want: webhook.ErrInvalidHeaders,
	},
	"Webhook- set and a Svix- timestamp": {
		header: func(h http.Header) {
			rename(h, parts...)
			h.Set("Svix-Timestamp", "946684800")
		},
		want:   webhook.ErrInvalidHeaders,
		vendor: "it accepts headers from both sets",
	},
	"Webhook- set and a Svix- signature": {
		header: func(h http.Header) {
			rename(h, parts...)
			h.Set("Svix-Signature", "v1,abc")
		},
		want: webhook.ErrInvalidHeaders,
	},
	"names in lower case": {
		header: func(h http.Header) {
			for _, name := range parts {
				h["svix-"+strings.ToLower(name)] = h["Svix-"+name]
				h.Del("Svix-" + name)
			}
		},
	},
	"names in lower case, with the ID in both cases": {
		header: func(h http.Header) { h["svix-id"] = h["Svix-Id"] },
		want:   webhook.ErrInvalidHeaders,
	},
	"signatures in two lines": {
		header: func(h http.Header) { h["Svix-Signature"] = []string{"v1,abc", h.Get("Svix-Signature")} },
	},
	"two IDs": {
		header: func(h http.Header) { h.Add("Svix-Id", "msg_2") },
		want:   webhook.ErrInvalidHeaders,
	},
	"two timestamps": {
		header: func(h http.Header) { h.Add("Svix-Timestamp", "946684800") },
		want:   webhook.ErrInvalidHeaders,
		vendor: "it ignores what follows a number",
	},
	"dot in the ID": {
		body: "x",
		header: func(h http.Header) {
			h["Svix-Signature"] = seamtest.SignWebhook(secret, "msg_1", time.Unix(1, 0), []byte("946684800.x"))["Svix-Signature"]
			h.Set("Svix-Id", "msg_1.1")
		},
		want:   webhook.ErrInvalidHeaders,
		vendor: "it accepts any ID, and rejects the body",
	},
}

// rename moves parts of the header from Svix- to Webhook-.
func rename(h http.Header, parts ...string) {
	for _, part := range parts {
		h["Webhook-"+part] = h["Svix-"+part]
		h.Del("Svix-" + part)
	}
}

func TestTampered(t *testing.T) {
	t.Parallel()
	for name, tt := range tampered {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body, header := small, sign(small)
				if tt.body != "" {
					body = tt.body
				}
				if tt.header != nil {
					tt.header(header)
				}
				event, err := newVerifier(t, secret).Verify([]byte(body), header)
				require.ErrorIs(t, err, tt.want)
				assert.Equal(t, tt.want != nil, event.MessageID == "", "either an event or an error")
			})
		})
	}
}

// timestamps are timestamp headers, each signed for the time that it means.
var timestamps = map[string]struct {
	good   bool
	vendor string // as in tampered
}{
	"946684800":             {good: true},
	"946684500":             {good: true}, // five minutes ago
	"946684499":             {},
	"946685100":             {good: true}, // five minutes ahead
	"946685101":             {},
	"0":                     {},
	"-1":                    {},
	"-946684800":            {},
	"9223372036854775807":   {}, // the ends of int64
	"-9223372036854775808":  {},
	"9223372036854775808":   {},
	"18446744074656236416":  {}, // overflows to 946684800
	"-18446744072762866816": {},
	"946684800000":          {}, // milliseconds
	"now":                   {},
	"0x386d4380":            {},
	"9.466848e8":            {},
	"+946684800":            {good: true},
	"946684800.5":           {vendor: "it ignores what follows a number"},
	"946684800x":            {vendor: "it ignores what follows a number"},
}

func TestTimestamps(t *testing.T) {
	t.Parallel()
	for text, tt := range timestamps {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := newVerifier(t, secret).Verify([]byte(small), signedFor(text))
				if tt.good {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, webhook.ErrInvalidTimestamp)
				}
			})
		})
	}
}

// signedFor returns the header of small with a timestamp that is signed as the number
// that a lenient parser would read.
func signedFor(timestamp string) http.Header {
	var at int64
	for _, digit := range strings.TrimLeft(timestamp, "+-") {
		if digit < '0' || digit > '9' {
			break
		}
		at = at*10 + int64(digit-'0') // which may overflow
	}
	if strings.HasPrefix(timestamp, "-") {
		at = -at
	}
	header := seamtest.SignWebhook(secret, "msg_1", time.Unix(at, 0), []byte(small))
	header.Set("Svix-Timestamp", timestamp)
	return header
}

// TestClock verifies a delivery five minutes later, and then one second more.
func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		verifier, header := newVerifier(t, secret), sign(small)
		time.Sleep(5 * time.Minute)
		_, err := verifier.Verify([]byte(small), header)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = verifier.Verify([]byte(small), header)
		require.ErrorIs(t, err, webhook.ErrInvalidTimestamp)
	})
}

// TestRotation signs and verifies with an old secret, a new one, and both.
func TestRotation(t *testing.T) {
	t.Parallel()
	before, after := sign(small), seamtest.SignWebhook(other, "msg_1", time.Now(), []byte(small))
	both := before.Clone()
	both.Set("Svix-Signature", after.Get("Svix-Signature")+" "+before.Get("Svix-Signature"))
	for _, tt := range []struct {
		name    string
		secrets []string
		header  http.Header
		good    bool
	}{
		{"old to old", []string{secret}, before, true},
		{"new to old", []string{secret}, after, false},
		{"both to old", []string{secret}, both, true},
		{"both to new", []string{other}, both, true},
		{"old to both", []string{other, secret}, before, true},
		{"new to both", []string{other, secret}, after, true},
		{"both to both", []string{other, secret}, both, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := newVerifier(t, tt.secrets...).Verify([]byte(small), tt.header)
			if tt.good {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, webhook.ErrInvalidSignature)
			}
		})
	}
}

// TestForWorkspace verifies events of several workspaces, all signed with known
// secrets.
func TestForWorkspace(t *testing.T) {
	t.Parallel()
	of := func(workspace string) string {
		return `{"event_id": "event_1", "event_type": "device.connected", "workspace_id": ` + workspace + `}`
	}
	for _, tt := range []struct {
		name string
		body string
		want error
	}{
		{"this workspace", of(`"workspace_1"`), nil},
		{"another workspace", of(`"workspace_2"`), webhook.ErrOtherWorkspace},
		{"another case", of(`"Workspace_1"`), webhook.ErrOtherWorkspace},
		{"an empty workspace", of(`""`), webhook.ErrOtherWorkspace},
		{"a number", of(`1`), webhook.ErrOtherWorkspace},
		{"no workspace", small, webhook.ErrOtherWorkspace},
		{"no event", `{"workspace_id": "workspace_1"}`, webhook.ErrInvalidEvent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			any := newVerifier(t, secret, other)
			event, err := any.ForWorkspace("workspace_1").Verify([]byte(tt.body), sign(tt.body))
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, tt.want != nil, event.MessageID == "")
			if !errors.Is(tt.want, webhook.ErrInvalidEvent) {
				_, err = any.Verify([]byte(tt.body), sign(tt.body))
				require.NoError(t, err, "ForWorkspace does not change its receiver")
			}
		})
	}
	assert.PanicsWithValue(t, "webhook: ForWorkspace: the workspace ID is blank", func() { newVerifier(t, secret).ForWorkspace(" ") })
}

// TestNoVerifier calls the methods of verifiers that NewVerifier did not create.
func TestNoVerifier(t *testing.T) {
	t.Parallel()
	for _, verifier := range []*webhook.Verifier{nil, {}} {
		for _, call := range []func(){
			func() { _, _ = verifier.Verify([]byte(small), sign(small)) },
			func() { _, _ = verifier.Parse(&http.Request{Header: sign(small)}) },
			func() { verifier.Handler(func(context.Context, webhook.Event) error { return nil }, nil) },
			func() { verifier.ForWorkspace("workspace_1") },
		} {
			assert.PanicsWithValue(t, "webhook: the Verifier is nil or zero; create it with NewVerifier", call)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	encode := base64.StdEncoding.EncodeToString
	for _, tt := range []struct {
		name    string
		secrets []string
		want    string // of the error
	}{
		{"24 bytes", []string{"whsec_" + encode(make([]byte, 24))}, ""},
		{"64 bytes", []string{"whsec_" + encode(make([]byte, 64))}, ""},
		{"without its prefix", []string{encode(make([]byte, 24))}, ""},
		{"none", nil, "none given; pass the secret from the Seam console"},
		{"empty", []string{""}, "secret 1 has 0 bytes, fewer than 24; copy it from the Seam console"},
		{"nothing but its prefix", []string{"whsec_"}, "secret 1 has 0 bytes, fewer than 24; copy it from the Seam console"},
		{"23 bytes", []string{"whsec_" + encode(make([]byte, 23))}, "secret 1 has 23 bytes, fewer than 24; copy it from the Seam console"},
		{"an empty one beside a good one", []string{secret, ""}, "secret 2 has 0 bytes, fewer than 24; copy it from the Seam console"},
		{"an API key", []string{"seam_test1key_0123456789abcdef0123456789abcdef"}, "secret 1 is not whsec_ followed by base64; copy it from the Seam console"},
		{"an asymmetric key", []string{"whpk_" + encode(make([]byte, 32))}, "secret 1 is not whsec_ followed by base64; copy it from the Seam console"},
		{"base64 for URLs", []string{"whsec_" + strings.Repeat("-_", 16)}, "secret 1 is not whsec_ followed by base64; copy it from the Seam console"},
		{"two in one", []string{secret + "," + other}, "secret 1 is not whsec_ followed by base64; copy it from the Seam console"},
		{"trailing space", []string{secret + " "}, "secret 1 is not whsec_ followed by base64; copy it from the Seam console"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			verifier, err := webhook.NewVerifier(tt.secrets...)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			assert.Nil(t, verifier)
			require.ErrorIs(t, err, webhook.ErrInvalidSecret)
			require.EqualError(t, err, "webhook: invalid secret: "+tt.want)
		})
	}
}

func TestVerifierIsShared(t *testing.T) {
	t.Parallel()
	verifier, header := newVerifier(t, secret, other), sign(small)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				_, err := verifier.Verify([]byte(small), header)
				assert.NoError(t, err)
			}
		})
	}
	group.Wait()
}
