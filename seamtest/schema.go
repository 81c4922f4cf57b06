package seamtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// endpointsJSON has the documented endpoints of Seam's schema. `make endpoints` writes it.
//
//go:embed endpoints.json
var endpointsJSON []byte

// endpoint is an endpoint of the API.
type endpoint struct {
	Methods  []string
	Security []string // names of the schema's security schemes
	Params   *schema
}

// endpoints returns the documented endpoints by path.
var endpoints = sync.OnceValue(func() map[string]endpoint {
	var endpoints map[string]endpoint
	if err := json.Unmarshal(endpointsJSON, &endpoints); err != nil {
		panic(err) // it is part of this package
	}
	return endpoints
})

// accepts reports whether the endpoint accepts a kind of credential.
func (e endpoint) accepts(kind credential) bool { return slices.Contains(e.Security, schemes[kind]) }

// schemes are the names of the credentials in the schema.
var schemes = map[credential]string{
	apiKey: "api_key", personalAccessToken: "pat_with_workspace", clientSessionToken: "client_session", publishableKey: "publishable_key",
}

// schema is the part of JSON Schema that Seam's requests use. The format uuid is not
// checked, so that tests can use IDs that are easy to read.
type schema struct {
	Type                 string
	Nullable             bool
	Enum                 []any
	Format, Pattern      string
	MinLength, MaxLength *int
	MinItems, MaxItems   *int
	Minimum, Maximum     *float64
	ExclusiveMinimum     bool
	Required             []string
	Properties           map[string]*schema
	AdditionalProperties *schema // of values with any name
	Items                *schema
	OneOf, AllOf         []*schema
}

// issue is an invalid value.
type issue struct {
	path    []string
	message string
	union   []issue // the issues of each alternative; ValidationErrors has them instead of message
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

// property returns the schema of a property, also one of an alternative, or nil.
func (s *schema) property(name string) *schema {
	if property := s.Properties[name]; property != nil {
		return property
	}
	for _, part := range slices.Concat(s.AllOf, s.OneOf) {
		if property := part.property(name); property != nil {
			return property
		}
	}
	return s.AdditionalProperties
}

// check returns what is wrong with a JSON value.
func (s *schema) check(value any, path ...string) []issue {
	issues := s.checkKnown(value, path)
	object, ok := value.(map[string]any)
	if !ok || s.Type != "object" && s.AllOf == nil && s.OneOf == nil {
		return issues
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if s.property(name) == nil {
			unknown = append(unknown, "'"+name+"'")
		}
	}
	if unknown != nil {
		issues = append(issues, issue{path: path, message: "Unrecognized key(s) in object: " + strings.Join(unknown, ", ")})
	}
	return issues
}

// checkKnown is check without a search for unknown properties.
func (s *schema) checkKnown(value any, path []string) []issue {
	if value == nil && s.Nullable {
		return nil
	}
	var issues []issue
	wrong := func(is bool, format string, args ...any) {
		if is {
			issues = append(issues, issue{path: path, message: fmt.Sprintf(format, args...)})
		}
	}
	for _, part := range s.AllOf {
		issues = append(issues, part.checkKnown(value, path)...)
	}
	var alternatives []issue
	for _, alternative := range s.OneOf {
		found := alternative.checkKnown(value, path)
		if found == nil {
			alternatives = nil
			break
		}
		alternatives = append(alternatives, found...)
	}
	if alternatives != nil {
		issues = append(issues, issue{path, "Invalid input", alternatives})
	}
	switch value := value.(type) {
	case string:
		if s.Type != "string" {
			break
		}
		wrong(s.MinLength != nil && len(value) < deref(s.MinLength), "String must contain at least %d character(s)", deref(s.MinLength))
		wrong(s.MaxLength != nil && len(value) > deref(s.MaxLength), "String must contain at most %d character(s)", deref(s.MaxLength))
		wrong(s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(value), "Invalid")
		_, err := time.Parse(time.RFC3339Nano, value)
		wrong(s.Format == "date-time" && (err != nil || !strings.HasSuffix(value, "Z")), "Invalid datetime")
		wrong(s.Enum != nil && !slices.Contains(s.Enum, any(value)), "Invalid enum value. Expected %s, received '%s'", s.values(), value)
		return issues
	case bool:
		wrong(s.Type == "boolean" && s.Enum != nil && !slices.Contains(s.Enum, any(value)), "Invalid literal value, expected %v", !value)
	case float64:
		wrong(s.Type == "integer" && value != math.Trunc(value), "Expected integer, received float")
		wrong(s.Minimum != nil && s.ExclusiveMinimum && value <= deref(s.Minimum), "Number must be greater than %v", deref(s.Minimum))
		wrong(s.Minimum != nil && !s.ExclusiveMinimum && value < deref(s.Minimum), "Number must be greater than or equal to %v", deref(s.Minimum))
		wrong(s.Maximum != nil && value > deref(s.Maximum), "Number must be less than or equal to %v", deref(s.Maximum))
	case []any:
		if s.Type != "array" {
			break
		}
		wrong(s.MinItems != nil && len(value) < deref(s.MinItems), "Array must contain at least %d element(s)", deref(s.MinItems))
		wrong(s.MaxItems != nil && len(value) > deref(s.MaxItems), "Array must contain at most %d element(s)", deref(s.MaxItems))
		for i, item := range value {
			issues = append(issues, s.Items.check(item, append(slices.Clone(path), strconv.Itoa(i))...)...)
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := value[name]; !ok {
				issues = append(issues, issue{path: append(slices.Clone(path), name), message: "Required"})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			property := s.Properties[name]
			if property == nil {
				property = s.AdditionalProperties
			}
			if property != nil {
				issues = append(issues, property.check(value[name], append(slices.Clone(path), name)...)...)
			}
		}
	}
	expected, received := s.Type, typeOf(value)
	if expected == "integer" {
		expected = "number"
	}
	if expected != "" && expected != received {
		if s.Enum != nil {
			expected = s.values()
		}
		return append(issues, issue{path: path, message: "Expected " + expected + ", received " + received})
	}
	return issues
}

// values lists the values of an enum.
func (s *schema) values() string {
	texts := make([]string, len(s.Enum))
	for i, value := range s.Enum {
		texts[i] = fmt.Sprintf("'%v'", value)
	}
	return strings.Join(texts, " | ")
}

func deref[T any](value *T) (zero T) {
	if value == nil {
		return zero
	}
	return *value
}

// fromQuery converts the query of a URL to the value that a JSON body would have.
func (s *schema) fromQuery(query url.Values) map[string]any {
	values := map[string]any{}
	for name, sent := range query {
		property := s.property(name)
		switch {
		case name == "_strict": // sent by the vendor's JavaScript SDK
		case property != nil && property.Type == "array":
			items := []any{}
			for _, item := range sent {
				if item != "" || len(sent) > 1 { // an empty list is one empty value
					items = append(items, item)
				}
			}
			values[name] = items
		case len(sent) > 1:
			values[name] = make([]any, len(sent))
		default:
			values[name] = sent[0]
			if property != nil && property.Type != "string" {
				var decoded any
				if json.Unmarshal([]byte(sent[0]), &decoded) == nil {
					values[name] = decoded
				}
			}
		}
	}
	return values
}

// params are valid parameters by name, as encoding/json decodes them.
type params map[string]any

func (p params) text(name string) string    { value, _ := p[name].(string); return value }
func (p params) flag(name string) bool      { value, _ := p[name].(bool); return value }
func (p params) time(name string) time.Time { return parseTime(p.text(name)) }
func (p params) list(name string) []string {
	items, _ := p[name].([]any)
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i], _ = item.(string)
	}
	return texts
}
func (p params) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := p[name]; return ok })
}

// identity returns the user identity, which may have been sent under its deprecated
// name.
func (p params) identity() string {
	if old := p.list("user_identity_ids"); len(old) > 0 {
		return old[0]
	}
	return p.text("user_identity_id")
}

// validate returns the params in a decoded JSON value.
func (s *schema) validate(value any) (params, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, invalidInput([]issue{{message: "Expected object, received " + typeOf(value)}})
	}
	if issues := s.check(value); issues != nil {
		return nil, invalidInput(issues)
	}
	return object, nil
}

// invalidInput returns the refusal for the issues. Its ValidationErrors are a tree.
func invalidInput(issues []issue) error {
	texts := make([]string, len(issues))
	root := map[string]any{"_errors": []string{}}
	var add func(issue issue)
	add = func(issue issue) {
		for _, of := range issue.union {
			add(of)
		}
		if issue.union != nil {
			return
		}
		node := root
		for _, name := range issue.path {
			if node[name] == nil {
				node[name] = map[string]any{"_errors": []string{}}
			}
			node = node[name].(map[string]any)
		}
		node["_errors"] = append(node["_errors"].([]string), issue.message)
	}
	for i, issue := range issues {
		texts[i] = issue.String()
		add(issue)
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
