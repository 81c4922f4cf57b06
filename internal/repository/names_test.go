package repository_test

import (
	"flag"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

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

// readDoc parses package seam and its examples as go doc does.
func readDoc(t *testing.T) *doc.Package {
	t.Helper()
	files := token.NewFileSet()
	var sources []*ast.File
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") && path != "example_test.go" {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		require.NoError(t, err)
		sources = append(sources, file)
	}
	pkg, err := doc.NewFromFiles(files, sources, "github.com/seam-go/seam")
	require.NoError(t, err)
	return pkg
}

// TestNames limits the number of exported names of package seam, methods counted.
func TestNames(t *testing.T) {
	t.Parallel()
	pkg := readDoc(t)
	count := len(pkg.Funcs)
	for _, values := range append(pkg.Consts, pkg.Vars...) {
		count += len(values.Names)
	}
	for _, typ := range pkg.Types {
		count += 1 + len(typ.Funcs) + len(typ.Methods)
		for _, values := range append(typ.Consts, typ.Vars...) {
			count += len(values.Names)
		}
	}
	t.Logf("%d exported names", count)
	assert.LessOrEqual(t, count, 70)
}

// TestExamples requires an executed example of each operation.
func TestExamples(t *testing.T) {
	t.Parallel()
	pkg := readDoc(t)
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
