package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
)

// eachOperation runs a test for each operation of the schema.
func eachOperation(t *testing.T, test func(t *testing.T, p pinned, m method, op operation)) {
	t.Helper()
	p, methods := readPinned(t), methods(t)
	for path, op := range p.Operations {
		if strings.HasPrefix(path, "/client_sessions/") {
			continue
		}
		m, ok := methods[path]
		require.True(t, ok, "no method for %s", path)
		delete(methods, path)
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			test(t, p, m, op)
		})
	}
	assert.Empty(t, slices.Collect(maps.Keys(methods)), "methods for no operation")
}

// requests returns requests that are valid: with all fields, and with the required ones.
func (p pinned) requests(op operation) []map[string]any {
	if op.Request == nil {
		return []map[string]any{{}}
	}
	var requests []map[string]any
	for _, all := range []bool{true, false} {
		for _, sample := range p.samples(op.Request, "", all) {
			requests = append(requests, sample.(map[string]any))
		}
	}
	return requests
}

// TestRequests sends each field of each operation, and compares the request with the schema.
func TestRequests(t *testing.T) {
	t.Parallel()
	eachOperation(t, func(t *testing.T, p pinned, m method, op operation) {
		t.Helper()
		for i, sample := range p.requests(op) {
			srv := answering(p.answer(op))
			params := decodeParams(t, m, sample)
			_, err := m.call(srv.client(t), t.Context(), params)
			if errors.Is(err, seam.ErrInvalidParams) && strings.Contains(err.Error(), "set one") && i > 0 {
				continue // the schema does not say that one of several fields is required
			}
			require.NoError(t, err)
			require.Len(t, srv.requests, 1)
			assert.Equal(t, m.path, srv.requests[0].Path)
			assert.Equal(t, sample, srv.requests[0].Body)
			if op.Request != nil {
				assert.Empty(t, p.invalid(op.Request, srv.requests[0].Body, "request"))
				assert.Empty(t, p.unknown(op.Request, srv.requests[0].Body))
			}
		}
	})
}

// TestRequiredParams leaves out each required field.
func TestRequiredParams(t *testing.T) {
	t.Parallel()
	eachOperation(t, func(t *testing.T, _ pinned, m method, _ operation) {
		t.Helper()
		srv := answering(map[string]any{})
		_, err := m.call(srv.client(t), t.Context(), reflect.Zero(m.params).Interface())
		var required, either []string
		for i := range m.params.NumField() {
			field := m.params.Field(i)
			switch tag := field.Tag.Get("seam"); {
			case strings.Contains(tag, "required"):
				required = append(required, field.Name)
			case strings.Contains(tag, "either"):
				either = append(either, field.Name)
			}
		}
		if len(required)+len(either) == 0 {
			assert.NotErrorIs(t, err, seam.ErrInvalidParams)
			return
		}
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		assert.Empty(t, srv.requests)
		for _, name := range append(required[:min(1, len(required))], either...) {
			if len(required) == 0 || !slices.Contains(either, name) {
				assert.ErrorContains(t, err, name)
			}
		}
	})
}

// TestRequiredParamsAreThoseOfTheSchema compares the tags with the schema.
func TestRequiredParamsAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	eachOperation(t, func(t *testing.T, _ pinned, m method, op operation) {
		t.Helper()
		if op.Request == nil {
			return
		}
		for _, name := range required(op.Request) {
			found := false
			for i := range m.params.NumField() {
				field := m.params.Field(i)
				json, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				found = found || json == name && strings.Contains(field.Tag.Get("seam"), "required")
			}
			assert.True(t, found, name)
		}
	})
}

// TestWithUser limits each operation that the schema lets limit to one user, and rejects the
// option for all others.
func TestWithUser(t *testing.T) {
	t.Parallel()
	eachOperation(t, func(t *testing.T, p pinned, m method, op operation) {
		t.Helper()
		sample := p.requests(op)[0]
		_, limited := sample["user_identifier_key"]
		delete(sample, "user_identifier_key")
		srv := answering(p.answer(op))
		params := decodeParams(t, m, sample)
		_, err := m.call(srv.client(t), t.Context(), params, seam.WithUser("jane_doe"))
		if limited {
			require.NoError(t, err)
			assert.Equal(t, "jane_doe", srv.requests[0].Body["user_identifier_key"])
		} else {
			require.ErrorIs(t, err, seam.ErrInvalidParams)
		}
		_, err = m.call(srv.client(t), t.Context(), params, seam.WithUser(" "))
		require.ErrorIs(t, err, seam.ErrInvalidParams)
		assert.Len(t, srv.requests, map[bool]int{true: 1}[limited])
	})
}

// errLost stands for a lost answer: the server has processed the request.
var errLost = errors.New("connection lost")

// TestRetries meets each operation with each kind of failure. An operation that is not
// idempotent is sent again only after a 429.
func TestRetries(t *testing.T) {
	t.Parallel()
	classes := classes(t)
	failures := map[string]func(r request) (int, any, error){
		"lost answer": func(request) (int, any, error) { return 0, nil, errLost },
		"status 503":  func(request) (int, any, error) { return http.StatusServiceUnavailable, "", nil },
		"status 429":  func(request) (int, any, error) { return http.StatusTooManyRequests, "", nil },
		"timeout": func(r request) (int, any, error) {
			<-r.ctx.Done()
			return 0, nil, r.ctx.Err()
		},
	}
	eachOperation(t, func(t *testing.T, p pinned, m method, op operation) {
		t.Helper()
		sample := p.requests(op)[0]
		params := decodeParams(t, m, sample)
		for name, fail := range failures {
			again := classes[m.path] == "idempotent" || classes[m.path] == "delete" || name == "status 429"
			srv := &server{answer: func(r request) (int, any, error) {
				if r.Number == 1 {
					return fail(r)
				}
				return http.StatusOK, p.answer(op), nil
			}}
			synctest.Test(t, func(t *testing.T) {
				_, err := m.call(srv.client(t), context.Background(), params)
				if again {
					require.NoError(t, err, name)
					assert.Equal(t, []string{m.path, m.path}, srv.paths(), name)
				} else {
					require.Error(t, err, name)
					assert.Equal(t, []string{m.path}, srv.paths(), name)
				}
			})
		}
	})
}

// TestResults decodes responses with all fields and each member of each union.
func TestResults(t *testing.T) {
	t.Parallel()
	eachOperation(t, func(t *testing.T, p pinned, m method, op operation) {
		t.Helper()
		if op.Key == "" {
			return
		}
		params := decodeParams(t, m, p.requests(op)[0])
		for _, sample := range p.samples(op.Response, "", true) {
			response := sample.(map[string]any)
			if attempt, ok := response["action_attempt"].(map[string]any); ok && m.path != "/action_attempts/get" && attempt["status"] != "success" {
				continue
			}
			delete(response, "pagination")
			result, err := m.call(answering(response).client(t), t.Context(), params)
			require.NoError(t, err)
			assert.Equal(t, pruned(response[op.Key]), pruned(encoded(t, result)))
		}
	})
}

// encoded returns what a value is in JSON.
func encoded(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	var decoded any
	require.NoError(t, json.Unmarshal(text, &decoded))
	return decoded
}

// TestOddValues gives each field of each result in turn a value that it should not have.
// Only that field may be lost.
func TestOddValues(t *testing.T) {
	t.Parallel()
	done := map[reflect.Type]bool{}
	p, methods := readPinned(t), methods(t)
	for _, path := range slices.Sorted(maps.Keys(p.Operations)) {
		op, m := p.Operations[path], methods[path]
		if strings.HasPrefix(path, "/client_sessions/") || op.Key == "" || op.Key == "batch" { // all that a batch has is elsewhere too
			continue
		}
		result, _ := m.call(answering(nil).client(t), t.Context(), decodeParams(t, m, p.requests(op)[0]))
		element := reflect.TypeOf(result).Elem() // of a pointer or a slice
		if done[element] {
			continue
		}
		done[element] = true
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			params, seen := decodeParams(t, m, p.requests(op)[0]), map[string]bool{}
			for _, sample := range p.samples(op.Response, "", true) {
				response := sample.(map[string]any)
				if response["action_attempt"] != nil && path != "/action_attempts/get" {
					break
				}
				delete(response, "pagination")
				places(response[op.Key], op.Key, func(place []any) {
					if seen[fmt.Sprint(place)] {
						return
					}
					seen[fmt.Sprint(place)] = true
					text, err := json.Marshal(narrow(response, place))
					require.NoError(t, err)
					for _, odd := range []any{nil, "", 1.25, []any{"odd"}} {
						var changed map[string]any
						require.NoError(t, json.Unmarshal(text, &changed))
						was := replace(changed, place, odd)
						if sameKind(was, odd) || isID(place) {
							continue
						}
						result, err := m.call(answering(changed).client(t), t.Context(), params)
						require.NoError(t, err, "%v = %v", place, odd)
						got := encoded(t, result)
						with := changed[op.Key]
						replaceAt(with, place[1:], nil)
						without := pruned(with)
						replaceAt(with, place[1:], odd)
						if !assert.ObjectsAreEqual(without, pruned(got)) && !assert.ObjectsAreEqual(pruned(with), pruned(got)) {
							assert.Equal(t, without, pruned(got), "%v = %v", place, odd)
							t.FailNow()
						}
					}
				})
			}
		})
	}
}

// narrow returns a JSON value with what is at a place, and with a neighbour at each level. At
// the top it keeps all IDs.
func narrow(value any, place []any) any {
	switch value := value.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(value))
		kept := map[string]any{}
		for i, name := range names {
			switch at := slices.Index(names, fmt.Sprint(append(place, "")[0])); {
			case i == at && len(place) > 0:
				kept[name] = narrow(value[name], place[1:])
			case len(place) == 0, i == (at+1)%len(names), strings.HasSuffix(name, "_id"), name == "device_provider_name":
				kept[name] = value[name]
			}
		}
		return kept
	case []any:
		kept := slices.Clone(value)
		if len(place) > 0 {
			kept[place[0].(int)] = narrow(value[place[0].(int)], place[1:])
		}
		return kept
	}
	return value
}

// sameKind reports whether odd is not odd for a field that had the value was.
func sameKind(was, odd any) bool {
	if odd == nil {
		return false
	}
	return reflect.TypeOf(was) == reflect.TypeOf(odd) && was != sampleTime
}

func isID(place []any) bool {
	name, _ := place[len(place)-1].(string)
	return len(place) <= 3 && strings.HasSuffix(name, "_id") || name == "device_provider_name" || len(place) == 2 && reflect.TypeOf(place[1]).Kind() == reflect.Int
}

// places calls visit for each place in a JSON value, below its top.
func places(value any, key string, visit func(place []any)) {
	var walk func(value any, place []any)
	walk = func(value any, place []any) {
		if len(place) > 1 {
			visit(place)
		}
		switch value := value.(type) {
		case map[string]any:
			for name, v := range value {
				walk(v, append(slices.Clip(place), name))
			}
		case []any:
			for i, v := range value {
				walk(v, append(slices.Clip(place), i))
			}
		}
	}
	walk(value, []any{key})
}

// replace sets the value at a place and returns what was there.
func replace(root any, place []any, value any) any { return replaceAt(root, place, value) }

func replaceAt(root any, place []any, value any) any {
	for _, step := range place[:len(place)-1] {
		switch at := root.(type) {
		case map[string]any:
			root = at[step.(string)]
		case []any:
			root = at[step.(int)]
		}
	}
	last := place[len(place)-1]
	switch at := root.(type) {
	case map[string]any:
		was := at[last.(string)]
		at[last.(string)] = value
		return was
	case []any:
		was := at[last.(int)]
		at[last.(int)] = value
		return was
	}
	return nil
}

// pruned returns a JSON value without what is zero.
func pruned(value any) any {
	switch value := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, v := range value {
			if v := pruned(v); v != nil {
				kept[name] = v
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		kept := []any{}
		for _, v := range value {
			kept = append(kept, pruned(v))
		}
		if !slices.ContainsFunc(kept, func(v any) bool { return v != nil }) {
			return nil
		}
		return kept
	case string:
		if value == "" {
			return nil
		}
	case bool:
		if !value {
			return nil
		}
	case float64:
		if value == 0 {
			return nil
		}
	}
	return value
}

// TestTimesAreSentInUTC also looks into nested params.
func TestTimesAreSentInUTC(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600))
	stays := []api.CustomerStay{{BookingKey: "booking", StartsAt: at}}
	between := []any{at, "2026-01-03"}
	srv := answering(map[string]any{"ok": true, "events": []any{}})
	client := srv.client(t)
	require.NoError(t, client.Customers.PushData(t.Context(), api.CustomerPushDataParams{CustomerKey: "hotel", Bookings: stays}))
	require.NoError(t, client.AccessGrants.Update(t.Context(), api.AccessGrantUpdateParams{AccessGrantID: "grant", StartsAt: at, EndsAt: api.Set(at)}))
	assert.Equal(t, sampleTime, srv.requests[0].Body["bookings"].([]any)[0].(map[string]any)["starts_at"])
	assert.Equal(t, sampleTime, srv.requests[1].Body["starts_at"])
	assert.Equal(t, sampleTime, srv.requests[1].Body["ends_at"])
	_, err := client.Events.List(t.Context(), api.EventListParams{Between: between})
	require.NoError(t, err)
	assert.Equal(t, []any{sampleTime, "2026-01-03"}, srv.requests[2].Body["between"])
	assert.Equal(t, at, stays[0].StartsAt, "the caller's own params are unchanged")
	assert.Equal(t, at, between[0])
}
