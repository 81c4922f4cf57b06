// Package imkit revokes access tokens of the IMKIT chat service.
//
// In IMKIT, a user is called a client, and is identified by a client ID.
//
//	client, err := imkit.NewClient(os.Getenv("IMKIT_ENDPOINT"), os.Getenv("IMKIT_API_KEY"))
//	if err != nil {
//		return err
//	}
//	revoked, err := client.Tokens.RevokeAll(ctx, user.IMKITClientID)
//
// The API key can revoke every token. Keep it on the server.
//
// # Errors
//
// A non-2xx response is returned as an [*Error]. So is a 2xx response whose RC field,
// IMKIT's result code, is not 0, and one that is truncated or lacks the list of revoked
// tokens. Invalid arguments are rejected before a request is sent, with an error that
// matches [ErrInvalidParams]. Any other error means that no response was received.
// [errors.Is] and [errors.As] find its cause, such as [context.DeadlineExceeded] or a
// [net.OpError].
//
// # Retries and idempotency
//
// [TokensService.Revoke] and [TokensService.RevokeAll] are idempotent. A call makes up
// to three attempts, of up to 30 seconds each (see [WithHTTPClient]). It is retried
// after any transient failure: a failed or lost connection, a timeout, a truncated
// response, status 429, and status 5xx except 501. Unknown hosts and invalid TLS
// certificates are not transient. The delay before a retry is that of package
// [github.com/seam-go/seam]. To limit a call as a whole, use its context.
//
// If a response is lost, the retry may return fewer tokens than were revoked, or none.
//
// # Secrets
//
// The errors and logs of this package contain no API key, tokens or IMKIT client IDs.
// URLs contain the IMKIT client ID, which proxies may log. Formatting a [Client] with
// fmt or slog omits its API key. Formatting or marshaling a [Token] omits its value.
//
// Redirects are not followed, but returned as an [*Error]. Plain http is rejected
// except for loopback, unless [WithInsecureHTTP] allows it.
//
// # Tests
//
// Package [github.com/seam-go/seam/imkit/imkittest] provides a fake IMKIT server.
package imkit

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seam-go/seam/internal/transport"
)

// Client is a client for the IMKIT API. Create one with [NewClient]. It is immutable
// and safe for concurrent use.
type Client struct {
	// Tokens provides the methods for access tokens.
	Tokens *TokensService
}

// NewClient returns a client. endpoint is the base URL of the API, such as
// https://imkit.example.com, and may have a path. NewClient does not contact the server,
// so it does not detect an API key that the server rejects. Its errors match
// [ErrInvalidParams] and do not contain the API key.
func NewClient(endpoint, apiKey string, opts ...Option) (*Client, error) {
	cfg := config{apiKey: apiKey, transport: transport.DefaultTransport(), timeout: transport.DefaultTimeout}
	var plainHTTP bool
	var problem string
	cfg.endpoint, plainHTTP, problem = transport.ParseEndpoint(endpoint, "https://imkit.example.com", "pass the API key as the second argument")
	problem = cmp.Or(problem, transport.HeaderValueProblem("the API key", apiKey))
	for _, opt := range opts {
		if opt == nil {
			problem = cmp.Or(problem, "an Option is nil")
			continue
		}
		problem = cmp.Or(problem, opt(&cfg))
	}
	if plainHTTP && !cfg.insecureHTTP {
		problem = cmp.Or(problem, transport.InsecureProblem)
	}
	if problem != "" {
		return nil, fmt.Errorf("imkit: NewClient: %w", invalid(problem))
	}
	return &Client{Tokens: &TokensService{func() config { return cfg }}}, nil
}

// Option configures a [Client]. An invalid option makes [NewClient] return an error.
// Options can be reused and shared between goroutines.
type Option func(*config) (problem string)

// WithHTTPClient uses client.Transport, which may be of any type. If it is nil,
// [http.DefaultTransport] is used. A positive client.Timeout limits each attempt,
// instead of 30 seconds. CheckRedirect and Jar are ignored, and client is not modified.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) string {
		if client == nil {
			return "the http.Client is nil; omit WithHTTPClient to use the default"
		}
		if c.transport = client.Transport; c.transport == nil {
			c.transport = http.DefaultTransport
		}
		if client.Timeout > 0 {
			c.timeout = client.Timeout
		}
		return ""
	}
}

// WithLogger logs each attempt, without secrets or IMKIT client IDs. An attempt that is
// followed by a retry is logged at [slog.LevelWarn]. The last attempt is logged at
// [slog.LevelDebug], even if it failed, since the call returns its error. The
// attributes are named operation, attempt, status, duration, retry_in and error. By
// default, and if logger is nil, nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) string {
		c.logger = logger
		return ""
	}
}

// WithInsecureHTTP allows plain http for an endpoint that is not loopback. The API key
// and all tokens are then sent unencrypted.
func WithInsecureHTTP() Option {
	return func(c *config) string {
		c.insecureHTTP = true
		return ""
	}
}

type config struct {
	endpoint     string // without a trailing slash
	apiKey       string
	insecureHTTP bool
	transport    http.RoundTripper
	timeout      time.Duration
	logger       *slog.Logger
}
