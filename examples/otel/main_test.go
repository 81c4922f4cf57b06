package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

func Example() {
	main()
	// Unordered output:
	// POST /client_sessions/get_or_create: Error, http.response.status_code 503
	// POST /client_sessions/get_or_create: Unset, http.response.status_code 200
	// sign in: Unset
	// seam.attempt.duration: 1 with status 503
	// seam.attempt.duration: 1 with status 200
	// seam.retries: 1 of ClientSessions.GetOrCreate
}

// TestMetrics counts the attempts and retries of a call that fails in the end.
func TestMetrics(t *testing.T) {
	t.Parallel()
	srv := seamtest.NewServer(t)
	srv.Fail(seamtest.Fault{Reset: true})
	reader := sdkmetric.NewManualReader()
	metrics, err := withMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	require.NoError(t, err)
	_, err = srv.Client(t, metrics).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
	require.Error(t, err)

	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	require.Len(t, all.ScopeMetrics[0].Metrics, 2)
	durations := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints
	require.Len(t, durations, 1)
	assert.Equal(t, uint64(3), durations[0].Count)
	retries := all.ScopeMetrics[0].Metrics[1].Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, retries, 1)
	assert.Equal(t, int64(2), retries[0].Value)
}

// TestSpans creates a session and checks that there is a span of each attempt,
// without secrets. A create must be retried only if it had no effect, also through
// a transport that traces.
func TestSpans(t *testing.T) {
	t.Parallel()
	const fine, failed = codes.Unset, codes.Error
	for name, tt := range map[string]struct {
		breaks func(*seamtest.Server)
		want   []codes.Code
	}{
		"success":               {func(*seamtest.Server) {}, []codes.Code{fine}},
		"connection never made": {(*seamtest.Server).Close, []codes.Code{failed, failed}},
		"connection lost":       {fault(seamtest.Fault{Reset: true}), []codes.Code{failed}},
		"answer cut short":      {fault(seamtest.Fault{Cut: true}), []codes.Code{failed}},
		"unavailable":           {fault(seamtest.Fault{Status: http.StatusServiceUnavailable}), []codes.Code{failed}},
		"too many requests":     {fault(seamtest.Fault{Status: http.StatusTooManyRequests, Times: 1}), []codes.Code{failed, fine}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := seamtest.NewServer(t)
			exporter := tracetest.NewInMemoryExporter()
			provider := trace.NewTracerProvider(trace.WithSyncer(exporter))
			client := srv.Client(t, withSpans(provider), seam.WithMaxRetries(1))
			tt.breaks(srv)

			ctx, parent := provider.Tracer("test").Start(t.Context(), "sign in")
			session, err := client.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
			assert.Equal(t, tt.want[len(tt.want)-1] == fine, err == nil, err)
			var got []codes.Code
			for _, span := range exporter.GetSpans() {
				assert.Equal(t, parent.SpanContext().SpanID(), span.Parent.SpanID())
				got = append(got, span.Status.Code)
			}
			assert.Equal(t, tt.want, got)

			secrets := []string{srv.APIKey, "jane_doe"}
			if err == nil {
				_, err = client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithClientSessionToken(session.Token))
				require.NoError(t, err)
				secrets = append(secrets, session.Token)
			}
			exported, err := json.Marshal(exporter.GetSpans())
			require.NoError(t, err)
			for _, secret := range secrets {
				assert.NotContains(t, string(exported), secret)
			}
		})
	}
}

func fault(f seamtest.Fault) func(*seamtest.Server) {
	return func(srv *seamtest.Server) { srv.Fail(f) }
}
