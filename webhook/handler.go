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
// event. Seam delivers an event again if the response is not 2xx, and sometimes
// even if it is, so handle must tolerate events that it has handled before.
//
// The status of the response decides whether Seam delivers the event again:
//
//	delivery                          status      delivered again
//	handle returns nil                204         no
//	handle returns an error           500         yes
//	handle returns ErrInvalidEvent    204         no, as it would fail again
//	handle panics                     none        yes
//	signed, but ErrInvalidEvent       204         no, as it would fail again
//	signature, time or header invalid 400         yes, as the secret here may be wrong
//	body cut short                    400         yes
//	body longer than 1 MiB            413         yes, although it will fail again
//	method other than POST            405         no, as Seam sends POST only
//
// Responses have no body. Everything in the table except the first line is logged:
// requests that anyone could send at level Warn, the rest at level Error. Panics are
// logged by [http.Server]. If logger is nil, nothing is logged.
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
