package transport

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The defaults of a Request.
const (
	DefaultTimeout    = 30 * time.Second
	DefaultMaxRetries = 2
)

// The settings of the default transport.
const (
	maxIdleConnsPerHost = 1024             // a client sends all requests to one host; net/http keeps 2
	idleConnTimeout     = 55 * time.Second // usual servers close after 60 s or more
	pingAfter           = 10 * time.Second // without a frame on an HTTP/2 connection
	pingTimeout         = 5 * time.Second
)

var pool struct {
	sync.Mutex
	base, pooled *http.Transport
}

// DefaultTransport returns the transport of clients without an http.Client of their own:
// http.DefaultTransport as it is now. If that is an *http.Transport, it is a copy with
// other settings, which all clients share.
func DefaultTransport() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport // the program replaced it
	}
	pool.Lock()
	defer pool.Unlock()
	if pool.base != base {
		pool.base, pool.pooled = base, newTransport(base)
	}
	return pool.pooled
}

func newTransport(base *http.Transport) *http.Transport {
	pooled := base.Clone()
	pooled.MaxIdleConns = 0 // no limit
	pooled.MaxIdleConnsPerHost = maxIdleConnsPerHost
	if pooled.IdleConnTimeout == 0 || pooled.IdleConnTimeout > idleConnTimeout {
		pooled.IdleConnTimeout = idleConnTimeout
	}
	if pooled.OnProxyConnectResponse == nil {
		pooled.OnProxyConnectResponse = refusedByProxy
	}
	if pooled.HTTP2 == nil {
		pooled.HTTP2 = &http.HTTP2Config{}
	}
	if pooled.HTTP2.SendPingTimeout == 0 { // net/http sends no pings by default
		pooled.HTTP2.SendPingTimeout, pooled.HTTP2.PingTimeout = pingAfter, pingTimeout
	}
	return pooled
}

// ParseEndpoint returns endpoint without trailing slashes, and whether it is plain http to
// a host other than loopback. If endpoint is invalid, problem says why. It suggests example
// for a malformed URL, and credentialAdvice for one with a user or password.
func ParseEndpoint(endpoint, example, credentialAdvice string) (base string, insecure bool, problem string) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || !validPort(u.Port()):
		problem = "the endpoint is not an http or https URL; use one such as " + example
	case u.User != nil:
		problem = "the endpoint has a user or password; " + credentialAdvice
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		problem = "the endpoint has a query or fragment; remove it"
	default:
		return strings.TrimRight(u.String(), "/"), u.Scheme == "http" && !isLoopback(u.Hostname()), ""
	}
	return "", false, problem
}

// validPort reports whether port is empty or the number of a port.
func validPort(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil
}

// isLoopback reports whether host is "localhost" or a loopback IP address. For these,
// net/http uses no proxy.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// InsecureProblem is the problem of an insecure endpoint.
const InsecureProblem = "the endpoint is plain http, which sends the credential unencrypted; " +
	"use https, or allow it with WithInsecureHTTP"

// HeaderValueProblem returns why value, called name, cannot be a credential or an ID in
// a header, without quoting it. It returns the empty string if value is valid.
func HeaderValueProblem(name, value string) string {
	switch {
	case value == "":
		return name + " is empty; set it"
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return name + " has a space, a line break or another invalid character; remove it"
	}
	return ""
}

// StringProblem returns why s, called name, must not be sent: it is blank or not valid
// UTF-8. It returns the empty string if s is valid.
func StringProblem(name, s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return name + " is blank; set it"
	case !utf8.ValidString(s):
		return name + " is not valid UTF-8; pass UTF-8"
	}
	return ""
}
