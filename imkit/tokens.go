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

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/transport"
)

// TokensService holds the operations on clients' tokens. It is the field Tokens
// of a [Client], and as safe for concurrent use.
//
// A client ID may be any text that is valid UTF-8 and not blank, but for one in
// which . or .. stands alone or between slashes. However it is escaped, what lies
// on the way to the server may take that for a step in the path, and so have the
// tokens of another client revoked.
type TokensService struct {
	// config holds the API key. Inside a func it is out of the reach of every
	// printer, dumper and diff, those that follow pointers included.
	config func() config
}

// Revoke revokes one token of a client, and returns what the server says that it
// revoked: nothing if the client has no such token. An empty token is refused, as
// the server might take that for all tokens; see [TokensService.RevokeAll]. A proxy
// that drops the body of a DELETE has the same effect: the list then has all tokens
// of the client.
//
// It is safe to repeat. After a lost answer the list may be empty all the same.
func (s *TokensService) Revoke(ctx context.Context, clientID, token string) ([]Token, error) {
	if problem := transport.TextProblem(token); problem != "" {
		return nil, fmt.Errorf("imkit: Tokens.Revoke: %w", invalid("the token"+problem))
	}
	return s.config().revoke(ctx, "Revoke", clientID, token)
}

// RevokeAll revokes all tokens of a client, and returns them as they were. The
// client is signed out everywhere.
//
// It is safe to repeat. After a lost answer the list may lack what was revoked
// before, and it revokes tokens that the client was given since. A list of more
// than 4 MiB is an [*Error], though its tokens are revoked.
func (s *TokensService) RevokeAll(ctx context.Context, clientID string) ([]Token, error) {
	return s.config().revoke(ctx, "RevokeAll", clientID, "")
}

const path = "/admin/clients/:client-id/token"

// step is a client ID that decodes to a step in a path, for one server or other.
var step = regexp.MustCompile(`(^|[/\\])\.\.?([/\\]|$)`)

// revoke revokes a token of a client, or all if it is empty.
func (c config) revoke(ctx context.Context, name, clientID, token string) ([]Token, error) {
	problem := transport.TextProblem(clientID)
	if step.MatchString(clientID) {
		problem = " has a . or .. that could be taken for a step in the path"
	}
	if problem != "" {
		return nil, fmt.Errorf("imkit: Tokens.%s: %w", name, invalid("the client ID"+problem))
	}
	header := http.Header{
		"Accept":     {"application/json"},
		"Im-Api-Key": {c.apiKey},
		"User-Agent": {"seam-go/" + seam.Version},
	}
	var body []byte
	if token != "" {
		header.Set("Content-Type", "application/json")
		body, _ = json.Marshal(map[string]string{"token": token}) // of a text
	}
	mask := func(text string) string { return c.mask(text, clientID, token) }
	var got envelope
	var tokens []Token
	answer, err := transport.Do(ctx, &transport.Request{
		Method:     http.MethodDelete,
		URL:        c.endpoint + strings.Replace(path, ":client-id", url.PathEscape(clientID), 1),
		LogURL:     c.endpoint + path,
		Header:     header,
		Body:       body,
		Retry:      transport.RetryTransient,
		MaxRetries: transport.DefaultMaxRetries,
		Timeout:    c.timeout,
		Transport:  c.transport,
		Logger:     c.logger,
		Mask:       mask,
		Decode: func(r io.Reader) (err error) {
			tokens, err = got.decode(r)
			return err
		},
	})
	switch {
	case err == nil && answer.Success() && got.RC == 0:
		return tokens, nil
	case answer.StatusCode == 0:
		return nil, fmt.Errorf("imkit: DELETE %s: %w%s", path, err, transport.Tries(answer.Attempts))
	}
	e := &Error{StatusCode: answer.StatusCode, RetryAfter: answer.RetryAfter, Attempts: answer.Attempts, err: err}
	if !answer.Success() {
		_ = json.Unmarshal(answer.Body, &got) // what does decode is taken, a value of the wrong type beside it is not
	}
	e.Code, e.Message = got.RC, transport.Brief(mask(got.RM))
	return nil, e
}

// envelope is an answer as the server writes it.
type envelope struct {
	RC     int    `json:"RC"`
	RM     string `json:"RM"`
	Result struct {
		Data []struct {
			Token            string `json:"token"`
			CreatedAt        any    `json:"createdAt"`
			UpdatedAt        any    `json:"updatedAt"`
			ExpirationDate   any    `json:"expirationDate"`
			ExpirationDateMS any    `json:"expirationDateMS"` // since the epoch
		} `json:"data"`
	} `json:"result"`
}

// decode reads the answer of a success, and returns the tokens unless its RC says
// that it is none.
func (e *envelope) decode(r io.Reader) ([]Token, error) {
	const missing = math.MinInt
	e.RC = missing
	err := transport.Decode(r, e)
	switch {
	case e.RC == missing:
		e.RC = 0
		return nil, cmp.Or(err, errors.New("answer has no RC"))
	case e.RC != 0:
		return nil, nil // its RM says what is wrong, whatever the rest looks like
	case err != nil:
		return nil, err
	case e.Result.Data == nil:
		return nil, errors.New("answer has no list of tokens")
	}
	tokens := make([]Token, len(e.Result.Data))
	for i, sent := range e.Result.Data {
		if sent.Token == "" {
			return nil, errors.New("answer has a token without its text")
		}
		tokens[i] = Token{sent.Token, at(sent.CreatedAt), at(sent.UpdatedAt), at(sent.ExpirationDate)}
		if tokens[i].ExpiresAt.IsZero() {
			tokens[i].ExpiresAt = at(sent.ExpirationDateMS)
		}
	}
	return tokens, nil
}

// at is a time as the server may write it. What is none is as good as not there: it
// must not hide that the token was revoked.
func at(sent any) time.Time {
	var at time.Time
	switch sent := sent.(type) {
	case string:
		at, _ = time.Parse(time.RFC3339, sent)
	case float64:
		at = time.UnixMilli(int64(sent))
	}
	return at.UTC()
}

// Token is an access token that was revoked.
//
// Printed with package fmt or log/slog, and in [encoding/json.Marshal], it shows
// everything but its text, which is in the field Token alone. What prints it
// without asking it still shows that: fmt in an unexported field of something
// else, and what dumps all that is in memory.
type Token struct {
	Token     string    `json:"token"` // its text, often a JWT
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	ExpiresAt time.Time `json:"expirationDate"` // from when on it would have been refused anyway; zero if unknown
}

// printedToken has the fields of a token without its methods, so that those can
// print it.
type printedToken Token

func (t Token) printed() printedToken {
	if t.Token != "" {
		t.Token = masked
	}
	return printedToken(t)
}

// Format implements [fmt.Formatter]: the token is printed without its text.
func (t Token) Format(state fmt.State, verb rune) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), t.printed())
}

// LogValue implements [slog.LogValuer]: the token is logged without its text.
func (t Token) LogValue() slog.Value { return slog.AnyValue(t.printed()) }

// MarshalJSON implements [encoding/json.Marshaler]: the token is written without
// its text, as nobody has a use for one that was revoked.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.printed()) }
