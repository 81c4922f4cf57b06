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

// DefaultEndpoint is the endpoint of a client if neither [WithEndpoint] nor
// SEAM_ENDPOINT sets one.
const DefaultEndpoint = "https://connect.getseam.com"

// Option configures a [Client], if passed to [NewClient], or a single call. An option
// overrides earlier ones for the same setting, and all kinds of credentials are one
// setting. An invalid option makes NewClient or the call return an error that matches
// [ErrInvalidParams]. Options can be reused and shared between goroutines, except those of
// [WithResponse].
type Option func(*config) error

// WithAPIKey authenticates with an API key.
//
// See https://docs.seam.co/latest/api/authentication.
func WithAPIKey(key string) Option { return withCredential(apiKey, key) }

// WithPersonalAccessToken authenticates with a personal access token, for the
// workspace with the given ID.
//
// See https://docs.seam.co/latest/api/authentication.
func WithPersonalAccessToken(token, workspaceID string) Option {
	return func(c *config) error {
		if problem := transport.HeaderValueProblem("the workspace ID", workspaceID); problem != "" {
			return invalid(problem)
		}
		err := withCredential(personalAccessToken, token)(c)
		if err == nil {
			c.credential.header.Set("Seam-Workspace", workspaceID)
		}
		return err
	}
}

// WithClientSessionToken authenticates as the user of a client session. Get with this
// option tells whether the token is still valid. Client session tokens are for browsers
// and phones. For other calls of a backend, Seam advises to use an API key.
//
// See https://docs.seam.co/latest/api/authentication.
func WithClientSessionToken(token string) Option { return withCredential(clientSessionToken, token) }

// WithPublishableKey authenticates with a publishable key. Such a key works with Create and
// GetOrCreate only, and cannot give a session access to anything.
//
// See https://docs.seam.co/latest/api/authentication.
func WithPublishableKey(key string) Option { return withCredential(publishableKey, key) }

func withCredential(kind credentialKind, secret string) Option {
	return func(c *config) error {
		credential, err := newCredential(kind, secret)
		if err != nil {
			return err
		}
		c.credential = credential
		return nil
	}
}

// WithEndpoint sets the base URL of the API, which may have a path. The default is the
// value of SEAM_ENDPOINT, or [DefaultEndpoint] if that is not set.
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

// WithInsecureHTTP allows plain http for an endpoint that is not loopback. The
// credential and all tokens are then sent unencrypted.
func WithInsecureHTTP() Option {
	return func(c *config) error {
		c.insecureAllowed = true
		return nil
	}
}

// WithHTTPClient uses client.Transport, which may be of any type. If it is nil,
// [http.DefaultTransport] is used. A positive client.Timeout has the effect of
// [WithTimeout]. CheckRedirect and Jar are ignored, and client is not modified.
//
// Create is retried after a failed connection only if the transport reports its
// connections to [net/http/httptrace], as [http.Transport] does. A transport that reports
// only some of its connections is not supported: an attempt on a connection that it does
// not report looks unsent, so Create could be sent twice.
//
// A transport that retries by itself is not supported either: it can send Create twice.
// [WithMaxRetries], [WithObserver] and the Attempts of errors do not include its retries,
// and [WithTimeout] limits all of them together.
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

// WithTimeout limits the duration of each attempt, including the response body. The
// default is 30 seconds, and timeout must be positive. To limit a call as a whole,
// with its retries and delays, use its context. For All, see
// [ClientSessionsService.All].
func WithTimeout(timeout time.Duration) Option {
	return func(c *config) error {
		if timeout <= 0 {
			return invalid("the timeout is not positive; omit WithTimeout to use the default")
		}
		c.timeout = timeout
		return nil
	}
}

// WithMaxRetries sets the maximum number of retries of a call. The default is 2, and 0
// disables retries.
func WithMaxRetries(retries int) Option {
	return func(c *config) error {
		if retries < 0 {
			return invalid("the number of retries is negative; use 0 to send each request once")
		}
		c.maxRetries = retries
		return nil
	}
}

// WithIdempotent declares that a request of [Client.Post] is idempotent, so that it is
// retried after any transient failure. It can be passed only to Client.Post.
func WithIdempotent() Option {
	return func(c *config) error {
		c.idempotent = true
		return nil
	}
}

// WithUser limits a call to one user, by your application's ID of the user. It sets the
// user_identifier_key of the params. It rejects a blank one, such as an ID that was never
// set: without it, the call would concern all users of the workspace. Params with the
// user_identifier_key of another user are rejected too.
//
// A call of an endpoint that is not known to take a user_identifier_key is rejected,
// since Seam would ignore it. These endpoints take it: /client_sessions/create, get,
// get_or_create, grant_access and list, and /connect_webviews/list,
// /connected_accounts/list, /devices/list, /devices/unmanaged/list, /locks/list,
// /access_codes/list, /access_codes/unmanaged/list, /noise_sensors/list,
// /thermostats/list and /thermostats/schedules/list. For any other that takes it, use
// [Client.Post] with params that have it. WithUser can be passed only to calls, not to
// [NewClient].
func WithUser(userIdentifierKey string) Option {
	return func(c *config) error {
		if problem := transport.StringProblem("the user identifier key", userIdentifierKey); problem != "" {
			return invalid(problem)
		}
		c.user = userIdentifierKey
		return nil
	}
}

// WithHeader sets a header of every request, replacing an earlier value. It rejects
// headers that this package controls: those for authentication, the body, the
// connection, retries, and the name and version of the SDK. User-Agent can be set.
func WithHeader(name, value string) Option {
	return func(c *config) error {
		name := http.CanonicalHeaderKey(name)
		switch name {
		case "Authorization", "Seam-Workspace", "Seam-Publishable-Key", "Seam-Client-Session-Token", "Client-Session-Token", "Seam-Api-Key":
			return invalid("the header " + name + " authenticates; use an option such as WithAPIKey")
		case "Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type", "Host":
			return invalid("the header " + name + " describes the body or the host; omit it")
		case "Connection", "Expect", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			return invalid("the header " + name + " is for the connection; use WithHTTPClient to configure that")
		case "Idempotency-Key", "X-Idempotency-Key":
			return invalid("the header " + name + " makes net/http repeat requests; omit it")
		case "Seam-Sdk-Name", "Seam-Sdk-Version":
			return invalid("the header " + name + " identifies this package; use User-Agent to identify your program")
		}
		const nameChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		if name == "" || strings.Trim(name, nameChars) != "" {
			return invalid("the name of a header is empty or has an invalid character; use letters, digits and hyphens")
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return invalid("the value of the header " + name + " has a line break or a control character; remove it")
		}
		c.extraHeader = maps.Clone(c.extraHeader) // c may share the map with its client
		if c.extraHeader == nil {
			c.extraHeader = http.Header{}
		}
		c.extraHeader[name] = []string{value}
		return nil
	}
}

// WithLogger logs each attempt, without secrets. An attempt that is followed by a retry
// is logged at [slog.LevelWarn]. The last attempt is logged at [slog.LevelDebug], even
// if it failed, since the call returns its error. The attributes are those of
// [Attempt], named operation, attempt, status, request_id, duration, retry_in and
// error. By default, and if logger is nil, nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		c.logger = logger
		return nil
	}
}

// Attempt describes a completed attempt of a call, for [WithObserver]. It contains no
// secrets.
type Attempt struct {
	Operation  string        // such as ClientSessions.Get, or Post /devices/list
	Number     int           // 1 for the first attempt of the call
	StatusCode int           // 0 if no response was received
	RequestID  string        // ID of the request, for Seam's support
	Duration   time.Duration // includes reading the response; for All, also the loop body
	RetryIn    time.Duration // delay before the next attempt; 0 if there is none

	// Err is set if no complete, valid response was received. It is nil for a complete
	// response with a non-2xx status.
	Err error
}

// WithObserver calls observe after each attempt, for example to record metrics. That
// includes an attempt that the context ended. observe is called synchronously, in the
// goroutine of the call. It must be safe for concurrent use if calls are concurrent;
// RevokeAll makes concurrent calls itself. A panic of observe reaches the caller of the
// method. By default, and if observe is nil, nothing is called.
func WithObserver(observe func(ctx context.Context, attempt Attempt)) Option {
	return func(c *config) error {
		c.observe = observe
		return nil
	}
}

// Response is the last response of a call, for [WithResponse].
//
// Formatted with package fmt or log/slog, it shows REDACTED in place of Header and
// Body, which may contain tokens. They still appear if a Response is formatted with %p or
// %w, is an unexported field of another type, or is encoded with
// [encoding/json.Marshal].
type Response struct {
	StatusCode int // 0 if no response was received
	Header     http.Header
	RequestID  string // ID of the request, for Seam's support
	Attempts   int    // number of attempts

	// Body is the body as received, including tokens. It has at most 1 MiB of a non-2xx
	// response. It is nil for a 2xx response to All.
	Body []byte
}

// redacted returns r as it is formatted.
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

// Format implements [fmt.Formatter]. It omits Header and Body.
func (r Response) Format(state fmt.State, verb rune) { redact.Format(state, verb, r.redacted()) }

// LogValue implements [slog.LogValuer]. It omits Header and Body.
func (r Response) LogValue() slog.Value { return slog.AnyValue(r.redacted()) }

// WithResponse stores the last response of a call in response, before the call returns
// or, for All, before its loop ends. It does so on errors too. [NewClient] and RevokeAll
// reject it. Concurrent calls must not share a Response.
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
	user            string      // user identifier key from WithUser
	extraHeader     http.Header // from WithHeader
	logger          *slog.Logger
	observe         func(context.Context, Attempt)
	response        *Response

	header http.Header // of every request; set by finish
}

// apply applies all options, and returns the first error. It goes on after an error, so
// that WithResponse clears its Response in any case.
func (c *config) apply(opts []Option) error {
	var first error
	for _, opt := range opts {
		if opt == nil {
			first = cmp.Or(first, error(invalid("an Option is nil; omit it")))
		} else {
			first = cmp.Or(first, opt(c))
		}
	}
	return first
}

// finish rejects plain http unless it is allowed, and builds the header.
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
	maps.Copy(c.header, c.extraHeader)
	maps.Copy(c.header, c.credential.header)
	return nil
}

var userAgent = "seam-go/" + Version + " (" + runtime.Version() + "; " + runtime.GOOS + "/" + runtime.GOARCH + ")"
