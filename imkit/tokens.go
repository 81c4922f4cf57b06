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

// TokensService has the operations on tokens. It is the Tokens field of a
// [Client] and safe for concurrent use.
//
// Pass client IDs unescaped; they are escaped in the URL. A proxy in front of the
// server may decode and rewrite the path, and so reach the tokens of another
// client. Client IDs that this could happen to are rejected: those with a
// backslash, a semicolon, a question mark, a number sign, a control character or a
// percent escape, and those with an empty path segment or one that is "." or "..".
type TokensService struct {
	// config contains the API key. Printers, dumpers and diffs cannot look into a
	// func.
	config func() config
}

// Revoke revokes one token of a client. It returns the tokens that the server
// reports as revoked: none if the client does not have this token. A blank token
// is rejected, because the server could take it for all tokens; use
// [TokensService.RevokeAll] for that.
//
// If a proxy drops the body of the DELETE request, the server revokes all tokens
// of the client, and they are returned.
//
// Revoke is safe to repeat. After a lost response it may return no token although
// it revoked one.
//
// See https://docs.imkit.io/en/user/user-token/revoke-token/.
func (s *TokensService) Revoke(ctx context.Context, clientID, token string) ([]Token, error) {
	if problem := transport.TextProblem(token); problem != "" {
		return nil, fmt.Errorf("imkit: Tokens.Revoke: %w", invalid("the token"+problem))
	}
	return s.config().revoke(ctx, "Revoke", clientID, token)
}

// RevokeAll revokes all tokens of a client, which signs it out everywhere, and
// returns them.
//
// RevokeAll is safe to repeat, but a repeated call also revokes tokens issued in
// the meantime. After a lost response the returned list may be incomplete. A list
// of more than 4 MiB is an [*Error] although its tokens are revoked.
//
// See https://docs.imkit.io/en/user/user-token/revoke-token/.
func (s *TokensService) RevokeAll(ctx context.Context, clientID string) ([]Token, error) {
	return s.config().revoke(ctx, "RevokeAll", clientID, "")
}

const path = "/admin/clients/:client-id/token"

var percentEscape = regexp.MustCompile("%[0-9A-Fa-f]{2}")

// clientIDProblem says why a proxy could turn the path of a client into that of
// another one, or returns the empty string.
func clientIDProblem(id string) string {
	if problem := transport.TextProblem(id); problem != "" {
		return problem
	}
	if strings.ContainsAny(id, `\;?#`) {
		return ` has a '\', ';', '?' or '#', which proxies may take for a separator`
	}
	if percentEscape.MatchString(id) {
		return " has a percent escape, which proxies may decode; pass the client ID unescaped"
	}
	if strings.ContainsFunc(id, unicode.IsControl) {
		return " has a control character, such as a line break"
	}
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return ` has an empty, "." or ".." path segment, which proxies remove`
		}
	}
	return ""
}

// revoke revokes one token of a client, or all if token is empty.
func (c config) revoke(ctx context.Context, name, clientID, token string) ([]Token, error) {
	problem := ""
	if ctx == nil {
		problem = "the context is nil; use context.Background"
	} else if wrong := clientIDProblem(clientID); wrong != "" {
		problem = "the client ID" + wrong
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
		// Tokens are decoded one by one, so that the memory needed is bounded by the
		// length of the body.
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
		return r, nil // RM says what is wrong, whatever the rest looks like
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
			return r, errors.New("response has a token without its text")
		}
		expires := token.ExpirationDate
		if expires.IsZero() {
			expires = token.ExpirationDateMS
		}
		r.tokens = append(r.tokens, Token{token.Token, token.CreatedAt.Time, token.UpdatedAt.Time, expires.Time})
	}
	return r, nil
}

// timestamp is a time in RFC 3339 or in milliseconds since the epoch. A malformed one
// is zero rather than an error, which would hide that the token was revoked. So is one
// outside of the years 0 to 9999, which [time.Time.MarshalJSON] rejects.
type timestamp struct{ time.Time }

func (t *timestamp) UnmarshalJSON(value []byte) error {
	var text string
	var ms float64
	switch {
	case json.Unmarshal(value, &text) == nil:
		t.Time, _ = time.Parse(time.RFC3339, text)
	case json.Unmarshal(value, &ms) == nil:
		t.Time = time.UnixMilli(int64(ms))
	}
	if t.Time = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		t.Time = time.Time{}
	}
	return nil
}

// Token is an access token that was revoked.
//
// Packages fmt and log/slog and [encoding/json.Marshal] show REDACTED in place of
// its text; read the field Token to get it. Three ways of printing ignore this:
// the fmt verbs %w, which go vet reports, and %p; package fmt with a Token in an
// unexported field of another struct; and libraries that print any value by
// reflection.
type Token struct {
	Token     string    `json:"token"` // the text, often a JWT
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	ExpiresAt time.Time `json:"expirationDate"` // the time it would have expired; zero if unknown
}

// redactedToken is a token whose text is masked. It has no methods, so it is
// printed as a plain struct.
type redactedToken Token

func (t Token) redacted() redactedToken {
	if t.Token != "" {
		t.Token = redact.Mark
	}
	return redactedToken(t)
}

// Format implements [fmt.Formatter]. It prints the token without its text.
func (t Token) Format(state fmt.State, verb rune) { redact.Format(state, verb, t.redacted()) }

// LogValue implements [slog.LogValuer]. It logs the token without its text.
func (t Token) LogValue() slog.Value { return slog.AnyValue(t.redacted()) }

// MarshalJSON implements [encoding/json.Marshaler]. It encodes the token without
// its text.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.redacted()) }
