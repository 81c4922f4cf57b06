// Package webhook receives the webhooks that Seam sends, and verifies that Seam sent
// them.
//
//	verifier, err := webhook.NewVerifier(os.Getenv("SEAM_WEBHOOK_SECRET"))
//	if err != nil {
//		return err
//	}
//	http.Handle("POST /webhooks", verifier.Handler(func(ctx context.Context, event webhook.Event) error {
//		if deleted := event.ClientSessionDeleted; deleted != nil {
//			return sessions.Drop(ctx, deleted.ClientSessionID)
//		}
//		return nil // ignore other events
//	}, slog.Default()))
//
// To use a handler of your own, call [Verifier.Parse] in it, or [Verifier.Verify] if
// it has read the body already.
//
// # Delivery
//
// Seam delivers each event at least once and in no particular order. If it does not
// receive a 2xx response within 15 seconds, it tries again, up to eight times in
// about 28 hours. All attempts have the same [Event.MessageID].
//
// # Verification
//
// A delivery has three headers: a message ID, a timestamp, and one or more signatures
// of the message ID, the timestamp and the body. Their names begin with Svix-, or with
// Webhook- as in the Standard Webhooks specification. If a request has any of the
// Svix- headers, its Webhook- headers are ignored.
//
// A delivery is accepted if one of its signatures matches one of the secrets and its
// timestamp differs from the clock by at most five minutes. A captured delivery can
// be replayed during this time; deduplicate on MessageID.
//
// # Tests
//
// [github.com/seam-go/seam/seamtest.SignWebhook] signs events with any secret and
// timestamp, and a seamtest.Server delivers events of its own. Tests can set the
// clock with [testing/synctest].
//
// See https://docs.seam.co/latest/developer-tools/webhooks.
package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Errors of this package, to be compared with [errors.Is].
var (
	// ErrInvalidSecret means that a secret given to NewVerifier is malformed.
	ErrInvalidSecret = errors.New("webhook: invalid secret")
	// ErrInvalidHeaders means that a header is missing, repeated or malformed.
	ErrInvalidHeaders = errors.New("webhook: invalid headers")
	// ErrInvalidTimestamp means that the timestamp is malformed or differs from
	// the clock by more than five minutes.
	ErrInvalidTimestamp = errors.New("webhook: invalid timestamp")
	// ErrInvalidSignature means that no signature is valid: the delivery was not
	// signed with a known secret, or was changed afterwards.
	ErrInvalidSignature = errors.New("webhook: invalid signature")
	// ErrBodyTooLarge means that the body is longer than 1 MiB.
	ErrBodyTooLarge = errors.New("webhook: body too large")
	// ErrInvalidEvent means that the signature is valid but the body is not a
	// usable event. Further attempts will have the same body, so respond with a
	// 2xx status to stop them.
	ErrInvalidEvent = errors.New("webhook: invalid event")
)

const (
	minKey    = 24      // bytes, as the Standard Webhooks specification requires
	maxBody   = 1 << 20 // bytes
	tolerance = 5 * 60  // seconds
)

// Verifier verifies webhooks. Create one with [NewVerifier]. It is immutable and safe
// for concurrent use.
type Verifier struct {
	// keys returns secrets. Printers, dumpers and diffs cannot look into a func.
	keys func() []*standardwebhooks.Webhook
}

// NewVerifier returns a verifier that accepts signatures made with any of secrets.
// The Seam console shows the secret of each webhook: whsec_ followed by base64.
//
// One secret is enough for one webhook. For some time after a rotation Seam signs with
// both the old and the new secret. Pass both if you need more time, and pass all
// secrets if several webhooks share a URL.
//
// The error matches [ErrInvalidSecret] if there is no secret, or if one is malformed
// or has fewer than 24 bytes. It does not quote the secret.
func NewVerifier(secrets ...string) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: none given; pass the secret from the Seam console", ErrInvalidSecret)
	}
	var keys []*standardwebhooks.Webhook
	for i, secret := range secrets {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err == nil && len(raw) < minKey {
			return nil, fmt.Errorf("%w: secret %d has %d bytes, fewer than %d; copy it from the Seam console", ErrInvalidSecret, i+1, len(raw), minKey)
		}
		key, keyErr := standardwebhooks.NewWebhookRaw(raw)
		if err != nil || keyErr != nil {
			return nil, fmt.Errorf("%w: secret %d is not whsec_ followed by base64; copy it from the Seam console", ErrInvalidSecret, i+1)
		}
		keys = append(keys, key)
	}
	return &Verifier{keys: func() []*standardwebhooks.Webhook { return keys }}, nil
}

// Parse reads and verifies a delivery and returns its event. It does not read the
// body if the headers are invalid. To limit the time for reading, set ReadTimeout of
// the [http.Server].
//
// The errors are those of [Verifier.Verify], [ErrBodyTooLarge] and those of reading
// the body.
func (v *Verifier) Parse(r *http.Request) (Event, error) {
	signed, err := readHeader(r.Header)
	if err != nil {
		return Event{}, err
	}
	var body []byte
	if r.Body != nil { // as in a request not received by a server
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	}
	if err != nil {
		return Event{}, fmt.Errorf("webhook: reading body: %w", err)
	}
	if len(body) > maxBody {
		return Event{}, ErrBodyTooLarge
	}
	return v.verify(body, signed)
}

// Verify verifies a delivery and returns its event. The body must be unchanged, byte
// for byte. The names in header must be canonical, as [http.Header.Set] writes them.
//
// The error matches [ErrInvalidHeaders], [ErrInvalidTimestamp] or
// [ErrInvalidSignature] if the delivery is not from Seam or not current, and
// [ErrInvalidEvent] if it is from Seam but not a usable event.
//
// Verify does not remember deliveries. It accepts a repeated one.
func (v *Verifier) Verify(body []byte, header http.Header) (Event, error) {
	signed, err := readHeader(header)
	if err != nil {
		return Event{}, err
	}
	return v.verify(body, signed)
}

// verify checks the signatures in a header returned by readHeader.
func (v *Verifier) verify(body []byte, signed http.Header) (Event, error) {
	for _, key := range v.keys() {
		if key.VerifyIgnoringTimestamp(body, signed) == nil {
			return newEvent(signed.Get(standardwebhooks.HeaderWebhookID), body)
		}
	}
	return Event{}, fmt.Errorf("%w: none matches this body and a known secret; compare the secret with the Seam console", ErrInvalidSignature)
}

// readHeader returns the three headers of a delivery, from one of the two sets and
// under the names that standardwebhooks expects. It rejects headers that are invalid
// whatever the signature.
func readHeader(header http.Header) (http.Header, error) {
	invalid := func(name, why string) (http.Header, error) {
		return nil, fmt.Errorf("%w: %s %s", ErrInvalidHeaders, name, why)
	}
	names := []string{"Id", "Timestamp", "Signature"}
	prefix := "Webhook-"
	for _, name := range names {
		if header.Values("Svix-"+name) != nil {
			prefix = "Svix-"
		}
	}
	signed := http.Header{}
	for _, name := range names {
		values := header.Values(prefix + name)
		value := strings.Join(values, " ") // signatures may be in several header lines
		switch {
		case value == "" && prefix == "Webhook-":
			return invalid("Svix-"+name+" or "+prefix+name, "is missing")
		case value == "":
			return invalid(prefix+name, "is missing")
		case len(values) > 1 && name != "Signature":
			return invalid(prefix+name, "is repeated")
		case strings.Contains(value, ".") && name == "Id":
			return invalid(prefix+name, "contains a dot") // dots separate the signed parts
		}
		signed.Set("Webhook-"+name, value)
	}
	// The timestamp is checked here, once for all keys, in seconds that cannot
	// overflow.
	sent, err := strconv.ParseInt(signed.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not a Unix time", ErrInvalidTimestamp)
	}
	if now := time.Now().Unix(); sent < now-tolerance || sent > now+tolerance {
		return nil, fmt.Errorf("%w: it differs from the clock by more than five minutes; synchronize the clock", ErrInvalidTimestamp)
	}
	return signed, nil
}
