// Release prints the version that must follow a release. It reads the changes to the
// public API since that release from stdin, in the format of apidiff.
//
//	release v0.1.0 <changes
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	changes, err := io.ReadAll(os.Stdin)
	if err == nil && len(os.Args) != 2 {
		err = errors.New("usage: release version <changes")
	}
	var version string
	if err == nil {
		version, err = next(os.Args[1], string(changes))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
	fmt.Println(version)
}

// next returns the version after release. Before v1, an incompatible change increments
// the minor version, and any other change the patch version. From v1 on, an addition
// increments the minor version, and an incompatible change is an error.
func next(release, changes string) (string, error) {
	var major, minor, patch int
	if n, err := fmt.Sscanf(release, "v%d.%d.%d", &major, &minor, &patch); n != 3 {
		return "", fmt.Errorf("%q is not a release: %w", release, err)
	}
	var heading string
	found := map[string]bool{}
	for line := range strings.Lines(changes) {
		switch {
		case strings.HasPrefix(line, "- Version: value changed"): // as it does in each release
		case strings.HasPrefix(line, "- "):
			found[heading] = true
		default:
			heading = strings.TrimSpace(line)
		}
	}
	incompatible, compatible := found["Incompatible changes:"], found["Compatible changes:"]
	switch {
	case incompatible && major > 0:
		return "", fmt.Errorf("incompatible changes since %s need a new module path, github.com/seam-go/seam/v%d", release, major+1)
	case incompatible, compatible && major > 0:
		minor, patch = minor+1, 0
	default:
		patch++
	}
	return fmt.Sprintf("v%d.%d.%d", major, minor, patch), nil
}
