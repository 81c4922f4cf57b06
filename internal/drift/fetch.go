package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/dop251/goja"
)

const (
	packageName  = "@seamapi/types"
	documentFile = "package/lib/seam/connect/openapi.js"
)

// fetch returns the OpenAPI document in a version of the package, and that version.
// version may be a dist-tag.
func fetch(ctx context.Context, version string) (map[string]any, string, error) {
	folder, err := os.MkdirTemp("", "drift")
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	npm := exec.CommandContext(ctx, "npm", "pack", packageName+"@"+version, "--loglevel=error", "--ignore-scripts")
	npm.Dir, npm.Stderr = folder, os.Stderr
	if err := npm.Run(); err != nil {
		return nil, "", fmt.Errorf("npm pack %s@%s: %w", packageName, version, err)
	}
	packed, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return nil, "", fmt.Errorf("npm pack %s@%s wrote %d packages, want 1", packageName, version, len(packed))
	}
	files, err := unpack(packed[0], documentFile, "package/package.json")
	if err != nil {
		return nil, "", fmt.Errorf("%s@%s: %w", packageName, version, err)
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal([]byte(files["package/package.json"]), &manifest); err != nil {
		return nil, "", fmt.Errorf("%s@%s: package.json: %w", packageName, version, err)
	}
	document, err := evaluate(files[documentFile])
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: %s: %w", packageName, manifest.Version, documentFile, err)
	}
	return document, manifest.Version, nil
}

// unpack returns the named files of a package. It fails if one is missing.
func unpack(packed string, names ...string) (map[string]string, error) {
	const limit = 64 << 20 // bytes, ten times the document of today
	text, err := os.ReadFile(packed)
	if err != nil {
		return nil, err
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if header.Name != name {
				continue
			}
			if header.Size > limit {
				return nil, fmt.Errorf("%s has %d bytes, more than %d", name, header.Size, limit)
			}
			text, err := io.ReadAll(archive)
			if err != nil {
				return nil, err
			}
			files[name] = string(text)
		}
	}
	for _, name := range names {
		if _, ok := files[name]; !ok {
			return nil, fmt.Errorf("no file %s: the package has moved its OpenAPI document", name)
		}
	}
	return files, nil
}

// evaluate returns the default export of a JavaScript module. The module is not trusted:
// it runs in an interpreter without access to the system, for at most a minute.
func evaluate(module string) (map[string]any, error) {
	exports := regexp.MustCompile(`(?m)^export default `).FindAllStringIndex(module, -1)
	if len(exports) != 1 {
		return nil, errors.New("not a module with one default export")
	}
	script := module[:exports[0][0]] + "const exported = " + module[exports[0][1]:] + "\nJSON.stringify(exported)"
	vm := goja.New()
	defer time.AfterFunc(time.Minute, func() { vm.Interrupt("more than a minute") }).Stop()
	value, err := vm.RunString(script)
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(value.String()), &document); err != nil {
		return nil, err
	}
	return document, nil
}
