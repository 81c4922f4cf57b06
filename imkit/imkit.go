// Package imkit revokes access tokens of IMKIT, a chat service whose users, called
// clients, sign in with such tokens.
//
// The API revokes one token of a client or all of them. Use it on servers only,
// since its key can revoke the tokens of every client.
//
//	client, err := imkit.NewClient(os.Getenv("IMKIT_ENDPOINT"), os.Getenv("IMKIT_API_KEY"))
//	if err != nil {
//		return err
//	}
//	revoked, err := client.Tokens.RevokeAll(ctx, user.IMKITClientID)
//
// # Errors
//
// Any response with a non-2xx status, with an RC other than 0, or without the
// revoked tokens is an [*Error]. Arguments that cannot be right are rejected with
// [ErrInvalidParams], and no request is sent. Any other error means that the last
// attempt got no response; [errors.Is] and [errors.As] find its cause, such as
// [context.DeadlineExceeded] or a [net.OpError].
//
// # Retries
//
// Both operations are safe to repeat. A request is sent up to three times. It is
// retried after a connection error, a timeout, a truncated response, status 429,
// and status 5xx except 501. Backoff and Retry-After are handled as in package
// [github.com/seam-go/seam]. Each attempt may take 30 seconds, or the Timeout of
// the http.Client given to [WithHTTPClient]. Use the context to bound the whole
// call.
//
// If a response is lost, its retry finds the tokens already revoked. The call then
// returns fewer tokens than it revoked, or none.
//
// # Secrets
//
// Errors, logs and URLs contain neither the API key nor tokens, and logs contain
// no client IDs. Printing a [Client] does not show its key. Printing or marshaling
// a [Token] does not show its text. Redirects are not followed. Plain http is
// rejected for hosts other than loopback, unless [WithInsecureHTTP] allows it.
package imkit

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seam-go/seam/internal/transport"
)

// Client calls the IMKIT API. Create one with [NewClient]. It is immutable and
// safe for concurrent use.
type Client struct {
	// Tokens has the operations on tokens.
	Tokens *TokensService
}

// NewClient returns a client for the API at endpoint, an absolute URL that may have
// a path. It sends no request, so it does not detect a wrong key. Its errors match
// [ErrInvalidParams] and never quote the key.
func NewClient(endpoint, apiKey string, opts ...Option) (*Client, error) {
	cfg := config{apiKey: apiKey, transport: transport.Default(), timeout: transport.DefaultTimeout}
	var plainHTTP bool
	var problem string
	cfg.endpoint, plainHTTP, problem = transport.ParseEndpoint(endpoint, "https://imkit.example.com", "pass the API key as the second argument")
	if wrong := transport.HeaderValueProblem(apiKey); wrong != "" {
		problem = cmp.Or(problem, "the API key"+wrong)
	}
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

// Option configures a [Client]. [NewClient] returns an error for an invalid one.
// An Option may be reused and is safe for concurrent use.
type Option func(*config) (problem string)

// WithHTTPClient sends requests through client.Transport, which may be of any type.
// A positive client.Timeout limits each attempt. Other fields of client, such as
// its redirect policy and cookie jar, are ignored. The client is not modified.
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

// WithLogger logs each attempt at level Debug, or Warn if a retry follows. Logs
// contain neither secrets nor client IDs. By default, or if logger is nil, nothing
// is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) string {
		c.logger = logger
		return ""
	}
}

// WithInsecureHTTP allows plain http to hosts other than loopback. The API key and
// all tokens then cross the network unencrypted.
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
