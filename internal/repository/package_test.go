package repository_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestPackage gets this module as users do, and checks which files and modules they then
// have.
func TestPackage(t *testing.T) {
	t.Parallel()
	user := newUser(t)
	folder := t.TempDir()
	user.runGo(t, folder, "mod", "init", "program")
	user.runGo(t, folder, "get", "github.com/seam-go/seam/...")
	user.runGo(t, folder, "build", "github.com/seam-go/seam/...")
	assert.Equal(t, []string{
		"github.com/hashicorp/go-cleanhttp", "github.com/hashicorp/go-retryablehttp", "github.com/hashicorp/golang-lru/v2",
		"github.com/seam-go/seam", "github.com/standard-webhooks/standard-webhooks/libraries",
	}, user.modules(t, folder, "github.com/seam-go/seam/..."), "nothing that only the tests need")

	packed, err := os.ReadFile(filepath.Join(user.cache, "cache/download/github.com/seam-go/seam/@v/v"+seam.Version+".zip"))
	require.NoError(t, err)
	t.Logf("users fetch %d KB of github.com/seam-go/seam", len(packed)/1000)
	assert.Less(t, len(packed), 440_000)
	files, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	require.NoError(t, err)
	allowed := strings.Join([]string{
		`^\w+\.go$`, `^[A-Z]+(\.md)?$`, `^go\.(mod|sum)$`, `^docs/\w+\.md$`,
		`^(imkit|imkit/imkittest|internal/\w+|seamtest|seamtest/seamd|sessioncache|sessioncache/internal/cachetest|webhook)/\w+\.go$`,
		`^examples/[\w-]+/\w+\.go$`, `^seamtest/endpoints\.(json|mjs)$`,
		`^testdata/(documented|imkit|wire/\w+)/\w+\.json$`, `^testdata/[\w.]+\.(json|txt)$`, `^webhook/testdata/[\w.]+\.json$`,
		`^Makefile$`, `^\.git(ignore|attributes)$`, `^\.golangci\.yml$`, `^\.(ci|github)/`, // can only be here
	}, "|")
	var names []string
	for _, file := range files.File {
		name := strings.TrimPrefix(file.Name, "github.com/seam-go/seam@v"+seam.Version+"/")
		names = append(names, name)
		assert.Regexp(t, allowed, name, "everybody who uses this module would have it")
	}
	assert.Subset(t, names, []string{"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"})
	assert.NotContains(t, strings.Fields(user.runGo(t, folder, "list", "-deps", "github.com/seam-go/seam")), "testing")
}

// TestNestedModules gets each nested module for users as they do. The replace directives
// in its go.mod have no effect for them.
func TestNestedModules(t *testing.T) {
	t.Parallel()
	user := newUser(t)
	if len(user.nested) == 0 {
		t.Skip("there are none")
	}
	for _, nested := range user.nested {
		t.Run(nested, func(t *testing.T) {
			t.Parallel()
			module := "github.com/seam-go/seam/" + nested
			required := output(t, nested, nil, "go", "mod", "edit", "-json")
			var file struct {
				Require []struct{ Path, Version string }
				Replace []struct{ Old struct{ Path string } }
			}
			require.NoError(t, json.Unmarshal([]byte(required), &file))
			for _, replaced := range file.Replace {
				assert.Equal(t, "github.com/seam-go/seam", replaced.Old.Path, "users get another version than the tests")
			}
			assert.Contains(t, file.Require, struct{ Path, Version string }{"github.com/seam-go/seam", "v" + seam.Version})

			folder := t.TempDir()
			user.runGo(t, folder, "mod", "init", "program")
			user.runGo(t, folder, "get", module+"@v"+seam.Version)
			user.runGo(t, folder, "build", module+"/...")
			packed, err := os.ReadFile(filepath.Join(user.cache, "cache/download", module, "@v/v"+seam.Version+".zip"))
			require.NoError(t, err)
			t.Logf("users fetch %d KB of %s, and use %s", len(packed)/1000, module, strings.Join(user.modules(t, folder, module), " "))
			assert.Less(t, len(packed), 450_000)
		})
	}
}

// TestVersion compares CHANGELOG.md and README.md with the version in version.go.
// CHANGELOG.md has no section until the first release.
func TestVersion(t *testing.T) {
	t.Parallel()
	changes, err := os.ReadFile("CHANGELOG.md")
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	headings := regexp.MustCompile(`(?m)^## .*$`).FindAllString(string(changes), -1)
	require.NotEmpty(t, headings)
	assert.Equal(t, "## [Unreleased]", headings[0])
	if len(headings) == 1 {
		assert.Contains(t, string(readme), "\nNo version has been released yet")
		return
	}
	assert.NotContains(t, string(readme), "No version has been released yet")
	version := regexp.QuoteMeta(seam.Version)
	assert.Regexp(t, `^## \[`+version+`\] - \d{4}-\d\d-\d\d$`, headings[1])
	assert.Regexp(t, `(?m)^## \[`+version+`\].*\n\n[^#\[\s]`, string(changes), "the release says something")
	assert.Regexp(t, `(?m)^\[Unreleased\]: .*/v`+version+`\.\.\.HEAD$`, string(changes))
	assert.Regexp(t, `(?m)^\[`+version+`\]: .*v`+version+`$`, string(changes))
}

var modules = flag.Bool("modules", false, "run the tests that get and build modules as users do")

// user has an empty module cache and gets this module, with uncommitted changes, from a
// local git repository under its real path. The dependencies come from the module cache
// of the machine, or from the network if they are not there.
type user struct {
	cache  string
	env    []string
	nested []string // the folders of modules of their own that are for users
}

func newUser(t *testing.T, env ...string) user {
	t.Helper()
	if !*modules {
		t.Skip("takes a while: make modules runs it")
	}
	if _, err := exec.LookPath("git"); err != nil {
		const missing = "no git: this module was not fetched as its users do"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	folder := t.TempDir()
	repository := filepath.Join(folder, "repository")
	git := func(args ...string) string {
		t.Helper()
		return output(t, ".", []string{
			"GIT_DIR=" + repository, "GIT_WORK_TREE=.", "GIT_INDEX_FILE=" + filepath.Join(folder, "index"),
			"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		}, "git", args...)
	}
	git("init", "--quiet")
	git("add", "--all")
	git("-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "commit", "--quiet", "--message=All")
	git("tag", "v"+seam.Version)
	var nested []string
	for file := range strings.FieldsSeq(git("ls-files", "*/go.mod")) {
		// The others are examples, tools and test helpers.
		if !regexp.MustCompile(`^(examples|internal|testdata)/`).MatchString(file) {
			nested = append(nested, path.Dir(file))
			git("tag", path.Dir(file)+"/v"+seam.Version)
		}
	}
	cache := filepath.Join(folder, "modules")
	environment := strings.Fields(output(t, ".", nil, "go", "env", "GOMODCACHE", "GOPROXY"))
	return user{cache, append(env,
		"GOMODCACHE="+cache,
		"GOFLAGS=-modcacherw -trimpath", // the test can delete the cache, and tests share what they build
		"GOPROXY=file:///"+strings.TrimLeft(filepath.ToSlash(environment[0]), "/")+"/cache/download,"+environment[1],
		"GONOPROXY=github.com/seam-go/seam",
		"GOSUMDB=off",
		"GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=url."+filepath.ToSlash(repository)+".insteadOf",
		"GIT_CONFIG_VALUE_0=https://github.com/seam-go/seam",
	), nested}
}

// newModule creates a module and runs the go get commands of README.md.
func (u user) newModule(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	u.runGo(t, folder, "mod", "init", "program")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	commands := regexp.MustCompile(`(?m)^go (get) (\S+)$`).FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, commands)
	for _, command := range commands {
		u.runGo(t, folder, command[1:]...)
	}
	return folder
}

// modules returns the paths of the modules in a build of packages.
func (u user) modules(t *testing.T, folder, packages string) []string {
	t.Helper()
	paths := u.runGo(t, folder, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", packages)
	return slices.Compact(slices.Sorted(strings.FieldsSeq(paths)))
}

func (u user) runGo(t *testing.T, folder string, args ...string) string {
	t.Helper()
	return output(t, folder, u.env, "go", args...)
}

// output runs a command that must succeed and returns its output.
func output(t *testing.T, folder string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "GIT_") // a hook's, about the repository that it is for
	})
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}
