package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flagName is the name of a field of params as a flag, which is its name in the API.
func flagName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// parse fills in the struct that params points to.
func parse(params any, args []string) error {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var refused error // without what package flag adds
	for field, value := range reflect.ValueOf(params).Elem().Fields() {
		name := flagName(field)
		set := func(text string) error {
			if problem := assign(value, text); problem != "" {
				refused = errors.New("--" + name + " " + problem)
			}
			return refused
		}
		if value.Kind() == reflect.Bool {
			flags.BoolFunc(name, "", set)
		} else {
			flags.Func(name, "", set)
		}
	}
	err := flags.Parse(args)
	switch {
	case refused != nil:
		return refused
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return plainer(err)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// plainer is an error of package flag in the words of this program.
func plainer(err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return errors.New("unknown flag --" + name)
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag needs an argument: -"); ok {
		return errors.New("--" + name + " needs a value")
	}
	return err
}

// assign sets a field, or says what is wrong with the text.
func assign(field reflect.Value, text string) (problem string) {
	if strings.TrimSpace(text) == "" {
		return "is empty"
	}
	if !field.IsZero() {
		return "is given twice"
	}
	var err error
	switch value := field.Addr().Interface().(type) {
	case *string:
		*value = text
	case *[]string:
		for part := range strings.SplitSeq(text, ",") {
			*value = append(*value, strings.TrimSpace(part))
		}
		if slices.Contains(*value, "") {
			return "has an empty value"
		}
	case *bool:
		if *value, err = strconv.ParseBool(text); err != nil {
			return fmt.Sprintf("is true or false, not %q", text)
		}
	case *time.Time:
		if *value, err = time.Parse(time.RFC3339, text); err != nil {
			return fmt.Sprintf("is a time such as 2030-01-31T12:00:00Z, not %q", text)
		}
	}
	return ""
}

// flagList lists the flags of params.
func flagList(params any) string {
	var b strings.Builder
	for field := range reflect.TypeOf(params).Elem().Fields() {
		name := flagName(field)
		b.WriteString("  --" + name)
		switch reflect.Zero(field.Type).Interface().(type) {
		case string:
			b.WriteString(" <" + name[strings.LastIndex(name, "_")+1:] + ">")
		case []string:
			b.WriteString(" <id>,<id>")
		case time.Time:
			b.WriteString(" <time>")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// inFlags is the text of an error about params, with flags in place of Go's names.
func inFlags(err error, params any) string {
	text := regexp.MustCompile(`^seam: \w+\.\w+: `).ReplaceAllString(err.Error(), "")
	for field := range reflect.TypeOf(params).Elem().Fields() {
		text = regexp.MustCompile(`\b`+field.Name+`\b`).ReplaceAllString(text, "--"+flagName(field))
	}
	return strings.NewReplacer("params", "flags", "field", "flag").Replace(text)
}
