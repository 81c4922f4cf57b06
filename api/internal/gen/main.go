// Command gen writes the generated files of package api, from the pinned schema and the
// overlay beside it. Run it in the folder of the package:
//
//	go run ./internal/gen                       # what make api does
//	go run ./internal/gen -pin openapi.json -version 1.977.0 # first pins another version of Seam's document
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	schemaFile  = "internal/gen/schema.json"
	overlayFile = "internal/gen/overlay.txt"
)

func main() {
	document := flag.String("pin", "", "OpenAPI document to pin before generating")
	version := flag.String("version", "", "its version")
	flag.Parse()
	if err := run(*document, *version); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(document, version string) error {
	pinned, err := readSchema(schemaFile)
	if document != "" {
		if errors.Is(err, fs.ErrNotExist) {
			pinned, err = &schema{}, nil
		}
		if err == nil {
			pinned, err = repin(document, version, pinned)
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

// repin pins a document and writes it.
func repin(document, version string, old *schema) (*schema, error) {
	text, err := os.ReadFile(document)
	if err != nil {
		return nil, err
	}
	var decoded map[string]any
	if err := json.Unmarshal(text, &decoded); err != nil {
		return nil, err
	}
	pinned, err := pin(decoded, version, old)
	if err != nil {
		return nil, err
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
