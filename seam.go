// Package seam is a client for the Seam API: for its client sessions, and with
// [Client.Post] for every other endpoint.
//
// A client session is a token that a backend hands to the browser or phone of one
// of its users. With it, the user's device talks to Seam directly, limited to the
// user's own locks, thermostats and other devices.
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
// workspace, a client session token or a publishable key. It comes from an option
// such as [WithAPIKey], or else from the environment: SEAM_API_KEY, or
// SEAM_PERSONAL_ACCESS_TOKEN with SEAM_WORKSPACE_ID. SEAM_ENDPOINT sets the
// endpoint unless [WithEndpoint] does. Only [NewClient] reads the environment.
// Every [Option] can also be given to a single call, so a call can use another
// credential.
//
// # Errors
//
// Any non-2xx response is an [*APIError]. So is a 2xx response without the
// expected data. [errors.Is] finds the common cases, such as [ErrNotFound].
// Invalid params and options are rejected before anything is sent, with an error
// that matches [ErrInvalidParams]. Any other error means that the last attempt got
// no response. [errors.Is] and [errors.As] find its cause, such as
// [context.DeadlineExceeded] or a [net.OpError].
//
// # Retries and idempotency
//
// A call makes up to three attempts ([WithMaxRetries]), of up to 30 seconds each
// ([WithTimeout]). Which failures lead to a retry depends on the operation:
//
//   - Get, List, GrantAccess, Revoke and Delete are safe to repeat. They retry
//     after any transient failure: a failed or lost connection, a timeout, a
//     response that is cut short, status 429, and status 5xx except 501.
//   - Create is not safe to repeat. It retries only if the previous attempt surely
//     had no effect: no connection was made, HTTP/2 reported that the server did
//     not process the request, or the status was 429.
//   - GetOrCreate retries like Get if it has a UserIdentifierKey, else like Create.
//   - All retries like List until a response begins, and then no more.
//   - RevokeAll retries like List, and then like Revoke for each session.
//   - [Client.Post] retries like Create, or with [WithIdempotent] like Get.
//
// The first wait is 200 to 400 milliseconds. Each further wait is twice as long, up
// to 10 to 20 seconds. If a response with status 429 or 503 asks for a longer wait
// (Retry-After), that is used, up to 60 seconds. If it asks for more, or if the
// context would end during the wait, the call ends at once with the error of that
// response.
//
// # Concurrency
//
// A [Client] is immutable and safe for concurrent use. All clients without an
// [http.Client] of their own share one pool of connections.
//
// # Secrets
//
// Credentials, tokens and user identifier keys appear in no error and no log (see
// [APIError] for the limits of that), and in no URL. Printing a Client does not
// show its credential. Printing a [ClientSession] shows everything but its token;
// [encoding/json.Marshal] includes the token. Redirects are not followed. Plain
// http is rejected for any host but loopback, unless [WithInsecureHTTP] allows it.
//
// # Other packages
//
//   - [github.com/seam-go/seam/sessioncache] keeps a valid session for each user.
//   - [github.com/seam-go/seam/webhook] receives the events that Seam sends.
//   - [github.com/seam-go/seam/seamtest] is a Seam server for tests.
//   - [github.com/seam-go/seam/imkit] revokes the access tokens of IMKIT, a chat
//     service.
package seam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/seam-go/seam/internal/transport"
)

// Client calls the Seam API. Create one with [NewClient] and share it: it is
// immutable and safe for concurrent use.
type Client struct {
	// ClientSessions has the operations on client sessions.
	ClientSessions *ClientSessionsService

	service service
}

// NewClient returns a client. The credential and the endpoint come from opts, or
// else from the environment. NewClient sends nothing, so it does not notice a
// credential that Seam rejects. Its errors match [ErrInvalidParams] and never
// quote a credential.
func NewClient(opts ...Option) (*Client, error) {
	cfg := config{transport: transport.Default(), timeout: transport.DefaultTimeout, maxRetries: transport.DefaultMaxRetries}
	err := cfg.apply(opts)
	if err == nil && cfg.response != nil {
		err = errSharedResponse
	}
	if err == nil && cfg.idempotent {
		err = invalid("WithIdempotent is for a single Client.Post; pass it to that")
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
	s := service(func() config { return cfg })
	return &Client{ClientSessions: &ClientSessionsService{s}, service: s}, nil
}

// fromEnvironment sets what no option did.
func (c *config) fromEnvironment() error {
	if c.credential.secret == "" {
		key, token := os.Getenv("SEAM_API_KEY"), os.Getenv("SEAM_PERSONAL_ACCESS_TOKEN")
		switch {
		case key != "" && token != "":
			return invalid("both SEAM_API_KEY and SEAM_PERSONAL_ACCESS_TOKEN are set; unset one, or pass an option such as WithAPIKey")
		case key != "":
			if err := WithAPIKey(key)(c); err != nil {
				return fmt.Errorf("SEAM_API_KEY: %w", err)
			}
		case token != "":
			if err := WithPersonalAccessToken(token, os.Getenv("SEAM_WORKSPACE_ID"))(c); err != nil {
				return fmt.Errorf("SEAM_PERSONAL_ACCESS_TOKEN with SEAM_WORKSPACE_ID: %w", err)
			}
		default:
			return invalid("there is no credential; set SEAM_API_KEY, or pass an option such as WithAPIKey")
		}
	}
	if c.endpoint != "" {
		return nil
	}
	c.endpoint = DefaultEndpoint
	if endpoint := os.Getenv("SEAM_ENDPOINT"); endpoint != "" {
		if err := WithEndpoint(endpoint)(c); err != nil {
			return fmt.Errorf("SEAM_ENDPOINT: %w", err)
		}
	}
	return nil
}

// cleanPath matches the paths of Seam's endpoints.
var cleanPath = regexp.MustCompile(`^(/[A-Za-z0-9_-]+)+$`)

// Post calls any endpoint of the API. path is its path, such as /devices/list.
//
// params is a struct or a map that [encoding/json] can encode, a pointer to one,
// or nil. Post sends the fields of a struct as its JSON tags say. It rejects
// blank texts in a struct and in its slices, except zero fields, since the typed
// operations do. It accepts them in a map, where they are set on purpose. Invalid
// UTF-8 and a blank user_identifier_key are always rejected. Times must be in UTC.
//
// result is a pointer that the whole response is decoded into, or nil to discard
// it. If the response cannot be decoded, the error is an [*APIError], and result
// may be changed in part. Unlike a typed operation, Post does not check that the
// response is complete. Responses are limited to 4 MiB.
//
// Post retries only if the previous attempt surely had no effect, like
// [ClientSessionsService.Create]. With [WithIdempotent] it retries after any
// transient failure. Authentication, errors, logs and redaction are those of the
// typed operations.
//
// See https://docs.seam.co/latest/api.
func (c *Client) Post(ctx context.Context, path string, params, result any, opts ...Option) error {
	if v := reflect.ValueOf(params); !v.IsValid() || v.Kind() == reflect.Map && v.IsNil() {
		params = struct{}{}
	}
	call := newCall(c.service(), "Post "+path, path, params, transport.RetryUnsent, opts)
	if call.idempotent {
		call.retry = transport.RetryTransient
	}
	if !cleanPath.MatchString(path) {
		call.operation = "Post"
		call.require(false, "the path is not that of an endpoint; use one such as /devices/list")
	}
	kind := reflect.Indirect(reflect.ValueOf(params)).Kind()
	call.require(kind == reflect.Struct || kind == reflect.Map, "params are not a struct or a map; pass one, or nil")
	for _, key := range userIdentifierKeys(params) {
		call.require(strings.TrimSpace(key) != "", "user_identifier_key is blank; set it or omit it")
	}
	if result == nil {
		return none(ctx, call)
	}
	pointer := reflect.ValueOf(result)
	call.require(pointer.Kind() == reflect.Pointer && !pointer.IsNil(), "result is not a pointer; pass a pointer, or nil to discard the response")
	_, err := do(ctx, call, false, func(r io.Reader) (struct{}, error) {
		var e *envelope
		err := transport.DecodeAll(r, &e, result)
		if err == nil && e == nil {
			err = errors.New("response is null")
		}
		if err == nil {
			err = e.failed()
		}
		return struct{}{}, err
	})
	return err
}
