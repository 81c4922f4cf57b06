package sessioncache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// seams are the kinds of servers: one that extends sessions, as Seam is documented, one that does not, as
// its fake, and one that gives no longer life.
var seams = map[string]func() *cachetest.Seam{
	"extends":        func() *cachetest.Seam { return &cachetest.Seam{Extend: true} },
	"does not":       func() *cachetest.Seam { return &cachetest.Seam{} },
	"no longer life": func() *cachetest.Seam { srv := &cachetest.Seam{}; srv.Set(0, 4*time.Minute); return srv },
}

// TestAccessLasts checks that granted access outlives renewals, whoever granted it, and an expiry.
func TestAccessLasts(t *testing.T) {
	t.Parallel()
	for name, newSeam := range seams {
		for _, visits := range []time.Duration{2 * time.Minute, 25 * time.Hour} {
			t.Run(name+", a visit each "+visits.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := newSeam()
					cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: 24 * time.Hour})
					id := srv.Get(t, cache).ClientSessionID
					require.NoError(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
						UserIdentifierKey: user, ConnectWebviewIDs: []string{"webview"}, UserIdentityID: "identity",
					}))
					require.NoError(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{
						ClientSessionID: id, ConnectedAccountIDs: []string{"account"},
					}))
					for end := time.Now().Add(75 * time.Hour); time.Now().Before(end); time.Sleep(visits) {
						session := srv.Get(t, cache)
						require.Contains(t, session.ConnectWebviewIDs, "webview")
						require.Contains(t, session.ConnectedAccountIDs, "account")
						require.Equal(t, "identity", session.UserIdentityID)
						stored, err := srv.Client(t).ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{ClientSessionID: session.ClientSessionID})
						require.NoError(t, err)
						require.ElementsMatch(t, session.ConnectedAccountIDs, stored.ConnectedAccountIDs)
					}
					if name == "extends" && visits < time.Hour {
						assert.Equal(t, id, srv.Get(t, cache).ClientSessionID)
						assert.Zero(t, srv.Requests("revoke"))
					}
				})
			})
		}
	}
}

// TestParamsReachAnExistingSession checks that the access of Config.Params is granted to a session that
// Seam has already.
func TestParamsReachAnExistingSession(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	srv.Add(user, 0, time.Hour)
	cache := newCache(t, srv.Client(t), sessioncache.Config{
		Params: func(context.Context, string) (seam.ClientSessionGetOrCreateParams, error) {
			return seam.ClientSessionGetOrCreateParams{ConnectedAccountIDs: []string{"account_1", "account"}}, nil
		},
	})
	assert.Contains(t, srv.Get(t, cache).ConnectedAccountIDs, "account")
	assert.Equal(t, 1, srv.Requests("grant_access"))
}

// TestAccessAfterAFailure has the request for the new session fail after the old one was revoked.
func TestAccessAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
		srv.Get(t, cache)
		require.NoError(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{UserIdentifierKey: user, ConnectedAccountIDs: []string{"account"}}))
		time.Sleep(55 * time.Minute)
		srv.After = func(path string) error {
			srv.Break(path == "revoke")
			return nil
		}
		_, err := cache.Session(t.Context(), user)
		require.ErrorIs(t, err, cachetest.ErrBroken, "the old session is revoked")
		srv.After = nil
		srv.Break(false)
		time.Sleep(2 * time.Second)
		assert.Contains(t, srv.Get(t, cache).ConnectedAccountIDs, "account")
	})
}

// TestAccessThatIsGone checks that a session keeps the rest if Seam refuses a part of the old access.
func TestAccessThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour, Params: nil})
		srv.Get(t, cache)
		require.NoError(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{UserIdentifierKey: user, ConnectedAccountIDs: []string{"account"}}))
		require.NoError(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{UserIdentifierKey: user, ConnectedAccountIDs: []string{"disconnected"}}))
		srv.Disconnect("disconnected")
		time.Sleep(55 * time.Minute)
		session := srv.Get(t, cache)
		assert.Contains(t, session.ConnectedAccountIDs, "account")
		assert.NotContains(t, session.ConnectedAccountIDs, "disconnected")
	})
}

// TestGrantAccessFails checks that the cache forgets what it cannot know.
func TestGrantAccessFails(t *testing.T) {
	t.Parallel()
	srv := &cachetest.Seam{}
	cache := newCache(t, srv.Client(t), sessioncache.Config{})
	srv.Get(t, cache)
	require.ErrorIs(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{}), seam.ErrInvalidParams)
	require.ErrorIs(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{UserIdentifierKey: user}), seam.ErrInvalidParams)
	before := srv.Requests("")
	srv.Get(t, cache)
	require.Equal(t, before, srv.Requests(""), "what was rejected changed nothing")
	require.ErrorIs(t, cache.GrantAccess(t.Context(), seam.ClientSessionGrantAccessParams{ClientSessionID: "none", ConnectedAccountIDs: []string{"a"}}), seam.ErrNotFound)
}
