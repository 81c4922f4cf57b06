package sessioncache_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/sessioncache/internal/cachetest"
)

// TestRenewal checks when a session is renewed, and that a renewal extends it where Seam does that.
func TestRenewal(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	for name, tt := range map[string]struct {
		config         sessioncache.Config
		life           time.Duration // of the session
		earliest, last time.Duration // of its life, when it is renewed
	}{
		"5 minutes by default":             {sessioncache.Config{}, 60 * m, 50 * m, 55 * m},
		"a tenth of a short Lifetime":      {sessioncache.Config{Lifetime: 10 * m}, 10 * m, 8 * m, 9 * m},
		"5 minutes of a long Lifetime":     {sessioncache.Config{Lifetime: 24 * time.Hour}, 24 * time.Hour, 24*time.Hour - 10*m, 24*time.Hour - 5*m},
		"as configured":                    {sessioncache.Config{RefreshBefore: 10 * m}, 60 * m, 40 * m, 50 * m},
		"more than half of the life":       {sessioncache.Config{RefreshBefore: 40 * m}, 60 * m, 20 * m, 20 * m},
		"less than twice the margin":       {sessioncache.Config{RefreshBefore: 60 * m, Lifetime: 90 * m}, 90 * m, 30 * m, 30 * m},
		"one that lives for less, at last": {sessioncache.Config{RefreshBefore: 120 * m}, 60 * m, 60 * m, 60 * m},
	} {
		for _, extend := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, extend=%t", name, extend), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := &cachetest.Seam{Extend: extend}
					if tt.config.Lifetime == 0 {
						srv.Set(0, tt.life)
					}
					cache := newCache(t, srv.Client(t), tt.config)
					first := srv.Get(t, cache)
					assert.Equal(t, tt.life, first.ExpiresAt.Sub(first.CreatedAt))
					time.Sleep(tt.earliest - time.Second)
					assert.Equal(t, first, srv.Get(t, cache))
					time.Sleep(time.Second + tt.last - tt.earliest)
					second := srv.Get(t, cache)
					assert.Equal(t, tt.life, time.Until(second.ExpiresAt))
					if isExtended := extend && tt.config.Lifetime > 0; isExtended {
						assert.Equal(t, first.Token, second.Token)
						assert.Zero(t, srv.Requests("revoke"))
					} else {
						assert.NotEqual(t, first.ClientSessionID, second.ClientSessionID)
					}
					assert.Equal(t, []string{second.ClientSessionID}, srv.Alive(user), "the first is revoked or has expired")
				})
			})
		}
	}
}

// TestExistingSession checks that a session from Seam that expires soon is renewed at once.
func TestExistingSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		old := srv.Add(user, 24*time.Hour, 2*time.Minute)
		cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
		session := srv.Get(t, cache)
		assert.Equal(t, time.Now().Add(time.Hour).UTC(), session.ExpiresAt)
		assert.False(t, srv.Valid(old.Token))
		assert.Equal(t, sessioncache.Stats{Misses: 1, Fetches: 1, Renewals: 1}, cache.Stats())
	})
}

// TestNoLongerLife has a Seam that creates only sessions that expire soon. Such a session is not
// renewed by each call.
func TestNoLongerLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		srv.Add(user, 24*time.Hour, 2*time.Minute)
		srv.Set(0, 2*time.Minute) // less than RefreshBefore
		cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour, RefreshBefore: 5 * time.Minute})
		for range 600 {
			srv.Get(t, cache)
			time.Sleep(time.Second)
		}
		assert.Equal(t, 1, srv.Requests("revoke"))
		assert.LessOrEqual(t, srv.Requests("get_or_create"), 7, "one for each 2 minutes, and one more")
	})
}

// TestTwoProcessesRenewOneSession starts the second renewal some time after the first. Both
// processes get the same new session.
func TestTwoProcessesRenewOneSession(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond} {
		t.Run(later.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				srv.Add(user, 24*time.Hour, 2*time.Minute)
				srv.Before = func(string) error { time.Sleep(time.Second / 2); return nil }
				srv.After = srv.Before
				var tokens [2]string
				var group sync.WaitGroup
				for i := range tokens {
					cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
					group.Go(func() {
						time.Sleep(time.Duration(i) * later)
						session, err := cache.Session(t.Context(), user)
						if assert.NoError(t, err) {
							tokens[i] = session.Token
						}
					})
				}
				group.Wait()
				assert.Equal(t, tokens[0], tokens[1])
				assert.True(t, srv.Valid(tokens[0]))
				assert.Len(t, srv.Alive(user), 1)
			})
		})
	}
}

// TestRenewalThatFails checks that the old session is returned until it expires.
func TestRenewalThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
		first := srv.Get(t, cache)
		time.Sleep(55*time.Minute + 10*time.Second)
		srv.Break(true)
		requests := srv.Requests("")
		for range 5*60 - 10 {
			assert.Equal(t, first, srv.Get(t, cache))
			time.Sleep(time.Second)
		}
		tries := srv.Requests("") - requests
		assert.InDelta(t, 5*60/2, tries, 5, "one each 2 seconds, for all users")
		assert.Equal(t, uint64(tries), cache.Stats().Errors)
		time.Sleep(2 * time.Second)
		_, err := cache.Session(t.Context(), user)
		require.ErrorIs(t, err, cachetest.ErrBroken, "it has expired")
		srv.Break(false)
		time.Sleep(2 * time.Second)
		srv.Get(t, cache)
	})
}

// TestRenewalWithoutParams checks that the old session is returned if Config.Params fails or hangs.
func TestRenewalWithoutParams(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"failing": 0, "hanging": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				broken := false
				cache := newCache(t, srv.Client(t), sessioncache.Config{
					Lifetime: time.Hour,
					Params: func(ctx context.Context, _ string) (seam.ClientSessionGetOrCreateParams, error) {
						if broken && wait > 0 {
							<-ctx.Done()
						}
						if broken {
							return seam.ClientSessionGetOrCreateParams{}, cachetest.ErrBroken
						}
						return seam.ClientSessionGetOrCreateParams{}, nil
					},
				})
				first := srv.Get(t, cache)
				time.Sleep(56 * time.Minute)
				broken = true
				begin := time.Now()
				assert.Equal(t, first, srv.Get(t, cache))
				assert.Equal(t, wait, time.Since(begin))
				time.Sleep(time.Minute) // until the fetch has ended
				assert.Equal(t, uint64(1), cache.Stats().Errors)
			})
		})
	}
}

// TestRenewalThatHangs has each request of a renewal hang. The old session is returned after a second,
// unless it may be revoked.
func TestRenewalThatHangs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path   string
		number int
		wait   time.Duration
		old    bool
	}{
		"the request for the old session": {"get_or_create", 2, time.Second, true},
		"the revoke":                      {"revoke", 1, 5 * time.Second, true},
		"the request for the new session": {"get_or_create", 3, 10 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
				srv.Before = func(path string) error {
					srv.Hang.Store(path == tt.path && srv.Requests(path) == tt.number)
					return nil
				}
				first := srv.Get(t, cache)
				time.Sleep(55 * time.Minute)
				begin := time.Now()
				second, err := cache.Session(t.Context(), user)
				assert.InDelta(t, tt.wait, time.Since(begin), float64(time.Second))
				if tt.old {
					require.NoError(t, err)
					assert.Equal(t, first, second)
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				time.Sleep(time.Minute)
				srv.Get(t, cache)
			})
		})
	}
}

// TestRenewalThatFailsHalfway has each request of a renewal fail.
func TestRenewalThatFailsHalfway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path   string
		number int  // of the request to that path
		effect bool // whether it takes effect
		served string
	}{
		"the revoke":                      {"revoke", 1, false, "old"},
		"the revoke, response lost":       {"revoke", 1, true, "new"},
		"get_or_create":                   {"get_or_create", 2, false, ""},
		"get_or_create, response lost":    {"get_or_create", 2, true, ""},
		"the request for the old session": {"get_or_create", 1, false, ""},
		"the same, response lost":         {"get_or_create", 1, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				old := srv.Add(user, 24*time.Hour, 2*time.Minute)
				number := 0
				hook := func(path string) error {
					if path != tt.path {
						return nil
					}
					if number++; number == tt.number {
						return cachetest.ErrBroken
					}
					return nil
				}
				if srv.Before = hook; tt.effect {
					srv.Before, srv.After = nil, hook
				}
				cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
				session, err := cache.Session(t.Context(), user)
				if tt.served == "" {
					require.ErrorIs(t, err, cachetest.ErrBroken)
				} else {
					require.NoError(t, err)
					assert.True(t, srv.Valid(session.Token))
					assert.Equal(t, tt.served == "old", session.ClientSessionID == old.ClientSessionID)
				}
				time.Sleep(31 * time.Second)
				assert.NotEqual(t, old.ClientSessionID, srv.Get(t, cache).ClientSessionID)
				assert.Len(t, srv.Alive(user), 1)
			})
		})
	}
}

// TestEndedWhileRenewed ends a session during a renewal that fails. The old session is not
// returned again.
func TestEndedWhileRenewed(t *testing.T) {
	t.Parallel()
	for name, end := range cachetest.Endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := &cachetest.Seam{}
				cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
				srv.Get(t, cache)
				time.Sleep(55 * time.Minute)
				onItsWay, release := make(chan struct{}, 10), make(chan struct{})
				srv.Before = func(path string) error {
					if path == "get_or_create" {
						onItsWay <- struct{}{}
						<-release
						return cachetest.ErrBroken
					}
					return nil
				}
				var group sync.WaitGroup
				session := func() {
					_, err := cache.Session(t.Context(), user)
					assert.Error(t, err)
				}
				for range 3 {
					group.Go(session)
				}
				<-onItsWay
				synctest.Wait()
				end(t, srv, cache)
				group.Go(session)
				synctest.Wait()
				close(release)
				group.Wait()
				time.Sleep(time.Minute)
				_, err := cache.Session(t.Context(), user)
				require.ErrorIs(t, err, cachetest.ErrBroken)
				time.Sleep(time.Minute)
				srv.Before = nil
				srv.Get(t, cache)
			})
		})
	}
}

// TestRenewalIsShared checks that concurrent calls share a renewal.
func TestRenewalIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &cachetest.Seam{}
		cache := newCache(t, srv.Client(t), sessioncache.Config{Lifetime: time.Hour})
		srv.Get(t, cache)
		time.Sleep(55 * time.Minute)
		srv.After = func(string) error { time.Sleep(800 * time.Millisecond); return nil }
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() { srv.Get(t, cache) })
		}
		group.Wait()
		assert.Equal(t, 3, srv.Requests("get_or_create"), "the first, and two for the renewal")
		assert.Equal(t, 1, srv.Requests("revoke"))
	})
}
