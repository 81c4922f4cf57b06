// Otel reports the attempts of a call to OpenTelemetry: a span of each attempt, from a
// transport that traces, and two metrics, from an observer. It uses a fake Seam server
// that rejects the first attempt, and prints what a backend would export.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	srv, err := seamtest.Start()
	if err != nil {
		return err
	}
	defer srv.Close()
	srv.Fail(seamtest.Fault{Path: "/client_sessions/get_or_create", Status: http.StatusServiceUnavailable, Times: 1})

	tracing := trace.NewTracerProvider(trace.WithSyncer(printer{}))
	reader := sdkmetric.NewManualReader()
	metrics, err := withMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		return err
	}
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL), withSpans(tracing), metrics)
	if err != nil {
		return err
	}
	ctx, span := tracing.Tracer("backend").Start(ctx, "sign in")
	_, err = client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane_doe"})
	span.End()
	return errors.Join(err, tracing.Shutdown(ctx), printMetrics(ctx, reader))
}

// withSpans records a span for each attempt, as a child of the span in the call's
// context.
func withSpans(provider *trace.TracerProvider) seam.Option {
	pooled := http.DefaultTransport.(*http.Transport).Clone()
	pooled.MaxIdleConnsPerHost = 100 // net/http keeps 2 by default, and all requests go to one host
	return seam.WithHTTPClient(&http.Client{Transport: otelhttp.NewTransport(pooled,
		otelhttp.WithTracerProvider(provider),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }),
	)})
}

// withMetrics records the duration of each attempt and counts retries, both by
// operation.
func withMetrics(provider metric.MeterProvider) (seam.Option, error) {
	meter := provider.Meter("backend")
	duration, durationErr := meter.Float64Histogram("seam.attempt.duration", metric.WithUnit("s"))
	retries, retriesErr := meter.Int64Counter("seam.retries")
	return seam.WithObserver(func(ctx context.Context, attempt seam.Attempt) {
		operation := attribute.String("operation", attempt.Operation)
		duration.Record(ctx, attempt.Duration.Seconds(), metric.WithAttributes(operation, attribute.Int("status", attempt.StatusCode)))
		if attempt.Number > 1 {
			retries.Add(ctx, 1, metric.WithAttributes(operation))
		}
	}), errors.Join(durationErr, retriesErr)
}

// printer prints spans, without what differs in each run.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	for _, span := range spans {
		fmt.Printf("%s: %s", span.Name(), span.Status().Code)
		for _, attribute := range span.Attributes() {
			if attribute.Key == "http.response.status_code" {
				fmt.Printf(", %s %s", attribute.Key, attribute.Value)
			}
		}
		fmt.Println()
	}
	return nil
}

func (printer) Shutdown(context.Context) error { return nil }

// printMetrics prints the metrics in reader, without the durations.
func printMetrics(ctx context.Context, reader sdkmetric.Reader) error {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		return err
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					status, _ := point.Attributes.Value("status")
					fmt.Printf("%s: %d with status %d\n", m.Name, point.Count, status.AsInt64())
				}
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					operation, _ := point.Attributes.Value("operation")
					fmt.Printf("%s: %d of %s\n", m.Name, point.Value, operation.AsString())
				}
			}
		}
	}
	return nil
}
