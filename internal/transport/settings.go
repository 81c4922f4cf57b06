package transport

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What a request has unless its caller asks for something else.
const (
	DefaultTimeout    = 30 * time.Second
	DefaultMaxRetries = 2
)

// Default is shared by all clients that are given no http.Client. Their requests
// go to one host, for which net/http by itself would keep no more than two idle
// connections and so dial anew under load.
var Default = sync.OnceValue(func() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport // the program has put its own in place
	}
	pooled := base.Clone()
	pooled.MaxIdleConns = 0 // no limit but the one below
	pooled.MaxIdleConnsPerHost = 1024
	return pooled
})

// ParseEndpoint gives the URL of an API without a slash at its end, and whether
// the way there is plain http over a network. Or it says what is wrong with it,
// with an example of a good one, and where a credential belongs instead.
func ParseEndpoint(endpoint, example, credential string) (base string, exposed bool, problem string) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		problem = "the endpoint must be a URL such as " + example
	case u.User != nil:
		problem = "the endpoint must not have a user or password; " + credential
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		problem = "the endpoint must not have a query or a fragment"
	default:
		return strings.TrimRight(u.String(), "/"), u.Scheme == "http" && !loopback(u.Hostname()), ""
	}
	return "", false, problem
}

// loopback reports whether host is this machine, in a spelling for which net/http
// asks no proxy.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// ExposedProblem is what is wrong with an exposed endpoint.
const ExposedProblem = "the endpoint must be https, as plain http would show the credential to the network; " +
	"WithInsecureHTTP allows it all the same"

// HeaderValueProblem says why value cannot be a key or an ID in a header, without
// quoting it, or nothing if it can.
func HeaderValueProblem(value string) string {
	if value == "" {
		return " is empty"
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return " has a space, a line break or another character that none has; was it cut out with too much?"
	}
	return ""
}

// TextProblem says why text would not reach a server as it is, or nothing if it
// would.
func TextProblem(text string) string {
	if strings.TrimSpace(text) == "" {
		return " is blank"
	}
	if !utf8.ValidString(text) {
		return " is not valid UTF-8"
	}
	return ""
}
