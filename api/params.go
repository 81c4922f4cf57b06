package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seam-go/seam"
)

// Nullable is a field of an update that can be cleared. The zero value leaves it as it is.
// [Set] and [Null] return others.
type Nullable[T any] struct {
	_     incomparable
	value T
	sent  bool
	null  bool
}

// Set returns a field that is set to value.
func Set[T any](value T) Nullable[T] { return Nullable[T]{value: value, sent: true} }

// Null returns a field that is cleared.
func Null[T any]() Nullable[T] { return Nullable[T]{sent: true, null: true} }

// IsZero reports whether the field is left as it is.
func (n Nullable[T]) IsZero() bool { return !n.sent }

// String returns the value as package fmt formats it, or null, or unchanged.
func (n Nullable[T]) String() string {
	switch {
	case !n.sent:
		return "unchanged"
	case n.null:
		return "null"
	}
	return fmt.Sprint(n.value)
}

// MarshalJSON implements [json.Marshaler].
func (n Nullable[T]) MarshalJSON() ([]byte, error) {
	if n.null || !n.sent {
		return []byte("null"), nil
	}
	new(preparation).walk("", reflect.ValueOf(&n.value).Elem())
	return json.Marshal(n.value)
}

// UnmarshalJSON implements [json.Unmarshaler]. It decodes what MarshalJSON encodes.
func (n *Nullable[T]) UnmarshalJSON(text []byte) error {
	*n = Nullable[T]{sent: true, null: string(text) == "null"}
	return json.Unmarshal(text, &n.value)
}

// invalid is an error that matches [seam.ErrInvalidParams].
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == seam.ErrInvalidParams }

// prepare returns a copy of params as they are sent, and their secrets. It returns an error
// if a required field is not set.
func prepare(params any) (prepared any, secrets []string, err error) {
	v := reflect.New(reflect.TypeOf(params)).Elem()
	v.Set(reflect.ValueOf(params))
	var p preparation
	p.walk("", v)
	if p.problem != "" {
		return nil, nil, invalid(p.problem)
	}
	return v.Interface(), p.secrets, nil
}

// preparation is what prepare has found.
type preparation struct {
	problem string
	secrets []string
}

// walk converts all times in v to UTC. place is the name of v, with a dot at its end, or
// empty.
func (p *preparation) walk(place string, v reflect.Value) {
	switch t, isTime := v.Interface().(time.Time); {
	case isTime:
		v.Set(reflect.ValueOf(t.UTC()))
	case v.Kind() == reflect.Slice && slices.Contains([]reflect.Kind{reflect.Struct, reflect.Interface}, v.Type().Elem().Kind()):
		v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v)) // the caller keeps its own
		for i := range v.Len() {
			p.walk(place, v.Index(i))
		}
	case v.Kind() == reflect.Struct:
		var either []string
		found := false
		for i := range v.NumField() {
			info, field := v.Type().Field(i), v.Field(i)
			if !info.IsExported() {
				continue
			}
			words := strings.Split(info.Tag.Get("seam"), ",")
			set := !field.IsZero()
			switch {
			case slices.Contains(words, "required") && !set && p.problem == "":
				p.problem = place + info.Name + " is empty; set it"
			case slices.Contains(words, "either"):
				either, found = append(either, place+info.Name), found || set
			}
			if slices.Contains(words, "secret") && set && field.Kind() == reflect.String {
				p.secrets = append(p.secrets, field.String())
			}
			if set {
				p.walk(place+info.Name+".", field)
			}
		}
		if len(either) > 0 && !found && p.problem == "" {
			last := len(either) - 1
			p.problem = strings.Join(either[:last], ", ") + " and " + either[last] + " are empty; set one"
		}
	}
}
