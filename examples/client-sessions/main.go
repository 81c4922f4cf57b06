// Client-sessions calls the methods for client sessions from a shell.
//
//	go run ./examples/client-sessions get --user_identifier_key jane_doe
//
// The credential comes from SEAM_API_KEY, or from SEAM_PERSONAL_ACCESS_TOKEN with
// SEAM_WORKSPACE_ID. If neither is set, the program starts a fake Seam server and
// ignores SEAM_ENDPOINT.
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
	"slices"
	"strings"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

type service = seam.ClientSessionsService

// call calls the API and returns the value to print.
type call func(context.Context, *service) (any, error)

type operation struct {
	name, about string
	bind        func() (params any, do call) // params points to the struct that the flags set and do uses
}

var operations = []operation{
	gives("create", "Create a session", (*service).Create),
	takesID("delete", "Delete a session. Its token stops working", (*service).Delete),
	gives("get", "Show a session, by its ID or by user", (*service).Get),
	gives("get-or-create", "Show the session of a user. Create one if there is none", (*service).GetOrCreate),
	takes("grant-access", "Add access to a session, by its ID or by user", (*service).GrantAccess),
	gives("list", "Show all sessions, or those that match the flags", (*service).List),
	takesID("revoke", "Revoke a session. Its token stops working", (*service).Revoke),
	{"revoke-all", "Revoke all sessions that match the flags, and show them", func() (any, call) {
		var params seam.ClientSessionListParams
		return &params, func(ctx context.Context, s *service) (any, error) { return s.RevokeAll(ctx, params) }
	}},
}

// takes returns an operation that prints the response as received.
func takes[P any](name, about string, do func(*service, context.Context, P, ...seam.Option) error) operation {
	return operation{name, about, func() (any, call) {
		params := new(P)
		return params, func(ctx context.Context, s *service) (any, error) {
			var response seam.Response
			if err := do(s, ctx, *params, seam.WithResponse(&response)); err != nil {
				return nil, err
			}
			var body map[string]json.RawMessage
			err := json.Unmarshal(response.Body, &body)
			return json.RawMessage(cmp.Or(string(body["client_session"]), string(body["client_sessions"]), "{}")), err
		}
	}}
}

func gives[P, R any](name, about string, do func(*service, context.Context, P, ...seam.Option) (R, error)) operation {
	return takes(name, about, func(s *service, ctx context.Context, params P, opts ...seam.Option) error {
		_, err := do(s, ctx, params, opts...)
		return err
	})
}

func takesID(name, about string, do func(*service, context.Context, string, ...seam.Option) error) operation {
	type params struct {
		ClientSessionID string `json:"client_session_id"`
	}
	return takes(name, about, func(s *service, ctx context.Context, params params, opts ...seam.Option) error {
		return do(s, ctx, params.ClientSessionID, opts...)
	})
}

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status: 1 for an error, 2 for invalid usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	wrongUsage := func(name string, problem any, usage string) int {
		_, _ = fmt.Fprintf(stderr, "client-sessions%s: %v\n\n%s", name, problem, usage)
		return 2
	}
	help := len(args) > 0 && slices.Contains([]string{"help", "--help", "-help", "-h"}, args[0])
	if help {
		args = args[1:]
	}
	switch {
	case len(args) == 0 && help:
		_, _ = io.WriteString(stdout, usage())
		return 0
	case len(args) == 0:
		return wrongUsage("", "an operation is needed", usage())
	}
	i := slices.IndexFunc(operations, func(op operation) bool { return op.name == args[0] })
	if i < 0 {
		return wrongUsage("", fmt.Sprintf("unknown operation %q", args[0]), usage())
	}
	op := operations[i]
	params, do := op.bind()
	err := parse(params, args[1:])
	if help || errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, op.usage(params))
		return 0
	}
	if err != nil {
		return wrongUsage(" "+op.name, err, op.usage(params))
	}

	client, stop, err := connect(ctx, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	defer stop()
	result, err := do(ctx, client.ClientSessions)
	apiErr, _ := errors.AsType[*seam.APIError](err)
	if errors.Is(err, seam.ErrInvalidParams) && apiErr == nil { // nothing was sent
		return wrongUsage(" "+op.name, inFlags(err, params), op.usage(params))
	}
	if sessions, ok := result.([]seam.ClientSession); err == nil || ok && len(sessions) > 0 {
		printer := json.NewEncoder(stdout)
		printer.SetIndent("", "  ")
		printer.SetEscapeHTML(false)
		err = errors.Join(err, printer.Encode(result))
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// connect returns a client. The caller must call stop.
func connect(ctx context.Context, stderr io.Writer) (client *seam.Client, stop func(), err error) {
	if cmp.Or(os.Getenv("SEAM_API_KEY"), os.Getenv("SEAM_PERSONAL_ACCESS_TOKEN")) != "" {
		client, err := seam.NewClient()
		return client, func() {}, err
	}
	_, _ = fmt.Fprintln(stderr, "No Seam credential is set: this runs on a fake Seam server, with a session of jane_doe.")
	srv, err := seamtest.Start()
	if err != nil {
		return nil, nil, err
	}
	client, err = seam.NewClient(seam.WithAPIKey(srv.APIKey), seam.WithEndpoint(srv.URL))
	if err == nil {
		_, err = client.ClientSessions.Create(ctx, seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	}
	return client, srv.Close, err
}

func usage() string {
	var b strings.Builder
	b.WriteString("usage: client-sessions <operation> [--flag value ...]\n\n")
	for _, op := range operations {
		fmt.Fprintf(&b, "  %-14s  %s\n", op.name, op.about)
	}
	b.WriteString(`
"client-sessions help <operation>" lists the flags of an operation.

The credential comes from SEAM_API_KEY, or from SEAM_PERSONAL_ACCESS_TOKEN with
SEAM_WORKSPACE_ID. If neither is set, each run starts a fake Seam server with a
session of jane_doe, and ignores SEAM_ENDPOINT. The exit status is 1 for an error,
2 for invalid usage.
`)
	return b.String()
}

func (op operation) usage(params any) string {
	return fmt.Sprintf("usage: client-sessions %s [--flag value ...]\n\n%s.\n\n%s", op.name, op.about, flagList(params))
}
