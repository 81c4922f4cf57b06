package seam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// call is a call of one operation, with its configuration.
type call struct {
	config
	operation string // in errors and logs, such as ClientSessions.Get
	path      string
	params    any
	retry     transport.Retry
	err       error // the first problem found, in which case nothing is sent

	body []byte // params as JSON, set by encode

	userIdentifierKey string // redacted in addition to those in params
}

// newCall returns a call with the configuration of c as opts change it.
func (c *Client) newCall(operation, path string, retry transport.Retry, opts []Option) *call {
	call := &call{operation: operation, path: path, retry: retry}
	if c == nil || c.config == nil {
		call.err = invalid("the Client is nil or zero; create it with NewClient")
		return call
	}
	call.config = c.config()
	if len(opts) > 0 {
		if call.err = call.apply(opts); call.err == nil {
			call.err = call.finish()
		}
		call.require(call.user == "" || takesUser[path],
			"the endpoint is not known to take a user_identifier_key; omit WithUser, or if the endpoint takes one, set it in the params")
	}
	return call
}

// require makes the call fail with problem unless ok.
func (c *call) require(ok bool, problem string) {
	if !ok && c.err == nil {
		c.err = invalid(problem)
	}
}

// one sends a call whose response has a session. check returns an error for a session that
// is incomplete or was not requested.
func one(ctx context.Context, c *call, check func(*ClientSession) error) (*ClientSession, error) {
	return do(ctx, c, false, func(r io.Reader) (*ClientSession, error) {
		var response struct {
			envelope
			ClientSession *ClientSession `json:"client_session"`
		}
		err := transport.DecodeAll(r, &response)
		if err == nil {
			err = response.err()
		}
		if err == nil && response.ClientSession == nil {
			err = errors.New("response has no client_session")
		}
		if err == nil {
			err = check(response.ClientSession)
		}
		return response.ClientSession, err
	})
}

// maxListStrings limits the memory of a list, which can need many times the memory of its
// JSON. The unit is the size of a string. A session counts as 20 of them, the size of its
// struct, and each element of its slices as one. The limit is 256 MiB.
const maxListStrings = 16 << 20

var errListTooLarge = errors.New("response needs more than 268435456 bytes of memory; use All or a filter")

// list sends a call whose response has sessions. check returns an error for a session that
// is incomplete or was not requested.
func list(ctx context.Context, c *call, check func(*ClientSession) error) ([]ClientSession, error) {
	return do(ctx, c, false, func(r io.Reader) ([]ClientSession, error) {
		sessions, strings := []ClientSession{}, 0
		err := decodeList(r, func(d *transport.Decoder) error {
			if len(sessions) == cap(sessions) {
				sessions = slices.Grow(sessions, len(sessions)) // doubles; append grows by less, and so copies more
			}
			sessions = append(sessions, ClientSession{})
			s := &sessions[len(sessions)-1]
			if err := d.Value(s); err != nil {
				return err
			}
			strings += 20 + len(s.ConnectWebviewIDs) + len(s.ConnectedAccountIDs) + len(s.UserIdentityIDs)
			if strings > maxListStrings {
				return errListTooLarge
			}
			return check(s)
		})
		if err != nil {
			return nil, err
		}
		return sessions, nil
	})
}

// errStopped ends decoding when the caller's loop has ended.
var errStopped = errors.New("loop ended")

// each is like list, but yields one session at a time. Each loop over its result sends a
// request.
func each(ctx context.Context, c *call, check func(*ClientSession) error) iter.Seq2[ClientSession, error] {
	return func(yield func(ClientSession, error) bool) {
		c := *c // loops may run concurrently
		_, err := do(ctx, &c, true, func(r io.Reader) (struct{}, error) {
			session := new(ClientSession)
			err := decodeList(r, func(d *transport.Decoder) error {
				*session = ClientSession{}
				if err := d.Value(session); err != nil {
					return err
				}
				// If ctx has ended, end the loop with its error, not after one more session.
				if err := cmp.Or(check(session), ctx.Err()); err != nil {
					return err
				}
				if !yield(*session, nil) {
					return errStopped
				}
				return nil
			})
			if err == errStopped { //nolint:errorlint // returned unchanged
				err = nil
			}
			return struct{}{}, err
		})
		if err != nil {
			yield(ClientSession{}, err)
		}
	}
}

// none sends a call whose response needs no session. If the response has one, check returns
// an error unless it was requested. If check is nil, a session is ignored.
//
// The response must have a session, or "ok": true, as in Seam's schema, or be {}, as in
// Seam's documentation. Anything else, such as a page from a proxy, is an error.
func none(ctx context.Context, c *call, check func(*ClientSession) error) error {
	_, err := do(ctx, c, false, func(r io.Reader) (struct{}, error) {
		var response struct {
			envelope
			ClientSession *ClientSession `json:"client_session"`
		}
		empty, found := true, false
		err := transport.DecodeObject(r, func(name string, d *transport.Decoder) error {
			empty = false
			if name == "client_session" && check != nil {
				found = true
				return d.Value(&response.ClientSession)
			}
			return response.decode(name, d)
		})
		if err == nil {
			err = response.status.err()
		}
		switch {
		case err != nil:
			return struct{}{}, err
		case response.ClientSession != nil:
			return struct{}{}, check(response.ClientSession)
		case !found && !empty && response.OK == missing:
			return struct{}{}, errors.New("response does not say that the request succeeded")
		}
		return struct{}{}, nil
	})
	return err
}

// do sends the call, and returns what decode returned for a 2xx response. Any other outcome
// is an error. stream is that of [transport.Request].
func do[T any](ctx context.Context, c *call, stream bool, decode func(io.Reader) (T, error)) (T, error) {
	var zero T
	c.encode()
	c.require(ctx != nil, "the context is nil; use context.Background")
	if c.err != nil {
		return zero, fmt.Errorf("seam: %s: %w", c.operation, c.err)
	}
	value, resp, err := transport.Do(ctx, &transport.Request{
		Method:     http.MethodPost, // with GET, user identifier keys would be in URLs and so in logs
		URL:        c.endpoint + c.path,
		Header:     c.header,
		Body:       c.body,
		Retry:      c.retry,
		MaxRetries: c.maxRetries,
		Timeout:    c.timeout,
		Transport:  c.transport,
		Redact:     c.redact,
		Observe:    c.observer(),
		Stream:     stream,
		KeepBody:   c.response != nil && !stream,
	}, decode)
	if c.response != nil {
		*c.response = Response{
			StatusCode: resp.StatusCode,
			Header:     resp.Header,
			RequestID:  c.requestID(resp.Header),
			Attempts:   resp.Attempts,
			Body:       resp.Body,
		}
	}
	switch {
	case err == nil && resp.Success():
		return value, nil
	case resp.StatusCode == 0:
		return zero, fmt.Errorf("seam: POST %s: %w%s", c.path, err, transport.AttemptsNote(resp.Attempts))
	}
	apiErr := &APIError{
		Method:     http.MethodPost,
		Path:       c.path,
		StatusCode: resp.StatusCode,
		RequestID:  c.requestID(resp.Header),
		RetryAfter: resp.RetryAfter,
		Attempts:   resp.Attempts,
		err:        err,
	}
	if !resp.Success() {
		apiErr.decodeBody(resp.Body, c.secrets())
	}
	return zero, apiErr
}

// encode sets the body of the request, unless it is set, or else err.
func (c *call) encode() {
	if c.err != nil || c.body != nil {
		return
	}
	body, err := json.Marshal(c.params)
	if problem := paramsProblem("params", reflect.ValueOf(c.params), false, 0); problem != "" {
		c.body = body // redact removes the user identifier keys in it
		c.err = invalid(redact.Line(c.redact(problem)))
		return
	}
	unsupported, isUnsupported := errors.AsType[*json.UnsupportedTypeError](err)
	switch {
	case isUnsupported:
		c.err = invalid("params cannot be encoded: " + unsupported.Error())
	case err != nil: // it may quote params
		c.err = invalid("params cannot be encoded; pass what json.Marshal accepts")
	case !bytes.HasPrefix(body, []byte("{")):
		c.err = invalid("params are not a struct or a map; pass one, or nil")
	case !utf8.Valid(body): // from a MarshalJSON method
		c.err = invalid("params are not valid UTF-8; pass UTF-8")
	case c.user != "":
		c.body, c.err = setUser(body, c.user)
	default:
		c.body = body
	}
}

// observer returns a func that logs and observes an attempt, or nil if there is neither
// a logger nor an observer.
func (c *call) observer() func(context.Context, transport.Attempt) {
	if c.logger == nil && c.observe == nil {
		return nil
	}
	return func(ctx context.Context, a transport.Attempt) {
		id := c.requestID(a.Header)
		if c.logger != nil {
			a.Log(ctx, c.logger, c.operation, id)
		}
		if c.observe != nil {
			c.observe(ctx, Attempt{
				Operation:  c.operation,
				Number:     a.Number,
				StatusCode: a.StatusCode,
				RequestID:  id,
				Duration:   a.Duration,
				RetryIn:    a.RetryIn,
				Err:        a.Err,
			})
		}
	}
}

// secrets returns what no error or log of the call may show.
func (c *call) secrets() redact.Secrets {
	return redact.Secrets{
		Credentials: []string{c.credential.secret},
		Identifiers: append(userIdentifierKeys(c.body), c.user, c.userIdentifierKey),
	}
}

func (c *call) redact(text string) string { return c.secrets().Text(text) }

// requestID returns Seam's ID of a request, from the header of its response. User
// identifier keys are not redacted, since a short one may occur in an ID by chance.
func (c *call) requestID(header http.Header) string {
	return redact.Secrets{Credentials: []string{c.credential.secret}}.Text(header.Get("Seam-Request-Id"))
}
