package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
	"github.com/seam-go/seam/webhook"
)

// newLogger returns a logger that omits the time.
func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}))
}

// TestHandler tests the table in the documentation of Handler.
func TestHandler(t *testing.T) {
	t.Parallel()
	fits := `{"event_id": "event_1", "event_type": "a"}`
	fits += strings.Repeat(" ", 1<<20-len(fits))
	tampered := sign(small)
	tampered.Set("Svix-Id", "msg_2")
	guessed := sign(small)
	guessed.Set("Svix-Signature", "v1,")
	const noSession = `{"event_id": "event_1", "event_type": "client_session.deleted"}`
	for _, tt := range []struct {
		name   string
		method string // POST if empty
		body   io.Reader
		header http.Header // that of a delivery of small if nil
		err    error       // returned by handle
		status int
		events int // passed to handle
		log    string

		workspace     string // of ForWorkspace, if not empty
		contentLength int64
	}{
		{name: "event", status: 204, events: 1},
		{name: "event of 1 MiB", body: strings.NewReader(fits), header: sign(fits), status: 204, events: 1},
		{
			name: "handle fails", err: errors.New("database unavailable"), status: 500, events: 1,
			log: `level=ERROR msg="webhook failed" status=500 error="webhook: message msg_1, device.connected: database unavailable"`,
		},
		{
			name: "handle returns ErrInvalidEvent", err: fmt.Errorf("%w: it has no device", webhook.ErrInvalidEvent), status: 500, events: 1,
			log: `level=ERROR msg="webhook failed" status=500 error="webhook: message msg_1, device.connected: webhook: invalid event: it has no device"`,
		},
		{
			name: "handle returns another error of the package", err: webhook.ErrInvalidSignature, status: 500, events: 1,
			log: `level=ERROR msg="webhook failed" status=500 error="webhook: message msg_1, device.connected: webhook: invalid signature"`,
		},
		{
			name: "signed, but not an event", body: strings.NewReader("[]"), header: sign("[]"), status: 500,
			log: `level=ERROR msg="webhook failed" status=500 error="webhook: invalid event: message msg_1 is not a JSON object"`,
		},
		{
			name: "deleted session without its ID", body: strings.NewReader(noSession), header: sign(noSession), status: 500,
			log: `level=ERROR msg="webhook failed" status=500 error="webhook: invalid event: message msg_1 has no client_session_id"`,
		},
		{
			name: "event of another workspace", workspace: "workspace_1", status: 400,
			log: `level=ERROR msg="webhook failed" status=400 error="webhook: event of another workspace: message msg_1; give each workspace a URL and a secret of its own"`,
		},
		{
			name: "too large", body: strings.NewReader(fits + " "), header: sign(fits + " "), status: 413,
			log: `level=WARN msg="webhook failed" status=413 error="webhook: body too large"`,
		},
		{
			name: "too large by its header", contentLength: 1<<20 + 1, status: 413,
			body: iotest.ErrReader(errors.New("the body is not read")),
			log:  `level=WARN msg="webhook failed" status=413 error="webhook: body too large"`,
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
			body: iotest.ErrReader(errors.New("the body is not read")),
			log:  `level=WARN msg="webhook failed" status=400 error="webhook: invalid headers: Svix-Id or Webhook-Id is missing"`,
		},
		{
			name: "no signature that could be valid", header: guessed, status: 400,
			body: iotest.ErrReader(errors.New("the body is not read")),
			log:  `level=WARN msg="webhook failed" status=400 error="webhook: invalid signature: none is v1, followed by 44 characters of base64"`,
		},
		{
			name: "only one header of the set", header: http.Header{"Svix-Id": {"msg_1"}}, status: 400,
			log: `level=WARN msg="webhook failed" status=400 error="webhook: invalid headers: Svix-Timestamp is missing"`,
		},
		{
			name: "body cut short", body: io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), status: 400,
			log: `level=WARN msg="webhook failed" status=400 error="webhook: reading body: unexpected EOF"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var lines bytes.Buffer
			events := 0
			verifier := newVerifier(t, secret)
			if tt.workspace != "" {
				verifier = verifier.ForWorkspace(tt.workspace)
			}
			handler := verifier.Handler(func(_ context.Context, event webhook.Event) error {
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
			if tt.contentLength > 0 {
				req.ContentLength = tt.contentLength
			}
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, req)

			assert.Equal(t, tt.status, response.Code)
			assert.Empty(t, response.Body.String(), "no response has a body")
			assert.Equal(t, tt.events, events)
			assert.Equal(t, tt.log, strings.TrimSpace(lines.String()))
			want := http.Header{}
			if tt.status == http.StatusMethodNotAllowed {
				want.Set("Allow", http.MethodPost)
			}
			if strings.HasPrefix(tt.log, "level=WARN") {
				want.Set("Connection", "close")
			}
			assert.Equal(t, want, response.Header())
		})
	}
}

// TestNoLogger checks that a nil logger is not slog's default logger.
//
//nolint:paralleltest // slog's default logger is shared
func TestNoLogger(t *testing.T) {
	var lines bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(newLogger(&lines))
	handler := newVerifier(t, secret).Handler(func(context.Context, webhook.Event) error { return nil }, nil)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody))
	assert.Equal(t, http.StatusBadRequest, response.Code)
	assert.Empty(t, lines.String())
}

// TestUnfinishedBody sends a part of a body and keeps the connection open. A refusal
// does not wait for the rest.
func TestUnfinishedBody(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(newVerifier(t, secret).Handler(func(context.Context, webhook.Event) error {
		return nil
	}, nil))
	t.Cleanup(receiver.Close) // after the parallel subtests
	signature := "svix-id: msg_1\r\nsvix-timestamp: " + sign(small).Get("Svix-Timestamp") + "\r\nsvix-signature: v1," + strings.Repeat("A", 44) + "\r\n"
	for name, head := range map[string]string{
		"no headers":        "POST / HTTP/1.1\r\nContent-Length: 1000\r\n",
		"chunked":           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
		"another method":    "PUT / HTTP/1.1\r\nContent-Length: 1000\r\n",
		"more than 1 MiB":   "POST / HTTP/1.1\r\nContent-Length: 2000000\r\n" + signature,
		"no valid version":  "POST / HTTP/1.1\r\nContent-Length: 1000\r\n" + strings.Replace(signature, "v1,", "v2,", 1),
		"not of this clock": "POST / HTTP/1.1\r\nContent-Length: 1000\r\n" + strings.Replace(signature, "timestamp: 1", "timestamp: 9", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", receiver.Listener.Addr().String())
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, head+"Host: localhost\r\n\r\n5\r\nabc")
			require.NoError(t, err)
			answer, err := io.ReadAll(conn) // until the server closes the connection
			require.NoError(t, err)
			assert.Regexp(t, "^HTTP/1.1 4", string(answer))
		})
	}
}

func TestNoFunc(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { newVerifier(t, secret).Handler(nil, slog.Default()) })
}

// TestNoBody parses a request whose Body is nil, as in a client request.
func TestNoBody(t *testing.T) {
	t.Parallel()
	_, err := newVerifier(t, secret).Parse(&http.Request{Header: sign("")})
	require.ErrorIs(t, err, webhook.ErrInvalidEvent)
	_, err = newVerifier(t, secret).Parse(&http.Request{Header: sign(small)})
	require.ErrorIs(t, err, webhook.ErrInvalidSignature)
}

// TestPanic checks that net/http handles a panic: it logs it and closes the connection.
func TestPanic(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	receiver := httptest.NewUnstartedServer(newVerifier(t, secret).Handler(func(context.Context, webhook.Event) error {
		panic("handler failed")
	}, slog.New(slog.DiscardHandler)))
	receiver.Config.ErrorLog = log.New(&lines, "", 0)
	receiver.Start()
	defer receiver.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, receiver.URL, strings.NewReader(small))
	require.NoError(t, err)
	req.Header = sign(small)
	_, err = receiver.Client().Do(req) //nolint:bodyclose // there is no response
	require.Error(t, err)
	receiver.Close()
	assert.Contains(t, lines.String(), "handler failed")
}

// TestSenderHangsUp closes the connection while handle runs, which ends its context.
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
	_, err = receiver.Client().Do(req) //nolint:bodyclose // there is no response
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
	receiver.Close() // waits for the handler
	assert.Contains(t, lines.String(), "status=500")
}

// TestDeliveries has seamtest deliver an event to a handler that fails twice.
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
