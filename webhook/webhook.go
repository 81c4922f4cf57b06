// Package webhook verifies and decodes webhooks sent by Seam.
//
//	verifier, err := webhook.NewVerifier(os.Getenv("SEAM_WEBHOOK_SECRET"))
//	if err != nil {
//		return err
//	}
//	http.Handle("POST /webhooks", verifier.Handler(func(ctx context.Context, event webhook.Event) error {
//		if deleted := event.ClientSessionDeleted; deleted != nil {
//			log.Print("deleted: ", deleted.ClientSessionID)
//		}
//		return nil // ignore other events
//	}, slog.Default()))
//
// In your own handler, use [Verifier.Parse], or [Verifier.Verify] if the body has
// already been read.
//
// # Verification
//
// A delivery must have the headers Svix-Id, Svix-Timestamp and Svix-Signature, or the
// headers Webhook-Id, Webhook-Timestamp and Webhook-Signature of the Standard Webhooks
// specification. If a request has any of the Svix- headers, its Webhook- headers are
// ignored.
//
// A delivery is accepted if one of its signatures was made with one of the secrets,
// and its timestamp differs from the clock by at most five minutes. Within that time, a
// captured delivery can be replayed, so deduplicate by [Event.MessageID].
//
// # FIPS 140-3
//
// This package works with GODEBUG=fips140=only.
//
// # Workspaces
//
// Receive the events of each workspace at a URL of its own, with the secret of its
// webhook. [Verifier.ForWorkspace] rejects the events of other workspaces:
//
//	a, err := webhook.NewVerifier(secretOfA)
//	…
//	http.Handle("POST /webhooks/a", a.ForWorkspace(idOfA).Handler(handle, logger))
//
// # Tests
//
// [github.com/seam-go/seam/seamtest.SignWebhook] signs events with any secret and
// timestamp, and a seamtest.Server delivers webhooks. Tests can control the time with
// [testing/synctest].
//
// See https://docs.seam.co/latest/developer-tools/webhooks.
package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Errors for use with [errors.Is].
var (
	// ErrInvalidSecret means that a secret is missing, malformed or too short.
	ErrInvalidSecret = errors.New("webhook: invalid secret")
	// ErrInvalidHeaders means that the ID, timestamp or signature header is missing, that
	// the ID or timestamp header is repeated, or that the ID is malformed.
	ErrInvalidHeaders = errors.New("webhook: invalid headers")
	// ErrInvalidTimestamp means that the timestamp is malformed or differs from
	// the clock by more than five minutes.
	ErrInvalidTimestamp = errors.New("webhook: invalid timestamp")
	// ErrInvalidSignature means that no signature of the delivery was made with one
	// of the secrets for this body.
	ErrInvalidSignature = errors.New("webhook: invalid signature")
	// ErrBodyTooLarge means that the body is longer than 1 MiB.
	ErrBodyTooLarge = errors.New("webhook: body too large")
	// ErrInvalidEvent means that the signature is valid but the body is not an event
	// that this package understands. The delivery is genuine, so a 2xx response would
	// lose it. Verifier.Handler responds with 500.
	ErrInvalidEvent = errors.New("webhook: invalid event")
	// ErrOtherWorkspace means that the delivery is genuine but its event is not of the
	// workspace of Verifier.ForWorkspace.
	ErrOtherWorkspace = errors.New("webhook: event of another workspace")
)

const (
	minKey    = 24      // bytes, as the Standard Webhooks specification requires
	signature = 44      // characters: 32 bytes in base64
	maxBody   = 1 << 20 // bytes
	tolerance = 5 * 60  // seconds
)

// Verifier verifies webhooks. Create one with [NewVerifier]: the methods of a nil or
// zero Verifier panic. A Verifier is immutable and safe for concurrent use.
type Verifier struct {
	// keys returns the secrets. Code that prints by reflection cannot look into a func.
	keys        func() []*standardwebhooks.Webhook
	workspaceID string // empty: events of any workspace
}

// NewVerifier returns a verifier that accepts signatures made with any of secrets.
// The secret of a webhook is whsec_ followed by base64.
//
// Several secrets are for rotation: pass the old and the new secret of one webhook.
// Do not pass the secrets of several workspaces, because a signature made with one of
// them would be accepted on an event of another. Use a Verifier for each, with
// [Verifier.ForWorkspace].
//
// The error matches [ErrInvalidSecret] if there is no secret, or if one is malformed
// or has fewer than 24 bytes after decoding. It does not quote the secret.
func NewVerifier(secrets ...string) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: none given; pass the secret from the Seam console", ErrInvalidSecret)
	}
	var keys []*standardwebhooks.Webhook
	for i, secret := range secrets {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			return nil, fmt.Errorf("%w: secret %d is not whsec_ followed by base64; copy it from the Seam console", ErrInvalidSecret, i+1)
		}
		if len(raw) < minKey {
			return nil, fmt.Errorf("%w: secret %d has %d bytes, fewer than %d; copy it from the Seam console", ErrInvalidSecret, i+1, len(raw), minKey)
		}
		key, err := standardwebhooks.NewWebhookRaw(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: secret %d is not a key; copy it from the Seam console", ErrInvalidSecret, i+1)
		}
		keys = append(keys, key)
	}
	return &Verifier{keys: func() []*standardwebhooks.Webhook { return keys }}, nil
}

// ForWorkspace returns a copy of v that rejects events of other workspaces, and events
// without a workspace, with an error that matches [ErrOtherWorkspace]. ForWorkspace
// panics if workspaceID is blank.
func (v *Verifier) ForWorkspace(workspaceID string) *Verifier {
	v.mustBeReady()
	if strings.TrimSpace(workspaceID) == "" {
		panic("webhook: ForWorkspace: the workspace ID is blank")
	}
	return &Verifier{v.keys, workspaceID}
}

func (v *Verifier) mustBeReady() {
	if v == nil || v.keys == nil {
		panic("webhook: the Verifier is nil or zero; create it with NewVerifier")
	}
}

// Parse reads and verifies a delivery and returns its event. It does not check the
// method of the request. It reads the body only if the headers are valid, and holds no
// more of it than has arrived. To limit the time for reading the body, set ReadTimeout
// of the [http.Server].
//
// Parse returns the errors of [Verifier.Verify]. The error matches [ErrBodyTooLarge] if
// the body is longer than 1 MiB. If the body cannot be read, the error wraps the read
// error.
func (v *Verifier) Parse(r *http.Request) (Event, error) {
	v.mustBeReady()
	signed, err := readHeader(r.Header)
	if err != nil {
		return Event{}, err
	}
	if r.ContentLength > maxBody {
		return Event{}, ErrBodyTooLarge
	}
	var body []byte
	if r.Body != nil { // nil in a request that was not received by a server
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

// Verify verifies a delivery and returns its event. body must be the exact bytes of the
// request. The names in header may be in any case, so that it can be a converted map of
// a serverless platform.
//
// If verification fails, the error matches [ErrInvalidHeaders], [ErrInvalidTimestamp]
// or [ErrInvalidSignature]. If the delivery is genuine but not an event that this
// package understands, the error matches [ErrInvalidEvent], or [ErrOtherWorkspace] if
// its event is of another workspace than that of [Verifier.ForWorkspace]. Respond to
// every error with a status other than 2xx, which asks for another delivery.
//
// Verify does not detect replays.
func (v *Verifier) Verify(body []byte, header http.Header) (Event, error) {
	v.mustBeReady()
	signed, err := readHeader(header)
	if err != nil {
		return Event{}, err
	}
	return v.verify(body, signed)
}

// verify checks the signatures in a header that was returned by readHeader.
func (v *Verifier) verify(body []byte, signed http.Header) (Event, error) {
	if !slices.ContainsFunc(v.keys(), func(key *standardwebhooks.Webhook) bool {
		return key.VerifyIgnoringTimestamp(body, signed) == nil
	}) {
		return Event{}, fmt.Errorf("%w: none matches this body and a known secret; compare the secret with the Seam console", ErrInvalidSignature)
	}
	event, err := newEvent(signed.Get(standardwebhooks.HeaderWebhookID), body)
	if err != nil {
		return Event{}, err
	}
	if v.workspaceID != "" && event.WorkspaceID != v.workspaceID {
		return Event{}, fmt.Errorf("%w: message %s; give each workspace a URL and a secret of its own", ErrOtherWorkspace, event.MessageID)
	}
	return event, nil
}

// readHeader returns the three headers of a delivery, with the names that package
// standardwebhooks expects. It rejects missing and malformed headers and timestamps
// outside the tolerance.
func readHeader(header http.Header) (http.Header, error) {
	invalid := func(name, why string) (http.Header, error) {
		return nil, fmt.Errorf("%w: %s %s", ErrInvalidHeaders, name, why)
	}
	canonical := http.Header{}
	for name, values := range header {
		name = http.CanonicalHeaderKey(name)
		canonical[name] = append(canonical[name], values...)
	}
	names := []string{"Id", "Timestamp", "Signature"}
	prefix := "Webhook-"
	for _, name := range names {
		if canonical.Values("Svix-"+name) != nil {
			prefix = "Svix-"
		}
	}
	signed := http.Header{}
	for _, name := range names {
		values := canonical.Values(prefix + name)
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
	if !slices.ContainsFunc(strings.Split(signed.Get(standardwebhooks.HeaderWebhookSignature), " "), func(text string) bool {
		return strings.HasPrefix(text, "v1,") && len(text) >= len("v1,")+signature
	}) {
		return nil, fmt.Errorf("%w: none is v1, followed by %d characters of base64", ErrInvalidSignature, signature)
	}
	// The timestamp is checked here, once for all keys. It is compared in seconds, because
	// a time.Duration could overflow.
	sent, err := strconv.ParseInt(signed.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: not a Unix time in seconds", ErrInvalidTimestamp)
	}
	if now := time.Now().Unix(); sent < now-tolerance || sent > now+tolerance {
		return nil, fmt.Errorf("%w: it differs from the clock by more than five minutes; synchronize the clock", ErrInvalidTimestamp)
	}
	return signed, nil
}
