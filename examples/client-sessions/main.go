// Client-sessions calls the operations on client sessions from a shell, of the real
// service with SEAM_API_KEY set. Its exit status is 1 after an error, 2 after wrong usage.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

const usage = `usage: client-sessions <operation> [--flag value ...]
get            --client_session_id or --user_identifier_key
delete, revoke --client_session_id
create         --user_identifier_key --user_identity_id --connect_webview_ids
               --connected_account_ids --expires_at --customer_id --customer_key
get-or-create  as create, without the customer
grant-access   as get, with what of create is to be granted
list           as get, or --connect_webview_id --user_identity_id --without_user_identifier_key
`

type service = seam.ClientSessionsService
type call func(context.Context, *service, seam.Option) error
type operation func(flags []byte) (call, error) // the flags are JSON, under its names

var operations = map[string]operation{
	"create":        gives((*service).Create),
	"delete":        takesID((*service).Delete),
	"get":           gives((*service).Get),
	"get-or-create": gives((*service).GetOrCreate),
	"grant-access":  takes((*service).GrantAccess),
	"list":          gives((*service).List),
	"revoke":        takesID((*service).Revoke),
}

func takes[P any](do func(*service, context.Context, P, ...seam.Option) error) operation {
	return func(flags []byte) (call, error) {
		var params P
		decoder := json.NewDecoder(strings.NewReader(string(flags)))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&params)
		return func(ctx context.Context, s *service, opt seam.Option) error { return do(s, ctx, params, opt) }, err
	}
}

func gives[P, R any](do func(*service, context.Context, P, ...seam.Option) (R, error)) operation {
	return takes(func(s *service, ctx context.Context, params P, opts ...seam.Option) error {
		_, err := do(s, ctx, params, opts...) // the answer is printed as it came
		return err
	})
}

func takesID(do func(*service, context.Context, string, ...seam.Option) error) operation {
	return takes(func(s *service, ctx context.Context, params struct {
		ID string `json:"client_session_id"`
	}, opts ...seam.Option) error {
		return do(s, ctx, params.ID, opts...)
	})
}

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	call, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage)
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "client-sessions: %v\n%s", err, usage)
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

func parse(args []string) (call, error) {
	flags, values := flag.NewFlagSet("", flag.ContinueOnError), map[string]any{}
	flags.SetOutput(io.Discard)
	for name := range strings.FieldsSeq("client_session_id user_identifier_key user_identity_id connect_webview_id connect_webview_ids connected_account_ids customer_id customer_key expires_at") {
		flags.Func(name, "", func(text string) error {
			if values[name] = text; strings.HasSuffix(name, "_ids") {
				values[name] = strings.Split(text, ",")
			}
			return nil
		})
	}
	withoutKey := flags.Bool("without_user_identifier_key", false, "")
	if len(args) == 0 {
		return nil, errors.New("no operation is given")
	}
	if err := flags.Parse(args[1:]); err != nil || strings.TrimLeft(args[0], "-") == "help" {
		return nil, cmp.Or(err, flag.ErrHelp)
	}
	if operations[args[0]] == nil || flags.NArg() > 0 {
		return nil, fmt.Errorf("not understood: %q", args)
	}
	if *withoutKey {
		values["without_user_identifier_key"] = true
	}
	encoded, _ := json.Marshal(values) // texts and booleans
	return operations[args[0]](encoded)
}

// perform makes the call and prints what it gives back, without the envelope.
func perform(ctx context.Context, call call, stdout, stderr io.Writer) error {
	var opts []seam.Option
	if os.Getenv("SEAM_API_KEY") == "" {
		srv, err := seamtest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		_, _ = fmt.Fprintln(stderr, "SEAM_API_KEY is not set: this is a Seam server of its own, with a session of jane_doe.")
		opts = []seam.Option{seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL)}
	}
	client, err := seam.NewClient(opts...)
	if err == nil && opts != nil {
		_, err = client.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	}
	response, answer := seam.Response{}, map[string]json.RawMessage{}
	if err == nil {
		err = call(ctx, client.ClientSessions, seam.WithResponse(&response))
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(response.Body, &answer); err != nil {
		return err
	}
	printer := json.NewEncoder(stdout)
	printer.SetIndent("", "  ")
	printer.SetEscapeHTML(false)
	return printer.Encode(json.RawMessage(cmp.Or(string(answer["client_session"]), string(answer["client_sessions"]), "{}")))
}
