package seam

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/seam-go/seam/internal/transport"
)

const defaultEndpoint = "https://connect.getseam.com"

// Option changes how calls are made: all calls of a client if it is given to
// [NewClient], and a single one if it is given to that call. An option that
// cannot be right is refused by either with an error that matches
// [ErrInvalidParams]. The last of several options for the same thing counts.
// Options can be kept, used again and shared between goroutines.
type Option func(*config) error

// WithAPIKey authenticates with an API key, which acts for one workspace.
func WithAPIKey(key string) Option {
	return withCredential(apiKey, key, nil)
}

// WithPersonalAccessToken authenticates with a personal access token, for the
// workspace with that ID.
func WithPersonalAccessToken(token, workspaceID string) Option {
	return func(c *config) error {
		if problem := transport.HeaderValueProblem(workspaceID); problem != "" {
			return invalid("the workspace ID" + problem)
		}
		return withCredential(personalAccessToken, token, http.Header{"Seam-Workspace": {workspaceID}})(c)
	}
}

// WithClientSessionToken authenticates as the user of a client session. Given to
// a single Get it tells whether that user's token is still good.
func WithClientSessionToken(token string) Option {
	return withCredential(clientSessionToken, token, nil)
}

// WithPublishableKey authenticates with a publishable key, which can only make
// sessions that have access to nothing yet.
func WithPublishableKey(key string) Option {
	return withCredential(publishableKey, key, nil)
}

// WithEndpoint sends requests to the API at endpoint, an absolute URL that may
// have a path. The default is https://connect.getseam.com.
func WithEndpoint(endpoint string) Option {
	return func(c *config) error {
		base, exposed, problem := transport.ParseEndpoint(endpoint, defaultEndpoint, "give the credential with an option such as WithAPIKey")
		if problem != "" {
			return invalid(problem)
		}
		c.endpoint, c.exposed = base, exposed
		return nil
	}
}

// WithInsecureHTTP allows an endpoint with plain http that is not on this
// machine. The credential and all tokens then cross the network unencrypted.
func WithInsecureHTTP() Option {
	return func(c *config) error {
		c.insecureHTTP = true
		return nil
	}
}

// WithHTTPClient sends requests over the transport of client, of whatever type,
// and takes its Timeout, if that is set, as [WithTimeout] does. Nothing else of
// client is used, neither its redirect policy nor its cookies, and it is not
// changed.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return invalid("the http.Client is nil; leave WithHTTPClient out for the default one")
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

// WithTimeout bounds each attempt, from the connection to the end of the
// answer's body. The default is 30 seconds. A call as a whole, with its retries
// and the waits between them, is bounded by its context.
func WithTimeout(timeout time.Duration) Option {
	return func(c *config) error {
		if timeout <= 0 {
			return invalid("the timeout must be more than zero")
		}
		c.timeout = timeout
		return nil
	}
}

// WithMaxRetries sets how many times a request may be sent again after the
// first time, where its operation allows that at all. The default is 2; 0 sends
// each request once.
func WithMaxRetries(retries int) Option {
	return func(c *config) error {
		if retries < 0 {
			return invalid("the number of retries must not be negative")
		}
		c.maxRetries = retries
		return nil
	}
}

// WithHeader sends a header with every request, in place of any that was set
// under that name before. Those that the package itself depends on are refused:
// what authenticates, and what describes the body, the connection or retries.
func WithHeader(name, value string) Option {
	return func(c *config) error {
		name := http.CanonicalHeaderKey(name)
		switch name {
		case "Authorization", "Seam-Workspace", "Seam-Publishable-Key", "Seam-Client-Session-Token", "Client-Session-Token", "Seam-Api-Key":
			return invalid("the header " + name + " authenticates; use an option such as WithAPIKey")
		case "Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type", "Host":
			return invalid("the header " + name + " is set by this package alone")
		case "Connection", "Expect", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			return invalid("the header " + name + " is for the connection; use WithHTTPClient to change that")
		case "Idempotency-Key", "X-Idempotency-Key":
			return invalid("the header " + name + " has net/http send a request again by itself, and Seam does not know it")
		}
		const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		if name == "" || strings.Trim(name, token) != "" {
			return invalid("a header's name must be made of letters, digits and hyphens")
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return invalid("the value of the header " + name + " has a line break or a control character")
		}
		c.extra = maps.Clone(c.extra) // an option for one call must not change the client
		if c.extra == nil {
			c.extra = http.Header{}
		}
		c.extra[name] = []string{value}
		return nil
	}
}

// WithLogger logs each attempt: with level Debug, or Warn if another one
// follows. Logs hold the URL, status, error and wait, and no secrets. By default
// nothing is logged; a nil logger restores that.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		c.logger = logger
		return nil
	}
}

// Response is what the server answered last in a call, for [WithResponse].
// Printed with package fmt or log/slog it shows neither Header nor Body, which may
// hold tokens, with the same exceptions as a [ClientSession].
type Response struct {
	StatusCode int // 0 if there was no answer
	Header     http.Header
	RequestID  string // names the request to Seam's support
	Attempts   int    // how many times the request was sent, 0 if it was refused before

	// Body is as it came, tokens included; of an answer that is not a success
	// the first MiB. It is nil for All, which keeps nothing.
	Body []byte
}

// printedResponse has the fields of a response without its methods, so that those
// can print it.
type printedResponse Response

func (r Response) printed() printedResponse {
	r.Header, r.Body = nil, nil
	return printedResponse(r)
}

// Format implements [fmt.Formatter]: see [Response] for what is left out.
func (r Response) Format(state fmt.State, verb rune) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), r.printed())
}

// LogValue implements [slog.LogValuer]: see [Response] for what is left out.
func (r Response) LogValue() slog.Value { return slog.AnyValue(r.printed()) }

// WithResponse fills response in by the time the call returns, also when it
// returns an error. It is for a single call: [NewClient] and RevokeAll refuse it,
// and calls that run at the same time must not share a Response.
func WithResponse(response *Response) Option {
	return func(c *config) error {
		if response == nil {
			return invalid("the Response to fill in is nil")
		}
		*response = Response{}
		c.response = response
		return nil
	}
}

const errSharedResponse = invalid("WithResponse belongs to a single call, as concurrent ones would share it")

// config is what options make: of a client, or of one call.
type config struct {
	credential   credentialKind
	secret       string      // the credential itself
	auth         http.Header // and how it is sent
	endpoint     string      // without a slash at its end
	exposed      bool        // whether the way there is plain http over a network
	insecureHTTP bool
	transport    http.RoundTripper
	timeout      time.Duration
	maxRetries   int
	extra        http.Header // WithHeader's
	logger       *slog.Logger
	response     *Response

	header http.Header // all that a request carries, made by finish
}

func (c *config) apply(opts []Option) error {
	var first error
	for _, opt := range opts {
		err := error(invalid("an Option is nil"))
		if opt != nil {
			err = opt(c)
		}
		first = cmp.Or(first, err)
	}
	return first
}

// fromEnvironment fills in what no option gave.
func (c *config) fromEnvironment() error {
	if c.secret == "" {
		key, token := os.Getenv("SEAM_API_KEY"), os.Getenv("SEAM_PERSONAL_ACCESS_TOKEN")
		var err error
		switch {
		case key != "" && token != "":
			err = invalid("both SEAM_API_KEY and SEAM_PERSONAL_ACCESS_TOKEN are set; unset one, or give the credential as an option")
		case key != "":
			err = prefixed("SEAM_API_KEY", WithAPIKey(key)(c))
		case token != "":
			err = prefixed("SEAM_PERSONAL_ACCESS_TOKEN with SEAM_WORKSPACE_ID", WithPersonalAccessToken(token, os.Getenv("SEAM_WORKSPACE_ID"))(c))
		default:
			err = invalid("no credential: set SEAM_API_KEY, or give an option such as WithAPIKey")
		}
		if err != nil {
			return err
		}
	}
	if c.endpoint == "" {
		if endpoint := os.Getenv("SEAM_ENDPOINT"); endpoint != "" {
			return prefixed("SEAM_ENDPOINT", WithEndpoint(endpoint)(c))
		}
		c.endpoint = defaultEndpoint
	}
	return nil
}

func prefixed(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// finish checks what only all options together can tell, and makes the header.
func (c *config) finish() error {
	if c.exposed && !c.insecureHTTP {
		return invalid(transport.ExposedProblem)
	}
	c.header = http.Header{
		"Accept":           {"application/json"},
		"Content-Type":     {"application/json"},
		"User-Agent":       {userAgent},
		"Seam-Sdk-Name":    {"seam-go"},
		"Seam-Sdk-Version": {Version},
	}
	maps.Copy(c.header, c.extra)
	maps.Copy(c.header, c.auth)
	return nil
}

var userAgent = "seam-go/" + Version + " (" + runtime.Version() + "; " + runtime.GOOS + "/" + runtime.GOARCH + ")"

// credentialKind is one of the ways to authenticate.
type credentialKind int

const (
	unknownCredential credentialKind = iota
	apiKey
	personalAccessToken
	clientSessionToken
	publishableKey
)

// credentials tells the kinds apart; the more special prefixes come first.
var credentials = []struct {
	kind   credentialKind
	name   string
	prefix string
	option string
}{
	{clientSessionToken, "a client session token", "seam_cst", "WithClientSessionToken"},
	{personalAccessToken, "a personal access token", "seam_at", "WithPersonalAccessToken"},
	{publishableKey, "a publishable key", "seam_pk", "WithPublishableKey"},
	{apiKey, "an API key", "seam_", "WithAPIKey"},
}

// withCredential authenticates with value, which must be of that kind, and with
// the other headers of its kind.
func withCredential(kind credentialKind, value string, others http.Header) Option {
	return func(c *config) error {
		if problem := transport.HeaderValueProblem(value); problem != "" {
			return invalid("the credential" + problem)
		}
		for _, known := range credentials {
			if strings.HasPrefix(value, known.prefix) {
				if value == known.prefix {
					return invalid("the credential is cut off after its prefix")
				}
				if known.kind != kind {
					return invalid(known.name + " was given where another credential is wanted; use " + known.option)
				}
				c.credential, c.secret = kind, value
				c.auth = http.Header{"Authorization": {"Bearer " + value}}
				if kind == publishableKey {
					c.auth = http.Header{"Seam-Publishable-Key": {value}}
				}
				maps.Copy(c.auth, others)
				return nil
			}
		}
		if strings.HasPrefix(value, "ey") {
			return invalid("a JWT was given, which this package has no use for; use an API key from the Seam console")
		}
		return invalid("the credential does not begin with seam_, as Seam's do")
	}
}
