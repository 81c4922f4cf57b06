package seam_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNames counts what there is to learn in package seam, and wants an executed
// example of each operation.
func TestNames(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	var sources []*ast.File
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") || path == "example_test.go" {
			file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			require.NoError(t, err)
			sources = append(sources, file)
		}
	}
	pkg, err := doc.NewFromFiles(files, sources, "github.com/seam-go/seam")
	require.NoError(t, err)

	names := len(pkg.Funcs)
	for _, values := range append(pkg.Consts, pkg.Vars...) {
		names += len(values.Names)
	}
	for _, typ := range pkg.Types {
		names += 1 + len(typ.Funcs) + len(typ.Methods)
		for _, method := range typ.Methods {
			if typ.Name == "ClientSessionsService" {
				require.Len(t, method.Examples, 1, method.Name)
				assert.NotEmpty(t, method.Examples[0].Output, method.Name)
			}
		}
	}
	t.Logf("%d exported names", names)
	assert.LessOrEqual(t, names, 60)
}

// TestSurface holds what users may rely on, each exported name and what is said
// of it, against testdata/surface.txt. With -record it writes that.
func TestSurface(t *testing.T) {
	t.Parallel()
	var is strings.Builder
	for pkg := range strings.FieldsSeq(output(t, ".", nil, "go", "list", "-f", `{{if ne .Name "main"}}{{.ImportPath}}{{end}}`, "./...")) {
		if !strings.Contains(pkg, "/internal/") {
			is.WriteString(output(t, ".", nil, "go", "doc", "-all", pkg) + "\n")
		}
	}
	const file = "testdata/surface.txt"
	if *record {
		require.NoError(t, os.WriteFile(file, []byte(is.String()), 0o644))
	}
	was, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(strings.Split(string(was), "\n"), strings.Split(is.String(), "\n")),
		"users rely on this; if it is to change, go test -run TestSurface -record . writes it anew")
}
