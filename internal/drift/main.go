// Drift compares Seam's published schema of client sessions with the copy in
// testdata. The schema comes from the npm package @seamapi/types.
//
//	drift [-accept] file [version]
//
// Drift prints the changes from file to that version of the package. The default is the
// newest version. With -accept it then updates file. The exit status is 0 if nothing
// changed or the change was accepted, 1 if something changed, and 2 if an error occurred.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
)

func main() {
	accept := flag.Bool("accept", false, "write file anew")
	flag.Parse()
	report, changed, err := run(context.Background(), *accept, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "drift:", err)
		os.Exit(2)
	}
	fmt.Println(report)
	if changed && !*accept {
		os.Exit(1)
	}
}

// run returns a report, and whether something changed.
func run(ctx context.Context, accept bool, args []string) (report string, changed bool, err error) {
	if len(args) < 1 || len(args) > 2 {
		return "", false, errors.New("usage: drift [-accept] file [version]")
	}
	file, version := args[0], "latest"
	if len(args) == 2 {
		version = args[1]
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", false, err
	}
	var accepted schema
	if err := json.Unmarshal(text, &accepted); err != nil {
		return "", false, fmt.Errorf("%s: %w", file, err)
	}
	document, version, err := fetch(ctx, version)
	if err != nil {
		return "", false, err
	}
	published, err := cut(document, version)
	if err != nil {
		return "", false, fmt.Errorf("%s %s: %w", packageName, version, err)
	}
	changes, err := compare(accepted, published)
	if err != nil {
		return "", false, err
	}
	if len(changes) > 0 {
		report = fmt.Sprintf("Client sessions changed from %s to %s:\n- %s", accepted.Source, published.Source, strings.Join(changes, "\n- "))
	} else {
		report = fmt.Sprintf("No changes to client sessions from %s to %s.", accepted.Source, published.Source)
		if !reflect.DeepEqual(accepted.Paths, published.Paths) || !reflect.DeepEqual(accepted.Schemas, published.Schemas) {
			report += " The schema is written differently but means the same: run make drift-accept and git diff."
		}
	}
	if accept {
		err = published.write(file)
	}
	return report, len(changes) > 0, err
}
