package cachetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/webhook"
)

// Model is a random comparison of caches that share a store with a simple map.
type Model struct {
	Seed   uint64
	Steps  int
	Seam   *Seam
	Caches []*sessioncache.Cache
	// RefreshBefore is that of the caches.
	RefreshBefore time.Duration
	// Sleep lets time pass for caches and store, if it is not nil.
	Sleep func(time.Duration)
	// Settle, if it is not nil, returns when all caches know that a user's session is gone.
	Settle func(userIdentifierKey string)

	rand   *rand.Rand
	cached map[string]*seam.ClientSession
	renew  map[string]time.Time // when a cached session is to be renewed
	dead   map[string]bool      // IDs of sessions that the caches know to be dead
	broken bool
}

// Run takes the steps. A failure names the seed and the step.
func (m *Model) Run(t *testing.T) {
	t.Helper()
	t.Logf("seed %d", m.Seed)
	m.rand = rand.New(rand.NewPCG(m.Seed, 0))
	m.cached, m.renew, m.dead = map[string]*seam.ClientSession{}, map[string]time.Time{}, map[string]bool{}
	for step := range m.Steps {
		user := fmt.Sprint("user_", m.rand.IntN(10))
		cache := m.Caches[m.rand.IntN(len(m.Caches))]
		var what string
		switch n := m.rand.IntN(100); {
		case n < 60:
			what = "Session"
			m.session(t, user, cache)
		case n < 70:
			what = "Session, many times at once"
			m.sessions(t, user)
		case n < 76:
			what = "SignOut"
			alive := m.Seam.Alive(user)
			assert.Equal(t, m.broken, cache.SignOut(t.Context(), user) != nil)
			if !m.broken {
				for _, id := range alive {
					m.dead[id] = true
				}
				assert.Empty(t, m.Seam.Alive(user))
			}
			m.forget(user)
		case n < 82:
			what = "Forget"
			require.NoError(t, cache.Forget(t.Context(), user))
			m.forget(user)
		case n < 88:
			what = "HandleEvent"
			if session := m.cached[user]; session != nil {
				m.Seam.Revoke(session.ClientSessionID)
				require.NoError(t, cache.HandleEvent(t.Context(), webhook.Event{
					ClientSessionDeleted: &webhook.ClientSessionDeleted{ClientSessionID: session.ClientSessionID},
				}))
				m.dead[session.ClientSessionID] = true
				m.forget(user)
			}
		case n < 91:
			what = "revoked by another program"
			if session := m.cached[user]; session != nil {
				m.Seam.Revoke(session.ClientSessionID)
			}
		case n < 94:
			what = "Seam breaks or heals"
			m.broken = !m.broken
			m.Seam.Break(m.broken)
		case m.Sleep != nil:
			what = "Sleep"
			m.Sleep(time.Duration(m.rand.Int64N(int64(20 * time.Minute))))
		}
		if t.Failed() {
			t.Fatalf("seed %d, step %d: %s of %s", m.Seed, step, what, user)
		}
	}
}

func (m *Model) forget(user string) {
	delete(m.cached, user)
	if m.Settle != nil {
		m.Settle(user)
	}
}

func (m *Model) session(t *testing.T, user string, cache *sessioncache.Cache) {
	t.Helper()
	before, now := m.Seam.Requests(""), time.Now()
	session, err := cache.Session(t.Context(), user)
	requests := m.Seam.Requests("") - before
	cached := m.cached[user]
	switch {
	case cached != nil && now.Before(m.renew[user]):
		require.NoError(t, err)
		assert.Equal(t, cached, session)
		assert.Zero(t, requests)
	case m.broken && cached != nil && now.Before(cached.ExpiresAt):
		require.NoError(t, err)
		assert.Equal(t, cached, session)
		m.renew[user] = now.Add(30 * time.Second)
		if m.renew[user].After(cached.ExpiresAt) {
			m.renew[user] = cached.ExpiresAt
		}
	case m.broken:
		require.ErrorIs(t, err, ErrBroken)
		delete(m.cached, user)
	default:
		require.NoError(t, err)
		m.learn(t, user, session)
		assert.NotZero(t, requests)
	}
}

// learn checks a session that has just been fetched.
func (m *Model) learn(t *testing.T, user string, session *seam.ClientSession) {
	t.Helper()
	assert.Equal(t, user, session.UserIdentifierKey)
	assert.True(t, m.Seam.Valid(session.Token))
	assert.False(t, m.dead[session.ClientSessionID])
	m.cached[user] = session
	m.renew[user] = session.ExpiresAt.Add(-m.RefreshBefore)
}

// sessions asks all caches at once, and wants one and the same answer.
func (m *Model) sessions(t *testing.T, user string) {
	t.Helper()
	got := make([]*seam.ClientSession, 4*len(m.Caches))
	fetched := m.cached[user] == nil || !time.Now().Before(m.renew[user])
	if m.broken && fetched {
		return
	}
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() {
			var err error
			got[i], err = m.Caches[i%len(m.Caches)].Session(t.Context(), user)
			assert.NoError(t, err)
		})
	}
	group.Wait()
	for _, session := range got[1:] {
		assert.Equal(t, got[0], session)
	}
	if fetched && got[0] != nil {
		m.learn(t, user, got[0])
	} else {
		assert.Equal(t, m.cached[user], got[0])
	}
}
