package seam_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestReadme runs the programs and tests in README.md, each in a module of its
// own that has nothing but this one. What follows a program is its output.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	goMod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	goSum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	goMod = []byte(strings.Replace(string(goMod), "module github.com/seam-go/seam", "module readme", 1) +
		"\nrequire github.com/seam-go/seam v0.0.0\nreplace github.com/seam-go/seam => " + here + "\n")

	srv := seamtest.NewServer(t)
	_, err = srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)

	blocks := regexp.MustCompile("(?s)```go\n(.*?)```\n(?:\n```\n(.*?)```)?").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		source, output := block[1], block[2]
		folder := t.TempDir()
		file, command := "main.go", []string{"run", "."}
		if strings.Contains(source, "func Test") {
			file, command = "main_test.go", []string{"test", "."}
		}
		for name, content := range map[string]string{file: source, "go.mod": string(goMod), "go.sum": string(goSum)} {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
		}
		cmd := exec.CommandContext(t.Context(), "go", command...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "SEAM_API_KEY="+srv.APIKey, "SEAM_ENDPOINT="+srv.URL)
		got, err := cmd.CombinedOutput()
		require.NoError(t, err, string(got))
		if output != "" {
			assert.Equal(t, output, string(got))
		}
	}
}
