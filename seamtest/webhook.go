package seamtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	deliveryTries   = 8                // as many as Seam's
	deliveryTimeout = 15 * time.Second // of each
)

// SignWebhook returns the header of a webhook as Seam sends it, signed with
// secret: for a request to a receiver, or for its verifier alone. What is sent
// again has the same message ID. A test of what a receiver must refuse signs with
// another secret, which may also be shorter than any that is accepted, for another
// time or another body. SignWebhook panics if secret is not whsec_ and base64.
func SignWebhook(secret, messageID string, at time.Time, body []byte) http.Header {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic("seamtest: the secret of a webhook is not whsec_ and base64")
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

// message is an event on its way to a webhook.
type message struct {
	url    string
	secret string
	id     string
	body   []byte
}

// Delivery is one try to deliver an event to a webhook.
type Delivery struct {
	URL    string
	Header http.Header // as SignWebhook makes it, anew for each try
	Body   []byte

	StatusCode int   // of the receiver's answer, 0 if there was none
	Err        error // why there was none
}

// AddWebhook has the events of the server's first workspace sent to address, an
// http URL, signed with [Workspace.WebhookSecret]. There is one event,
// client_session.deleted.
//
// Deliveries go out in the order of the events, one at a time, while the API
// answers without waiting for them. What is not answered with a success within
// 15 seconds is sent again, in up to eight tries like Seam's, but at once.
// Redirects are not followed. Deliveries are signed for the real time, wherever
// [Server.Advance] has moved the clock. AddWebhook panics if address cannot be
// sent to.
func (s *Server) AddWebhook(address string) {
	if u, err := url.Parse(address); err != nil || u.Hostname() == "" || u.Scheme != "http" {
		panic(fmt.Sprintf("seamtest: a webhook cannot have the URL %q", address))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks = append(s.webhooks, address)
}

// Deliveries returns all tries to deliver an event so far, the oldest first. It
// waits for those under way and those still to come, so that a test need not
// wait by itself: for as long as two minutes an event if the receiver does not
// answer, unless the server is closed before. A receiver that calls it while it is
// delivered to waits for itself.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.delivering {
		s.delivered.Wait()
	}
	return slices.Clone(s.deliveries)
}

// tellDeleted queues the event of a deleted session. The caller holds mu.
func (s *Server) tellDeleted(deleted *session) {
	if deleted.WorkspaceID != s.WorkspaceID {
		return
	}
	s.events++
	now := timestamp(s.now())
	body, err := json.Marshal(map[string]string{
		"event_id":          fmt.Sprintf("00000000-0000-4000-9000-%012d", s.events),
		"event_type":        "client_session.deleted",
		"workspace_id":      deleted.WorkspaceID,
		"created_at":        now,
		"occurred_at":       now,
		"client_session_id": deleted.ClientSessionID,
	})
	if err != nil {
		panic(err) // it is made of texts
	}
	for _, address := range s.webhooks {
		s.messages = append(s.messages, message{address, s.WebhookSecret, fmt.Sprintf("msg_%d", s.events), body})
	}
	if !s.delivering {
		s.delivering = true
		s.running.Go(s.deliver)
	}
}

// deliver empties the queue, unless the server closes before.
func (s *Server) deliver() {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // so that no connection stays
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.messages) > 0 && s.closing.Err() == nil {
		next := s.messages[0]
		s.messages = s.messages[1:]
		for range deliveryTries {
			s.mu.Unlock()
			delivery := s.send(next, client)
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

// send tries once.
func (s *Server) send(m message, client *http.Client) Delivery {
	delivery := Delivery{URL: m.url, Header: SignWebhook(m.secret, m.id, time.Now(), m.body), Body: m.body}
	ctx, cancel := context.WithTimeout(s.closing, deliveryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		panic(err) // AddWebhook has seen to that
	}
	req.Header = delivery.Header.Clone()
	resp, err := client.Do(req)
	if err != nil {
		delivery.Err = err
		return delivery
	}
	defer resp.Body.Close()
	delivery.StatusCode = resp.StatusCode
	return delivery
}
