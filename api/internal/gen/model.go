package main

import (
	"fmt"
	"maps"
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
	nilValues  bool // a map may have nil in place of a value
	required   int  // the number of sources that require it
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
	for _, path := range sorted(m.resources) {
		for _, f := range m.resources[path].methods {
			for _, field := range sorted(f.op.Removed) {
				m.addRemoved(f.params, strings.Split(field, "."), f.op.Removed[field])
			}
		}
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
			_, sentence := m.overlay.typeName(name)
			if sentence == "" {
				m.errorf("%s: result %s has no line in the overlay: type %s | is ...", path, name, name)
			}
			m.define(name, item, &structType{file: file(path), sentence: sentence})
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
	} else if slices.Contains(l.words, "any") {
		names = sorted(f.params.fields)
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
		m.errorf("%s requires no field; say with either= which fields identify what it is about, any or all", f.path)
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
