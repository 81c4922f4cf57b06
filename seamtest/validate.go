package seamtest

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is a parameter of an endpoint.
type field struct {
	name     string
	kind     kind
	required bool
	// oneOf has the valid values of a text or list, or is nil if all are valid.
	// Several groups are a union in the API's schema: a value must be in one of them,
	// and an error has one message for each group.
	oneOf [][]string
}

type kind int

const (
	text     kind = iota
	nonEmpty      // a string of at least one character
	list          // of strings
	flag
	dateTime // in UTC
	positive // an integer; other types are converted
	cursor   // base64 or null
)

// params are the parameters that were sent, by name. The type of each is that of
// its field's kind: string, []string, bool, [time.Time], int or []byte.
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

// optional returns nil if the parameter was not sent.
func (p params) optional(name string) *string {
	if value, ok := p[name].(string); ok {
		return &value
	}
	return nil
}

// identity returns the user identity, which may have been sent under its deprecated
// name.
func (p params) identity() string {
	if old := p.list("user_identity_ids"); len(old) > 0 {
		return old[0]
	}
	return p.text("user_identity_id")
}

// fromQuery converts the query of a URL to the value that a JSON body would have.
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

// issue is an invalid field or list item.
type issue struct {
	path    []string
	message string
	union   []string // messages of a union's members; ValidationErrors has them instead of message
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

// validate checks the fields of a decoded JSON value. It ignores unknown fields.
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
				issues = append(issues, issue{path: []string{field.name}, message: "Required"})
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

// check validates the value of a field and converts it to the type for its kind.
func (f field) check(sent any) (any, []issue) {
	wrong := func(messages ...string) (any, []issue) {
		var issues []issue
		for _, message := range messages {
			issues = append(issues, issue{path: []string{f.name}, message: message})
		}
		return nil, issues
	}
	switch f.kind {
	case list:
		items, ok := sent.([]any)
		if !ok {
			return wrong("Expected array, received " + typeOf(sent))
		}
		texts, issues := []string{}, []issue(nil)
		for i, item := range items {
			text, found := f.text(item, f.name, strconv.Itoa(i))
			texts, issues = append(texts, text), append(issues, found...)
		}
		return texts, issues
	case flag:
		if _, ok := sent.(bool); !ok {
			return wrong("Expected boolean, received " + typeOf(sent))
		}
		return sent, nil
	case positive:
		n := number(sent)
		if math.IsNaN(n) {
			return wrong("Expected number, received nan")
		}
		var messages []string
		if n != math.Trunc(n) {
			messages = append(messages, "Expected integer, received float")
		}
		if n <= 0 {
			messages = append(messages, "Number must be greater than 0")
		}
		if len(messages) > 0 {
			return wrong(messages...)
		}
		return int(min(n, math.MaxInt32)), nil
	case cursor:
		if sent == nil {
			return nil, nil
		}
	}
	text, issues := f.text(sent, f.name)
	if len(issues) > 0 {
		return nil, issues
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
	case cursor:
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return wrong("Invalid base64")
		}
		return decoded, nil
	}
	return text, nil
}

// text validates a string, or an item of a list of strings.
func (f field) text(sent any, path ...string) (string, []issue) {
	text, ok := sent.(string)
	if f.oneOf == nil {
		if !ok {
			return "", []issue{{path: path, message: "Expected string, received " + typeOf(sent)}}
		}
		return text, nil
	}
	var messages []string
	for _, values := range f.oneOf {
		expected := "Expected '" + strings.Join(values, "' | '") + "', received "
		switch {
		case !ok:
			messages = append(messages, expected+typeOf(sent))
		case slices.Contains(values, text):
			return text, nil
		default:
			messages = append(messages, "Invalid enum value. "+expected+"'"+text+"'")
		}
	}
	if len(messages) == 1 {
		return "", []issue{{path: path, message: messages[0]}}
	}
	return "", []issue{{path: path, message: "Invalid input", union: messages}}
}

// number converts a JSON value as JavaScript's Number does.
func number(sent any) float64 {
	switch sent := sent.(type) {
	case nil:
		return 0
	case bool:
		if sent {
			return 1
		}
		return 0
	case float64:
		return sent
	case string:
		if strings.TrimSpace(sent) == "" {
			return 0
		}
		if n, err := strconv.ParseFloat(strings.TrimSpace(sent), 64); err == nil {
			return n
		}
	}
	return math.NaN()
}

// invalidInput returns the refusal for the issues. Its ValidationErrors are a tree.
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
		messages := issue.union
		if messages == nil {
			messages = []string{issue.message}
		}
		node["_errors"] = append(node["_errors"].([]string), messages...)
	}
	message := strings.Join(texts, ", ")
	if len(issues) > 1 {
		message = fmt.Sprintf("%d Input Errors: %s", len(issues), message)
	}
	return &refusal{status: http.StatusBadRequest, Type: "invalid_input", Message: message, ValidationErrors: root}
}

// typeOf returns the name of a JSON value's type in the API's messages.
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
