// Client-sessions calls the operations on client sessions from a shell:
//
//	client-sessions get --user_identifier_key "jane_doe"
//
// It prints what Seam gives back as JSON, and errors on stderr. Its exit status
// is 1 after an error and 2 after wrong usage. With SEAM_API_KEY set it uses the
// real service, else one of its own.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/seam-go/seam"
)

const usage = `usage: client-sessions <operation> [flags]

Operations: create, delete, get, get-or-create, grant-access, list, revoke.
Their flags are listed by: client-sessions <operation> --help
`

type service = seam.ClientSessionsService

// operation defines its flags, and returns the call that they are for.
type operation func(*flag.FlagSet) func(context.Context, *service, seam.Option) error

var operations = map[string]operation{
	"create":        gives((*service).Create),
	"delete":        takesID((*service).Delete),
	"get":           gives((*service).Get),
	"get-or-create": gives((*service).GetOrCreate),
	"grant-access":  takes((*service).GrantAccess),
	"list":          gives((*service).List),
	"revoke":        takesID((*service).Revoke),
}

func gives[P, R any](do func(*service, context.Context, P, ...seam.Option) (R, error)) operation {
	return takes(func(s *service, ctx context.Context, params P, opts ...seam.Option) error {
		_, err := do(s, ctx, params, opts...) // the answer is printed as it came
		return err
	})
}

func takesID(do func(*service, context.Context, string, ...seam.Option) error) operation {
	type params struct {
		ClientSessionID string `json:"client_session_id"`
	}
	return takes(func(s *service, ctx context.Context, params params, opts ...seam.Option) error {
		return do(s, ctx, params.ClientSessionID, opts...)
	})
}

// takes makes an operation whose flags are the fields of P, under the names that
// they have in JSON.
func takes[P any](do func(*service, context.Context, P, ...seam.Option) error) operation {
	return func(flags *flag.FlagSet) func(context.Context, *service, seam.Option) error {
		var params P
		fields := reflect.ValueOf(&params).Elem()
		for i := range fields.NumField() {
			name, _, _ := strings.Cut(fields.Type().Field(i).Tag.Get("json"), ",")
			switch field := fields.Field(i).Addr().Interface().(type) {
			case *string:
				flags.StringVar(field, name, "", "")
			case *bool:
				flags.BoolVar(field, name, false, "")
			case *time.Time:
				flags.Func(name, "a `time` such as 2030-01-31T12:00:00Z", func(text string) (err error) {
					*field, err = time.Parse(time.RFC3339, text)
					return err
				})
			case *[]string:
				flags.Func(name, "`texts` with commas between them", func(texts string) error {
					*field = strings.Split(texts, ",")
					return nil
				})
			}
		}
		return func(ctx context.Context, s *service, opt seam.Option) error { return do(s, ctx, params, opt) }
	}
}

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
		_, _ = io.WriteString(stdout, usage)
		return 0
	}
	if len(args) == 0 || operations[args[0]] == nil {
		_, _ = io.WriteString(stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet("client-sessions "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	call := operations[args[0]](flags)
	err := flags.Parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil || flags.NArg() > 0 {
		_, _ = fmt.Fprintf(stderr, "usage: client-sessions %s [flags]\n", args[0])
		return 2
	}
	if err = perform(ctx, call, stdout, stderr); err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, err) // with its type and its request's ID
	if errors.Is(err, seam.ErrInvalidParams) {
		return 2
	}
	return 1
}

// perform makes the call and prints what it gives back, without the envelope.
func perform(ctx context.Context, call func(context.Context, *service, seam.Option) error, stdout, stderr io.Writer) error {
	client, stop, err := newClient(ctx, stderr)
	if err != nil {
		return err
	}
	defer stop()
	var response seam.Response
	if err := call(ctx, client.ClientSessions, seam.WithResponse(&response)); err != nil {
		return err
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(response.Body, &answer); err != nil {
		return err
	}
	var text bytes.Buffer
	content := cmp.Or(string(answer["client_session"]), string(answer["client_sessions"]), "{}")
	if err := json.Indent(&text, []byte(content), "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, text.String())
	return err
}
