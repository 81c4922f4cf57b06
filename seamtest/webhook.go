package seamtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seam-go/seam/internal/loopback"
)

const (
	deliveryAttempts = 8                // for each event
	deliveryTimeout  = 15 * time.Second // for each attempt
)

// SignWebhook returns the Svix-Id, Svix-Timestamp, Svix-Signature and Content-Type
// headers of a webhook with the given message ID, time and body, signed with secret.
// Seam uses the same message ID in all attempts to deliver an event.
//
// To test rejection, use a wrong secret, time or body. The secret may be shorter than
// webhook.NewVerifier allows. SignWebhook panics if secret is not base64, with or
// without the prefix whsec_.
func SignWebhook(secret, messageID string, at time.Time, body []byte) http.Header {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic("seamtest: SignWebhook: the secret must be base64, after whsec_")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(fmt.Appendf(nil, "%s.%d.%s", messageID, at.Unix(), body))
	return http.Header{
		"Content-Type":   {"application/json"},
		"Svix-Id":        {messageID},
		"Svix-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Svix-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// hook is a receiver of webhooks.
type hook struct {
	workspaceID string
	url         string
	client      http.Client
	close       func()
}

// message is an event to be delivered to a receiver.
type message struct {
	hook
	secret string
	id     string
	body   []byte
}

// Delivery is one attempt to deliver an event.
type Delivery struct {
	URL    string      // address of the webhook
	Header http.Header // see SignWebhook; each attempt has its own timestamp and signature
	Body   []byte      // JSON of the event

	StatusCode int   // 0 if no response was received
	Err        error // why no response was received, or nil
}

// AddWebhook registers a webhook at address, an http URL, for the events of the
// workspace. [Workspace.SendEvent] lists them. They are signed with
// [Workspace.WebhookSecret] and the time of [time.Now], which [Server.Advance] does
// not affect.
//
// Delivery is asynchronous. Events are delivered one at a time, so a slow receiver
// also delays the other webhooks. The server makes up to eight attempts to deliver an
// event, at once after each other, until it receives a 2xx response. Each attempt may
// take 15 seconds. Redirects are not followed.
//
// AddWebhook panics if address is not an http URL with a host. It also panics in a
// testing/synctest bubble, which has no network: use AddWebhookHandler there.
func (w Workspace) AddWebhook(address string) {
	if w.server.http.InMemory {
		panic("seamtest: AddWebhook: a testing/synctest bubble has no network; use AddWebhookHandler")
	}
	w.server.addWebhook(hook{w.WorkspaceID, address, http.Client{}, func() {}})
}

// AddWebhookHandler is like [Workspace.AddWebhook], but sends the requests to handler in
// memory. Requests use the host and path of address, such as
// http://localhost/webhooks. AddWebhookHandler also works in testing/synctest bubbles.
func (w Workspace) AddWebhookHandler(address string, handler http.Handler) {
	receiver := loopback.StartInMemory(&http.Server{Handler: handler})
	w.server.addWebhook(hook{w.WorkspaceID, address, *receiver.Client, receiver.Close})
}

func (s *Server) addWebhook(h hook) {
	if u, err := url.Parse(h.url); err != nil || u.Hostname() == "" || u.Scheme != "http" {
		h.close()
		panic(fmt.Sprintf("seamtest: cannot deliver webhooks to %q; use an http URL with a host", h.url))
	}
	if h.client.Transport == nil {
		h.client.Transport = &http.Transport{DisableKeepAlives: true} // leaves no connection open
	}
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.client.Timeout = deliveryTimeout
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks = append(s.webhooks, h)
}

// Deliveries waits for pending deliveries and returns all attempts, in order. It waits
// up to two minutes for each event of each webhook. [Server.Close] ends the wait.
// The Header and Body of a Delivery must not be modified. A webhook handler must not
// call Deliveries, since it would wait for itself.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.delivering {
		s.delivered.Wait()
	}
	return slices.Clone(s.deliveries)
}

// SendEvent sends an event to the workspace's webhooks and returns its event_id. fields
// has what the event has besides event_id, event_type, workspace_id, created_at and
// occurred_at. SendEvent panics if fields cannot be encoded as JSON.
//
// The server itself sends client_session.deleted, connected_account.connected and .deleted,
// connect_webview.login_succeeded, device.deleted, lock.locked, lock.unlocked,
// action_attempt.lock_door and action_attempt.unlock_door with .succeeded and .failed, and
// access_code with .created, .set_on_device, .failed_to_set_on_device, .changed and .deleted.
func (w Workspace) SendEvent(eventType string, fields map[string]any) string {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	return w.server.send(w, eventType, fields)
}

// send is SendEvent for callers that hold mu.
func (s *Server) send(w Workspace, eventType string, fields map[string]any) string {
	now := timestamp(s.now())
	event := object{
		"event_id": s.nextID("event"), "event_type": eventType, "workspace_id": w.WorkspaceID, "created_at": now, "occurred_at": now,
	}
	maps.Copy(event, fields)
	body, err := json.Marshal(event)
	if err != nil {
		panic(fmt.Sprintf("seamtest: SendEvent: %v", err))
	}
	sent := s.add("event", w.WorkspaceID, event)
	for _, h := range s.webhooks {
		if h.workspaceID == w.WorkspaceID {
			s.messages = append(s.messages, message{h, w.WebhookSecret, fmt.Sprintf("msg_%d", s.made["event"]), body})
		}
	}
	if !s.delivering && s.closing.Err() == nil {
		s.delivering = true
		s.running.Go(s.deliver)
	}
	return sent.id()
}

// deliver delivers the queued messages until there are none or the server is closed.
func (s *Server) deliver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.messages) > 0 && s.closing.Err() == nil {
		next := s.messages[0]
		s.messages = s.messages[1:]
		for range deliveryAttempts {
			s.mu.Unlock()
			delivery := next.send(s.closing)
			s.mu.Lock()
			s.deliveries = append(s.deliveries, delivery)
			if delivery.StatusCode/100 == 2 || s.closing.Err() != nil {
				break
			}
		}
	}
	s.delivering = false
	s.delivered.Broadcast()
}

// send makes one attempt.
func (m message) send(ctx context.Context) Delivery {
	delivery := Delivery{URL: m.url, Header: SignWebhook(m.secret, m.id, time.Now(), m.body), Body: m.body}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		panic(err) // addWebhook has checked the URL
	}
	req.Header = delivery.Header.Clone()
	resp, err := m.client.Do(req)
	if err != nil {
		delivery.Err = err
		return delivery
	}
	defer resp.Body.Close()
	delivery.StatusCode = resp.StatusCode
	return delivery
}
