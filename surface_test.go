package seam_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
