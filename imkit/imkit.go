// Package imkit revokes the access tokens with which clients are signed in to
// IMKIT. Its API takes one token of a client, or none for all of them, and answers
// with what it revoked; it is for servers, as its key reaches every client.
//
//	client, err := imkit.NewClient(os.Getenv("IMKIT_ENDPOINT"), os.Getenv("IMKIT_API_KEY"))
//	if err != nil {
//		return err
//	}
//	revoked, err := client.Tokens.RevokeAll(ctx, user.IMKITClientID)
//
// # Errors
//
// What the server answers with any other status than a success, with an RC other
// than 0, or without the revoked tokens, is an [*Error], whatever its body looks
// like. What cannot be right is refused with [ErrInvalidParams] before anything
// is sent. Any other error means that the last attempt got no answer; [errors.Is]
// and [errors.As] find its cause, such as [context.DeadlineExceeded] or a
// [net.OpError].
//
// # Retries
//
// Both operations are safe to repeat. A request is sent up to three times: again
// after any failure that may pass, which is a connection that was not made or was
// lost, a timeout, an answer cut short, 429, and 5xx but 501. The waits between
// are those of package [github.com/seam-go/seam], and so is what is done about
// Retry-After. Each attempt may take 30 seconds, or the Timeout of
// [WithHTTPClient]; the call as a whole is bounded by its context.
//
// Where an answer was lost on the way, the next attempt may find the tokens gone,
// and so give fewer of them, or none, than the call revoked.
//
// # Secrets
//
// The API key and tokens are in no error, log line or URL, client IDs in no log
// line, and no way of printing a [Client] shows its key. Printing a [Token] does
// not show its text either, nor does [encoding/json.Marshal]. Redirects are not
// followed, and plain http is refused for any host but loopback, unless
// [WithInsecureHTTP] asks for it.
package imkit

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seam-go/seam/internal/transport"
)

// Client calls the IMKIT API. Make one with [NewClient] and share it: it never
// changes and is safe for concurrent use.
type Client struct {
	// Tokens holds the operations on clients' tokens.
	Tokens *TokensService
}

// NewClient makes a client of the API at endpoint, an absolute URL that may have
// a path. It sends nothing, and so does not notice a key that the server will
// refuse. Its errors match [ErrInvalidParams] and never quote the key.
func NewClient(endpoint, apiKey string, opts ...Option) (*Client, error) {
	cfg := config{apiKey: apiKey, transport: transport.Default(), timeout: transport.DefaultTimeout}
	var exposed bool
	var problem string
	cfg.endpoint, exposed, problem = transport.ParseEndpoint(endpoint, "https://imkit.example.com", "the API key stands beside it")
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
	if exposed && !cfg.insecureHTTP {
		problem = cmp.Or(problem, transport.ExposedProblem)
	}
	if problem != "" {
		return nil, fmt.Errorf("imkit: NewClient: %w", invalid(problem))
	}
	return &Client{Tokens: &TokensService{func() config { return cfg }}}, nil
}

// Option changes how a client makes its calls. One that cannot be right is
// refused by [NewClient]. Options can be kept, used again and shared between
// goroutines.
type Option func(*config) (problem string)

// WithHTTPClient sends requests over the transport of client, of whatever type,
// and takes its Timeout, if that is set, for each attempt. Nothing else of client
// is used, neither its redirect policy nor its cookies, and it is not changed.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) string {
		if client == nil {
			return "the http.Client is nil; leave WithHTTPClient out for the default one"
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

// WithLogger logs each attempt: with level Debug, or Warn if another one follows.
// Logs hold neither secrets nor client IDs. By default nothing is logged; a nil
// logger restores that.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) string {
		c.logger = logger
		return ""
	}
}

// WithInsecureHTTP allows an endpoint with plain http that is not on this
// machine. The API key and all tokens then cross the network unencrypted.
func WithInsecureHTTP() Option {
	return func(c *config) string {
		c.insecureHTTP = true
		return ""
	}
}

type config struct {
	endpoint     string // without a slash at its end
	apiKey       string
	insecureHTTP bool
	transport    http.RoundTripper
	timeout      time.Duration
	logger       *slog.Logger
}
