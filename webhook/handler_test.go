package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// newLogger logs without the time.
func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}))
}

// TestHandler holds the handler to the table in its documentation.
func TestHandler(t *testing.T) {
	t.Parallel()
	fits := `{"event_id": "event_1", "event_type": "a"}`
	fits += strings.Repeat(" ", 1<<20-len(fits))
	tampered := sign(small)
	tampered.Set("Svix-Id", "msg_2")
	for _, tt := range []struct {
		name   string
		method string // POST if empty
		body   io.Reader
		header http.Header // that of small if nil
		err    error       // what the func returns
		status int
		events int    // that reach the func
		log    string // its line
	}{
		{name: "event", status: 204, events: 1},
		{name: "event of 1 MiB", body: strings.NewReader(fits), header: sign(fits), status: 204, events: 1},
		{
			name: "func fails", err: errors.New("the database is away"), status: 500, events: 1,
			log: `level=ERROR msg="webhook failed" status=500 error="webhook: message msg_1, device.connected: the database is away"`,
		},
		{
			name: "func fails for good", err: fmt.Errorf("%w: it has no device", webhook.ErrInvalidEvent), status: 204, events: 1,
			log: `level=ERROR msg="webhook failed" status=204 error="webhook: message msg_1, device.connected: webhook: invalid event: it has no device"`,
		},
		{
			name: "func refuses", err: webhook.ErrInvalidSignature, status: 500, events: 1,
			log: `level=ERROR msg="webhook failed" status=500 error="webhook: message msg_1, device.connected: webhook: invalid signature"`,
		},
		{
			name: "signed, but no event", body: strings.NewReader("[]"), header: sign("[]"), status: 204,
			log: `level=ERROR msg="webhook failed" status=204 error="webhook: invalid event: message msg_1 is not a JSON object"`,
		},
		{
			name: "too large", body: strings.NewReader(fits + " "), header: sign(fits + " "), status: 413,
			log: `level=WARN msg="webhook failed" status=413 error="webhook: body too large"`,
		},
		{
			name: "another method", method: http.MethodPut, status: 405,
			log: `level=WARN msg="webhook failed" status=405 error="webhook: method is not POST"`,
		},
		{
			name: "bad signature", header: tampered, status: 400,
			log: `level=WARN msg="webhook failed" status=400 error="webhook: invalid signature: none matches this body and a known secret; compare the secret with the Seam console"`,
		},
		{
			name: "no signature", header: http.Header{}, status: 400,
			body: iotest.ErrReader(errors.New("the body is not read then")),
			log:  `level=WARN msg="webhook failed" status=400 error="webhook: invalid headers: Svix-Id or Webhook-Id is missing"`,
		},
		{
			name: "no signature, one header of the other set", header: http.Header{"Svix-Id": {"msg_1"}}, status: 400,
			log: `level=WARN msg="webhook failed" status=400 error="webhook: invalid headers: Svix-Timestamp is missing"`,
		},
		{
			name: "body breaks off", body: io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), status: 400,
			log: `level=WARN msg="webhook failed" status=400 error="webhook: reading body: unexpected EOF"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var lines bytes.Buffer
			events := 0
			handler := newVerifier(t, secret).Handler(func(_ context.Context, event webhook.Event) error {
				events++
				assert.Equal(t, "event_1", event.EventID)
				return tt.err
			}, newLogger(&lines))

			if tt.body == nil {
				tt.body = strings.NewReader(small)
			}
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			req := httptest.NewRequestWithContext(t.Context(), tt.method, "/webhooks", tt.body)
			if req.Header = tt.header; tt.header == nil {
				req.Header = sign(small)
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, req)

			assert.Equal(t, tt.status, answer.Code)
			assert.Empty(t, answer.Body.String(), "nothing helps a forger")
			assert.Equal(t, tt.events, events)
			assert.Equal(t, tt.log, strings.TrimSpace(lines.String()))
			if tt.status == http.StatusMethodNotAllowed {
				assert.Equal(t, http.MethodPost, answer.Header().Get("Allow"))
			} else {
				assert.Empty(t, answer.Header())
			}
		})
	}
}

// TestNoLogger refuses a delivery without a logger, which logs nothing anywhere.
//
//nolint:paralleltest // slog's default logger is shared
func TestNoLogger(t *testing.T) {
	var lines bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(newLogger(&lines))
	handler := newVerifier(t, secret).Handler(func(context.Context, webhook.Event) error { return nil }, nil)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody))
	assert.Equal(t, http.StatusBadRequest, answer.Code)
	assert.Empty(t, lines.String())
}

func TestNoFunc(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { newVerifier(t, secret).Handler(nil, slog.Default()) })
}

// TestNoBody parses a request whose Body is nil, as in a request made for a client.
func TestNoBody(t *testing.T) {
	t.Parallel()
	_, err := newVerifier(t, secret).Parse(&http.Request{Header: sign("")})
	require.ErrorIs(t, err, webhook.ErrInvalidEvent)
	_, err = newVerifier(t, secret).Parse(&http.Request{Header: sign(small)})
	require.ErrorIs(t, err, webhook.ErrInvalidSignature)
}

// TestPanic is left to net/http, which logs it and cuts the connection.
func TestPanic(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	receiver := httptest.NewUnstartedServer(newVerifier(t, secret).Handler(func(context.Context, webhook.Event) error {
		panic("out of luck")
	}, slog.New(slog.DiscardHandler)))
	receiver.Config.ErrorLog = log.New(&lines, "", 0)
	receiver.Start()
	defer receiver.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, receiver.URL, strings.NewReader(small))
	require.NoError(t, err)
	req.Header = sign(small)
	_, err = receiver.Client().Do(req) //nolint:bodyclose // there is none
	require.Error(t, err)
	receiver.Close()
	assert.Contains(t, lines.String(), "out of luck")
}

// TestSenderHangsUp while the func is at work, which its context tells it.
func TestSenderHangsUp(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	began, ended := make(chan struct{}), make(chan error)
	receiver := httptest.NewServer(newVerifier(t, secret).Handler(func(ctx context.Context, _ webhook.Event) error {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}, newLogger(&lines)))
	defer receiver.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, receiver.URL, strings.NewReader(small))
	require.NoError(t, err)
	req.Header = sign(small)
	go func() {
		<-began
		hangUp()
	}()
	_, err = receiver.Client().Do(req) //nolint:bodyclose // there is none
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
	receiver.Close() // which waits for the handler
	assert.Contains(t, lines.String(), "status=500")
}

// TestDeliveries has a Seam server deliver to the handler, which fails at first.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	var handled []webhook.Event
	receiver := httptest.NewServer(newVerifier(t, srv.WebhookSecret).Handler(func(_ context.Context, event webhook.Event) error {
		handled = append(handled, event)
		if len(handled) < 3 {
			return errors.New("not yet")
		}
		return nil
	}, slog.New(slog.DiscardHandler)))
	defer receiver.Close()
	srv.AddWebhook(receiver.URL)
	sessions := srv.Client(t).ClientSessions
	session, err := sessions.Create(t.Context(), seam.ClientSessionCreateParams{})
	require.NoError(t, err)
	require.NoError(t, sessions.Delete(t.Context(), session.ClientSessionID))
	require.Len(t, srv.Deliveries(), 3)
	require.Len(t, handled, 3)
	for _, event := range handled {
		assert.Equal(t, session.ClientSessionID, event.ClientSessionDeleted.ClientSessionID)
		assert.Equal(t, session.WorkspaceID, event.WorkspaceID)
		assert.Equal(t, handled[0].MessageID, event.MessageID)
		assert.False(t, event.OccurredAt.IsZero() || event.CreatedAt.IsZero())
	}
}
