package seam

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"

	"github.com/seam-go/seam/internal/redact"
	"github.com/seam-go/seam/internal/transport"
)

// service is what all services have: the configuration of their client. It
// holds the credential. Inside a func, no printer, dumper or diff can reach it.
type service func() config

// newCall returns a call of an operation of a service.
func (s service) newCall(operation, path string, params any, retry transport.Retry, opts []Option) *call {
	c := newCall(s(), operation, path, params, retry, opts)
	c.require(!c.idempotent, "WithIdempotent is for Client.Post; omit it")
	return c
}

// call is what goes down to the transport: a request of one operation, and how
// it is sent.
type call struct {
	config
	operation string // in errors and logs, such as ClientSessions.Get
	path      string
	params    any
	retry     transport.Retry
	err       error // the first thing that is wrong

	userIdentifierKey string // another one to redact than those in params
}

func newCall(cfg config, operation, path string, params any, retry transport.Retry, opts []Option) *call {
	c := &call{config: cfg, operation: operation, path: path, params: params, retry: retry}
	if len(opts) > 0 {
		if c.err = c.apply(opts); c.err == nil {
			c.err = c.finish()
		}
	}
	return c
}

// require makes the call fail with problem unless ok.
func (c *call) require(ok bool, problem string) {
	if !ok && c.err == nil {
		c.err = invalid(problem)
	}
}

// one sends a call whose response has a T under key. check returns an error for
// a T that is not what was asked for.
func one[T any](ctx context.Context, c *call, key string, check func(*T) error) (*T, error) {
	return do(ctx, c, false, func(r io.Reader) (*T, error) {
		var value *T
		err := decodeEnvelope(r, key, func(d *transport.Decoder) error { return d.Value(&value) })
		if err == nil && value == nil {
			err = errors.New("response has null as its " + key)
		}
		if err == nil {
			err = check(value)
		}
		return value, err
	})
}

// maxListMemory limits a list, in bytes without its texts: small JSON can take
// much memory when decoded.
const maxListMemory = 256 << 20

var errListTooLarge = fmt.Errorf("response needs more than %d bytes of memory", maxListMemory)

// list sends a call whose response has an array of T under key, and returns all
// of them. check returns an error for a T that is not what was asked for.
func list[T any, P interface {
	*T
	size() int
}](ctx context.Context, c *call, key string, check func(*T) error) ([]T, error) {
	return do(ctx, c, false, func(r io.Reader) ([]T, error) {
		values, memory := []T{}, 0
		err := decodeEnvelope(r, key, func(d *transport.Decoder) error {
			return d.Array(func() error {
				if len(values) == cap(values) {
					values = slices.Grow(values, len(values)) // append grows by less and copies more
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

// errStopped ends the decoding for a loop that ended early.
var errStopped = errors.New("loop ended")

// each does the same as list, but passes on one T at a time. Each loop sends the
// call once.
func each[T any](ctx context.Context, c *call, key string, check func(*T) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		_, err := do(ctx, c, true, func(r io.Reader) (struct{}, error) {
			value := new(T)
			err := decodeEnvelope(r, key, func(d *transport.Decoder) error {
				return d.Array(func() error {
					*value = *new(T)
					if err := d.Value(value); err != nil {
						return err
					}
					if err := cmp.Or(check(value), ctx.Err()); err != nil {
						return err
					}
					if stopped = !yield(*value, nil); stopped {
						return errStopped
					}
					return nil
				})
			})
			if stopped {
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
		return struct{}{}, decodeEnvelope(r, "", nil)
	})
	return err
}

// envelope is what a response has beside its content.
type envelope struct {
	OK         any `json:"ok"` // true, or missing
	Error      any `json:"error"`
	Pagination struct {
		HasNextPage bool `json:"has_next_page"`
	} `json:"pagination"`

	empty, found bool // whether it has no members, and has the expected one
}

// failed returns an error if the response contradicts its 2xx status.
func (e *envelope) failed() error {
	if e.OK != nil && e.OK != true || e.Error != nil {
		return errors.New("response says that the request failed, despite its status")
	}
	return nil
}

// decodeEnvelope reads a 2xx response, an object. value reads what is under key.
// Without a key the response must have no content: it is {} in Seam's documents,
// and has "ok": true in Seam's schema. A page of a proxy is neither.
func decodeEnvelope(r io.Reader, key string, value func(*transport.Decoder) error) error {
	e := &envelope{empty: true}
	err := transport.DecodeObject(r, func(name string, d *transport.Decoder) error {
		e.empty = false
		switch {
		case name == key && key != "":
			e.found = true
			return value(d)
		case name == "ok":
			return d.Value(&e.OK)
		case name == "error":
			return d.Value(&e.Error)
		case name == "pagination":
			return d.Value(&e.Pagination)
		}
		return d.Skip()
	})
	if err == nil {
		err = e.failed()
	}
	switch {
	case err != nil:
		return err
	case key != "" && e.Pagination.HasNextPage:
		return errors.New("response is one page of several, which this package does not support")
	case key != "" && !e.found:
		return errors.New("response has no " + key)
	case key == "" && !e.empty && e.OK == nil:
		return errors.New("response does not say that the request succeeded")
	}
	return nil
}

// do sends the call, and returns what decode made of a 2xx response. stream is
// that of [transport.Request]. It turns every failure into an error.
func do[T any](ctx context.Context, c *call, stream bool, decode func(io.Reader) (T, error)) (T, error) {
	var none T
	err := c.err
	if err == nil {
		err = checkParams(c.params)
	}
	if err == nil && ctx == nil {
		err = invalid("the context is nil; use context.Background")
	}
	if err != nil {
		return none, fmt.Errorf("seam: %s: %w", c.operation, err)
	}
	body, err := json.Marshal(c.params)
	if err != nil {
		return none, fmt.Errorf("seam: %s: %w", c.operation, invalid("params cannot be encoded: "+c.redact(err.Error())))
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
		*c.response = Response{resp.StatusCode, resp.Header, c.requestID(resp.Header), resp.Attempts, resp.Body}
	}
	switch {
	case err == nil && resp.Success():
		return value, nil
	case resp.StatusCode == 0:
		return none, fmt.Errorf("seam: POST %s: %w%s", c.path, err, transport.AttemptsNote(resp.Attempts))
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
	return none, apiErr
}

// observer returns a func that logs and observes an attempt, or nil.
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
			c.observe(ctx, Attempt{c.operation, a.Number, a.StatusCode, id, a.Duration, a.RetryIn, a.Err})
		}
	}
}

// secrets returns what no error or log of the call may show.
func (c *call) secrets() redact.Secrets {
	return redact.Secrets{
		Credentials: []string{c.credential.secret},
		Identifiers: append(userIdentifierKeys(c.params), c.userIdentifierKey),
	}
}

func (c *call) redact(text string) string { return c.secrets().Text(text) }

// requestID returns Seam's ID of a request, from the header of its response. It
// may contain a user identifier key by chance, which stays.
func (c *call) requestID(header http.Header) string {
	return redact.Secrets{Credentials: []string{c.credential.secret}}.Text(header.Get("Seam-Request-Id"))
}
