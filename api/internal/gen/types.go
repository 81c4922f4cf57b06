package main

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// define adds a struct with the fields of n. If there is a struct of that name already, it
// adds to that one: the members of a union become one struct.
func (m *model) define(name string, n *node, as *structType) *structType {
	t := m.types[name]
	if t == nil {
		t = as
		t.name, t.fields = name, map[string]*structField{}
		m.types[name] = t
	}
	if as.component != "" { // a field may have led to it first
		t.component, t.sentence, t.owner = as.component, as.sentence, ""
	}
	t.sources++
	if n == nil {
		return t
	}
	properties := map[string][]*node{}
	var collect func(n *node)
	collect = func(n *node) {
		if ref := n.ref(); ref != "" {
			n = m.schema.Schemas[ref]
		}
		for name, property := range n.Properties {
			properties[name] = append(properties[name], property)
		}
		for _, member := range n.members() {
			collect(member)
		}
	}
	collect(n)
	required := requiredIn(n)
	for _, json := range sorted(properties) {
		f := t.fields[json]
		if f == nil {
			f = &structField{json: json, name: camel(json)}
			t.fields[json] = f
		}
		f.seen++
		for _, property := range properties[json] {
			m.addNode(t, f, property)
		}
		if required[json] {
			f.required++
		}
	}
	return t
}

// addNode adds what n says about a field.
func (m *model) addNode(t *structType, f *structField, n *node) {
	f.typ = m.join(t.name+"."+f.json, f.typ, m.typeOf(n, t.name, f.json, t.request, t.file))
	f.enum = merge(f.enum, enumOf(n))
	f.nullable = f.nullable || isNullable(n)
	f.nilValues = f.nilValues || n.AdditionalProperties != nil && isNullable(n.AdditionalProperties)
	f.deprecated = f.deprecated || n.Deprecated
}

// addRemoved adds a field that requests had in an earlier version, unless another place where
// the struct is used still has it.
func (m *model) addRemoved(t *structType, place []string, n *node) {
	if len(place) > 1 {
		if f := t.fields[place[0]]; f != nil && f.typ.leaf().kind == "named" {
			m.addRemoved(m.types[f.typ.leaf().name], place[1:], n)
		}
		return
	}
	if t.fields[place[0]] != nil {
		return
	}
	f := &structField{json: place[0], name: camel(place[0])}
	m.addNode(t, f, n)
	f.deprecated = true
	t.fields[place[0]] = f
}

// typeOf returns the Go type of a field of a struct.
func (m *model) typeOf(n *node, owner, field string, request bool, file string) *goType {
	if ref := n.ref(); ref == "client_session" {
		return &goType{kind: "session"}
	} else if ref != "" {
		return m.component(ref)
	}
	if members := n.members(); len(members) > 0 {
		var joined *goType
		for _, member := range members {
			joined = m.join(owner+"."+field, joined, m.typeOf(member, owner, field, request, file))
		}
		return joined
	}
	switch {
	case n.Type == "array":
		if n.Items == nil {
			return &goType{kind: "array", elem: &goType{kind: "any"}}
		}
		return &goType{kind: "array", elem: m.typeOf(n.Items, owner, field, request, file)}
	case len(n.Properties) > 0 && m.overlay.field(owner+"."+field, "raw"):
		return &goType{kind: "object"}
	case len(n.Properties) > 0:
		name, sentence := m.overlay.typeName(owner + "." + field)
		if name == "" {
			name = strings.TrimSuffix(owner, "Params") + camel(singular(field))
		}
		m.define(name, n, &structType{request: request, file: file, owner: owner, sentence: sentence})
		return &goType{kind: "named", name: name}
	case n.Type == "object" && n.AdditionalProperties != nil && (n.AdditionalProperties.Type != "" || len(n.AdditionalProperties.members()) > 0):
		return &goType{kind: "map", elem: m.typeOf(n.AdditionalProperties, owner, field, request, file)}
	case n.Type == "object":
		return &goType{kind: "object"}
	case n.Type == "string" && (n.Format == "date-time" || isTime(field)):
		return &goType{kind: "time"}
	case n.Type == "number" && m.overlay.field(owner+"."+field, "whole"):
		return &goType{kind: "integer"}
	case n.Type == "":
		return &goType{kind: "any"}
	}
	return &goType{kind: n.Type}
}

// isTime reports whether a field is a point in time by its name. The schema gives such
// fields a format in some places only.
func isTime(field string) bool {
	return strings.HasSuffix(field, "_at") && !strings.HasSuffix(field, "_daily_at")
}

// component returns the type of a component, and defines it.
func (m *model) component(ref string) *goType {
	name, sentence := m.overlay.typeName(ref)
	if name == "" {
		name = camel(ref)
	}
	if !m.defined[ref] {
		m.defined[ref] = true
		if sentence == "" {
			m.errorf("component %s has no line in the overlay: type %s | is ...", ref, ref)
		}
		m.define(name, m.schema.Schemas[ref], &structType{component: ref, sentence: sentence})
	}
	return &goType{kind: "named", name: name}
}

// join returns the type of a field that has one type in one place and another elsewhere.
func (m *model) join(place string, a, b *goType) *goType {
	switch {
	case a == nil || a.kind == "any" || a.kind == "object" && (b.kind == "named" || b.kind == "map"):
		return b
	case b.kind == "any" || b.kind == "object" && (a.kind == "named" || a.kind == "map"):
		return a
	case a.kind == b.kind && a.elem != nil:
		return &goType{kind: a.kind, elem: m.join(place, a.elem, b.elem)}
	case a.kind == b.kind && a.name == b.name:
		return a
	case a.kind == "integer" && b.kind == "number" || a.kind == "number" && b.kind == "integer":
		return &goType{kind: "number"}
	case a.kind == "named" && b.kind == "named":
		m.errorf("%s is a %s and a %s", place, a.name, b.name)
		return a
	}
	words := append(strings.Split(a.words(), " or "), b.words())
	slices.Sort(words)
	return &goType{kind: "mixed", name: strings.Join(slices.Compact(words), " or ")}
}

// words returns the type as people call it.
func (g *goType) words() string {
	switch g.kind {
	case "mixed":
		return g.name
	case "array", "object", "integer":
		return "an " + g.kind
	case "map", "named":
		return "an object"
	}
	return "a " + g.kind
}

// leaf returns the type of the elements of slices and maps.
func (g *goType) leaf() *goType {
	for g.elem != nil {
		g = g.elem
	}
	return g
}

// secretName matches names of fields that may hold a secret.
var secretName = regexp.MustCompile(`(code|pin|secret|token|password|passcode|url|uri)$`)

// finish decides what the overlay says about the fields of a struct.
func (m *model) finish(t *structType) {
	for _, f := range t.fields {
		place := t.name + "." + f.json
		kind := f.typ.leaf().kind
		f.pointer = m.overlay.field(place, "pointer") && slices.Contains([]string{"named", "boolean", "number", "integer"}, f.typ.kind)
		f.text = m.overlay.fieldText(place)
		f.secret = m.overlay.field(place, "secret")
		public := m.overlay.field(place, "public")
		if kind == "string" && secretName.MatchString(f.json) && !f.secret && !public {
			m.errorf("field %s looks like a secret; give it a line with secret or public", place)
		}
	}
	for _, l := range m.overlay.consts {
		struc, json, _ := cutLast(l.name, ".")
		l.used = l.used || t.name == struc && t.fields[json] != nil
	}
}

// idOf returns the JSON name of the ID of a type, or the empty string.
func (m *model) idOf(name string) string {
	t := m.types[name]
	candidates := []string{t.component + "_id", strings.TrimPrefix(t.component, "unmanaged_") + "_id", "device_id", t.component + "_name"}
	if t.component == "" {
		candidates = []string{snake(strings.TrimPrefix(name, "Unmanaged")) + "_id"}
	}
	for _, id := range candidates {
		if t.fields[id] != nil && t.fields[id].typ.kind == "string" {
			return id
		}
	}
	return ""
}

// hasSecrets reports whether a struct has a secret, or a field whose type has one.
func (m *model) hasSecrets(t *structType) bool {
	for _, f := range t.fields {
		if leaf := f.typ.leaf(); leaf.kind == "session" || leaf.kind == "named" && leaf.name != t.name && m.hasSecrets(m.types[leaf.name]) {
			return true
		}
	}
	return m.hasOwnSecrets(t)
}

// hasOwnSecrets reports whether a field of a struct is a secret.
func (m *model) hasOwnSecrets(t *structType) bool {
	for _, f := range t.fields {
		if f.secret {
			return true
		}
	}
	return false
}

// constants returns the prefix of the constants for the values of a field, or the empty
// string.
func (m *model) constants(f *structField) string {
	for _, l := range m.overlay.consts {
		struc, json, _ := cutLast(l.name, ".")
		if t := m.types[struc]; len(l.words) == 1 && t != nil && t.fields[json] != nil && slices.Equal(t.fields[json].enum, f.enum) {
			return l.words[0]
		}
	}
	return ""
}

// sameValues returns the first field of another struct that has the values of f, such as
// Device.DeviceType, or the empty string if f itself is the first. Results come before params.
func (m *model) sameValues(t *structType, f *structField) string {
	names := slices.SortedFunc(maps.Keys(m.types), func(a, b string) int {
		request := func(name string) int { return strings.Count(name, "Params") }
		return cmp.Or(cmp.Compare(request(a), request(b)), cmp.Compare(a, b))
	})
	for _, name := range names {
		if name == t.name {
			return ""
		}
		for _, other := range m.types[name].sorted() {
			if singular(other.json) == singular(f.json) && slices.Equal(other.enum, f.enum) {
				return name + "." + other.name
			}
		}
	}
	return ""
}

// sorted returns the fields: the ID first, then what a request requires, the others by name.
func (t *structType) sorted() []*structField {
	id := snake(t.name) + "_id"
	if t.component != "" {
		id = strings.TrimPrefix(t.component, "unmanaged_") + "_id"
	}
	rank := func(f *structField) int {
		switch {
		case f.json == id:
			return 0
		case t.request && f.required == t.sources:
			return 1
		case t.request && f.either:
			return 2
		}
		return 3
	}
	return slices.SortedFunc(maps.Values(t.fields), func(a, b *structField) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.json, b.json))
	})
}

func enumOf(n *node) []string {
	var values []string
	for _, v := range n.Enum {
		if s, ok := v.(string); ok {
			values = append(values, s)
		}
	}
	for _, member := range n.members() {
		values = append(values, enumOf(member)...)
	}
	if n.Items != nil {
		values = append(values, enumOf(n.Items)...)
	}
	return values
}

func isNullable(n *node) bool {
	return n.Nullable || slices.ContainsFunc(n.members(), isNullable)
}
