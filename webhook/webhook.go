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
// Whoever has a handler already calls [Verifier.Parse] in it, or [Verifier.Verify]
// where the body was read before.
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
// # Tests
//
// [github.com/seam-go/seam/seamtest.SignWebhook] signs events for tests, for any
// time and with any secret, and a seamtest.Server delivers its own. The clock is
// that of package time, which a test moves with [testing/synctest].
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

// What [errors.Is] finds in an error of this package.
var (
	ErrInvalidSecret    = errors.New("webhook: invalid secret")
	ErrInvalidHeaders   = errors.New("webhook: invalid headers")   // one is missing or doubtful
	ErrInvalidTimestamp = errors.New("webhook: invalid timestamp") // of more than five minutes ago or ahead, or none
	ErrInvalidSignature = errors.New("webhook: invalid signature") // of another secret, time, message or body
	ErrBodyTooLarge     = errors.New("webhook: body too large")    // of more than 1 MiB

	// ErrInvalidEvent is a delivery whose signature is good and whose body is no
	// event that can be used. It is from Seam all the same, and will be the same
	// in each further try: report it, and do not have it sent again.
	ErrInvalidEvent = errors.New("webhook: invalid event")
)

const (
	minKey    = 24      // bytes, by the specification
	maxBody   = 1 << 20 // bytes
	tolerance = 5 * 60  // seconds
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

// Parse reads a delivery and returns its event. The errors are those of Verify,
// [ErrBodyTooLarge], and those of reading the body, which is not begun if the
// headers alone are refused. For how long it may take see [http.Server].
func (v *Verifier) Parse(r *http.Request) (Event, error) {
	signed, err := readHeader(r.Header)
	if err != nil {
		return Event{}, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return Event{}, fmt.Errorf("webhook: reading the body: %w", err)
	}
	if len(body) > maxBody {
		return Event{}, ErrBodyTooLarge
	}
	return v.verify(body, signed)
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
	signed, err := readHeader(header)
	if err != nil {
		return Event{}, err
	}
	return v.verify(body, signed)
}

// verify checks the signatures in a header that readHeader has passed.
func (v *Verifier) verify(body []byte, signed http.Header) (Event, error) {
	for _, key := range v.keys() {
		if key.VerifyIgnoringTimestamp(body, signed) == nil {
			return newEvent(signed.Get(standardwebhooks.HeaderWebhookID), body)
		}
	}
	return Event{}, fmt.Errorf("%w: none is of this body with a secret that is known", ErrInvalidSignature)
}

// readHeader returns what signs a delivery, of one header set and in the names
// that the library knows. It refuses what no signature could make good.
func readHeader(header http.Header) (http.Header, error) {
	refuse := func(name, why string) (http.Header, error) {
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
		value := strings.Join(values, " ") // several signatures may be in as many lines
		switch {
		case value == "" && prefix == "Webhook-":
			return refuse("Svix-"+name+" or "+prefix+name, "is missing")
		case value == "":
			return refuse(prefix+name, "is missing")
		case len(values) > 1 && name != "Signature":
			return refuse(prefix+name, "comes more than once")
		case strings.Contains(value, ".") && name == "Id":
			return refuse(prefix+name, "has a dot") // it would be unclear where in what is signed it ends
		}
		signed.Set("Webhook-"+name, value)
	}
	// The time is checked here, once for all keys and in whole seconds, none of
	// which overflow.
	sent, err := strconv.ParseInt(signed.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: it is no Unix time", ErrInvalidTimestamp)
	}
	if now := time.Now().Unix(); sent < now-tolerance || sent > now+tolerance {
		return nil, fmt.Errorf("%w: it is more than five minutes from this machine's clock", ErrInvalidTimestamp)
	}
	return signed, nil
}
