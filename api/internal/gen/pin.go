package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pin returns the part of Seam's OpenAPI document that the module is generated from: the
// documented operations, as POST, and the schemas that they refer to. It has no descriptions.
// Paths under /seam/ are for Seam's own apps and are left out.
//
// Operations and fields that are deprecated are left out, unless old has them: a name that
// users can have in their code stays. For the same reason a field that Seam has removed from
// a request stays in Removed.
func pin(document map[string]any, version string, old *schema) (*schema, error) {
	pinned := &schema{Version: version, Operations: map[string]*operation{}, Schemas: map[string]*node{}}
	before := old.places()
	for path, item := range object(document["paths"]) {
		post := object(object(item)["post"])
		_, known := old.Operations[path]
		if post == nil || strings.HasPrefix(path, "/seam/") || post["x-undocumented"] != nil || post["x-deprecated"] != nil && !known {
			continue
		}
		op := &operation{Deprecated: post["x-deprecated"] != nil}
		op.Key, _ = post["x-response-key"].(string)
		var err error
		if op.Request, err = convert(body(post["requestBody"]), before, path); err != nil {
			return nil, err
		}
		if op.Response, err = convert(body(object(post["responses"])["200"]), before, path+" 200"); err != nil {
			return nil, err
		}
		pinned.Operations[path] = op
	}

	components := object(object(document["components"])["schemas"])
	var refer func(n *node) error
	refer = func(n *node) error {
		for child := range n.children() {
			if err := refer(child); err != nil {
				return err
			}
		}
		name := n.ref()
		if name == "" || pinned.Schemas[name] != nil {
			return nil
		}
		component, err := convert(components[name], before, name)
		if err != nil || component == nil {
			return fmt.Errorf("schema %s: %w", name, err)
		}
		pinned.Schemas[name] = component
		return refer(component)
	}
	for _, path := range slices.Sorted(maps.Keys(pinned.Operations)) {
		for _, n := range []*node{pinned.Operations[path].Request, pinned.Operations[path].Response} {
			if n == nil {
				continue
			}
			if err := refer(n); err != nil {
				return nil, err
			}
		}
	}
	pinned.keepRemoved(old)
	return pinned, nil
}

// body returns the JSON schema of a request or response.
func body(v any) any {
	return object(object(object(v)["content"])["application/json"])["schema"]
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// convert returns the schema v without the fields that are left out. place is the name of v
// in before.
func convert(v any, before map[string]bool, place string) (*node, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(prune(v, before, place))
	if err != nil {
		return nil, err
	}
	var n *node
	return n, json.Unmarshal(text, &n)
}

// prune returns v without fields that are undocumented or deprecated and not in before.
func prune(v any, before map[string]bool, place string) any {
	schema := maps.Clone(object(v))
	if properties := object(schema["properties"]); properties != nil {
		kept := map[string]any{}
		for name, property := range properties {
			field := place + "." + name
			deprecated := object(property)["x-deprecated"] != nil || object(property)["deprecated"] == true
			if (object(property)["x-undocumented"] != nil || deprecated) && !before[field] {
				continue
			}
			p := object(prune(property, before, field))
			if deprecated {
				p["deprecated"] = true
			}
			kept[name] = p
		}
		schema["properties"] = kept
		if required, ok := schema["required"].([]any); ok {
			schema["required"] = slices.DeleteFunc(slices.Clone(required), func(name any) bool { return kept[fmt.Sprint(name)] == nil })
		}
	}
	if items := schema["items"]; items != nil {
		schema["items"] = prune(items, before, place)
	}
	for _, union := range []string{"oneOf", "anyOf", "allOf"} {
		members, _ := schema[union].([]any)
		for i := range members {
			members[i] = prune(members[i], before, place)
		}
	}
	return schema
}

// places returns the names of all fields in s, such as "/devices/list.limit" and
// "device.properties.online".
func (s *schema) places() map[string]bool {
	places := map[string]bool{}
	var walk func(n *node, place string)
	walk = func(n *node, place string) {
		if n == nil {
			return
		}
		for name, property := range n.Properties {
			places[place+"."+name] = true
			walk(property, place+"."+name)
		}
		walk(n.Items, place)
		for _, member := range n.members() {
			walk(member, place)
		}
	}
	for name, n := range s.Schemas {
		walk(n, name)
	}
	for path, op := range s.Operations {
		walk(op.Request, path)
		walk(op.Response, path+" 200")
		for field := range op.Removed {
			places[path+"."+field] = true
		}
	}
	return places
}

// keepRemoved copies the fields of requests that old has and s does not.
func (s *schema) keepRemoved(old *schema) {
	now := s.places()
	for path, was := range old.Operations {
		op := s.Operations[path]
		if op == nil {
			continue
		}
		keep := func(field string, n *node) {
			parent, _, nested := cutLast(field, ".")
			if !now[path+"."+field] && (!nested || now[path+"."+parent]) {
				if op.Removed == nil {
					op.Removed = map[string]*node{}
				}
				op.Removed[field] = n
			}
		}
		var walk func(n *node, prefix string)
		walk = func(n *node, prefix string) {
			if n == nil {
				return
			}
			for name, property := range n.Properties {
				keep(prefix+name, property)
				walk(property, prefix+name+".")
			}
			walk(n.Items, prefix)
			for _, member := range n.members() {
				walk(member, prefix)
			}
		}
		walk(was.Request, "")
		for field, n := range was.Removed {
			keep(field, n)
		}
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// layout returns v as JSON that is readable in a diff: what fits stands on one line.
func layout(v any, indent string) (string, error) {
	line, err := json.Marshal(v)
	if err != nil || len(line)+len(indent) <= 120 {
		return string(line), err
	}
	deeper := indent + " "
	var b strings.Builder
	switch v := v.(type) {
	case map[string]any:
		for i, name := range slices.Sorted(maps.Keys(v)) {
			value, err := layout(v[name], deeper)
			if err != nil {
				return "", err
			}
			if i > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, "\n%s%q: %s", deeper, name, value)
		}
		return "{" + b.String() + "\n" + indent + "}", nil
	case []any:
		width := 0
		for i, item := range v {
			value, err := layout(item, deeper)
			if err != nil {
				return "", err
			}
			if i > 0 {
				b.WriteString(",")
			}
			if width += len(value) + 2; i == 0 || width > 110 || strings.HasPrefix(value, "{") {
				b.WriteString("\n" + deeper)
				width = len(value)
			} else {
				b.WriteString(" ")
			}
			b.WriteString(value)
		}
		return "[" + b.String() + "\n" + indent + "]", nil
	}
	return string(line), nil
}
