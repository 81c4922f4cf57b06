package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const acceptedFile = "../../testdata/client_sessions.openapi.json"

// TestCustomerKey compares two abridged versions of the package. The second has
// customer_key in place of customer_id.
func TestCustomerKey(t *testing.T) {
	t.Parallel()
	old, recent := read(t, "1.490.0"), read(t, "1.721.0")
	changes, err := compare(old, recent)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"POST /client_sessions/create: added the optional property `client_session/customer_key` to the response with the `200` status",
		"POST /client_sessions/create: removed the optional property `client_session/customer_id` from the response with the `200` status",
		"POST /client_sessions/create: the `customer_key` request property's minLength was set to `1`",
		"POST /client_sessions/list: added the optional property `client_sessions/items/customer_key` to the response with the `200` status",
		"POST /client_sessions/list: removed the optional property `client_sessions/items/customer_id` from the response with the `200` status",
	}, changes)

	changes, err = compare(recent, recent)
	require.NoError(t, err)
	assert.Empty(t, changes)
}

// read reads the document of a version of the package and cuts it.
func read(t *testing.T, version string) schema {
	t.Helper()
	module, err := os.ReadFile("testdata/openapi-" + version + ".js")
	require.NoError(t, err)
	document, err := evaluate(string(module))
	require.NoError(t, err)
	s, err := cut(document, version)
	require.NoError(t, err)
	return s
}

// TestAccepted checks that cut and write leave the copy unchanged, so that it was not
// edited by hand.
func TestAccepted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(acceptedFile)
	require.NoError(t, err)
	var accepted schema
	require.NoError(t, json.Unmarshal(text, &accepted))
	event := accepted.Schemas[eventName]
	version, ok := strings.CutPrefix(accepted.Source, packageName+" ")
	require.True(t, ok, accepted.Source)
	again, err := cut(map[string]any{
		"paths": accepted.Paths,
		"components": map[string]any{
			"schemas": map[string]any{
				"client_session": accepted.Schemas["client_session"],
				"event":          map[string]any{"oneOf": []any{event}},
			},
			"securitySchemes": accepted.SecuritySchemes,
		},
	}, version)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "again.json")
	require.NoError(t, again.write(file))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(text), string(written))
}

func TestRefusedDocuments(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{}`: "no paths under /client_sessions/: find out where they are now",
		`{"paths": {"/client_sessions/get": {"$ref": "#/nowhere"}}}`:                                                     `reference "#/nowhere" leads nowhere in the document`,
		`{"paths": {"/client_sessions/get": {"get": {"$ref": "elsewhere.json#/a"}}}}`:                                    `reference "elsewhere.json#/a" leads nowhere in the document`,
		`{"paths": {"/client_sessions/get": {"get": {"$ref": "#/a"}}}, "a": {"b": {"$ref": "#/a"}}}`:                     "the references form a cycle",
		`{"paths": {"/client_sessions/get": {"get": {"$ref": "#/a"}}}, "a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}`:      "the references form a cycle",
		`{"paths": {"/client_sessions/get": {"get": {"$ref": "#/components/schemas/a"}}}, "components": {"schemas": 1}}`: `reference "#/components/schemas/a" leads nowhere in the document`,
	} {
		var decoded map[string]any
		require.NoError(t, json.Unmarshal([]byte(document), &decoded))
		_, err := cut(decoded, "1.0.0")
		assert.EqualError(t, err, want, document)
	}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	for module, want := range map[string]string{
		"export default { a: 'b', \"c\": [-1, null, true] }":                    `{"a": "b", "c": [-1, null, true]}`,
		"const a = { b: `c` + 'd export default e' };\nexport default a;\n// e": `{"b": "cd export default e"}`,
	} {
		document, err := evaluate(module)
		require.NoError(t, err, module)
		text, err := json.Marshal(document)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(text))
	}
	for module, want := range map[string]string{
		"export const a = {}":                     "not a module with one default export",
		"import a from 'b'\nexport default a":     "SyntaxError",
		"export default require('fs')":            "ReferenceError",
		"export default process.env":              "ReferenceError",
		"export default fetch('x')":               "ReferenceError",
		"export default [1]":                      "cannot unmarshal array",
		"const a = {}; a.a = a\nexport default a": "TypeError",
		"export default a\nexport default b":      "not a module with one default export",
		"const a = {\nexport default a":           "SyntaxError",
	} {
		_, err := evaluate(module)
		assert.ErrorContains(t, err, want, module)
	}
}

// TestRun replaces npm by a script that returns a package from a folder.
func TestRun(t *testing.T) {
	folder := t.TempDir()
	pack(t, filepath.Join(folder, "1.490.0.tgz"), "1.490.0")
	pack(t, filepath.Join(folder, "1.721.0.tgz"), "1.721.0")
	require.NoError(t, os.Symlink("1.721.0.tgz", filepath.Join(folder, "latest.tgz")))
	script := "#!/bin/sh\n[ \"$1\" = pack ] && cp \"" + folder + "/${2#@seamapi/types@}.tgz\" seamapi-types.tgz\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "npm"), []byte(script), 0o700))
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))

	file := filepath.Join(folder, "accepted.json")
	_, _, err := run(t.Context(), false, []string{file})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, read(t, "1.490.0").write(file))

	report, changed, err := run(t.Context(), false, []string{file, "1.490.0"})
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Equal(t, "No changes to client sessions from @seamapi/types 1.490.0 to @seamapi/types 1.490.0.", report)

	for _, accept := range []bool{false, true} {
		report, changed, err = run(t.Context(), accept, []string{file})
		require.NoError(t, err)
		assert.True(t, changed)
		assert.Contains(t, report, "Client sessions changed from @seamapi/types 1.490.0 to @seamapi/types 1.721.0:\n")
		assert.Contains(t, report, "\n- POST /client_sessions/create: added the optional property `client_session/customer_key`")
		assert.Equal(t, 5, strings.Count(report, "\n"))
	}
	report, changed, err = run(t.Context(), false, []string{file})
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Equal(t, "No changes to client sessions from @seamapi/types 1.721.0 to @seamapi/types 1.721.0.", report)

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), `"nullable": true`, `"nullable": true, "readOnly": false`, 1)), 0o600))
	report, changed, err = run(t.Context(), false, []string{file})
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Equal(t, "No changes to client sessions from @seamapi/types 1.721.0 to @seamapi/types 1.721.0. "+
		"The schema is written differently but means the same: run make drift-accept and git diff.", report)

	_, _, err = run(t.Context(), false, []string{file, "9.9.9"})
	require.ErrorContains(t, err, "npm pack @seamapi/types@9.9.9: exit status")
	_, _, err = run(t.Context(), false, nil)
	require.ErrorContains(t, err, "usage")
}

// pack writes a package as npm does.
func pack(t *testing.T, file, version string) {
	t.Helper()
	module, err := os.ReadFile("testdata/openapi-" + version + ".js")
	require.NoError(t, err)
	packed, err := os.Create(file)
	require.NoError(t, err)
	zipped := gzip.NewWriter(packed)
	archive := tar.NewWriter(zipped)
	for name, text := range map[string]string{
		"package/package.json": `{"version": "` + version + `"}`,
		documentFile:           string(module),
		"package/README.md":    "not needed",
	} {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}))
		_, err := archive.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	require.NoError(t, packed.Close())
}
