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

// service returns the configuration of a client. It is a func because fmt, dumpers and
// diffs would show the credential inside a struct.
type service func() config

// newCall returns a call of an operation of a service.
func (s service) newCall(operation, path string, retry transport.Retry, opts []Option) *call {
	c := newCall(s, operation, path, retry, opts)
	c.require(!c.idempotent, "WithIdempotent is for Client.Post; omit it")
	return c
}

// call is a call of one operation, with its configuration.
type call struct {
	config
	operation string // in errors and logs, such as ClientSessions.Get
	path      string
	params    any
	retry     transport.Retry
	err       error // the first problem found, in which case nothing is sent

	userIdentifierKey string // redacted in addition to those in params
}

func newCall(s service, operation, path string, retry transport.Retry, opts []Option) *call {
	c := &call{operation: operation, path: path, retry: retry}
	if s == nil {
		c.err = invalid("the Client is nil or zero; create it with NewClient")
		return c
	}
	c.config = s()
	if len(opts) > 0 {
		if c.err = c.apply(opts); c.err == nil {
			c.err = c.finish()
		}
		c.require(c.user == "" || takesUser[path],
			"the endpoint is not known to take a user_identifier_key; omit WithUser, or if the endpoint takes one, set it in the params")
	}
	return c
}

// require makes the call fail with problem unless ok.
func (c *call) require(ok bool, problem string) {
	if !ok && c.err == nil {
		c.err = invalid(problem)
	}
}

// one sends a call whose response has a T under key. check returns an error for a T that
// is incomplete or was not requested.
func one[T any](ctx context.Context, c *call, key string, check func(*T) error) (*T, error) {
	return do(ctx, c, false, func(r io.Reader) (*T, error) {
		var value *T
		err := decodeEnvelope(r, key, true, func(d *transport.Decoder) error { return d.Value(&value) })
		if err == nil && value == nil {
			err = errors.New("response has null as its " + key)
		}
		if err == nil {
			err = check(value)
		}
		return value, err
	})
}

// maxListMemory limits the memory of a decoded list in bytes, which can be many times that
// of its JSON.
const maxListMemory = 256 << 20

var errListTooLarge = fmt.Errorf("response needs more than %d bytes of memory; use All or a filter", maxListMemory)

// list sends a call whose response has an array of T under key. check returns an error for
// a T that is incomplete or was not requested.
func list[T any, P interface {
	*T
	size() int
}](ctx context.Context, c *call, key string, check func(*T) error) ([]T, error) {
	return do(ctx, c, false, func(r io.Reader) ([]T, error) {
		values, memory := []T{}, 0
		err := decodeEnvelope(r, key, true, func(d *transport.Decoder) error {
			return d.Array(func() error {
				if len(values) == cap(values) {
					values = slices.Grow(values, len(values)) // doubles; append grows by less, and so copies more
				}
				values = append(values, *new(T))
				value := &values[len(values)-1]
				if err := d.Value(value); err != nil {
					return err
				}
				if memory += P(value).size(); memory > maxListMemory {
					return errListTooLarge
				}
				return check(value)
			})
		})
		if err != nil {
			return nil, err
		}
		return values, nil
	})
}

// errStopped stops the decoder after the loop body has ended the loop.
var errStopped = errors.New("loop ended")

// each is like list, but yields one T at a time. Every loop sends the call.
func each[T any](ctx context.Context, c *call, key string, check func(*T) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		_, err := do(ctx, c, true, func(r io.Reader) (struct{}, error) {
			value := new(T)
			err := decodeEnvelope(r, key, true, func(d *transport.Decoder) error {
				return d.Array(func() error {
					*value = *new(T)
					if err := d.Value(value); err != nil {
						return err
					}
					// What was read before ctx ended is not yielded after it.
					if err := cmp.Or(check(value), ctx.Err()); err != nil {
						return err
					}
					if !yield(*value, nil) {
						return errStopped
					}
					return nil
				})
			})
			if err == errStopped { //nolint:errorlint // returned unchanged
				err = nil
			}
			return struct{}{}, err
		})
		if err != nil {
			yield(*new(T), err)
		}
	}
}

// none sends a call whose response has no content.
func none(ctx context.Context, c *call) error {
	_, err := do(ctx, c, false, func(r io.Reader) (struct{}, error) {
		return struct{}{}, decodeEnvelope(r, "", false, nil)
	})
	return err
}

// optional sends a call whose response may have a T under key. check returns an error for a
// T that was not requested.
func optional[T any](ctx context.Context, c *call, key string, check func(*T) error) error {
	_, err := do(ctx, c, false, func(r io.Reader) (struct{}, error) {
		var value *T
		err := decodeEnvelope(r, key, false, func(d *transport.Decoder) error { return d.Value(&value) })
		if err == nil && value != nil {
			err = check(value)
		}
		return struct{}{}, err
	})
	return err
}

// member is the value of a JSON member, as far as it matters here. It does not retain the
// value, however large.
type member int

const (
	missing member = iota // or null
	isTrue
	other
)

// UnmarshalJSON implements [json.Unmarshaler].
func (m *member) UnmarshalJSON(value []byte) error {
	switch string(value) {
	case "null":
		*m = missing
	case "true":
		*m = isTrue
	default:
		*m = other
	}
	return nil
}

// status is what a response says about its success.
type status struct {
	OK    member `json:"ok"`
	Error member `json:"error"`
}

// err returns an error if the response contradicts its 2xx status.
func (s status) err() error {
	if s.OK == other || s.Error != missing {
		return errors.New("response says that the request failed, despite its status")
	}
	return nil
}

// decodeEnvelope reads a 2xx response, which is an object. value reads the member under key.
// Without that member, the response must be {}, as in Seam's documentation, or have
// "ok": true, as in Seam's schema. The page of a proxy has neither form.
func decodeEnvelope(r io.Reader, key string, required bool, value func(*transport.Decoder) error) error {
	var e struct {
		status
		empty, found bool
		pagination   struct {
			HasNextPage    bool   `json:"has_next_page"`
			NextPageCursor member `json:"next_page_cursor"`
		}
	}
	e.empty = true
	err := transport.DecodeObject(r, func(name string, d *transport.Decoder) error {
		e.empty = false
		switch {
		case name == key && value != nil:
			e.found = true
			return value(d)
		case name == "ok":
			return d.Value(&e.OK)
		case name == "error":
			return d.Value(&e.Error)
		case name == "pagination" && value != nil:
			return d.Value(&e.pagination)
		}
		return d.Skip()
	})
	if err == nil {
		err = e.err()
	}
	switch {
	case err != nil:
		return err
	case e.pagination.HasNextPage || e.pagination.NextPageCursor != missing:
		return errors.New("response is one page of several; use Client.Post to request all of them")
	case required && !e.found:
		return errors.New("response has no " + key)
	case !e.found && !e.empty && e.OK == missing:
		return errors.New("response does not say that the request succeeded")
	}
	return nil
}

// do sends the call, and returns what decode returned for a 2xx response. Any other outcome
// is an error. stream is that of [transport.Request].
func do[T any](ctx context.Context, c *call, stream bool, decode func(io.Reader) (T, error)) (T, error) {
	var zero T
	body, err := c.encode()
	if err == nil && ctx == nil {
		err = invalid("the context is nil; use context.Background")
	}
	if err != nil {
		return zero, fmt.Errorf("seam: %s: %w", c.operation, err)
	}
	value, resp, err := transport.Do(ctx, &transport.Request{
		Method:     http.MethodPost, // with GET, user identifier keys would be in URLs and so in logs
		URL:        c.endpoint + c.path,
		Header:     c.header,
		Body:       body,
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

// encode returns the body of the request, or what is wrong with the call.
func (c *call) encode() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	if problem := paramsProblem("params", reflect.ValueOf(c.params), false, 0); problem != "" {
		return nil, invalid(redact.Line(c.redact(problem)))
	}
	body, err := json.Marshal(c.params)
	if unsupported, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
		return nil, invalid("params cannot be encoded: " + unsupported.Error())
	}
	switch {
	case err != nil: // it may quote params
		return nil, invalid("params cannot be encoded; pass what json.Marshal accepts")
	case !bytes.HasPrefix(body, []byte("{")):
		return nil, invalid("params are not a struct or a map; pass one, or nil")
	case !utf8.Valid(body): // from a MarshalJSON method
		return nil, invalid("params are not valid UTF-8; pass UTF-8")
	case c.user != "":
		return setUser(body, c.user)
	}
	return body, nil
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
		Identifiers: append(userIdentifierKeys(c.params), c.user, c.userIdentifierKey),
	}
}

func (c *call) redact(text string) string { return c.secrets().Text(text) }

// requestID returns Seam's ID of a request, from the header of its response. User
// identifier keys are not redacted, since a short one may occur in an ID by chance.
func (c *call) requestID(header http.Header) string {
	return redact.Secrets{Credentials: []string{c.credential.secret}}.Text(header.Get("Seam-Request-Id"))
}
