package main

import (
	"encoding/json"
	"iter"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// schema is the pinned part of Seam's OpenAPI document.
type schema struct {
	Version    string                `json:"version"`
	Operations map[string]*operation `json:"operations"` // by path
	Schemas    map[string]*node      `json:"schemas"`    // by name
}

// operation is an endpoint.
type operation struct {
	Key        string           `json:"key,omitzero"` // of the result in the response
	Deprecated bool             `json:"deprecated,omitzero"`
	Request    *node            `json:"request,omitzero"`
	Response   *node            `json:"response,omitzero"`
	Removed    map[string]*node `json:"removed,omitzero"` // fields that requests had earlier, by their path
}

// node is a JSON schema.
type node struct {
	Type                 string           `json:"type,omitzero"`
	Format               string           `json:"format,omitzero"`
	Nullable             bool             `json:"nullable,omitzero"`
	Deprecated           bool             `json:"deprecated,omitzero"`
	Enum                 []any            `json:"enum,omitzero"`
	Properties           map[string]*node `json:"properties,omitzero"`
	Required             []string         `json:"required,omitzero"`
	AdditionalProperties *node            `json:"additionalProperties,omitzero"`
	Items                *node            `json:"items,omitzero"`
	OneOf                []*node          `json:"oneOf,omitzero"`
	AnyOf                []*node          `json:"anyOf,omitzero"`
	AllOf                []*node          `json:"allOf,omitzero"`
	Ref                  string           `json:"$ref,omitzero"`

	Default   any      `json:"default,omitzero"`
	Pattern   string   `json:"pattern,omitzero"`
	MinLength *int     `json:"minLength,omitzero"`
	MaxLength *int     `json:"maxLength,omitzero"`
	MinItems  *int     `json:"minItems,omitzero"`
	MaxItems  *int     `json:"maxItems,omitzero"`
	Minimum   *float64 `json:"minimum,omitzero"`
	Maximum   *float64 `json:"maximum,omitzero"`

	ExclusiveMinimum any `json:"exclusiveMinimum,omitzero"`
}

// UnmarshalJSON decodes a schema. A bool, which allows everything or nothing, becomes an
// empty schema.
func (n *node) UnmarshalJSON(text []byte) error {
	if string(text) == "true" || string(text) == "false" {
		return nil
	}
	type plain node
	return json.Unmarshal(text, (*plain)(n))
}

// ref returns the name of the schema that n refers to, or the empty string.
func (n *node) ref() string { return strings.TrimPrefix(n.Ref, "#/components/schemas/") }

// has reports whether n has a property.
func (n *node) has(name string) bool { return n != nil && n.Properties[name] != nil }

// members returns the schemas that n combines.
func (n *node) members() []*node { return slices.Concat(n.OneOf, n.AnyOf, n.AllOf) }

// children returns all schemas that are part of n.
func (n *node) children() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		parts := slices.Concat(n.members(), slices.Collect(maps.Values(n.Properties)), []*node{n.Items, n.AdditionalProperties})
		for _, part := range parts {
			if part != nil && !yield(part) {
				return
			}
		}
	}
}

// readSchema reads the pinned schema.
func readSchema(file string) (*schema, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var s schema
	return &s, json.Unmarshal(text, &s)
}

// changes returns what s has that old has not, and the reverse, a line each.
func (s *schema) changes(old *schema) []string {
	var lines []string
	compare := func(name string, was, is any) {
		switch {
		case reflect.ValueOf(was).IsNil():
			lines = append(lines, "added "+name)
		case reflect.ValueOf(is).IsNil():
			lines = append(lines, "removed "+name)
		case !reflect.DeepEqual(was, is):
			lines = append(lines, "changed "+name)
		}
	}
	for name := range union(old.Operations, s.Operations) {
		compare(name, old.Operations[name], s.Operations[name])
	}
	for name := range union(old.Schemas, s.Schemas) {
		compare("schema "+name, old.Schemas[name], s.Schemas[name])
	}
	slices.Sort(lines)
	return append([]string{"from " + old.Version + " to " + s.Version}, lines...)
}

// union returns a map with the keys of both.
func union[V any](a, b map[string]V) map[string]V {
	both := map[string]V{}
	maps.Copy(both, a)
	maps.Copy(both, b)
	return both
}

// write writes the pinned schema.
func (s *schema) write(file string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	lines, err := layout(v, "")
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(lines+"\n"), 0o666)
}
