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
// event. Seam may deliver an event more than once, even after a 2xx response. Deduplicate
// on MessageID or make handle safe to repeat.
//
// The status of the response decides whether Seam delivers the event again:
//
//	delivery                           status  delivered again
//	handle returns nil                 204     no
//	handle returns an error            500     yes
//	handle returns ErrInvalidEvent     204     no, since it would fail again
//	handle panics                      none    yes
//	signed, but not a usable event     204     no, since it would fail again
//	invalid signature, time or header  400     yes, since the secret here may be wrong
//	body cut short                     400     yes
//	body longer than 1 MiB             413     yes, although it will fail again
//	method other than POST             405     Seam sends no such request
//
// Responses have no body. Every failure in the table is logged: at level Warn if
// anyone could have sent the request, at level Error otherwise. Panics are logged by
// [http.Server] instead. If logger is nil, nothing is logged.
//
// Seam waits 15 seconds for a response. It then closes the connection, which
// cancels the context passed to handle. Put longer work into a queue. To limit the
// time for reading a request, set ReadTimeout of the [http.Server].
//
// Handler panics if handle is nil. The handler is safe for concurrent use if handle
// is.
func (v *Verifier) Handler(handle func(context.Context, Event) error, logger *slog.Logger) http.Handler {
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
