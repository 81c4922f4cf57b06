package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

var errMethod = errors.New("webhook: method is not POST")

// Handler returns a handler that verifies each delivery and calls handle with its
// event. Seam may deliver an event more than once, even after a 2xx response.
// Deduplicate by MessageID, or make handle idempotent.
//
// The status of the response decides whether Seam retries:
//
//	delivery                               status  retried
//	handle returns nil                     204     no
//	handle returns an error                500     yes
//	handle returns ErrInvalidEvent         204     no
//	handle panics                          none    yes
//	valid signature, invalid event         204     no
//	invalid signature, timestamp, headers  400     yes, since the secret may be misconfigured
//	truncated body                         400     yes
//	body longer than 1 MiB                 413     yes
//	method other than POST                 405     not from Seam
//
// To stop retries, handle may return an error that matches [ErrInvalidEvent]. handle
// must return within 15 seconds; queue longer work. After that, Seam closes the
// connection, which cancels ctx, and retries. handle may be called concurrently.
//
// Failures of verified deliveries are logged at [slog.LevelError], others at
// [slog.LevelWarn]. Logs contain the message ID, the type of the event and the error
// of handle, but no secret and no other data of the event. Panics are logged by
// [http.Server] only. If logger is nil, nothing is logged.
//
// Responses have no body. To limit the time for reading a request, set ReadTimeout of
// the [http.Server]. Handler panics if handle is nil.
func (v *Verifier) Handler(handle func(ctx context.Context, event Event) error, logger *slog.Logger) http.Handler {
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
			if err = handle(r.Context(), event); err == nil {
				break
			}
			err = fmt.Errorf("webhook: message %s, %s: %w", event.MessageID, event.EventType, err)
			if !errors.Is(err, ErrInvalidEvent) {
				status = http.StatusInternalServerError
			}
		case errors.Is(err, ErrInvalidEvent):
		case errors.Is(err, errMethod):
			w.Header().Set("Allow", http.MethodPost)
			status, level = http.StatusMethodNotAllowed, slog.LevelWarn
		case errors.Is(err, ErrBodyTooLarge):
			status, level = http.StatusRequestEntityTooLarge, slog.LevelWarn
		default:
			status, level = http.StatusBadRequest, slog.LevelWarn
		}
		if err != nil {
			logger.LogAttrs(r.Context(), level, "webhook failed", slog.Int("status", status), slog.Any("error", err))
		}
		w.WriteHeader(status)
	})
}
