package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// schema is a part of the pinned schema.
type schema map[string]any

type operation struct {
	Key      string
	Request  schema
	Response schema
}

// pinned is the schema that the package was generated from.
type pinned struct {
	Operations map[string]operation
	Schemas    map[string]schema
}

func readPinned(tb testing.TB) pinned {
	tb.Helper()
	text, err := os.ReadFile("internal/gen/schema.json")
	require.NoError(tb, err)
	var p pinned
	require.NoError(tb, json.Unmarshal(text, &p))
	return p
}

// classes returns the retry class of each operation, from the overlay.
func classes(tb testing.TB) map[string]string {
	tb.Helper()
	text, err := os.ReadFile("internal/gen/overlay.txt")
	require.NoError(tb, err)
	classes := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^(/\S+)\s+(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if match[2] != "core" {
			classes[match[1]] = match[2]
		}
	}
	require.Greater(tb, len(classes), 190)
	return classes
}

// resolve follows a reference.
func (p pinned) resolve(s schema) schema {
	if ref, ok := s["$ref"].(string); ok {
		return p.resolve(p.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")])
	}
	return s
}

func parts(s schema, name string) []schema {
	list, _ := s[name].([]any)
	schemas := make([]schema, len(list))
	for i, part := range list {
		schemas[i] = part.(map[string]any)
	}
	return schemas
}

func child(s schema, name string) schema {
	c, _ := s[name].(map[string]any)
	return c
}

func required(s schema) []string {
	var names []string
	list, _ := s["required"].([]any)
	for _, name := range list {
		names = append(names, name.(string))
	}
	return names
}

const sampleTime = "2026-01-02T03:04:05Z"

// samples returns values that are valid by s. Together they have each field and each member
// of a union. With all unset they have the required fields only.
func (p pinned) samples(s schema, name string, all bool) []any {
	s = p.resolve(s)
	for _, union := range []string{"oneOf", "anyOf"} {
		if members := parts(s, union); len(members) > 0 {
			var values []any
			for _, member := range members {
				values = append(values, p.samples(member, name, all)...)
			}
			return values
		}
	}
	if members := parts(s, "allOf"); len(members) > 0 {
		values := []any{map[string]any{}}
		for _, member := range members {
			var combined []any
			for _, value := range values {
				for _, more := range p.samples(member, name, all) {
					both := maps.Clone(value.(map[string]any))
					maps.Copy(both, more.(map[string]any))
					combined = append(combined, both)
				}
			}
			values = combined
		}
		return values
	}
	if enum, ok := s["enum"].([]any); ok {
		return enum[len(enum)-1:]
	}
	switch s["type"] {
	case "array":
		elements := p.samples(child(s, "items"), name, all)
		if elements == nil {
			return []any{[]any{}}
		}
		return []any{elements}
	case "object":
		return p.objects(s, all)
	case "boolean":
		return []any{true}
	case "number", "integer":
		return []any{2.0}
	case "string":
		return []any{sampleText(s, name)}
	}
	return []any{nil}
}

// objects returns objects that are valid by s: enough for each value of each field.
func (p pinned) objects(s schema, all bool) []any {
	properties := child(s, "properties")
	if len(properties) == 0 {
		if additional := child(s, "additionalProperties"); len(additional) > 0 && all {
			object := map[string]any{}
			for i, value := range p.samples(additional, "", all) {
				object[fmt.Sprint("key", i)] = value
			}
			return []any{object}
		}
		return []any{map[string]any{}}
	}
	values, count := map[string][]any{}, 1
	for name := range properties {
		if all || slices.Contains(required(s), name) {
			values[name] = p.samples(child(properties, name), name, all)
			count = max(count, len(values[name]))
		}
	}
	objects := make([]any, count)
	for i := range objects {
		object := map[string]any{}
		for name, list := range values {
			object[name] = list[i%len(list)]
		}
		objects[i] = object
	}
	return objects
}

func sampleText(s schema, name string) string {
	switch {
	case s["format"] == "date-time" || strings.HasSuffix(name, "_at") && !strings.HasSuffix(name, "_daily_at"):
		return sampleTime
	case s["format"] == "uuid":
		return "00000000-0000-4000-8000-000000000001"
	case s["format"] == "email":
		return "jane@example.com"
	case s["format"] == "uri":
		return "https://example.com/"
	case name == "code" || name == "preferred_code":
		return "123456"
	}
	pattern, _ := s["pattern"].(string)
	for _, text := range []string{"a " + name, name, "10:20:30"} {
		if regexp.MustCompile(pattern).MatchString(text) {
			return text
		}
	}
	return "a " + name
}

// invalid returns what is wrong with a value by s, or the empty string.
func (p pinned) invalid(s schema, value any, place string) string {
	s = p.resolve(s)
	for _, union := range []string{"oneOf", "anyOf"} {
		problem := ""
		for _, member := range parts(s, union) {
			if problem = p.invalid(member, value, place); problem == "" {
				break
			}
		}
		if problem != "" {
			return problem
		}
	}
	for _, member := range parts(s, "allOf") {
		if problem := p.invalid(member, value, place); problem != "" {
			return problem
		}
	}
	if value == nil {
		if s["nullable"] != true {
			return place + " is null"
		}
		return ""
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, value) {
		return fmt.Sprintf("%s is %v", place, value)
	}
	switch s["type"] {
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			return place + " is no object"
		}
		for _, name := range required(s) {
			if _, ok := object[name]; !ok {
				return place + " has no " + name
			}
		}
		for name, value := range object {
			if property := child(child(s, "properties"), name); property != nil {
				if problem := p.invalid(property, value, place+"."+name); problem != "" {
					return problem
				}
			}
		}
	case "array":
		list, ok := value.([]any)
		if !ok {
			return place + " is no array"
		}
		for i, element := range list {
			if problem := p.invalid(child(s, "items"), element, fmt.Sprint(place, i)); problem != "" {
				return problem
			}
		}
	case "string":
		text, ok := value.(string)
		if !ok {
			return place + " is no string"
		}
		if s["format"] == "date-time" {
			if at, err := time.Parse(time.RFC3339, text); err != nil || at.Location() != time.UTC {
				return place + " is no UTC time"
			}
		}
		if pattern, ok := s["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(text) {
			return place + " does not match " + pattern
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			return place + " is no boolean"
		}
	case "number", "integer":
		if _, ok := value.(float64); !ok {
			return place + " is no number"
		}
	}
	return ""
}

// unknown returns a field of a request that s does not have, or the empty string.
func (p pinned) unknown(s schema, value any) string {
	names := map[string]schema{}
	var collect func(s schema)
	collect = func(s schema) {
		s = p.resolve(s)
		for name := range child(s, "properties") {
			names[name] = child(child(s, "properties"), name)
		}
		for _, union := range []string{"oneOf", "anyOf", "allOf"} {
			for _, member := range parts(s, union) {
				collect(member)
			}
		}
	}
	collect(s)
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			if len(names) == 0 {
				break
			}
			if names[name] == nil {
				return name
			}
			if problem := p.unknown(names[name], v); problem != "" {
				return name + "." + problem
			}
		}
	case []any:
		for _, v := range value {
			if problem := p.unknown(child(s, "items"), v); problem != "" {
				return problem
			}
		}
	}
	return ""
}
