package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/seam-go/seam/internal/transport"
	"github.com/seam-go/seam/webhook"
)

// response decodes a response. It implements [json.Unmarshaler] so that an error in it is an
// error of the request, with its ID.
type response struct {
	key      string
	value    any           // a pointer, for what is under key
	optional bool          // key may be missing
	check    func() string // returns what is wrong with value, or the empty string

	pagination pagination
}

// pagination is where a page says whether there are more.
type pagination struct {
	HasNextPage    bool   `json:"has_next_page"`
	NextPageCursor string `json:"next_page_cursor"`
}

func (p pagination) cursor() string { return strings.TrimSpace(p.NextPageCursor) }

// UnmarshalJSON implements [json.Unmarshaler].
func (r *response) UnmarshalJSON(text []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return transport.ContentError("response is not a JSON object")
	}
	member := fields[r.key]
	switch {
	case r.optional && (member == nil || string(member) == "null"):
		return nil
	case member == nil:
		return transport.ContentError("response has no " + r.key)
	case !isContainer(member, reflect.TypeOf(r.value).Elem()):
		return transport.ContentError("response has no usable " + r.key)
	}
	decode(member, reflect.ValueOf(r.value).Elem())
	if more := fields["pagination"]; more != nil {
		r.pagination = pagination{}
		decode(more, reflect.ValueOf(&r.pagination).Elem())
	}
	if r.check != nil {
		if problem := r.check(); problem != "" {
			return transport.ContentError(problem)
		}
	}
	return nil
}

// isContainer reports whether text is a JSON array for a slice, and an object otherwise.
func isContainer(text json.RawMessage, t reflect.Type) bool {
	if t.Kind() == reflect.Slice {
		return text[0] == '['
	}
	return text[0] == '{'
}

// decode decodes text into v. What cannot be decoded is left zero, and nothing else is: an
// odd value in one field costs that field only.
func decode(text json.RawMessage, v reflect.Value) {
	strict := reflect.New(v.Type())
	if err := json.Unmarshal(text, strict.Interface()); err == nil {
		v.Set(strict.Elem())
		return
	}
	v.SetZero()
	switch {
	case v.Type() == reflect.TypeFor[time.Time](): // the zero time
	case v.Kind() == reflect.Struct:
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return
		}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if member := members[name]; member != nil && name != "" {
				decode(member, v.Field(i))
			}
		}
	case v.Kind() == reflect.Slice:
		var elements []json.RawMessage
		if json.Unmarshal(text, &elements) != nil {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
		for i, element := range elements {
			decode(element, v.Index(i))
		}
	case v.Kind() == reflect.Pointer:
		if text[0] == '{' || v.Type().Elem().Kind() != reflect.Struct {
			pointer := reflect.New(v.Type().Elem())
			if decode(text, pointer.Elem()); !pointer.Elem().IsZero() {
				v.Set(pointer)
			}
		}
	}
}

// DecodeEvent returns the event that package webhook has received. It has the fields of its
// type, such as DeviceID. An event of a type that this version does not know has those
// fields that other types have too.
func DecodeEvent(event webhook.Event) (Event, error) {
	var decoded Event
	raw := event.Raw()
	if len(raw) == 0 || raw[0] != '{' {
		return decoded, fmt.Errorf("api: event %s has no JSON; pass one that package webhook has received", event.EventID)
	}
	decode(raw, reflect.ValueOf(&decoded).Elem())
	return decoded, nil
}
