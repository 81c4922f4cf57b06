package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// schema is the part of the vendor's OpenAPI document that is in testdata.
type schema struct {
	Source          string         `json:"source"`
	Cut             string         `json:"cut"`
	Paths           map[string]any `json:"paths"`
	Schemas         map[string]any `json:"schemas"`
	SecuritySchemes map[string]any `json:"securitySchemes"`
}

const (
	howCut = "by make drift-accept, from the OpenAPI document in the npm package: the paths under /client_sessions/, the schemas " +
		"that they refer to, the event client_session.deleted, and all security schemes; without descriptions and the " +
		"like, and with references to anything but schemas replaced by what they refer to"
	eventType = "client_session.deleted"
	eventName = "client_session_deleted_event" // of its schema, which has no name in the package
	schemaRef = "#/components/schemas/"
)

// cut returns the part of the package's document that describes client sessions.
func cut(document map[string]any, version string) (schema, error) {
	c := cutter{document: document, schemas: map[string]any{}}
	s := schema{
		Source: packageName + " " + version, Cut: howCut,
		Paths: map[string]any{}, Schemas: c.schemas, SecuritySchemes: map[string]any{},
	}
	paths, _ := document["paths"].(map[string]any)
	for path, item := range paths {
		if strings.HasPrefix(path, "/client_sessions/") {
			s.Paths[path] = c.strip(item, false)
		}
	}
	if len(s.Paths) == 0 {
		return schema{}, errors.New("no paths under /client_sessions/: find out where they are now")
	}
	if event := c.event(c.lookup("components/schemas/event"), 10); event != nil {
		c.schemas[eventName] = c.strip(event, false)
	}
	if schemes, ok := c.lookup("components/securitySchemes").(map[string]any); ok {
		s.SecuritySchemes = c.strip(schemes, true).(map[string]any)
	}
	return s, c.err
}

func (s schema) write(file string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// cutter cuts a document. It collects the schemas that are referred to.
type cutter struct {
	document map[string]any
	schemas  map[string]any
	depth    int
	err      error
}

var (
	// forPeople lists the keywords that only affect documentation or the names in
	// generated code. All extensions except envelope do so too.
	forPeople = []string{"description", "summary", "tags", "operationId", "externalDocs", "example", "examples"}
	envelope  = "x-response-key"
	// named lists the keywords whose value is an object with names, not keywords, as
	// keys.
	named = []string{
		"properties", "patternProperties", "$defs", "dependentSchemas", "responses", "content", "headers", "callbacks",
		"encoding",
	}
	verbatim = []string{"enum", "const", "default"}
)

// strip copies value without the keywords for people. If names is true, its keys are
// names, not keywords.
func (c *cutter) strip(value any, names bool) any {
	if c.depth++; c.depth > 200 {
		c.err = errors.New("the references form a cycle")
		return nil
	}
	defer func() { c.depth-- }()
	switch value := value.(type) {
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = c.strip(item, false)
		}
		return items
	case map[string]any:
		if ref, ok := value["$ref"].(string); ok && !names {
			name, isSchema := strings.CutPrefix(ref, schemaRef)
			if !isSchema || strings.Contains(name, "/") {
				return c.strip(c.resolve(value), false)
			}
			if _, ok := c.schemas[name]; !ok {
				c.schemas[name] = nil // so that a schema may refer to itself
				c.schemas[name] = c.strip(c.resolve(map[string]any{"$ref": ref}), false)
			}
		}
		kept := map[string]any{}
		for key, child := range value {
			switch {
			case names:
				kept[key] = c.strip(child, false)
			case slices.Contains(forPeople, key), strings.HasPrefix(key, "x-") && key != envelope:
			case slices.Contains(verbatim, key):
				kept[key] = child
			default:
				kept[key] = c.strip(child, slices.Contains(named, key))
			}
		}
		return kept
	}
	return value
}

// resolve returns value, or what it refers to if it is a reference.
func (c *cutter) resolve(value any) any {
	for range 100 {
		object, _ := value.(map[string]any)
		ref, ok := object["$ref"].(string)
		if !ok {
			return value
		}
		pointer, local := strings.CutPrefix(ref, "#/")
		if value = c.lookup(pointer); value == nil || !local {
			c.err = fmt.Errorf("reference %q leads nowhere in the document", ref)
			return nil
		}
	}
	c.err = errors.New("the references form a cycle")
	return nil
}

// lookup returns the value at a JSON pointer without its first slash, or nil.
func (c *cutter) lookup(pointer string) any {
	value := any(c.document)
	for key := range strings.SplitSeq(pointer, "/") {
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		switch parent := value.(type) {
		case map[string]any:
			value = parent[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(parent) {
				return nil
			}
			value = parent[i]
		default:
			return nil
		}
	}
	return value
}

// event returns the alternative of a schema for the event's type, or nil.
func (c *cutter) event(value any, depth int) any {
	object, ok := c.resolve(value).(map[string]any)
	if !ok || depth == 0 {
		return nil
	}
	if c.isEvent(object, depth) {
		return object
	}
	for _, keyword := range []string{"oneOf", "anyOf"} {
		alternatives, _ := object[keyword].([]any)
		for _, alternative := range alternatives {
			if event := c.event(alternative, depth-1); event != nil {
				return event
			}
		}
	}
	return nil
}

func (c *cutter) isEvent(value any, depth int) bool {
	object, ok := c.resolve(value).(map[string]any)
	if !ok || depth == 0 {
		return false
	}
	properties, _ := object["properties"].(map[string]any)
	kind, _ := c.resolve(properties["event_type"]).(map[string]any)
	if values, _ := kind["enum"].([]any); slices.Contains(values, any(eventType)) || kind["const"] == eventType {
		return true
	}
	parts, _ := object["allOf"].([]any)
	return slices.ContainsFunc(parts, func(part any) bool { return c.isEvent(part, depth-1) })
}
