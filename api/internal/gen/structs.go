package main

import (
	"fmt"
	"slices"
	"strings"
)

// maxText is the length of the longest comment at the end of a field's line.
const maxText = 64

// structs writes a struct, and then those that only it has led to.
func (w *writer) structs(t *structType, written map[string]bool) {
	if written[t.name] {
		return
	}
	written[t.name] = true
	w.structType(t)
	for _, f := range t.sorted() {
		if leaf := f.typ.leaf(); leaf.kind == "named" && w.model.types[leaf.name].owner == t.name {
			w.structs(w.model.types[leaf.name], written)
		}
	}
}

func (w *writer) structType(t *structType) {
	w.comment(t.name + " " + t.sentence)
	w.printf("type %s struct {\n", t.name)
	if !slices.ContainsFunc(t.sorted(), func(f *structField) bool {
		return f.typ.kind == "array" || f.typ.kind == "map" || f.typ.kind == "object"
	}) {
		w.printf("_ incomparable\n")
	}
	for _, f := range t.sorted() {
		w.field(t, f)
	}
	w.printf("}\n\n")
	if id := w.model.idOf(t.name); id != "" && !t.request && t.owner == "" {
		w.printf("func (%s *%s) id() string { return %s.%s }\n\n", receiver(t), t.name, receiver(t), t.fields[id].name)
	}
	w.formatting(t)
}

// formatting writes the methods that mask the secrets of a struct. A struct that has secrets
// only in other structs needs no Format: package fmt calls theirs. Package log/slog does not.
func (w *writer) formatting(t *structType) {
	r := receiver(t)
	switch {
	case w.model.hasOwnSecrets(t):
		w.printf("// redacted returns %s as it is formatted.\nfunc (%s %s) redacted() any {\ntype fields %s // without methods, which would call redacted again\nmask(&%s)\nreturn fields(%s)\n}\n\n", r, r, t.name, t.name, r, r)
		w.printf("// Format implements [fmt.Formatter]. It masks secrets.\nfunc (%s %s) Format(state fmt.State, verb rune) { redact.Format(state, verb, %s.redacted()) }\n\n", r, t.name, r)
		w.printf("// LogValue implements [slog.LogValuer]. It masks secrets.\nfunc (%s %s) LogValue() slog.Value { return slog.AnyValue(%s.redacted()) }\n\n", r, t.name, r)
	case w.model.hasSecrets(t):
		w.printf("// LogValue implements [slog.LogValuer]. It masks secrets.\nfunc (%s %s) LogValue() slog.Value {\ntype fields %s // without LogValue, which would be called again\nmask(&%s)\nreturn slog.AnyValue(fields(%s))\n}\n\n", r, t.name, t.name, r, r)
	}
}

func receiver(t *structType) string { return strings.ToLower(t.name[:1]) }

// field writes a field with its comment: at its end if it fits, else above it.
func (w *writer) field(t *structType, f *structField) {
	var words []string
	required := f.required == t.sources
	if t.request {
		if required {
			words = append(words, "required")
		} else if f.either {
			words = append(words, "either")
		}
	}
	if f.secret {
		words = append(words, "secret")
	}
	tag := fmt.Sprintf(`json:"%s,omitzero"`, f.json)
	if len(words) > 0 {
		tag += fmt.Sprintf(` seam:"%s"`, strings.Join(words, ","))
	}
	text, sentence := f.text, f.name+" is "+f.text+"."
	if f.text == "" {
		text, sentence = w.values(t, f)
	}
	above := len(text) > maxText || f.deprecated
	if above {
		if f.deprecated {
			sentence = strings.TrimSpace(sentence + "\n\nDeprecated: Seam advises against it, or no longer has it.")
		}
		w.printf("\n")
		w.comment(sentence)
		text = ""
	}
	w.printf("%s %s `%s`", f.name, fieldType(t, f), tag)
	if text != "" {
		w.printf(" // %s", text)
	}
	w.printf("\n")
	if above {
		w.printf("\n")
	}
}

// values describes the values of a field, in a few words and in a sentence.
func (w *writer) values(t *structType, f *structField) (text, sentence string) {
	leaf := f.typ.leaf()
	list := strings.Join(f.enum, ", ")
	one := t.fields[singular(f.json)]
	constants, other := w.model.constants(f), w.model.sameValues(t, f)
	switch {
	case leaf.kind == "mixed" && f.typ.kind == "map" && f.nilValues:
		return "each " + strings.ReplaceAll(leaf.name, " or ", ", ") + " or nil", ""
	case leaf.kind == "mixed" && f.typ.kind == "map":
		return "each " + leaf.name, f.name + " has values that are each " + leaf.name + "."
	case leaf.kind == "mixed":
		return leaf.name, f.name + " is " + leaf.name + "."
	case len(f.enum) < 2 || len(f.enum) > 130:
		return "", ""
	case constants != "" && f.typ.kind == "array":
		return "any of the " + constants + " constants", ""
	case constants != "":
		return "one of the " + constants + " constants", ""
	case f.typ.kind == "array" && one != f && one != nil && slices.Equal(one.enum, f.enum):
		return "each a value of " + one.name, ""
	case len(list) > maxText && other != "" && f.typ.kind == "array":
		return "each a value of " + other, ""
	case len(list) > maxText && other != "":
		return "a value of " + other, ""
	case f.typ.kind == "array":
		return "any of " + list, f.name + " has any of " + list + "."
	}
	return list, f.name + " is one of " + list + "."
}

// fieldType returns the Go type of a field.
func fieldType(t *structType, f *structField) string {
	scalar := f.typ.kind == "boolean" || f.typ.kind == "number" || f.typ.kind == "integer"
	name := f.typ.goName(t.request)
	switch {
	case t.request && f.nullable && isUpdate(t.name):
		return "Nullable[" + name + "]"
	case t.request && scalar && f.json != "limit":
		return "*" + name
	case f.pointer && !t.request:
		return "*" + name
	}
	return name
}

// isUpdate reports whether the params are those of an update, in which null clears a field.
func isUpdate(params string) bool {
	return strings.Contains(params, "Update") || strings.Contains(params, "Set")
}

// goName returns the Go type.
func (g *goType) goName(request bool) string {
	switch g.kind {
	case "string":
		return "string"
	case "boolean":
		return "bool"
	case "number":
		return "float64"
	case "integer":
		return "int"
	case "time":
		return "time.Time"
	case "object":
		return "map[string]any"
	case "array":
		return "[]" + g.elem.goName(request)
	case "map":
		return "map[string]" + g.elem.goName(request)
	case "named":
		return g.name
	case "session":
		return "seam.ClientSession"
	}
	return "any"
}

// consts writes a constant for each value of a field.
func (w *writer) consts(l *line, f *structField) {
	if len(l.words) != 1 {
		return
	}
	w.comment(l.text)
	w.printf("const (\n")
	for _, value := range f.enum {
		w.printf("%s%s = %q\n", l.words[0], camel(strings.ToLower(value)), value)
	}
	w.printf(")\n\n")
}
