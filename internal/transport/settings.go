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

// The defaults of a Request.
const (
	DefaultTimeout    = 30 * time.Second
	DefaultMaxRetries = 2
)

// Default returns the transport of all clients without an http.Client of their
// own. Their requests go to one host, for which net/http keeps only two idle
// connections by default.
var Default = sync.OnceValue(func() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport // the program replaced it
	}
	pooled := base.Clone()
	pooled.MaxIdleConns = 0 // no limit
	pooled.MaxIdleConnsPerHost = 1024
	return pooled
})

// ParseEndpoint returns the URL of an API without trailing slashes, and whether
// it is plain http to another host than this one. Otherwise it says what is
// wrong, with an example of a valid endpoint and advice on the credential.
func ParseEndpoint(endpoint, example, credentialAdvice string) (base string, insecure bool, problem string) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		problem = "the endpoint is not an http or https URL; use one such as " + example
	case u.User != nil:
		problem = "the endpoint has a user or password; " + credentialAdvice
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		problem = "the endpoint has a query or fragment; remove it"
	default:
		return strings.TrimRight(u.String(), "/"), u.Scheme == "http" && !loopback(u.Hostname()), ""
	}
	return "", false, problem
}

// loopback reports whether host is this machine, spelled so that net/http uses
// no proxy for it.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// InsecureProblem is the problem of an insecure endpoint.
const InsecureProblem = "the endpoint is plain http, which shows the credential to the network; " +
	"use https, or allow it with WithInsecureHTTP"

// HeaderValueProblem says why value cannot be a credential or an ID in a header.
// It does not quote value. It returns "" for a valid one.
func HeaderValueProblem(value string) string {
	if value == "" {
		return " is empty"
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return " has a space, a line break or another invalid character; check how it was copied"
	}
	return ""
}

// TextProblem says why text would not reach a server unchanged, or returns "".
func TextProblem(text string) string {
	if strings.TrimSpace(text) == "" {
		return " is blank"
	}
	if !utf8.ValidString(text) {
		return " is not valid UTF-8"
	}
	return ""
}
