// Package webhook receives the events that Seam sends to your server, and lets
// nobody else send any.
//
//	verifier, err := webhook.NewVerifier(os.Getenv("SEAM_WEBHOOK_SECRET"))
//	if err != nil {
//		return err
//	}
//	http.Handle("POST /webhooks", verifier.Handler(func(ctx context.Context, event webhook.Event) error {
//		if deleted := event.ClientSessionDeleted; deleted != nil {
//			return sessions.Drop(ctx, deleted.ClientSessionID)
//		}
//		return nil // an event that is of no interest here
//	}, slog.Default()))
//
// Whoever has a handler already, which has read the body, calls
// [Verifier.Verify] instead.
//
// # Delivery
//
// Seam delivers each event at least once, and in no certain order. What is not
// answered with a success within 15 seconds is sent again, in up to eight tries
// over some 28 hours. [Event.MessageID] is the same in each of them.
//
// # Verification
//
// Each delivery carries a message ID, the time of sending and signatures of both
// and of the body, in headers that begin with Svix- or, by the Standard Webhooks
// specification, with Webhook-. The two kinds are never mixed: if there is any
// of the first, the second do not count. A delivery is good if one signature is
// that of one secret, and if it was sent within five minutes of this machine's
// clock. Within that time it could be sent again by whoever has seen it.
//
// See https://docs.seam.co/latest/developer-tools/webhooks.
package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// What [errors.Is] finds in an error of this package.
var (
	ErrInvalidSecret    = errors.New("webhook: invalid secret")
	ErrInvalidHeaders   = errors.New("webhook: invalid headers")   // one is missing, or the message ID has a dot
	ErrInvalidTimestamp = errors.New("webhook: invalid timestamp") // of more than five minutes ago or ahead, or none
	ErrInvalidSignature = errors.New("webhook: invalid signature") // of another secret, time, message or body
	ErrBodyTooLarge     = errors.New("webhook: body too large")    // of more than 1 MiB

	// ErrInvalidEvent is a delivery whose signature is good and whose body is no
	// event that can be used. It is from Seam all the same, and will be the same
	// in each further try: report it, and do not have it sent again.
	ErrInvalidEvent = errors.New("webhook: invalid event")
)

const (
	minKey    = 24     // bytes, by the specification
	tolerance = 5 * 60 // seconds
)

// Verifier tells Seam's events from those of others. Make one with [NewVerifier]
// and share it: it never changes and is safe for concurrent use.
type Verifier struct {
	// keys are inside of a func, out of the reach of every printer, dumper and
	// diff, those that follow pointers included.
	keys func() []*standardwebhooks.Webhook
}

// NewVerifier makes a verifier of what is signed with any of secrets, as the Seam
// console shows them: whsec_ and base64. One is enough for a webhook, also while
// its secret is rotated, as Seam then signs with the old one too for a time.
// Several serve a URL that is that of several webhooks, or a longer rotation.
//
// No secret at all, an empty one, and one of less than 24 bytes, with which
// others could sign, are refused with [ErrInvalidSecret], in words that do not
// quote it.
func NewVerifier(secrets ...string) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrInvalidSecret)
	}
	var keys []*standardwebhooks.Webhook
	for i, secret := range secrets {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err == nil && len(raw) < minKey {
			return nil, fmt.Errorf("%w: number %d has %d bytes, less than %d", ErrInvalidSecret, i+1, len(raw), minKey)
		}
		key, keyErr := standardwebhooks.NewWebhookRaw(raw)
		if err != nil || keyErr != nil {
			return nil, fmt.Errorf("%w: number %d is not whsec_ and base64", ErrInvalidSecret, i+1)
		}
		keys = append(keys, key)
	}
	return &Verifier{keys: func() []*standardwebhooks.Webhook { return keys }}, nil
}

// Verify returns the event in body, which must be as it came, byte for byte. Of
// header, whose names must be canonical as [http.Header.Set] makes them, it reads
// the three that sign it.
//
// A delivery that is not signed by Seam for this time is refused with
// [ErrInvalidHeaders], [ErrInvalidTimestamp] or [ErrInvalidSignature], and one
// that is but holds no event with [ErrInvalidEvent]. Verify keeps no memory of
// deliveries: the same one is good twice.
func (v *Verifier) Verify(body []byte, header http.Header) (Event, error) {
	names := []string{"Id", "Timestamp", "Signature"}
	prefix := "Webhook-"
	for _, name := range names {
		if header.Values("Svix-"+name) != nil {
			prefix = "Svix-"
		}
	}
	signed := http.Header{} // in the names that the library knows
	for _, name := range names {
		value := header.Get(prefix + name)
		if value == "" {
			return Event{}, fmt.Errorf("%w: %s%s is missing", ErrInvalidHeaders, prefix, name)
		}
		signed.Set("Webhook-"+name, value)
	}
	id := signed.Get("Webhook-Id")
	if strings.Contains(id, ".") { // it would be unclear where in what is signed the ID ends
		return Event{}, fmt.Errorf("%w: %sId has a dot", ErrInvalidHeaders, prefix)
	}
	// The time is checked here, once for all keys and in whole seconds, none of
	// which overflow.
	sent, err := strconv.ParseInt(signed.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		return Event{}, fmt.Errorf("%w: it is no Unix time", ErrInvalidTimestamp)
	}
	if now := time.Now().Unix(); sent < now-tolerance || sent > now+tolerance {
		return Event{}, fmt.Errorf("%w: it is more than five minutes from this machine's clock", ErrInvalidTimestamp)
	}
	for _, key := range v.keys() {
		if key.VerifyIgnoringTimestamp(body, signed) == nil {
			return newEvent(id, body)
		}
	}
	return Event{}, fmt.Errorf("%w: none is of this body with a secret that is known", ErrInvalidSignature)
}
