package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/redact"
)

// class says whether a request may be sent again after any transient failure.
type class bool

const (
	never      class = false
	idempotent class = true
)

// call is a call of one operation.
type call struct {
	service
	path   string
	params any
	opts   []seam.Option
}

func (s service) call(path string, params any, retry class, opts []seam.Option) call {
	if retry == idempotent {
		opts = append([]seam.Option{seam.WithIdempotent()}, opts...)
	}
	return call{s, path, params, opts}
}

// send sends the call and decodes the response into result.
func (c call) send(ctx context.Context, params any, result *response) error {
	prepared, secrets, err := prepare(params)
	if err != nil {
		return fmt.Errorf("seam: Post %s: %w", c.path, err)
	}
	var pointer any // nil discards the response
	if result != nil {
		pointer = result
	}
	err = c.core.Post(ctx, c.path, prepared, pointer, c.opts...)
	if apiErr, ok := errors.AsType[*seam.APIError](err); ok && len(secrets) > 0 {
		maskError(apiErr, redact.Secrets{Identifiers: secrets})
	}
	return err
}

// none sends a call whose response has no content.
func (c call) none(ctx context.Context) error { return c.send(ctx, c.params, nil) }

// value sends a call whose response has a T under key.
func value[T any](ctx context.Context, c call, key string) (*T, error) {
	v := new(T)
	if err := c.send(ctx, c.params, &response{key: key, value: v}); err != nil {
		return nil, err
	}
	return v, nil
}

// identified is a pointer to a T that has an ID.
type identified[T any] interface {
	*T
	id() string
}

// one sends a call whose response has a T under key. The T must have the ID asked, or any ID
// if asked is empty.
func one[T any, P identified[T]](ctx context.Context, c call, key, asked string) (*T, error) {
	v := new(T)
	err := c.send(ctx, c.params, &response{key: key, value: v, check: func() string {
		switch id := P(v).id(); {
		case id == "":
			return "response has a " + key + " without an ID"
		case asked != "" && id != asked:
			return "response has a " + key + " that was not requested"
		}
		return ""
	}})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// paged are params of an endpoint that pages.
type paged interface {
	page(cursor string) any
}

// all sends a call whose response has an array of T under key, and then requests the other
// pages.
func all[T any, P identified[T]](ctx context.Context, c call, key string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		params, seen := c.params, map[string]bool{}
		for {
			page := []T{}
			answer := response{key: key, value: &page, check: func() string {
				if slices.ContainsFunc(page, func(v T) bool { return P(&v).id() == "" }) {
					return "response has an object without an ID in its " + key
				}
				return ""
			}}
			err := c.send(ctx, params, &answer)
			for i := 0; i < len(page) && err == nil; i++ {
				if err = ctx.Err(); err == nil && !yield(page[i], nil) {
					return
				}
			}
			cursor := answer.pagination.cursor()
			switch next, pages := c.params.(paged); {
			case err != nil:
			case cursor == "" && !answer.pagination.HasNextPage:
				return
			case cursor == "":
				err = c.fail("response has no cursor for the next page")
			case !pages:
				err = c.fail("response is one page of several; use Client.Post to request all of them")
			case seen[cursor]:
				err = c.fail("response has a cursor that an earlier page had")
			default:
				seen[cursor] = true
				params = next.page(cursor)
				continue
			}
			yield(*new(T), err)
			return
		}
	}
}

// fail returns an error of a response.
func (c call) fail(text string) error { return fmt.Errorf("seam: POST %s: %s", c.path, text) }

// list returns what all yields.
func list[T any, P identified[T]](ctx context.Context, c call, key string) ([]T, error) {
	values := []T{}
	for v, err := range all[T, P](ctx, c, key) {
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}
