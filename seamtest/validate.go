package seamtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// field is a parameter of an endpoint.
type field struct {
	name     string
	kind     kind
	required bool
}

type kind int

const (
	text     kind = iota
	nonEmpty      // a text of at least one character
	list          // of texts
	flag
	dateTime // in UTC
)

// params are a request's parameters: a string, []string, bool or [time.Time]
// under each name that was sent.
type params map[string]any

func (p params) text(name string) string    { value, _ := p[name].(string); return value }
func (p params) list(name string) []string  { value, _ := p[name].([]string); return value }
func (p params) time(name string) time.Time { value, _ := p[name].(time.Time); return value }
func (p params) flag(name string) bool      { value, _ := p[name].(bool); return value }
func (p params) has(names ...string) (has bool) {
	for _, name := range names {
		_, ok := p[name]
		has = has || ok
	}
	return has
}

// identity is the user identity, which has an old name too.
func (p params) identity() string {
	if old := p.list("user_identity_ids"); len(old) > 0 {
		return old[0]
	}
	return p.text("user_identity_id")
}

// fromQuery gives the query of a URL the shape that a JSON body would have.
func fromQuery(query url.Values, fields []field) map[string]any {
	values := map[string]any{}
	for _, field := range fields {
		sent, ok := query[field.name]
		if !ok {
			continue
		}
		items := make([]any, len(sent))
		for i, item := range sent {
			items[i] = item
			if field.kind == flag && (item == "true" || item == "false") {
				items[i] = item == "true"
			}
		}
		values[field.name] = items
		if len(items) == 1 && field.kind != list {
			values[field.name] = items[0]
		}
	}
	return values
}

// issue is what is wrong with one field, or one item of it.
type issue struct {
	path    []string
	message string
}

func (i issue) String() string {
	switch name := strings.Join(i.path, "."); {
	case name == "":
		return i.message
	case i.message == "Required":
		return name + " is required"
	default:
		return fmt.Sprintf("%s for %q", i.message, name)
	}
}

// validate checks the fields of a JSON value. Others are ignored.
func validate(value any, fields []field) (params, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, invalidInput([]issue{{message: "Expected object, received " + typeOf(value)}})
	}
	checked := params{}
	var issues []issue
	for _, field := range fields {
		sent, ok := object[field.name]
		if !ok {
			if field.required {
				issues = append(issues, issue{[]string{field.name}, "Required"})
			}
			continue
		}
		value, found := field.check(sent)
		checked[field.name] = value
		issues = append(issues, found...)
	}
	if len(issues) > 0 {
		return nil, invalidInput(issues)
	}
	return checked, nil
}

// check returns the value of a field in the type that params has for it.
func (f field) check(sent any) (any, []issue) {
	wrong := func(message string) (any, []issue) { return nil, []issue{{[]string{f.name}, message}} }
	switch f.kind {
	case list:
		items, ok := sent.([]any)
		if !ok {
			return wrong("Expected array, received " + typeOf(sent))
		}
		texts, issues := []string{}, []issue(nil)
		for i, item := range items {
			text, ok := item.(string)
			if !ok {
				issues = append(issues, issue{[]string{f.name, strconv.Itoa(i)}, "Expected string, received " + typeOf(item)})
			}
			texts = append(texts, text)
		}
		return texts, issues
	case flag:
		if _, ok := sent.(bool); !ok {
			return wrong("Expected boolean, received " + typeOf(sent))
		}
		return sent, nil
	}
	text, ok := sent.(string)
	if !ok {
		return wrong("Expected string, received " + typeOf(sent))
	}
	switch f.kind {
	case nonEmpty:
		if text == "" {
			return wrong("String must contain at least 1 character(s)")
		}
	case dateTime:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || !strings.HasSuffix(text, "Z") {
			return wrong("Invalid datetime")
		}
		return at, nil
	}
	return text, nil
}

// invalidInput is the refusal for a list of issues, which it also lays out as a
// tree.
func invalidInput(issues []issue) error {
	texts := make([]string, len(issues))
	root := map[string]any{"_errors": []string{}}
	for i, issue := range issues {
		texts[i] = issue.String()
		node := root
		for _, name := range issue.path {
			if node[name] == nil {
				node[name] = map[string]any{"_errors": []string{}}
			}
			node = node[name].(map[string]any)
		}
		node["_errors"] = append(node["_errors"].([]string), issue.message)
	}
	message := strings.Join(texts, ", ")
	if len(issues) > 1 {
		message = fmt.Sprintf("%d Input Errors: %s", len(issues), message)
	}
	return &refusal{status: http.StatusBadRequest, Type: "invalid_input", Message: message, ValidationErrors: root}
}

// typeOf names the type of a JSON value as the API's messages do.
func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}
