package transport

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDecodeObjectBodyTooLong tests that DecodeObject returns the error of a body
// beyond its limit as it is. The limit itself would take seconds to decode.
func TestDecodeObjectBodyTooLong(t *testing.T) {
	t.Parallel()
	b := &body{Reader: strings.NewReader(`{"items": "more than ten bytes"}`), left: 10}
	err := DecodeObject(b, func(_ string, d *Decoder) error { return d.Skip() })
	require.Equal(t, errBodyTooLong, err)
}
