package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

var errMethod = errors.New("webhook: the method is not POST")

// Handler answers deliveries and has handle do what each event is for. It is
// called for each try, so that it should do no harm to handle a MessageID again.
// All that is not a success is logged to logger, or to [slog.Default] if that is
// nil, since the sender will not tell you: refusals with level Warn, as anybody
// can cause them, the rest with Error. Answers have no body.
//
// The sender tries again after any answer but a success:
//
//	what came                        answer              sent again
//	an event, and handle returns nil 204                 no
//	… and handle returns an error    500, logged         yes
//	… one that is ErrInvalidEvent    204, logged         no: it would fail each time
//	… and handle panics              none, by net/http   yes
//	signed, but ErrInvalidEvent      204, logged         no: it would be the same
//	more than 1 MiB                  413, logged         yes, in vain
//	another method than POST         405, logged         no delivery
//	a bad signature, time or header  400, logged         yes: the secret here may be wrong
//	a body that breaks off           400, logged         yes
//
// The context of handle ends with the connection: senders hang up after 15
// seconds, and try again. What takes longer should be put into a queue. How long
// the body may take to arrive is for [http.Server] to say, with its ReadTimeout.
// Handler panics if handle is nil.
func (v *Verifier) Handler(handle func(context.Context, Event) error, logger *slog.Logger) http.Handler {
	if handle == nil {
		panic("webhook: the func to handle events is nil")
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
			cmp.Or(logger, slog.Default()).LogAttrs(r.Context(), level, "webhook not handled",
				slog.Int("status", status), slog.Any("error", err))
		}
		w.WriteHeader(status)
	})
}
