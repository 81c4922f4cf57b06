// Otel makes an OpenTelemetry span of each attempt of a call, with a transport that
// traces around the one that connects. It runs on a Seam server of its own, which
// refuses the first attempt, and prints the spans where you would export them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
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

	provider := trace.NewTracerProvider(trace.WithSyncer(printer{}))
	client, err := seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL), withSpans(provider))
	if err != nil {
		return err
	}
	ctx, span := provider.Tracer("backend").Start(ctx, "sign in")
	_, err = client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "jane_doe"})
	span.End()
	return errors.Join(err, provider.Shutdown(ctx)) // which exports what is left
}

// withSpans makes a span of each attempt, below the one in the call's context.
func withSpans(provider *trace.TracerProvider) seam.Option {
	pooled := http.DefaultTransport.(*http.Transport).Clone()
	pooled.MaxIdleConnsPerHost = 100 // all go to one host, for which no more than 2 are kept by default
	return seam.WithHTTPClient(&http.Client{Transport: otelhttp.NewTransport(pooled,
		otelhttp.WithTracerProvider(provider),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }),
	)})
}

// printer exports spans as text, without what is new in each run.
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
