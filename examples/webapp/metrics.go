package main

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
)

// metrics has what operators see at /metrics. No label has a user, a door or a token.
type metrics struct {
	registry *prometheus.Registry
	attempts *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "seam_attempt_duration_seconds", Help: "Duration of the attempts of requests to Seam.",
		}, []string{"operation", "status"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), m.attempts)
	return m
}

// observe is for [seam.WithObserver].
func (m *metrics) observe(_ context.Context, attempt seam.Attempt) {
	m.attempts.WithLabelValues(attempt.Operation, strconv.Itoa(attempt.StatusCode)).Observe(attempt.Duration.Seconds())
}

// watch adds the counters of a cache.
func (m *metrics) watch(sessions *sessioncache.Cache) {
	m.registry.MustRegister(cacheMetrics{sessions})
}

// cacheMetrics collects the counters of a cache.
type cacheMetrics struct{ sessions *sessioncache.Cache }

// Describe describes nothing, which lets Collect decide.
func (cacheMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect sends the counters.
func (c cacheMetrics) Collect(out chan<- prometheus.Metric) {
	stats := c.sessions.Stats()
	for name, value := range map[string]uint64{
		"hits": stats.Hits, "misses": stats.Misses, "failures": stats.Failures, "fetches": stats.Fetches,
		"renewals": stats.Renewals, "evictions": stats.Evictions, "errors": stats.Errors, "store_errors": stats.StoreErrors,
	} {
		desc := prometheus.NewDesc("seam_sessioncache_"+name+"_total", "See Stats of package sessioncache.", nil, nil)
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value))
	}
}
