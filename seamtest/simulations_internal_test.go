package seamtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSimulationsAreInTheSchema finds endpoints and params that Seam does not have, or no
// longer has.
func TestSimulationsAreInTheSchema(t *testing.T) {
	t.Parallel()
	for path, simulation := range simulations {
		endpoint, documented := endpoints()[path]
		assert.True(t, documented, path)
		for name := range strings.FieldsSeq(simulation.params) {
			assert.NotNil(t, endpoint.Params.property(name), "%s: %s", path, name)
		}
	}
}
