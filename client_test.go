package seam_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

// TestClientWithoutNewClient tests nil and zero clients, and the nil service of a zero
// client.
func TestClientWithoutNewClient(t *testing.T) {
	t.Parallel()
	const want = ": the Client is nil or zero; create it with NewClient"
	for name, client := range map[string]*seam.Client{
		"zero Client":  {},
		"zero service": {ClientSessions: &seam.ClientSessionsService{}},
	} {
		for _, op := range append(operations, operation{
			name: "ClientSessions.RevokeAll",
			fullest: func(ctx context.Context, c *seam.Client, opts ...seam.Option) error {
				return second(c.ClientSessions.RevokeAll(ctx, ofJane, opts...))
			},
		}) {
			err := op.fullest(t.Context(), client)
			require.ErrorIs(t, err, seam.ErrInvalidParams, "%s of a %s", op.name, name)
			require.ErrorContains(t, err, want, "%s of a %s", op.name, name)
		}
	}
	require.EqualError(t, (*seam.Client)(nil).Post(t.Context(), "/devices/list", nil, nil), "seam: Post /devices/list"+want)
}
