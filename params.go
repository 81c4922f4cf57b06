package seam

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/seam-go/seam/internal/transport"
)

// checkParams returns an error for params that would not reach the server
// unchanged. Some servers drop a blank text. JSON replaces invalid UTF-8, so the
// keys of two users could become one. In a map, a blank text is valid: a zero
// field of a struct is usually not sent, but whoever sets it in a map means it.
func checkParams(params any) error {
	if problem := textProblem("params", reflect.ValueOf(params), false, 0); problem != "" {
		return invalid(problem)
	}
	return nil
}

// textProblem says what is wrong with a text in v, which has that name. It
// returns "" if nothing is.
func textProblem(name string, v reflect.Value, blankAllowed bool, depth int) string {
	const deepest = 100 // encoding/json reports a cycle
	if !v.IsValid() || depth > deepest {
		return ""
	}
	switch value := v.Interface().(type) {
	case time.Time:
		if year := value.Year(); year < 0 || year > 9999 {
			return name + " is not in the years 0 to 9999"
		}
		return ""
	case json.Marshaler, encoding.TextMarshaler: // it chooses its own text
		return ""
	}
	problem := ""
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return textProblem(name, v.Elem(), blankAllowed, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Field(i); field.CanInterface() && !field.IsZero() {
				problem = cmp.Or(problem, textProblem(v.Type().Field(i).Name, field, false, depth+1))
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			problem = cmp.Or(problem, textProblem("a key of "+name, key, true, depth+1), textProblem(key.String(), v.MapIndex(key), true, depth+1))
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return ""
		}
		for i := range v.Len() {
			problem = cmp.Or(problem, textProblem(name, v.Index(i), blankAllowed, depth+1))
		}
	case reflect.String:
		if text := v.String(); blankAllowed && !utf8.ValidString(text) || !blankAllowed {
			if problem := transport.TextProblem(text); problem != "" {
				return name + problem
			}
		}
	}
	return problem
}

// userIdentifierKeys returns all texts and numbers under user_identifier_key in
// params, at any depth.
func userIdentifierKeys(params any) []string {
	body, err := json.Marshal(params)
	if err != nil {
		return nil // the call was refused for it
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	_ = dec.Decode(&tree) // of what Marshal wrote
	var keys []string
	var walk func(node any, found bool)
	walk = func(node any, found bool) {
		switch node := node.(type) {
		case map[string]any:
			for name, child := range node {
				walk(child, found || name == "user_identifier_key")
			}
		case []any:
			for _, child := range node {
				walk(child, found)
			}
		case string:
			if found {
				keys = append(keys, node)
			}
		case json.Number:
			if found {
				keys = append(keys, node.String())
			}
		}
	}
	walk(tree, false)
	return keys
}
