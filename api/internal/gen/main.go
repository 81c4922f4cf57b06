// Command gen writes the generated files of package api, from the pinned schema and the
// overlay beside it. Run it in the folder of the package:
//
//	go run ./internal/gen                    # what make api does
//	go run ./internal/gen -pin openapi.json  # first pins another version of Seam's document
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	schemaFile  = "internal/gen/schema.json"
	overlayFile = "internal/gen/overlay.txt"
)

func main() {
	document := flag.String("pin", "", "a file of fetch.mjs to pin before generating; the changes are printed")
	flag.Parse()
	if err := run(*document, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(document string, out io.Writer) error {
	pinned, err := readSchema(schemaFile)
	if document != "" {
		if errors.Is(err, fs.ErrNotExist) {
			pinned, err = &schema{}, nil
		}
		if err == nil {
			pinned, err = repin(document, pinned, out)
		}
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(overlayFile)
	if err != nil {
		return err
	}
	overlay, err := parseOverlay(string(text))
	if err != nil {
		return err
	}
	files, err := generate(pinned, overlay)
	if err != nil {
		return err
	}
	return replace(".", files)
}

// repin pins a document, writes it and prints what has changed.
func repin(file string, old *schema, out io.Writer) (*schema, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var fetched struct {
		Version  string         `json:"version"`
		Document map[string]any `json:"document"`
	}
	if err := json.Unmarshal(text, &fetched); err != nil {
		return nil, err
	}
	pinned, err := pin(fetched.Document, fetched.Version, old)
	if err != nil {
		return nil, err
	}
	for _, change := range pinned.changes(old) {
		if _, err := fmt.Fprintln(out, change); err != nil {
			return nil, err
		}
	}
	return pinned, pinned.write(schemaFile)
}

// replace writes the files to a folder, and removes generated files that are no longer.
func replace(folder string, files map[string]string) error {
	present, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	for _, file := range present {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, ok := files[filepath.Base(file)]; !ok && isGenerated(string(text)) {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}
