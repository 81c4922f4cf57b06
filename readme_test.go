package seam_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/imkit/imkittest"
	"github.com/seam-go/seam/seamtest"
)

// TestReadme runs the programs and tests in README.md, each in a module of its
// own that has nothing but this one, and vets those that would run for ever. What
// follows a program is its output.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	srv := seamtest.NewServer(t)
	_, err = srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)

	other := imkittest.NewServer(t)
	other.AddToken("jane_doe")
	other.AddToken("jane_doe")
	env := []string{
		"SEAM_API_KEY=" + srv.APIKey, "SEAM_ENDPOINT=" + srv.URL,
		"IMKIT_API_KEY=" + imkittest.APIKey, "IMKIT_ENDPOINT=" + other.URL,
	}

	blocks := regexp.MustCompile("(?s)```go\n(.*?)```\n(?:\n```\n(.*?)```)?").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		source, output := block[1], block[2]
		file, command := "main.go", "run"
		switch {
		case strings.Contains(source, "func Test"):
			file, command = "main_test.go", "test"
		case strings.Contains(source, "ListenAndServe"): // which would not end
			command = "vet"
		}
		got := runGo(t, newModule(t, file, source), env, command, ".")
		if output != "" {
			assert.Equal(t, output, got)
		}
	}
}

// TestBinary builds a program with net/http alone and the same with this package:
// what users pay in size and in modules for it.
func TestBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	const bare = `package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	resp, err := http.Post(os.Args[1], "application/json", strings.NewReader("{}"))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var answer any
	log.Print(json.NewDecoder(resp.Body).Decode(&answer), answer)
}
`
	with := strings.Replace(bare, "\nimport (", `
import (
	"context"

	"github.com/seam-go/seam"
`, 1)
	with = strings.Replace(with, "	var answer any\n", `	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	session, err := client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "a"})
	log.Print(session, err, client.ClientSessions.Revoke(ctx, session.ClientSessionID))
	for session, err := range client.ClientSessions.All(ctx, seam.ClientSessionListParams{}) {
		log.Print(session, err)
	}
	var answer any
`, 1)
	var sizes []int64
	for _, source := range []string{bare, with} {
		folder := newModule(t, "main.go", source)
		runGo(t, folder, nil, "build", "-o", "program", ".")
		info, err := os.Stat(filepath.Join(folder, "program"))
		require.NoError(t, err)
		sizes = append(sizes, info.Size())
		if source == with {
			modules := runGo(t, folder, nil, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".")
			assert.Equal(t, []string{
				"github.com/hashicorp/go-cleanhttp", "github.com/hashicorp/go-retryablehttp", "github.com/seam-go/seam",
			}, slices.Compact(slices.Sorted(strings.FieldsSeq(modules))))
		}
	}
	t.Logf("this package adds %d KB to %d KB", (sizes[1]-sizes[0])/1000, sizes[0]/1000)
	assert.Less(t, sizes[1]-sizes[0], int64(900_000), "about half of it go-retryablehttp's, a sixth log/slog's")
}

// newModule makes a module that has nothing but one file and this module.
func newModule(t *testing.T, file, source string) string {
	t.Helper()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	goMod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	goSum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	folder := t.TempDir()
	for name, content := range map[string]string{
		file: source,
		"go.mod": strings.Replace(string(goMod), "module github.com/seam-go/seam", "module program", 1) +
			"\nrequire github.com/seam-go/seam v0.0.0\nreplace github.com/seam-go/seam => " + here + "\n",
		"go.sum": string(goSum),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	return folder
}

func runGo(t *testing.T, folder string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = folder
	cmd.Env = append(append(os.Environ(), "GOFLAGS=-mod=mod"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}
