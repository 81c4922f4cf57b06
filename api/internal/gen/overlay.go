package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// overlay is what people wrote about the API. See the top of overlay.txt.
type overlay struct {
	resources  map[string]*line // by path
	operations map[string]*line // by path
	types      []*line
	fields     []*line
	consts     []*line
	text       string
}

// line is a line of the overlay.
type line struct {
	number int
	name   string   // a path or a pattern
	words  []string // what stands before the sentence
	text   string   // the sentence
	used   bool
}

// parseOverlay parses overlay.txt.
func parseOverlay(text string) (*overlay, error) {
	o := &overlay{resources: map[string]*line{}, operations: map[string]*line{}, text: text}
	for i, row := range strings.Split(text, "\n") {
		if row = strings.TrimSpace(row); row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		head, sentence, _ := strings.Cut(row, " | ")
		words := strings.Fields(head)
		l := &line{number: i + 1, text: strings.TrimSpace(sentence)}
		if strings.HasPrefix(words[0], "/") {
			l.name, l.words = words[0], words[1:]
			if err := add(o.operations, l); err != nil {
				return nil, err
			}
			continue
		}
		if len(words) < 2 {
			return nil, l.errorf("%s needs a name", words[0])
		}
		l.name, l.words = words[1], words[2:]
		switch words[0] {
		case "resource":
			if len(l.words) != 2 {
				return nil, l.errorf("a resource needs the names of its service and of its params")
			}
			if err := add(o.resources, l); err != nil {
				return nil, err
			}
		case "type":
			o.types = append(o.types, l)
		case "field":
			o.fields = append(o.fields, l)
		case "const":
			o.consts = append(o.consts, l)
		default:
			return nil, l.errorf("unknown word %q", words[0])
		}
	}
	return o, nil
}

func add(lines map[string]*line, l *line) error {
	if lines[l.name] != nil {
		return l.errorf("%s has a line already", l.name)
	}
	lines[l.name] = l
	return nil
}

func (l *line) errorf(format string, args ...any) error {
	return fmt.Errorf("overlay line %d: "+format, append([]any{l.number}, args...)...)
}

// value returns the value of a word such as result=Batch.
func (l *line) value(key string) string {
	for _, word := range l.words {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return ""
}

// class returns the retry class of an operation, which is never if it has none.
func (l *line) class() string {
	if len(l.words) > 0 && slices.Contains([]string{"idempotent", "delete"}, l.words[0]) {
		return l.words[0]
	}
	return "never"
}

// typeName returns the Go name and the sentence of the type of a component, or of a field
// such as Device.properties, or empty strings.
func (o *overlay) typeName(place string) (name, sentence string) {
	for _, l := range o.types {
		if ok, _ := path.Match(l.name, place); ok {
			l.used = true
			if len(l.words) > 0 {
				name = l.words[0]
			}
			return name, l.text
		}
	}
	return "", ""
}

// field reports whether a field such as Device.code has an attribute.
func (o *overlay) field(place, attribute string) bool {
	for _, l := range o.fields {
		if ok, _ := path.Match(l.name, place); ok && slices.Contains(l.words, attribute) {
			l.used = true
			return true
		}
	}
	return false
}

// fieldText returns the comment of a field.
func (o *overlay) fieldText(place string) string {
	for _, l := range o.fields {
		if ok, _ := path.Match(l.name, place); ok && l.text != "" {
			l.used = true
			return l.text
		}
	}
	return ""
}

// unused returns an error for the first line that nothing has used.
func (o *overlay) unused() error {
	for _, l := range slices.Concat(o.types, o.fields, o.consts) {
		if !l.used {
			return l.errorf("%s matches nothing in the schema", l.name)
		}
	}
	for _, lines := range []map[string]*line{o.resources, o.operations} {
		for _, name := range sorted(lines) {
			if !lines[name].used {
				return lines[name].errorf("%s is not in the schema", name)
			}
		}
	}
	return nil
}
