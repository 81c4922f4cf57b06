package seam

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// DefaultEndpoint is the URL of the Seam API, used unless [WithEndpoint] or
// SEAM_ENDPOINT sets another one.
const DefaultEndpoint = "https://connect.getseam.com"

// Option configures a client if given to [NewClient], or a single call if given
// to that call. The last of several options for the same thing wins. An invalid
// option makes NewClient or the call return an error that matches
// [ErrInvalidParams]. Options can be reused and shared between goroutines, except
// those of [WithResponse].
type Option func(*config) error

// WithAPIKey authenticates with an API key, which acts for one workspace.
//
// See https://docs.seam.co/latest/api/authentication.
func WithAPIKey(key string) Option { return withCredential(apiKey, key) }

// WithPersonalAccessToken authenticates with a personal access token, for the
// workspace with the given ID.
//
// See https://docs.seam.co/latest/api/authentication.
func WithPersonalAccessToken(token, workspaceID string) Option {
	return func(c *config) error {
		if problem := transport.HeaderValueProblem(workspaceID); problem != "" {
			return invalid("the workspace ID" + problem)
		}
		err := withCredential(personalAccessToken, token)(c)
		if err == nil {
			c.credential.header.Set("Seam-Workspace", workspaceID)
		}
		return err
	}
}

// WithClientSessionToken authenticates as the user of a client session. A Get
// with this option reports whether the token is still valid.
//
// See https://docs.seam.co/latest/api/authentication.
func WithClientSessionToken(token string) Option { return withCredential(clientSessionToken, token) }

// WithPublishableKey authenticates with a publishable key, which can only create
// sessions without access to anything.
//
// See https://docs.seam.co/latest/api/authentication.
func WithPublishableKey(key string) Option { return withCredential(publishableKey, key) }

func withCredential(kind credentialKind, secret string) Option {
	return func(c *config) (err error) {
		credential, err := newCredential(kind, secret)
		if err == nil {
			c.credential = credential
		}
		return err
	}
}

// WithEndpoint sends requests to the API at endpoint, an absolute URL that may
// have a path. The default is [DefaultEndpoint].
func WithEndpoint(endpoint string) Option {
	return func(c *config) error {
		base, insecure, problem := transport.ParseEndpoint(endpoint, DefaultEndpoint, "give the credential with an option such as WithAPIKey")
		if problem != "" {
			return invalid(problem)
		}
		c.endpoint, c.insecure = base, insecure
		return nil
	}
}

// WithInsecureHTTP allows plain http for an endpoint that is not on this machine.
// The credential and all tokens then cross the network unencrypted.
func WithInsecureHTTP() Option {
	return func(c *config) error {
		c.insecureAllowed = true
		return nil
	}
}

// WithHTTPClient sends requests over the transport of client, which may be of any
// type, and applies its Timeout, if set, as [WithTimeout] does. It does not use
// the redirect policy and the cookies of client. It does not change client.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return invalid("the http.Client is nil; omit WithHTTPClient to use the default")
		}
		if c.transport = client.Transport; c.transport == nil {
			c.transport = http.DefaultTransport
		}
		if client.Timeout > 0 {
			c.timeout = client.Timeout
		}
		return nil
	}
}

// WithTimeout limits the duration of each attempt, from the connection to the end
// of the response body. The default is 30 seconds. The context of a call limits
// the call as a whole, including retries and the waits between them.
func WithTimeout(timeout time.Duration) Option {
	return func(c *config) error {
		if timeout <= 0 {
			return invalid("the timeout is not positive; omit WithTimeout to use the default")
		}
		c.timeout = timeout
		return nil
	}
}

// WithMaxRetries sets how many times a request may be repeated after the first
// attempt, if its operation allows that. The default is 2. With 0 each request is
// sent once.
func WithMaxRetries(retries int) Option {
	return func(c *config) error {
		if retries < 0 {
			return invalid("the number of retries is negative; use 0 to send each request once")
		}
		c.maxRetries = retries
		return nil
	}
}

// WithIdempotent allows [Client.Post] to repeat a request after any transient
// failure. Without it, Post repeats a request only if the previous attempt surely
// had no effect. [NewClient] and the operations of the services reject it: they
// have their own rules.
func WithIdempotent() Option {
	return func(c *config) error {
		c.idempotent = true
		return nil
	}
}

// WithHeader sends a header with every request, in place of an earlier value. It
// rejects the headers that this package controls: those for authentication, the
// body, the connection and retries.
func WithHeader(name, value string) Option {
	return func(c *config) error {
		name := http.CanonicalHeaderKey(name)
		switch name {
		case "Authorization", "Seam-Workspace", "Seam-Publishable-Key", "Seam-Client-Session-Token", "Client-Session-Token", "Seam-Api-Key":
			return invalid("the header " + name + " authenticates; use an option such as WithAPIKey")
		case "Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type", "Host":
			return invalid("the header " + name + " is set by this package; omit it")
		case "Connection", "Expect", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			return invalid("the header " + name + " is for the connection; use WithHTTPClient to configure that")
		case "Idempotency-Key", "X-Idempotency-Key":
			return invalid("the header " + name + " makes net/http repeat requests by itself, and Seam ignores it; omit it")
		}
		const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		if name == "" || strings.Trim(name, token) != "" {
			return invalid("the name of a header is invalid; use letters, digits and hyphens")
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return invalid("the value of the header " + name + " has a line break or a control character; remove it")
		}
		c.extra = maps.Clone(c.extra) // the client's must not change
		if c.extra == nil {
			c.extra = http.Header{}
		}
		c.extra[name] = []string{value}
		return nil
	}
}

// WithLogger logs each attempt, at level Warn if a retry follows and else at
// level Debug. A line has the fields of [Attempt], as operation, attempt, status,
// request_id, duration, retry_in and error, and no secrets. By default, and with
// a nil logger, nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		c.logger = logger
		return nil
	}
}

// Attempt describes an attempt of a call that has ended, for [WithObserver]. It
// holds no secrets.
type Attempt struct {
	Operation  string        // such as ClientSessions.Get, or Post /devices/list
	Number     int           // 1 for the first attempt of the call
	StatusCode int           // 0 if there was no response
	RequestID  string        // identifies the request for Seam's support
	Duration   time.Duration // of the attempt, including the response body
	RetryIn    time.Duration // until the next attempt; 0 if none follows
	Err        error         // why there is no complete, valid response; nil for any status otherwise
}

// WithObserver calls observe after each attempt, for metrics. That includes an
// attempt that the context ended. It is called in the goroutine of the call, and
// its time counts towards the call. RevokeAll calls it from several goroutines at
// once. By default, and with nil, nothing is called.
func WithObserver(observe func(ctx context.Context, attempt Attempt)) Option {
	return func(c *config) error {
		c.observe = observe
		return nil
	}
}

// Response is the last response of a call, for [WithResponse].
//
// Printed with package fmt or log/slog, it shows REDACTED in place of Header and
// Body, which may hold tokens. Package fmt ignores that for the verbs %p and %w,
// and in unexported fields of other types.
type Response struct {
	StatusCode int // 0 if there was no response
	Header     http.Header
	RequestID  string // identifies the request for Seam's support
	Attempts   int    // how many times the request was sent; 0 if the call was invalid

	// Body is the body as received, including tokens. Of a non-2xx response it is
	// the first 1 MiB. It is nil for All, which keeps nothing.
	Body []byte
}

// redacted returns what is printed of r.
func (r Response) redacted() any {
	printed := struct {
		StatusCode int
		Header     string
		RequestID  string
		Attempts   int
		Body       string
	}{StatusCode: r.StatusCode, RequestID: r.RequestID, Attempts: r.Attempts}
	if len(r.Header) > 0 {
		printed.Header = redact.Mark
	}
	if len(r.Body) > 0 {
		printed.Body = redact.Mark
	}
	return printed
}

// Format implements [fmt.Formatter]. It prints r without Header and Body.
func (r Response) Format(state fmt.State, verb rune) { redact.Format(state, verb, r.redacted()) }

// LogValue implements [slog.LogValuer]. It logs r without Header and Body.
func (r Response) LogValue() slog.Value { return slog.AnyValue(r.redacted()) }

// WithResponse stores the last response of a call in response before the call
// returns, even if it returns an error. It is for a single call: [NewClient] and
// RevokeAll reject it, and concurrent calls must not share a Response.
func WithResponse(response *Response) Option {
	return func(c *config) error {
		if response == nil {
			return invalid("the Response is nil; pass a pointer to one")
		}
		*response = Response{}
		c.response = response
		return nil
	}
}

const errSharedResponse = invalid("WithResponse is for a single call; several would overwrite the Response")

// config is what options set for a client or for one call.
type config struct {
	credential      credential
	endpoint        string // without a trailing slash
	insecure        bool   // endpoint is plain http to another host
	insecureAllowed bool
	transport       http.RoundTripper
	timeout         time.Duration
	maxRetries      int
	idempotent      bool
	extra           http.Header // of WithHeader
	logger          *slog.Logger
	observe         func(context.Context, Attempt)
	response        *Response

	header http.Header // of every request; set by finish
}

// apply applies all options, and returns the first error.
func (c *config) apply(opts []Option) error {
	var first error
	for _, opt := range opts {
		err := error(invalid("an Option is nil; omit it"))
		if opt != nil {
			err = opt(c)
		}
		first = cmp.Or(first, err)
	}
	return first
}

// finish checks what depends on several options, and sets header.
func (c *config) finish() error {
	if c.insecure && !c.insecureAllowed {
		return invalid(transport.InsecureProblem)
	}
	c.header = http.Header{
		"Accept":           {"application/json"},
		"Content-Type":     {"application/json"},
		"User-Agent":       {userAgent},
		"Seam-Sdk-Name":    {"seam-go"},
		"Seam-Sdk-Version": {Version},
	}
	maps.Copy(c.header, c.extra)
	maps.Copy(c.header, c.credential.header)
	return nil
}

var userAgent = "seam-go/" + Version + " (" + runtime.Version() + "; " + runtime.GOOS + "/" + runtime.GOARCH + ")"
