package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

var errMethod = errors.New("webhook: method is not POST")

// Handler returns a handler that verifies each delivery and calls handle with its
// event. An event may be delivered more than once: deduplicate by MessageID, or make
// handle idempotent.
//
// The response is 204 if handle has returned nil. By the Standard Webhooks specification,
// every other response asks the sender to deliver the event again:
//
//	delivery                                      status
//	handle returns nil                            204
//	handle returns an error                       500
//	handle panics                                 none
//	genuine, not understood (ErrInvalidEvent)     500
//	genuine, of another workspace                 400
//	invalid signature, timestamp or headers       400
//	truncated body                                400
//	body longer than 1 MiB                        413
//	method other than POST                        405
//
// If an event cannot be handled, now or later, handle should record that and return
// nil. handle must return before Seam gives up waiting; queue longer work. If the
// connection is closed, ctx is canceled. handle may be called concurrently.
//
// Failures of genuine deliveries are logged at [slog.LevelError], others at
// [slog.LevelWarn]. Logs contain the message ID, the type of the event and the error
// of handle, but no secret and no other data of the event. Panics are logged by
// [http.Server] only. If logger is nil, nothing is logged.
//
// Responses have no body. A request whose headers are invalid is answered at once,
// without waiting for its body. To limit the time for reading other bodies, set
// ReadTimeout of the [http.Server]. Handler panics if handle is nil.
func (v *Verifier) Handler(handle func(ctx context.Context, event Event) error, logger *slog.Logger) http.Handler {
	v.mustBeReady()
	if handle == nil {
		panic("webhook: Handler: handle is nil")
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, level := http.StatusNoContent, slog.LevelError
		event, err := Event{}, errMethod
		if r.Method == http.MethodPost {
			event, err = v.Parse(r)
		}
		switch {
		case err == nil:
			if err = handle(r.Context(), event); err != nil {
				err = fmt.Errorf("webhook: message %s, %s: %w", event.MessageID, event.EventType, err)
				status = http.StatusInternalServerError
			}
		case errors.Is(err, ErrInvalidEvent):
			status = http.StatusInternalServerError
		case errors.Is(err, ErrOtherWorkspace):
			status = http.StatusBadRequest
		case errors.Is(err, errMethod):
			w.Header().Set("Allow", http.MethodPost)
			status, level = http.StatusMethodNotAllowed, slog.LevelWarn
		case errors.Is(err, ErrBodyTooLarge):
			status, level = http.StatusRequestEntityTooLarge, slog.LevelWarn
		default:
			status, level = http.StatusBadRequest, slog.LevelWarn
		}
		if level == slog.LevelWarn && r.ProtoMajor == 1 {
			// Otherwise the server waits for the rest of an unread body before it responds.
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(0, 0)) // tests have other writers
		}
		if err != nil {
			logger.LogAttrs(r.Context(), level, "webhook failed", slog.Int("status", status), slog.Any("error", err))
		}
		w.WriteHeader(status)
	})
}
