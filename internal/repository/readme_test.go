package repository_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/imkit/imkittest"
	"github.com/seam-go/seam/seamtest"
)

// TestReadme runs the programs and tests in README.md, in a module that only requires
// this one. Programs that would not end are vetted instead. The block after a
// program is its output.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	srv := seamtest.NewServer(t)
	_, err = srv.Client(t).ClientSessions.Create(t.Context(), seam.ClientSessionCreateParams{UserIdentifierKey: "jane_doe"})
	require.NoError(t, err)
	other := imkittest.NewServer(t)
	other.AddToken("jane_doe")
	other.AddToken("jane_doe")
	user := newUser(t,
		"SEAM_API_KEY="+srv.APIKey, "SEAM_ENDPOINT="+srv.URL,
		"IMKIT_API_KEY="+imkittest.APIKey, "IMKIT_ENDPOINT="+other.URL,
	)

	blocks := regexp.MustCompile("(?s)```go\n(.*?)```\n(?:\n```\n(.*?)```)?").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	module := user.newModule(t)
	for i, block := range blocks {
		source, output := block[1], block[2]
		file, command := "main.go", "run"
		switch {
		case strings.Contains(source, "func Test"):
			file, command = "main_test.go", "test"
		case strings.Contains(source, "ListenAndServe"): // which would not end
			command = "vet"
		}
		folder := filepath.Join(module, fmt.Sprint(i))
		require.NoError(t, os.Mkdir(folder, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(source), 0o600))
		got := user.runGo(t, folder, command, ".")
		if output != "" {
			assert.Equal(t, output, got)
		}
	}
}

// TestReadmeIsComplete checks that the README mentions each operation and each example,
// and that the files and headings of its links exist.
func TestReadmeIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	readme := string(text)
	for method := range reflect.TypeFor[*seam.ClientSessionsService]().Methods() {
		assert.Regexp(t, "(?m)^\\| \\[.*`"+method.Name+"`.*\\]\\(https://docs.seam.co/", readme)
	}
	mains, err := filepath.Glob("examples/*/main.go")
	require.NoError(t, err)
	for _, main := range mains {
		assert.Contains(t, readme, "](examples/"+filepath.Base(filepath.Dir(main))+")")
	}
	var anchors []string // as GitHub makes them of headings
	for _, heading := range regexp.MustCompile(`(?m)^##+ (.+)$`).FindAllStringSubmatch(readme, -1) {
		words := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, "#"+strings.ReplaceAll(words, " ", "-"))
	}
	for _, link := range regexp.MustCompile(`\]\(([^:)]+)\)`).FindAllStringSubmatch(readme, -1) {
		if strings.HasPrefix(link[1], "#") {
			assert.Contains(t, anchors, link[1])
		} else {
			_, err := os.Stat(link[1])
			assert.NoError(t, err)
		}
	}
	assert.Equal(t, 0, strings.Count(readme, "```")%2)
	assert.Equal(t, strings.Count(readme, "package main"), strings.Count(readme, "```go\npackage main"), "each is run")
}

// TestBinary builds a program without this package, with it, and with one resource of package
// api. It limits the differences in size and modules.
func TestBinary(t *testing.T) {
	t.Parallel()
	user := newUser(t)
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
	withAPI := strings.Replace(with, "	\"github.com/seam-go/seam\"\n", "	\"github.com/seam-go/seam\"\n	\"github.com/seam-go/seam/api\"\n", 1)
	withAPI = strings.Replace(withAPI, "	var answer any\n", `	for device, err := range api.New(client).Devices.All(ctx, api.DeviceListParams{}, seam.WithUser("a")) {
		log.Print(device, err)
	}
	var answer any
`, 1)
	folder := user.newModule(t)
	var sizes []int64
	for _, source := range []string{bare, with, withAPI} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o600))
		user.runGo(t, folder, "build", "-o", "program", ".")
		info, err := os.Stat(filepath.Join(folder, "program"))
		require.NoError(t, err)
		sizes = append(sizes, info.Size())
		if source == with {
			assert.Equal(t, []string{
				"github.com/hashicorp/go-cleanhttp", "github.com/hashicorp/go-retryablehttp", "github.com/seam-go/seam",
			}, user.modules(t, folder, "."))
		}
	}
	t.Logf("this package adds %d KB to %d KB, and package api %d KB", (sizes[1]-sizes[0])/1000, sizes[0]/1000, (sizes[2]-sizes[1])/1000)
	assert.Less(t, sizes[1]-sizes[0], int64(950_000))
	assert.Less(t, sizes[2]-sizes[1], int64(150_000))
}
