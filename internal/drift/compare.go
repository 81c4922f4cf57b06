package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

// compare returns the changes, one line each.
func compare(was, is schema) ([]string, error) {
	before, err := was.openAPI()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", was.Source, err)
	}
	after, err := is.openAPI()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", is.Source, err)
	}
	report, sources, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), before, after)
	if err != nil {
		return nil, err
	}
	if report.Empty() {
		return nil, nil
	}

	places := map[string][]string{} // of each change
	mentioned := map[string]bool{}
	changes := checker.CheckBackwardCompatibilityUntilLevel(checker.NewConfig(checker.GetAllChecks()), report, sources, checker.INFO)
	for _, change := range changes {
		place := change.GetOperation() + " " + change.GetPath()
		text := change.GetUncolorizedText(checker.NewDefaultLocalizer())
		places[text] = append(places[text], place)
		mentioned[place] = true
	}
	if report.PathsDiff != nil { // may have changes that the checks have no words for
		const text = "changed in another way"
		for path, item := range report.PathsDiff.Modified {
			if item.OperationsDiff == nil {
				places[text] = append(places[text], path)
				continue
			}
			for method := range item.OperationsDiff.Modified {
				if place := method + " " + path; !mentioned[place] {
					places[text] = append(places[text], place)
				}
			}
		}
	}
	var lines []string
	for text, at := range places {
		slices.Sort(at)
		at = slices.Compact(at)
		if len(at) > 3 {
			at = append(at[:2], fmt.Sprintf("%d more", len(at)-2))
		}
		line := strings.TrimSpace(strings.Join(at, ", ")) + ": " + text
		line = strings.Replace(line, eventPlace, "event "+eventType, 1)
		lines = append(lines, strings.TrimPrefix(line, ": "))
	}
	slices.Sort(lines)
	return lines, nil
}

// The library only compares schemas that a path refers to, so the event gets a path.
const (
	eventPath  = "/" + eventType
	eventPlace = "GET " + eventPath
)

// openAPI returns s as a document for the library that compares. It omits the security
// schemes that client sessions do not use.
func (s schema) openAPI() (*load.SpecInfo, error) {
	paths, schemas := map[string]any{}, map[string]any{}
	for path, item := range s.Paths {
		paths[path] = s.plain(item)
	}
	for name, schema := range s.Schemas {
		schemas[name] = s.plain(schema, name)
	}
	if event, ok := schemas[eventName]; ok {
		delete(schemas, eventName)
		paths[eventPath] = map[string]any{"get": map[string]any{"responses": map[string]any{"200": map[string]any{
			"content": map[string]any{"application/json": map[string]any{"schema": event}},
		}}}}
	}
	schemes := maps.Clone(s.SecuritySchemes)
	maps.DeleteFunc(schemes, func(name string, _ any) bool { return !s.secures(name) })
	text, err := json.Marshal(map[string]any{
		"openapi":    "3.0.0",
		"info":       map[string]any{"title": "client sessions", "version": "any"}, // a number would be held against the changes
		"paths":      paths,
		"components": map[string]any{"schemas": schemas, "securitySchemes": schemes},
	})
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(text)
	if err != nil {
		return nil, err
	}
	infos := []*load.SpecInfo{{Spec: document}}
	for _, prepare := range []load.Option{load.WithFlattenAllOf(), load.WithFlattenParams()} {
		if infos, err = prepare(loader, infos); err != nil {
			return nil, err
		}
	}
	return infos[0], nil
}

// secures reports whether an operation uses the security scheme.
func (s schema) secures(scheme string) bool {
	for _, item := range s.Paths {
		operations, _ := item.(map[string]any)
		for _, operation := range operations {
			object, _ := operation.(map[string]any)
			alternatives, _ := object["security"].([]any)
			for _, alternative := range alternatives {
				all, _ := alternative.(map[string]any)
				if _, ok := all[scheme]; ok {
					return true
				}
			}
		}
	}
	return false
}

// plain replaces notations that the library does not compare by equivalent ones that it
// does. Keywords beside a reference, an allOf, oneOf or anyOf of one schema, and a null
// type become a plain schema that may be nullable. inside has the names of the schemas
// that value is part of. References to those are kept, because the schemas are recursive.
func (s schema) plain(value any, inside ...string) any {
	if items, ok := value.([]any); ok {
		rewritten := make([]any, len(items))
		for i, item := range items {
			rewritten[i] = s.plain(item, inside...)
		}
		return rewritten
	}
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	object = maps.Clone(object)
	if object["nullable"] == false {
		delete(object, "nullable")
	}
	if types, ok := object["type"].([]any); ok && slices.Contains(types, any("null")) && len(types) > 1 {
		object["nullable"] = true
		object["type"] = slices.DeleteFunc(slices.Clone(types), func(name any) bool { return name == "null" })
	}
	for _, keyword := range []string{"oneOf", "anyOf", "allOf"} {
		parts, _ := object[keyword].([]any)
		some := slices.DeleteFunc(slices.Clone(parts), func(part any) bool {
			only, _ := part.(map[string]any)
			return keyword != "allOf" && len(only) == 1 && only["type"] == "null"
		})
		if len(some) < len(parts) {
			object["nullable"], object[keyword] = true, some
		}
		if len(some) == 1 {
			delete(object, keyword)
			return s.plain(combine(some[0], object), inside...)
		}
	}
	name, isRef := strings.CutPrefix(fmt.Sprint(object["$ref"]), schemaRef)
	if target, ok := s.Schemas[name]; isRef && ok && len(object) > 1 {
		delete(object, "$ref")
		if slices.Contains(inside, name) {
			return map[string]any{"$ref": schemaRef + name}
		}
		return s.plain(combine(target, object), append(slices.Clip(inside), name)...)
	}
	for key, child := range object {
		object[key] = s.plain(child, inside...)
	}
	return object
}

// combine returns the schema of the values that match both schemas.
func combine(one any, other map[string]any) any {
	object, _ := one.(map[string]any)
	for key := range other {
		if _, both := object[key]; both {
			return map[string]any{"allOf": []any{one, other}}
		}
	}
	combined := maps.Clone(other)
	maps.Copy(combined, object)
	return combined
}
