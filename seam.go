// Package seam is a client for the client sessions of the Seam API.
//
// A client session is a token that a backend hands to the browser or phone of
// one of its users. With it that user's device talks to Seam directly, limited
// to the locks and thermostats that are the user's own. This package creates
// client sessions, finds, lists and revokes them.
//
//	client, err := seam.NewClient() // SEAM_API_KEY from the environment
//	if err != nil {
//		return err
//	}
//	session, err := client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{
//		UserIdentifierKey: user.ID,
//	})
//
// # Authentication
//
// A client has one credential: an API key, a personal access token with a
// workspace, a client session token or a publishable key. It comes from an
// option ([WithAPIKey] and its kin) or else from the environment: SEAM_API_KEY,
// or SEAM_PERSONAL_ACCESS_TOKEN with SEAM_WORKSPACE_ID. A single call may use
// another one, since every [Option] can be given to a call as well. SEAM_ENDPOINT
// sets the endpoint where [WithEndpoint] does not. Only [NewClient] reads the
// environment.
//
// # Errors
//
// What Seam answers with any other status than a success, and a success that
// lacks what was asked for, is an [*APIError], whatever its body looks like.
// Sentinels such as [ErrNotFound] tell the common cases apart through
// [errors.Is]. Parameters and options that cannot be right are refused with
// [ErrInvalidParams] before anything is sent. Any other error means that the last
// attempt got no answer; [errors.Is] and [errors.As] find its cause, such as
// [context.DeadlineExceeded] or a [net.OpError].
//
// # Retries and idempotency
//
// A call is tried up to three times ([WithMaxRetries]), and each attempt may
// take 30 seconds ([WithTimeout]). What is tried again depends on the operation:
//
//   - Get, List, GrantAccess, Revoke and Delete are safe to repeat. They are
//     sent again after any failure that may pass: a connection that was not made
//     or was lost, a timeout, an answer cut short, 429, and 5xx but 501.
//   - Create is not. It is sent again only when it surely had no effect: when no
//     connection was made, or the answer was 429.
//   - GetOrCreate is as Get if it is given a UserIdentifierKey, else as Create.
//   - All is as List until an answer begins, and then not sent again.
//   - RevokeAll is as List, and then as a Revoke for each session.
//
// The first wait is 200 to 400 milliseconds, each further one twice as long, up
// to 10 to 20 seconds. A longer wait that the server asks for (Retry-After with
// 429 or 503) is kept, up to 60 seconds. If it asks for more, or if the context
// would end during the wait, the call ends at once with what the server said.
//
// # Concurrency
//
// A [Client] never changes and can be shared by any number of goroutines. Its
// connections are pooled and shared with all other clients that were not given
// an [http.Client] of their own.
//
// # Secrets
//
// A credential is in no error, log line or URL, and no way of printing a Client
// shows it. Printing a [ClientSession] shows everything but its token (see there
// for what goes past that), while [encoding/json.Marshal] keeps it, as handing it
// on is what it is for.
// Redirects are not followed, and plain http is refused for any host but
// loopback, unless [WithInsecureHTTP] asks for it.
//
// # Other packages
//
// Package [github.com/seam-go/seam/seamtest] is a Seam server for tests,
// [github.com/seam-go/seam/webhook] receives the events that Seam sends, and
// [github.com/seam-go/seam/imkit] revokes the tokens of another system.
package seam

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/seam-go/seam/internal/transport"
)

// Version is the version of this module. It is sent with every request.
const Version = "0.1.0"

// Client calls the Seam API. Make one with [NewClient] and share it: it never
// changes and is safe for concurrent use.
type Client struct {
	// ClientSessions holds the operations on client sessions.
	ClientSessions *ClientSessionsService

	// config holds a credential. Inside a func it is out of the reach of every
	// printer, dumper and diff, those that follow pointers included.
	config func() config
}

// NewClient makes a client from opts and, for the credential and the endpoint
// that they leave open, from the environment. It sends nothing, and so does not
// notice a credential that Seam will refuse. Its errors match [ErrInvalidParams]
// and never quote a credential.
func NewClient(opts ...Option) (*Client, error) {
	cfg := config{transport: transport.Default(), timeout: transport.DefaultTimeout, maxRetries: transport.DefaultMaxRetries}
	err := cfg.apply(opts)
	if err == nil && cfg.response != nil {
		err = errSharedResponse
	}
	if err == nil {
		err = cfg.fromEnvironment()
	}
	if err == nil {
		err = cfg.finish()
	}
	if err != nil {
		return nil, fmt.Errorf("seam: NewClient: %w", err)
	}
	client := &Client{config: func() config { return cfg }}
	client.ClientSessions = &ClientSessionsService{client}
	return client, nil
}

// call is one operation on its way to the wire. It keeps the first thing that
// is wrong with it, so that an operation can state all it needs and then send.
type call struct {
	config
	name  string // as users write it: ClientSessions.Get
	path  string
	retry transport.Retry
	err   error

	userIdentifierKey string // to be masked, if it is not in the params
}

func (c *Client) newCall(name, path string, retry transport.Retry, opts []Option) *call {
	call := &call{config: c.config(), name: name, path: path, retry: retry}
	if len(opts) > 0 {
		if call.err = call.apply(opts); call.err == nil {
			call.err = call.finish()
		}
	}
	return call
}

// need refuses the call unless ok, naming what it lacks.
func (c *call) need(ok bool, what string) {
	if !ok && c.err == nil {
		c.err = invalid(what + " is needed")
	}
}

// send posts params and has decode read the answer of a success; stream is
// as in [transport.Request]. All that fails comes back as an error.
func (c *call) send(ctx context.Context, params any, stream bool, decode func(io.Reader) error) error {
	if c.err == nil {
		c.err = checkParams(params)
	}
	if c.err != nil {
		return fmt.Errorf("seam: %s: %w", c.name, c.err)
	}
	body, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("seam: %s: %w", c.name, invalid(err.Error()))
	}
	answer, err := transport.Do(ctx, &transport.Request{
		Method:     http.MethodPost, // a GET would put user identifier keys into URLs
		URL:        c.endpoint + c.path,
		Header:     c.header,
		Body:       body,
		Retry:      c.retry,
		MaxRetries: c.maxRetries,
		Timeout:    c.timeout,
		Transport:  c.transport,
		Logger:     c.logger,
		Mask:       func(text string) string { return c.mask(text, c.key(params)) },
		Decode:     decode,
		Stream:     stream,
		KeepBody:   c.response != nil && !stream,
	})
	if c.response != nil {
		*c.response = Response{
			StatusCode: answer.StatusCode,
			Header:     answer.Header,
			RequestID:  c.requestID(answer),
			Attempts:   answer.Attempts,
			Body:       answer.Body,
		}
	}
	if err == nil && answer.Success() {
		return nil
	}
	if answer.StatusCode == 0 {
		return fmt.Errorf("seam: POST %s: %w%s", c.path, err, transport.Tries(answer.Attempts))
	}
	return c.apiError(answer, err, params)
}

// decodeDone reads the answer of an operation that gives nothing back: it says
// that it is ok by the schema, and nothing at all, {}, by the documents. Anything
// else may be from a proxy, and then nothing was revoked.
func decodeDone(r io.Reader) error {
	var answer map[string]json.RawMessage
	if err := transport.Decode(r, &answer); err != nil {
		return err
	}
	if answer == nil || len(answer) > 0 && string(answer["ok"]) != "true" || answer["error"] != nil {
		return errors.New("answer does not say that it was done")
	}
	return nil
}

// checkParams refuses what would not reach the server as it is: a blank text,
// which some servers drop, invalid UTF-8, of which JSON makes replacement
// characters, so that two users' keys could become one, and a time that JSON
// cannot express.
func checkParams(params any) error {
	fields := reflect.ValueOf(params)
	for i := range fields.NumField() {
		problem := ""
		switch value := fields.Field(i).Interface().(type) {
		case string:
			if value != "" {
				problem = transport.TextProblem(value)
			}
		case []string:
			for _, text := range value {
				problem = cmp.Or(problem, transport.TextProblem(text))
			}
		case time.Time:
			if year := value.Year(); year < 0 || year > 9999 {
				problem = " is outside of the years 0 to 9999"
			}
		}
		if problem != "" {
			return invalid(fields.Type().Field(i).Name + problem)
		}
	}
	return nil
}
