package imkit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// TokensService provides the methods for access tokens. Use the Tokens field of a
// [Client]. It is safe for concurrent use.
//
// IMKIT client IDs are escaped in the URL; pass them unescaped. A proxy might rewrite
// some IDs to the ID of another client, so these are rejected: IDs that contain a
// backslash, semicolon, question mark, number sign, control character or percent escape
// such as %2F, and IDs with an empty, "." or ".." path segment. Blank IDs and invalid
// UTF-8 are rejected too.
//
// The package documentation describes the errors that all methods return.
type TokensService struct {
	// config contains the API key. Code that prints by reflection cannot look into a
	// func.
	config func() config
}

// Revoke revokes one token of the client with the given IMKIT client ID. It returns the
// tokens that the server reports as revoked, or none if the client does not have the
// token. token must not be blank; use [TokensService.RevokeAll] to revoke all tokens.
//
// Warning: If a proxy drops the body of the DELETE request, Revoke has the effect of
// RevokeAll. Check the returned tokens.
//
// Revoke is idempotent. If a response is lost, a retry may return no token although
// the token was revoked.
//
// See https://docs.imkit.io/en/user/user-token/revoke-token/.
func (s *TokensService) Revoke(ctx context.Context, clientID, token string) ([]Token, error) {
	if problem := transport.StringProblem("the token", token); problem != "" {
		return nil, fmt.Errorf("imkit: Tokens.Revoke: %w", invalid(problem))
	}
	return s.config().revoke(ctx, "Revoke", clientID, token)
}

// RevokeAll revokes all tokens of the client with the given IMKIT client ID, and returns
// them. It signs the client out everywhere. If the response exceeds 4 MiB, RevokeAll
// returns an [*Error], although the tokens were revoked.
//
// RevokeAll is idempotent. A retry also revokes tokens issued since the first attempt.
// If a response is lost, the returned list may be incomplete.
//
// See https://docs.imkit.io/en/user/user-token/revoke-token/.
func (s *TokensService) RevokeAll(ctx context.Context, clientID string) ([]Token, error) {
	return s.config().revoke(ctx, "RevokeAll", clientID, "")
}

const path = "/admin/clients/:client-id/token"

var percentEscape = regexp.MustCompile("%[0-9A-Fa-f]{2}")

// clientIDProblem returns why an IMKIT client ID is invalid, or the empty string. It
// rejects IDs that a proxy might rewrite to the ID of another client.
func clientIDProblem(id string) string {
	if problem := transport.StringProblem("the client ID", id); problem != "" {
		return problem
	}
	if strings.ContainsAny(id, `\;?#`) {
		return `the client ID has a '\', ';', '?' or '#', which proxies may take for a separator; use one without it`
	}
	if percentEscape.MatchString(id) {
		return "the client ID has a percent escape, which proxies may decode; pass it unescaped"
	}
	if strings.ContainsFunc(id, unicode.IsControl) {
		return "the client ID has a control character, such as a line break; remove it"
	}
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return `the client ID has an empty, "." or ".." path segment, which proxies remove; use one without it`
		}
	}
	return ""
}

// revoke revokes one token of a client, or all if token is empty.
func (c config) revoke(ctx context.Context, name, clientID, token string) ([]Token, error) {
	problem := clientIDProblem(clientID)
	if ctx == nil {
		problem = "the context is nil; use context.Background"
	}
	if problem != "" {
		return nil, fmt.Errorf("imkit: Tokens.%s: %w", name, invalid(problem))
	}
	header := http.Header{
		"Accept":     {"application/json"},
		"Im-Api-Key": {c.apiKey},
		"User-Agent": {"seam-go/" + seam.Version},
	}
	var body []byte
	if token != "" {
		header.Set("Content-Type", "application/json")
		body, _ = json.Marshal(map[string]string{"token": token}) // strings cannot fail
	}
	secrets := redact.Secrets{Credentials: []string{c.apiKey, token}, Identifiers: []string{clientID}}
	got, resp, err := transport.Do(ctx, &transport.Request{
		Method:     http.MethodDelete,
		URL:        c.endpoint + strings.Replace(path, ":client-id", url.PathEscape(clientID), 1),
		Header:     header,
		Body:       body,
		Retry:      transport.RetryTransient,
		MaxRetries: transport.DefaultMaxRetries,
		Timeout:    c.timeout,
		Transport:  c.transport,
		Redact:     secrets.Text,
		Observe: func(ctx context.Context, a transport.Attempt) {
			if c.logger != nil {
				a.Log(ctx, c.logger, "Tokens."+name, "")
			}
		},
	}, decode)
	switch {
	case err == nil && resp.Success() && got.RC == 0:
		return got.tokens, nil
	case resp.StatusCode == 0:
		return nil, fmt.Errorf("imkit: DELETE %s: %w%s", path, err, transport.AttemptsNote(resp.Attempts))
	}
	apiErr := &Error{StatusCode: resp.StatusCode, RetryAfter: resp.RetryAfter, Attempts: resp.Attempts, err: err}
	if !resp.Success() {
		_ = json.Unmarshal(resp.Body, &got) // RC and RM are used even if other values have the wrong type
	}
	apiErr.Code, apiErr.Message = got.RC, redact.Line(secrets.Text(got.RM))
	return nil, apiErr
}

// response is the body of a response.
type response struct {
	RC     int    `json:"RC"`
	RM     string `json:"RM"`
	Result struct {
		// Tokens are decoded one by one, and decoding stops at an invalid one. A struct
		// for each would let a body of {} take many times its length in memory.
		Data []json.RawMessage `json:"data"`
	} `json:"result"`

	tokens []Token // decoded from Result
}

// decode reads the body of a 2xx response. If RC reports a failure, the response
// has no tokens and the error is nil.
func decode(body io.Reader) (r response, err error) {
	const missing = math.MinInt
	r.RC = missing
	err = transport.DecodeAll(body, &r)
	switch {
	case r.RC == missing:
		r.RC = 0
		return r, cmp.Or(err, errors.New("response has no RC"))
	case r.RC != 0:
		return r, nil // the RM describes the failure, even if the rest is malformed
	case err != nil:
		return r, err
	case r.Result.Data == nil:
		return r, errors.New("response has no list of tokens")
	}
	r.tokens = []Token{}
	for _, data := range r.Result.Data {
		var token struct {
			Token            string    `json:"token"`
			CreatedAt        timestamp `json:"createdAt"`
			UpdatedAt        timestamp `json:"updatedAt"`
			ExpirationDate   timestamp `json:"expirationDate"`
			ExpirationDateMS timestamp `json:"expirationDateMS"`
		}
		if err := json.Unmarshal(data, &token); err != nil || token.Token == "" {
			return r, errors.New("response has a token without a value")
		}
		expires := token.ExpirationDate
		if expires.IsZero() {
			expires = token.ExpirationDateMS
		}
		r.tokens = append(r.tokens, Token{token.Token, token.CreatedAt.Time, token.UpdatedAt.Time, expires.Time})
	}
	return r, nil
}

// timestamp is a time in RFC 3339 or in milliseconds since the epoch. A malformed time
// is decoded as zero, since an error would hide that the token was revoked. So is a time
// outside the years 0 to 9999, which [time.Time.MarshalJSON] rejects.
type timestamp struct{ time.Time }

func (t *timestamp) UnmarshalJSON(value []byte) error {
	var text string
	var ms float64
	switch {
	case json.Unmarshal(value, &text) == nil:
		t.Time, _ = time.Parse(time.RFC3339, text)
	case json.Unmarshal(value, &ms) == nil && math.Abs(ms) < 1e15: // a float beyond int64 converts to any value
		t.Time = time.UnixMilli(int64(ms))
	}
	if t.Time = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		t.Time = time.Time{}
	}
	return nil
}

// Token is an access token that was revoked.
//
// Formatted with package fmt or log/slog, or encoded with [encoding/json.Marshal], it
// shows REDACTED in place of its value. The value still appears in package fmt with %p
// or %w, for unexported fields of other types, and in libraries that print by
// reflection.
type Token struct {
	Token     string    `json:"token"`          // value of the token, often a JWT
	CreatedAt time.Time `json:"createdAt"`      // zero if unknown
	UpdatedAt time.Time `json:"updatedAt"`      // zero if unknown
	ExpiresAt time.Time `json:"expirationDate"` // when it would have expired; zero if unknown
}

// redactedToken is a token without its value. It has no methods, so it is printed as a
// plain struct.
type redactedToken Token

func (t Token) redacted() redactedToken {
	if t.Token != "" {
		t.Token = redact.Mark
	}
	return redactedToken(t)
}

// Format implements [fmt.Formatter]. It omits the value of the token.
func (t Token) Format(state fmt.State, verb rune) { redact.Format(state, verb, t.redacted()) }

// LogValue implements [slog.LogValuer]. It omits the value of the token.
func (t Token) LogValue() slog.Value { return slog.AnyValue(t.redacted()) }

// MarshalJSON implements [encoding/json.Marshaler]. It omits the value of the
// token.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.redacted()) }
