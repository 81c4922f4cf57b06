// Package seam provides a client for the Seam API. It has typed methods for client
// sessions. [Client.Post] calls any other endpoint.
//
// A client session gives one of your users access to Seam from a browser or phone.
// Its token works only for that user's locks, thermostats and other devices.
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
// A client authenticates with an API key, a personal access token for a workspace, a
// client session token or a publishable key. The credential comes from an option such
// as [WithAPIKey], or else from the environment: SEAM_API_KEY, or
// SEAM_PERSONAL_ACCESS_TOKEN with SEAM_WORKSPACE_ID. Without such an option,
// [NewClient] returns an error if both SEAM_API_KEY and SEAM_PERSONAL_ACCESS_TOKEN are
// set. SEAM_ENDPOINT sets the endpoint unless [WithEndpoint] does. Only NewClient reads
// the environment. An [Option] that is passed to a call applies to that call only, so a
// call can use another credential.
//
// # Errors
//
// A non-2xx response is returned as an [*APIError]. So is a 2xx response that is
// truncated or lacks the expected data. Use [errors.Is] to test for common errors,
// such as [ErrNotFound]. Invalid params and options are rejected before a request is
// sent, with an error that matches [ErrInvalidParams]. Any other error means that no
// response was received. [errors.Is] and [errors.As] find its cause, such as
// [context.DeadlineExceeded] or a [net.OpError].
//
// # Retries and idempotency
//
// A call makes up to three attempts ([WithMaxRetries]), of up to 30 seconds each
// ([WithTimeout]). Which failures are retried depends on the method:
//
//   - Get, List, GrantAccess, Revoke and Delete are idempotent. They are retried
//     after any transient failure: a failed or lost connection, a timeout, a
//     truncated response, status 429, and status 5xx except 501.
//   - Create is not idempotent. It is retried only if the server cannot have
//     processed the previous attempt: no connection was made, nothing was written to
//     it, HTTP/2's GOAWAY excluded the request, or the status was 429.
//   - GetOrCreate is retried like Get if it has a UserIdentifierKey, else like
//     Create.
//   - All is retried like List, but not after the response headers were received.
//   - RevokeAll is retried like List, and then like Revoke for each session.
//   - [Client.Post] is retried like Create, or with [WithIdempotent] like Get.
//
// Unknown hosts, invalid TLS certificates and a proxy's refusal to connect (except 429
// and 5xx other than 501) are not transient. JSON that ends too early is a truncated
// response.
//
// A pooled connection may be closed by the server just when a request is about to use it.
// If nothing was sent, the request is sent again at once, up to 16 times. That is part of
// the same attempt, also with WithMaxRetries(0).
//
// The delay before the first retry is random between 200 and 400 milliseconds. Both
// bounds double with each further retry, to at most 10 and 20 seconds. If a response with
// status 429 or 503 has a longer Retry-After, the delay is that, plus a random part of up
// to half of it. If the Retry-After is a date, it is compared with the Date of the response.
// The call returns the error of the last attempt at once if the Retry-After exceeds 60
// seconds, or if the delay would exceed the deadline of the context.
//
// # Concurrency
//
// A [Client] is immutable and safe for concurrent use. Clients without
// [WithHTTPClient] share a pool of connections. It has the settings that
// [http.DefaultTransport] has when NewClient is first called, keeps idle connections for
// at most 55 seconds, and finds a silent HTTP/2 connection by pings, within 15 seconds. If
// a program or a test has replaced http.DefaultTransport by another type, NewClient uses
// that as it is.
//
// # FIPS 140-3
//
// This package works with GODEBUG=fips140=only.
//
// # Secrets
//
// The errors and logs of this package contain no credentials, tokens or user
// identifier keys. They are replaced by REDACTED; see [APIError] for what is
// recognized. URLs contain none either. Formatting a [Client] with fmt or slog omits
// its credential, and formatting a [ClientSession] omits its token.
// [encoding/json.Marshal] of a ClientSession includes the token. Package net/http
// itself may log data that a server sends on an idle connection.
//
// Redirects are not followed, but returned as an [*APIError]. Plain http is rejected
// except for loopback, unless [WithInsecureHTTP] allows it.
//
// # Other packages
//
//   - Module github.com/seam-go/seam/api has typed methods for the rest of the API.
//   - [github.com/seam-go/seam/sessioncache] keeps a valid client session for each
//     user.
//   - [github.com/seam-go/seam/webhook] verifies and decodes the events that Seam
//     sends.
//   - [github.com/seam-go/seam/seamtest] provides a fake Seam server for tests.
//   - [github.com/seam-go/seam/imkit] revokes access tokens of the IMKIT chat
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

// Client is a client for the Seam API. Create one with [NewClient] and share it: it
// is immutable and safe for concurrent use. The methods of a nil or zero Client return an
// error that matches [ErrInvalidParams].
type Client struct {
	// ClientSessions provides the methods for client sessions.
	ClientSessions *ClientSessionsService

	// config returns the configuration. It is a func, so that fmt, debug printers and diff
	// tools cannot show the credential.
	config func() config
}

// NewClient returns a client. The credential and the endpoint come from opts, or
// else from the environment. NewClient does not contact the server, so it does not
// detect a credential that Seam rejects. Its errors match [ErrInvalidParams] and
// contain no credential.
func NewClient(opts ...Option) (*Client, error) {
	cfg := config{transport: transport.DefaultTransport(), timeout: transport.DefaultTimeout, maxRetries: transport.DefaultMaxRetries}
	if err := cfg.init(opts); err != nil {
		return nil, fmt.Errorf("seam: NewClient: %w", err)
	}
	c := &Client{config: func() config { return cfg }}
	c.ClientSessions = &ClientSessionsService{client: c}
	return c, nil
}

// init sets the configuration of a client.
func (c *config) init(opts []Option) error {
	if err := c.apply(opts); err != nil {
		return err
	}
	if c.response != nil {
		return invalid("WithResponse is for a single call; pass it to each call")
	}
	if c.idempotent {
		return invalid("WithIdempotent is for Client.Post; pass it to each call")
	}
	if c.user != "" {
		return invalid("WithUser is for a single call; pass it to each call")
	}
	if err := c.fromEnvironment(); err != nil {
		return err
	}
	return c.finish()
}

// fromEnvironment reads the credential and the endpoint, unless options set them.
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

// endpointPath matches the paths of Seam's endpoints.
var endpointPath = regexp.MustCompile(`^(/[A-Za-z0-9_-]+)+$`)

// Post sends a POST request to an endpoint of the API and decodes the response into
// result. path is the path of the endpoint, such as /devices/list, without a query.
//
// A successful Post does not mean that an action, such as /locks/unlock_door, succeeded.
// Seam responds to an action before it has ended, and also reports a failed action with
// status 200 and "ok": true. The status of the action_attempt in the response is pending,
// success or error. While it is pending, call /action_attempts/get. Module
// github.com/seam-go/seam/api waits for actions and returns their errors.
//
// params is a struct, a map, a pointer to one of them, or nil, and is encoded with
// [encoding/json]:
//
//   - A string field of a struct may be empty, but must not consist of white space.
//   - A string in a slice field must not be blank.
//   - A blank string in a map or behind a pointer is sent.
//   - A blank user_identifier_key is rejected everywhere.
//   - Invalid UTF-8 is rejected everywhere.
//   - A time is encoded as it is. Seam accepts only UTC.
//
// An empty field with omitempty or omitzero is not sent, so it filters nothing: without a
// user_identifier_key, /devices/list returns the devices of all users. [WithUser] sets the
// user_identifier_key and rejects an empty one.
//
// result is a pointer, or nil to discard the response. The whole response is decoded
// into it, so its fields are those of the response, such as connect_webview. If
// decoding fails, the error is an [*APIError], and result may be modified in part.
// Unlike the typed methods, Post does not check that the response has the expected
// data, and leaves pagination to the caller. A response of more than 4 MiB is an
// [*APIError]. If result is nil, the response must be {} or have "ok": true.
//
// Post is retried only if the server cannot have processed the previous attempt.
// With [WithIdempotent] it is retried after any transient failure.
//
// See https://docs.seam.co/latest/api.
func (c *Client) Post(ctx context.Context, path string, params, result any, opts ...Option) error {
	if v := reflect.ValueOf(params); !v.IsValid() || v.Kind() == reflect.Map && v.IsNil() {
		params = struct{}{}
	}
	operation := "Post " + path
	if !endpointPath.MatchString(path) {
		operation = "Post"
	}
	call := c.newCall(operation, path, transport.RetryUnprocessed, opts)
	call.params = params
	if call.idempotent {
		call.retry = transport.RetryTransient
	}
	call.require(!strings.Contains(path, "?"), "the path has a query; pass it as params")
	call.require(endpointPath.MatchString(path), "the path is not that of an endpoint; use one such as /devices/list")
	call.encode()
	for _, key := range userIdentifierKeys(call.body) {
		if strings.TrimSpace(key) == "" {
			call.err = errBlankUser
		}
	}
	if result == nil {
		return none(ctx, call, nil)
	}
	pointer := reflect.ValueOf(result)
	call.require(pointer.Kind() == reflect.Pointer && !pointer.IsNil(), "result is a nil pointer or not a pointer; pass a pointer, or nil to discard the response")
	_, err := do(ctx, call, false, func(r io.Reader) (struct{}, error) {
		var s *status
		err := transport.DecodeAll(r, &s, result)
		if err == nil && s == nil {
			err = errors.New("response is null")
		}
		if err == nil {
			err = s.err()
		}
		return struct{}{}, err
	})
	return err
}
