package transport

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Attempt describes an attempt that has ended.
type Attempt struct {
	Number     int         // 1 for the first
	StatusCode int         // 0 if there was no response
	Header     http.Header // of the response
	Duration   time.Duration
	RetryIn    time.Duration // 0 if no attempt follows
	Err        error
}

// Log logs the attempt of an operation: at level Warn if another one follows,
// else Debug. requestID is the server's ID of the request, if it has one.
func (a Attempt) Log(ctx context.Context, logger *slog.Logger, operation, requestID string) {
	level := slog.LevelDebug
	attrs := []slog.Attr{slog.String("operation", operation), slog.Int("attempt", a.Number)}
	if a.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", a.StatusCode))
	}
	if requestID != "" {
		attrs = append(attrs, slog.String("request_id", requestID))
	}
	attrs = append(attrs, slog.Duration("duration", a.Duration))
	if a.RetryIn != 0 {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Duration("retry_in", a.RetryIn))
	}
	if a.Err != nil {
		attrs = append(attrs, slog.Any("error", a.Err))
	}
	logger.LogAttrs(ctx, level, "HTTP attempt", attrs...)
}
