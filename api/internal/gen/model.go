package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// model is what the files are written from.
type model struct {
	schema    *schema
	overlay   *overlay
	resources map[string]*resource // by path
	types     map[string]*structType
	defined   map[string]bool // the components that have been defined
	errs      []string
}

// resource is a service with its methods.
type resource struct {
	path     string // such as /acs/users
	field    string // in its parent, such as Users
	service  string // such as AcsUsers
	singular string // such as AcsUser
	sentence string
	methods  []*method
	children []*resource
}

// method is a method for an operation.
type method struct {
	op       *operation
	path     string
	name     string // such as UnlockDoor
	class    string
	sentence string
	params   *structType
	key      string // of the result in the response, or empty
	result   *goType
	waits    bool // the answer is an action attempt
	paged    bool
	asked    string // the field of params whose ID the result must have
	noID     bool   // the result has no ID
}

// structType is a struct.
type structType struct {
	name      string
	sentence  string
	file      string
	component string // or empty
	request   bool
	owner     string // the first struct with a field of this type
	sources   int
	fields    map[string]*structField // by JSON name
}

// structField is a field of a struct.
type structField struct {
	json       string
	name       string
	typ        *goType
	enum       []string
	deprecated bool
	nullable   bool
	required   int // the number of sources that require it
	seen       int
	either     bool
	secret     bool
	pointer    bool
	text       string
}

// goType is the type of a field.
type goType struct {
	kind string // string, number, integer, boolean, time, any, object, map, array, named or session
	elem *goType
	name string
}

func (m *model) errorf(format string, args ...any) {
	m.errs = append(m.errs, fmt.Sprintf(format, args...))
}

// build returns the model of all operations.
func build(s *schema, o *overlay) (*model, error) {
	m := &model{schema: s, overlay: o, resources: map[string]*resource{}, types: map[string]*structType{}, defined: map[string]bool{}}
	for _, path := range sorted(s.Operations) {
		if strings.HasPrefix(path, "/client_sessions/") {
			if l := o.operations[path]; l == nil || !slices.Contains(l.words, "core") {
				m.errorf("%s has no line in the overlay", path)
			} else {
				l.used = true
			}
			continue
		}
		m.addOperation(path, s.Operations[path])
	}
	for _, t := range m.types {
		m.finish(t)
	}
	for name := range m.types {
		if t := m.types[name]; t.owner != "" && t.sentence == "" {
			owner := m.types[t.owner]
			for _, f := range owner.sorted() {
				if f.typ.leaf().name == name {
					t.sentence = "is the type of " + owner.name + "." + f.name + "."
					break
				}
			}
		}
	}
	if err := o.unused(); err != nil {
		m.errs = append(m.errs, err.Error())
	}
	if len(m.errs) > 0 {
		slices.Sort(m.errs)
		return nil, fmt.Errorf("%s", strings.Join(slices.Compact(m.errs), "\n"))
	}
	return m, nil
}

// resource returns the resource with a path, and adds it to its parent.
func (m *model) resource(path string) *resource {
	if r := m.resources[path]; r != nil || path == "" {
		return r
	}
	l := m.overlay.resources[path]
	if l == nil {
		m.errorf("resource %s has no line in the overlay", path)
		l = &line{words: []string{"Unknown", "Unknown"}}
	}
	l.used = true
	parent, last, _ := cutLast(path, "/")
	r := &resource{path: path, field: camel(last), service: l.words[0], singular: l.words[1], sentence: l.text}
	m.resources[path] = r
	if p := m.resource(parent); p != nil {
		p.children = append(p.children, r)
	}
	return r
}

// file returns the name of the file of a resource: /devices/unmanaged is in devices.go.
func file(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] == "acs" && len(parts) > 1 {
		return "acs_" + parts[1] + ".go"
	}
	return parts[0] + ".go"
}

func (m *model) addOperation(path string, op *operation) {
	l := m.overlay.operations[path]
	if l == nil || l.text == "" {
		m.errorf("%s has no line in the overlay, or no sentence", path)
		return
	}
	l.used = true
	folder, last, _ := cutLast(path, "/")
	r := m.resource(folder)
	f := &method{op: op, path: path, name: camel(last), class: l.class(), sentence: l.text, key: op.Key}
	if name := l.value("name"); name != "" {
		f.name = name
	}
	if op.Key == "action_attempt" && folder != "/action_attempts" || op.Key == "" && op.Response.has("action_attempt") {
		f.waits = true
	}
	r.methods = append(r.methods, f)

	f.params = m.define(r.singular+f.name+"Params", op.Request, &structType{
		request: true, file: file(path), sentence: "are the params of " + f.name + ".",
	})
	for field, n := range op.Removed {
		m.addRemoved(f.params, strings.Split(field, "."), n)
	}
	m.either(f, l, last)

	if op.Key != "" {
		n := op.Response.Properties[op.Key]
		if n == nil {
			m.errorf("%s: the response has no %s", path, op.Key)
			return
		}
		item := n
		if n.Type == "array" {
			item = n.Items
		}
		if name := l.value("result"); name != "" {
			m.define(name, item, &structType{file: file(path), sentence: "is a result of " + r.service + "."})
			f.result = &goType{kind: "named", name: name}
		} else if item.ref() == "" {
			m.errorf("%s: the result is no component; name it with result=", path)
			return
		} else {
			f.result = m.typeOf(item, "", "", false, file(path))
		}
		if n.Type == "array" {
			f.result = &goType{kind: "array", elem: f.result}
			f.paged = op.Response.has("pagination") && f.params.fields["page_cursor"] != nil
		}
	}
	if f.result != nil && f.result.kind == "named" {
		id := m.idOf(f.result.name)
		switch {
		case slices.Contains(l.words, "anonymous") || id == "":
			f.noID = true
		case !slices.Contains(l.words, "other") && f.params.fields[id] != nil:
			f.asked = camel(id)
		}
	}
}

// either notes which fields of the params identify what the call is about.
func (m *model) either(f *method, l *line, last string) {
	var names []string
	if words := l.value("either"); words != "" {
		names = strings.Split(words, ",")
	} else {
		names = alternatives(f.op.Request)
	}
	for _, name := range names {
		field := f.params.fields[name]
		if field == nil {
			m.errorf("%s: either names %s, which the request does not have", f.path, name)
			continue
		}
		field.either = true
	}
	required := len(names) > 0
	for _, field := range f.params.fields {
		required = required || field.required == f.params.sources
	}
	free := strings.HasPrefix(last, "list") || strings.HasPrefix(last, "create") || last == "get_related" || slices.Contains(l.words, "all")
	if !required && !free && len(f.params.fields) > 0 {
		m.errorf("%s requires no field; say with either= which fields identify what it is about, or all", f.path)
	}
}

// alternatives returns the fields of which a request needs one.
func alternatives(n *node) []string {
	if n == nil {
		return nil
	}
	for _, part := range n.AllOf {
		if names := alternatives(part); names != nil {
			return names
		}
	}
	common := requiredIn(n)
	var names []string
	for _, member := range n.OneOf {
		own := 0
		for name := range requiredIn(member) {
			if !common[name] {
				own++
				names = append(names, name)
			}
		}
		if own == 0 {
			return nil
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// requiredIn returns the fields that n requires.
func requiredIn(n *node) map[string]bool {
	required := map[string]bool{}
	for _, name := range n.Required {
		required[name] = true
	}
	for _, part := range n.AllOf {
		maps.Copy(required, requiredIn(part))
	}
	for _, union := range [][]*node{n.OneOf, n.AnyOf} {
		counts := map[string]int{}
		for _, member := range union {
			for name := range requiredIn(member) {
				counts[name]++
			}
		}
		for name, count := range counts {
			if count == len(union) {
				required[name] = true
			}
		}
	}
	return required
}

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
	f.deprecated = f.deprecated || n.Deprecated
}

// addRemoved adds a field that requests had in an earlier version.
func (m *model) addRemoved(t *structType, place []string, n *node) {
	if len(place) > 1 {
		if f := t.fields[place[0]]; f != nil && f.typ.leaf().kind == "named" {
			m.addRemoved(m.types[f.typ.leaf().name], place[1:], n)
		}
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
		leaf := f.typ.leaf()
		if f.secret || leaf.kind == "session" || leaf.kind == "named" && leaf.name != t.name && m.hasSecrets(m.types[leaf.name]) {
			return true
		}
	}
	return false
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

func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

var initialisms = map[string]string{
	"id": "ID", "ids": "IDs", "url": "URL", "uri": "URI", "api": "API", "sdk": "SDK", "hvac": "HVAC", "os": "OS",
	"ble": "BLE", "hce": "HCE", "nfc": "NFC", "ip": "IP", "sku": "SKU", "nrs": "NRS", "rf": "RF", "uuid": "UUID",
}

// camel returns the Go name for a name such as device_id.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '.' }) {
		if initialism := initialisms[word]; initialism != "" {
			b.WriteString(initialism)
		} else {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// snake returns the JSON name for a Go name such as AcsUser.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}

// singular returns the singular of the name of an array.
func singular(name string) string {
	switch {
	case strings.HasSuffix(name, "ss"), strings.HasSuffix(name, "properties"), strings.HasSuffix(name, "features"):
		return name
	case strings.HasSuffix(name, "ies"):
		return strings.TrimSuffix(name, "ies") + "y"
	}
	return strings.TrimSuffix(name, "s")
}
