package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNext(t *testing.T) {
	t.Parallel()
	const (
		version = "Incompatible changes:\n- Version: value changed from \"0.1.0\" to \"0.2.0\"\n"
		broken  = version + "- ErrInvalidInput: removed\n"
		added   = "Compatible changes:\n- ./sessioncache: added\n"
	)
	for _, tt := range []struct{ release, changes, want string }{
		{"v0.1.0", "", "v0.1.1"},
		{"v0.1.9", version, "v0.1.10"},
		{"v0.1.9", version + added, "v0.1.10"},
		{"v0.1.9", broken, "v0.2.0"},
		{"v0.9.3", broken + added, "v0.10.0"},
		{"v1.2.3", version, "v1.2.4"},
		{"v1.2.3", version + added, "v1.3.0"},
	} {
		got, err := next(tt.release, tt.changes)
		require.NoError(t, err)
		assert.Equal(t, tt.want, got, "%s\n%s", tt.release, tt.changes)
	}
	_, err := next("v1.2.3", added+broken)
	require.EqualError(t, err, "incompatible changes since v1.2.3 need a new module path, github.com/seam-go/seam/v2")
	for _, release := range []string{"", "0.1.0", "v1", "v1.2"} {
		_, err := next(release, "")
		require.ErrorContains(t, err, "is not a release", release)
	}
}
