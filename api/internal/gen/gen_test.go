package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sources returns the pinned schema and the overlay.
func sources(t *testing.T) (*schema, string) {
	t.Helper()
	pinned, err := readSchema("schema.json")
	require.NoError(t, err)
	text, err := os.ReadFile("overlay.txt")
	require.NoError(t, err)
	return pinned, string(text)
}

// TestFilesAreGenerated compares the files of the package with what make api would write.
func TestFilesAreGenerated(t *testing.T) {
	t.Parallel()
	pinned, text := sources(t)
	overlay, err := parseOverlay(text)
	require.NoError(t, err)
	files, err := generate(pinned, overlay)
	require.NoError(t, err)
	present, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	for _, file := range present {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if isGenerated(string(text)) {
			assert.Equal(t, files[filepath.Base(file)], string(text), "run make api")
			delete(files, filepath.Base(file))
		}
	}
	assert.Empty(t, files, "run make api")
}

// TestSize keeps the package small enough to find something in its documentation.
func TestSize(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	lines, names := 0, 0
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if isGenerated(string(text)) {
			lines += strings.Count(string(text), "\n")
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		require.NoError(t, err)
		ast.FileExports(file)
		for _, declaration := range file.Decls {
			switch declaration := declaration.(type) {
			case *ast.FuncDecl:
				if declaration.Recv == nil {
					names++
				}
			case *ast.GenDecl:
				for _, spec := range declaration.Specs {
					if _, isImport := spec.(*ast.ImportSpec); !isImport {
						names++
					}
				}
			}
		}
	}
	t.Logf("%d generated lines, %d exported names", lines, names)
	assert.LessOrEqual(t, lines, 8000)
	assert.LessOrEqual(t, names, 450)
}

// TestOverlayIsComplete changes the schema or the overlay, each time so that a person has to
// decide something.
func TestOverlayIsComplete(t *testing.T) {
	t.Parallel()
	object := func(fields map[string]*node) *node { return &node{Type: "object", Properties: fields} }
	text := &node{Type: "string"}
	for _, tt := range []struct {
		name   string
		change func(s *schema, overlay string) string
		want   string
	}{
		{"a new operation", func(s *schema, overlay string) string {
			s.Operations["/locks/open_door"] = s.Operations["/locks/unlock_door"]
			return overlay
		}, "/locks/open_door has no line in the overlay"},
		{"a new resource", func(s *schema, overlay string) string {
			s.Operations["/gates/list"] = s.Operations["/locks/list"]
			return overlay + "\n/gates/list idempotent | returns gates."
		}, "resource /gates has no line in the overlay"},
		{"a removed operation", func(s *schema, overlay string) string {
			delete(s.Operations, "/locks/unlock_door")
			return overlay
		}, "/locks/unlock_door is not in the schema"},
		{"a removed operation of package seam", func(s *schema, overlay string) string {
			delete(s.Operations, "/client_sessions/revoke")
			return overlay
		}, "/client_sessions/revoke is not in the schema"},
		{"a line without a sentence", func(_ *schema, overlay string) string {
			return strings.Replace(overlay, "/locks/unlock_door never | unlocks a door.", "/locks/unlock_door never", 1)
		}, "/locks/unlock_door has no line in the overlay, or no sentence"},
		{"two lines", func(_ *schema, overlay string) string {
			return overlay + "\n/locks/unlock_door never | unlocks a door."
		}, "/locks/unlock_door has a line already"},
		{"an unknown word", func(_ *schema, overlay string) string { return overlay + "\nclass Device | is a device." }, `unknown word "class"`},
		{"a new component", func(s *schema, overlay string) string {
			s.Schemas["gate"] = object(map[string]*node{"gate_id": text})
			s.Schemas["device"].Properties["gate"] = &node{Ref: "#/components/schemas/gate"}
			return overlay
		}, "component gate has no line in the overlay"},
		{"a result that is no component", func(s *schema, overlay string) string {
			s.Operations["/devices/get"].Response.Properties["device"] = object(map[string]*node{"device_id": text})
			return overlay
		}, "/devices/get: the result is no component"},
		{"a result without a line", func(_ *schema, overlay string) string {
			return strings.Replace(overlay, "type Batch | holds", "# type Batch | holds", 1)
		}, "result Batch has no line in the overlay"},
		{"a field that looks like a secret", func(s *schema, overlay string) string {
			s.Schemas["device"].Properties["master_pin"] = text
			return overlay
		}, "field Device.master_pin looks like a secret"},
		{"a line for a field that is gone", func(_ *schema, overlay string) string { return overlay + "\nfield Device.gate secret" }, "Device.gate matches nothing in the schema"},
		{"a request that no longer requires anything", func(s *schema, overlay string) string {
			s.Operations["/locks/unlock_door"].Request.Required = nil
			return overlay
		}, "/locks/unlock_door requires no field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pinned, text := sources(t)
			overlay, err := parseOverlay(tt.change(pinned, text))
			if err == nil {
				_, err = generate(pinned, overlay)
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestUnlistedClass is never: a class that nobody gave is the one that does no harm.
func TestUnlistedClass(t *testing.T) {
	t.Parallel()
	pinned, text := sources(t)
	overlay, err := parseOverlay(strings.Replace(text, "/devices/get idempotent ", "/devices/get ", 1))
	require.NoError(t, err)
	files, err := generate(pinned, overlay)
	require.NoError(t, err)
	assert.Contains(t, files["devices.go"], `s.call("/devices/get", params, never, opts)`)
}

// TestDeprecated marks what Seam has removed or advises against.
func TestDeprecated(t *testing.T) {
	t.Parallel()
	pinned, text := sources(t)
	pinned.Operations["/locks/unlock_door"].Removed = map[string]*node{"sync": {Type: "boolean"}}
	pinned.Operations["/locks/lock_door"].Deprecated = true
	overlay, err := parseOverlay(text)
	require.NoError(t, err)
	files, err := generate(pinned, overlay)
	require.NoError(t, err)
	assert.Regexp(t, "// Deprecated: .*\n\tSync \\*bool `json:\"sync,omitzero\"`", files["locks.go"])
	assert.Regexp(t, `// Deprecated: .*\nfunc \(s \*LocksService\) LockDoor`, files["locks.go"])
}

// TestRemovedFromOnePlace keeps a field of a shared struct as it is where Seam still has it.
func TestRemovedFromOnePlace(t *testing.T) {
	t.Parallel()
	pinned, text := sources(t)
	pinned.Operations["/customers/create_portal"].Removed = map[string]*node{"customer_data.rooms.name": {Type: "string"}}
	overlay, err := parseOverlay(text)
	require.NoError(t, err)
	m, err := build(pinned, overlay)
	require.NoError(t, err)
	place := m.types["CustomerPlace"]
	assert.False(t, place.fields["name"].deprecated)
	assert.Equal(t, place.sources, place.fields["name"].required)
}

// TestPin keeps what users can have in their code.
func TestPin(t *testing.T) {
	t.Parallel()
	document := func(fields map[string]any, more map[string]any) map[string]any {
		request := map[string]any{"type": "object", "description": "words", "properties": fields}
		post := map[string]any{"x-response-key": nil, "description": "words", "requestBody": map[string]any{"content": map[string]any{
			"application/json": map[string]any{"schema": request},
		}}}
		for key, value := range more {
			post[key] = value
		}
		return map[string]any{"paths": map[string]any{"/locks/open": map[string]any{"post": post}}}
	}
	text := map[string]any{"type": "string", "description": "words"}
	deprecated := map[string]any{"type": "string", "x-deprecated": "words"}
	undocumented := map[string]any{"type": "string", "x-undocumented": "words"}

	first, err := pin(document(map[string]any{"a": text, "b": text, "old": deprecated, "inner": undocumented}, nil), "1", &schema{})
	require.NoError(t, err)
	fields := first.Operations["/locks/open"].Request.Properties
	assert.Equal(t, map[string]*node{"a": {Type: "string"}, "b": {Type: "string"}}, fields)

	second, err := pin(document(map[string]any{"a": deprecated, "c": text}, map[string]any{"x-deprecated": "words"}), "2", first)
	require.NoError(t, err)
	op := second.Operations["/locks/open"]
	require.NotNil(t, op, "an operation that is deprecated later stays")
	assert.True(t, op.Deprecated)
	assert.Equal(t, map[string]*node{"a": {Type: "string", Deprecated: true}, "c": {Type: "string"}}, op.Request.Properties)
	assert.Equal(t, map[string]*node{"b": {Type: "string"}}, op.Removed)
	assert.Equal(t, []string{"from 1 to 2", "changed /locks/open"}, second.changes(first))
	assert.Equal(t, []string{"from 2 to 2"}, second.changes(second))

	third, err := pin(document(map[string]any{"c": text}, nil), "3", second)
	require.NoError(t, err)
	assert.Len(t, third.Operations["/locks/open"].Removed, 2, "removed fields stay for good")

	fourth, err := pin(document(map[string]any{"c": text}, map[string]any{"x-undocumented": "words"}), "4", third)
	require.NoError(t, err)
	assert.Empty(t, fourth.Operations)
	assert.Equal(t, []string{"from 3 to 4", "removed /locks/open"}, fourth.changes(third))
	assert.Equal(t, []string{"from 4 to 3", "added /locks/open"}, third.changes(fourth))
}

// TestPinLeavesOut what Seam does not document, and what it serves to its own apps. Some of
// that was documented for a time, under paths that cannot be Go names.
func TestPinLeavesOut(t *testing.T) {
	t.Parallel()
	operation := map[string]any{"post": map[string]any{}}
	pinned, err := pin(map[string]any{"paths": map[string]any{
		"/locks/list":                    operation,
		"/locks/get":                     map[string]any{"get": map[string]any{}},
		"/locks/open":                    map[string]any{"post": map[string]any{"x-undocumented": "words"}},
		"/locks/close":                   map[string]any{"post": map[string]any{"x-deprecated": "words"}},
		"/seam/customer/v1/spaces/list":  operation,
		"/seam/customer/v1/hooks/[hook]": operation,
	}}, "1", &schema{})
	require.NoError(t, err)
	assert.Equal(t, []string{"/locks/list"}, sorted(pinned.Operations))
}
