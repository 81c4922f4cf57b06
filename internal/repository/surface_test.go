package repository_test

import (
	"flag"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

var record = flag.Bool("record", false, "write testdata/surface.txt instead of comparing with it")

// TestMain runs the tests in the root of the repository.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// services maps the name of each service's field in Client to its type.
func services() map[string]reflect.Type {
	found := map[string]reflect.Type{}
	for field := range reflect.TypeFor[seam.Client]().Fields() {
		if field.IsExported() {
			found[field.Name] = field.Type
		}
	}
	return found
}

// readDoc parses the package in folder as go doc does, with or without its comments.
func readDoc(t *testing.T, folder, importPath string, mode parser.Mode) (*token.FileSet, *doc.Package) {
	t.Helper()
	files := token.NewFileSet()
	var sources []*ast.File
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") && filepath.Base(path) != "example_test.go" {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, mode)
		require.NoError(t, err)
		sources = append(sources, file)
	}
	pkg, err := doc.NewFromFiles(files, sources, importPath)
	require.NoError(t, err)
	return files, pkg
}

// TestNames limits the number of exported names of package seam: of each service, whose
// names begin with the singular of its name, and of all others.
func TestNames(t *testing.T) {
	t.Parallel()
	_, pkg := readDoc(t, ".", "github.com/seam-go/seam", parser.ParseComments)
	const others = ""
	names := map[string]int{others: len(pkg.Funcs)}
	for _, values := range append(pkg.Consts, pkg.Vars...) {
		names[others] += len(values.Names)
	}
	for _, typ := range pkg.Types {
		owner := others
		for service := range services() {
			if strings.HasPrefix(typ.Name, strings.TrimSuffix(service, "s")) {
				owner = service
			}
		}
		names[owner] += 1 + len(typ.Funcs) + len(typ.Methods)
		for _, values := range append(typ.Consts, typ.Vars...) {
			names[owner] += len(values.Names)
		}
	}
	for owner, count := range names {
		t.Logf("%d exported names of %q", count, owner)
		assert.LessOrEqual(t, count, map[bool]int{true: 50, false: 25}[owner == others], owner)
	}
}

// TestExamples requires an executed example of each operation.
func TestExamples(t *testing.T) {
	t.Parallel()
	_, pkg := readDoc(t, ".", "github.com/seam-go/seam", parser.ParseComments)
	for field, service := range services() {
		for _, typ := range pkg.Types {
			if typ.Name != service.Elem().Name() {
				continue
			}
			for _, method := range typ.Methods {
				require.Len(t, method.Examples, 1, "%s.%s", field, method.Name)
				assert.NotEmpty(t, method.Examples[0].Output, "%s.%s", field, method.Name)
			}
		}
	}
}

// TestSurface compares the exported names and their signatures with
// testdata/surface.txt. With -record it writes that file.
func TestSurface(t *testing.T) {
	t.Parallel()
	var is strings.Builder
	for pkg := range strings.SplitSeq(output(t, ".", nil, "go", "list", "-f", `{{if ne .Name "main"}}{{.Dir}} {{.ImportPath}}{{end}}`, "./..."), "\n") {
		folder, importPath, _ := strings.Cut(pkg, " ")
		if strings.HasPrefix(importPath, "github.com/seam-go/seam") && !strings.Contains(importPath, "/internal/") {
			writeSurface(t, &is, folder, importPath)
		}
	}
	const file = "testdata/surface.txt"
	if *record {
		require.NoError(t, os.WriteFile(file, []byte(is.String()), 0o644))
	}
	was, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(strings.Split(string(was), "\n"), strings.Split(is.String(), "\n")),
		"users rely on these names; make record accepts the change")
}

// writeSurface writes the exported declarations of a package, without comments.
func writeSurface(t *testing.T, w io.StringWriter, folder, importPath string) {
	t.Helper()
	files, pkg := readDoc(t, folder, importPath, parser.SkipObjectResolution)
	write := func(node any) {
		var text strings.Builder
		require.NoError(t, format.Node(&text, files, node))
		_, err := w.WriteString(text.String() + "\n")
		require.NoError(t, err)
	}
	writeFuncs := func(funcs []*doc.Func) {
		for _, f := range funcs {
			f.Decl.Body = nil
			write(f.Decl)
		}
	}
	writeValues := func(values []*doc.Value) {
		for _, value := range values {
			write(value.Decl)
		}
	}
	_, err := w.WriteString("package " + importPath + "\n\n")
	require.NoError(t, err)
	writeValues(pkg.Consts)
	writeValues(pkg.Vars)
	writeFuncs(pkg.Funcs)
	for _, typ := range pkg.Types {
		write(typ.Decl)
		writeValues(typ.Consts)
		writeValues(typ.Vars)
		writeFuncs(typ.Funcs)
		writeFuncs(typ.Methods)
	}
	_, err = w.WriteString("\n")
	require.NoError(t, err)
}
