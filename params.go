package seam

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/seam-go/seam/internal/transport"
)

// paramsProblem returns why v, called name, must not be sent, or the empty string. It
// rejects blank strings, which Seam may ignore. It also rejects invalid UTF-8:
// encoding/json replaces it, which could make the keys of two users equal. Blank strings in
// a map and behind a pointer are allowed, since they were set on purpose.
func paramsProblem(name string, v reflect.Value, blankAllowed bool, depth int) string {
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return ""
	}
	if depth > 100 {
		return name + " is nested too deeply; use fewer than 100 levels"
	}
	if v.CanInterface() { // not an embedded struct of an unexported type
		switch value := v.Interface().(type) {
		case time.Time:
			if year := value.Year(); year < 0 || year > 9999 {
				return name + " is not in the years 0 to 9999; set a time that is"
			}
			return ""
		case json.Marshaler: // its JSON is checked as a part of the body
			return ""
		case encoding.TextMarshaler:
			if text, err := value.MarshalText(); err == nil && !utf8.Valid(text) {
				return name + " is not valid UTF-8; pass UTF-8"
			}
			return ""
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return paramsProblem(name, v.Elem(), blankAllowed || v.Type().Elem().Kind() == reflect.String, depth+1)
	case reflect.Interface:
		return paramsProblem(name, v.Elem(), blankAllowed, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			field, info := v.Field(i), v.Type().Field(i)
			if !info.IsExported() && !info.Anonymous || info.Tag.Get("json") == "-" || field.IsZero() {
				continue // not encoded, or not set
			}
			if problem := paramsProblem(info.Name, field, false, depth+1); problem != "" {
				return problem
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if problem := paramsProblem("a key of "+name, key, true, depth+1); problem != "" {
				return problem
			}
			if problem := paramsProblem(fmt.Sprint(key), v.MapIndex(key), true, depth+1); problem != "" {
				return problem
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return "" // encoded as base64
		}
		for i := range v.Len() {
			if problem := paramsProblem(fmt.Sprintf("%s[%d]", name, i), v.Index(i), blankAllowed, depth+1); problem != "" {
				return problem
			}
		}
	case reflect.String:
		if !blankAllowed || !utf8.ValidString(v.String()) {
			return transport.StringProblem(name, v.String())
		}
	}
	return ""
}

// userIdentifierKeys returns the user identifier keys in body, the JSON of params. The params
// of Post can have a user_identifier_key at any depth, with any value: all strings, numbers
// and names of members in that value are returned. body may be empty.
func userIdentifierKeys(body []byte) []string {
	var tree any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	_ = dec.Decode(&tree) // cannot fail unless body is empty: Marshal wrote it
	var keys []string
	var walk func(node any, inKey bool)
	walk = func(node any, inKey bool) {
		switch node := node.(type) {
		case map[string]any:
			for name, child := range node {
				if inKey {
					keys = append(keys, name)
				}
				walk(child, inKey || name == "user_identifier_key")
			}
		case []any:
			for _, child := range node {
				walk(child, inKey)
			}
		case string:
			if inKey {
				keys = append(keys, node)
			}
		case json.Number:
			if inKey {
				keys = append(keys, node.String())
			}
		}
	}
	walk(tree, false)
	return keys
}
