package cachetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
)

// Model compares caches that share a store with a map, in random steps.
type Model struct {
	Seed   uint64
	Steps  int
	Seam   *Seam
	Caches []*sessioncache.Cache
	// RefreshBefore is the RefreshBefore of the caches.
	RefreshBefore time.Duration
	// Sleep, if not nil, advances the time of the caches and the store.
	Sleep func(time.Duration)
	// Settle, if not nil, waits until no cache has a session of the user.
	Settle func(userIdentifierKey string)

	rand   *rand.Rand
	cached map[string]*seam.ClientSession
	renew  map[string]time.Time // when to renew the cached session of a user at the latest
	dead   map[string]bool      // IDs of sessions that were ended through a cache
	broken bool
}

// Run runs the steps. A failure reports the seed and the step.
func (m *Model) Run(t *testing.T) {
	t.Helper()
	t.Logf("seed %d", m.Seed)
	m.rand = rand.New(rand.NewPCG(m.Seed, 0))
	m.cached, m.renew, m.dead = map[string]*seam.ClientSession{}, map[string]time.Time{}, map[string]bool{}
	for step := range m.Steps {
		user := fmt.Sprint("user_", m.rand.IntN(10))
		what, err := m.step(t, user, m.Caches[m.rand.IntN(len(m.Caches))])
		if err != nil {
			t.Fatalf("seed %d, step %d: %s of %s: %v", m.Seed, step, what, user, err)
		}
	}
}

func (m *Model) step(t *testing.T, user string, cache *sessioncache.Cache) (what string, err error) {
	t.Helper()
	ctx, cached := t.Context(), m.cached[user]
	switch n := m.rand.IntN(100); {
	case n < 60:
		return "Session", m.session(t, user, cache)
	case n < 70:
		return "Session, many times at once", m.sessions(t, user)
	case n < 76:
		for _, id := range m.Seam.Alive(user) {
			m.dead[id] = !m.broken || m.dead[id]
		}
		err := cache.SignOut(ctx, user)
		if failed := err != nil; failed != m.broken || !m.broken && len(m.Seam.Alive(user)) > 0 {
			return "SignOut", fmt.Errorf("error %w, and %d sessions are alive", err, len(m.Seam.Alive(user)))
		}
		m.forget(user)
		return "SignOut", nil
	case n < 82:
		err := cache.Forget(ctx, user)
		m.forget(user)
		return "Forget", err
	case n < 88 && cached != nil:
		m.Seam.Revoke(cached.ClientSessionID)
		m.dead[cached.ClientSessionID] = true
		err := cache.HandleEvent(ctx, DeletedEvent(cached.ClientSessionID))
		m.forget(user)
		return "HandleEvent", err
	case n < 91 && cached != nil:
		m.Seam.Revoke(cached.ClientSessionID) // by another program
	case n < 94 && m.Sleep != nil:
		m.broken = !m.broken
		m.Seam.Break(m.broken)
		m.Sleep(time.Minute) // longer than the pause after a failure
	case m.Sleep != nil:
		m.Sleep(time.Duration(m.rand.Int64N(int64(20 * time.Minute))))
	}
	return "", nil
}

func (m *Model) forget(user string) {
	delete(m.cached, user)
	if m.Settle != nil {
		m.Settle(user)
	}
}

func (m *Model) session(t *testing.T, user string, cache *sessioncache.Cache) error {
	t.Helper()
	before, now := m.Seam.Requests(""), time.Now()
	session, err := cache.Session(t.Context(), user)
	requests := m.Seam.Requests("") - before
	cached := m.cached[user]
	if cached != nil && requests == 0 && now.Before(m.renew[user]) {
		return same(cached, session, err)
	}
	if cached != nil && now.Before(m.renew[user].Add(-m.RefreshBefore)) {
		return fmt.Errorf("%d requests for a cached session", requests)
	}
	switch {
	case m.broken && cached != nil && now.Before(cached.ExpiresAt):
		return same(cached, session, err)
	case m.broken:
		delete(m.cached, user)
		if !errors.Is(err, ErrBroken) {
			return fmt.Errorf("got %v, %w from a broken Seam", session, err)
		}
		return nil
	case requests == 0:
		return errors.New("no request for a session that is not cached")
	}
	return m.learn(user, session, err)
}

func same(want, got *seam.ClientSession, err error) error {
	if err != nil || !reflect.DeepEqual(want, got) {
		return fmt.Errorf("got %v, %w; want %v", got, err, want)
	}
	return nil
}

// learn checks a session that was fetched and adds it to the map.
func (m *Model) learn(user string, session *seam.ClientSession, err error) error {
	if err != nil {
		return err
	}
	if session.UserIdentifierKey != user || !m.Seam.Valid(session.Token) || m.dead[session.ClientSessionID] {
		return fmt.Errorf("got %v, which is another user's or ended", session)
	}
	m.cached[user] = session
	m.renew[user] = session.ExpiresAt.Add(-m.RefreshBefore)
	if soon := time.Now().Add(min(m.RefreshBefore, time.Until(session.ExpiresAt)/3)); m.renew[user].Before(soon) {
		m.renew[user] = soon // later, so that it is not renewed again and again
	}
	return nil
}

// sessions calls all caches concurrently and checks that all return the same session.
func (m *Model) sessions(t *testing.T, user string) error {
	t.Helper()
	got, errs := make([]*seam.ClientSession, 4*len(m.Caches)), make([]error, 4*len(m.Caches))
	cached := m.cached[user]
	isCached := cached != nil && time.Now().Before(m.renew[user].Add(-m.RefreshBefore))
	if m.broken && !isCached || !isCached && cached != nil && time.Now().Before(m.renew[user]) {
		return nil
	}
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() { got[i], errs[i] = m.Caches[i%len(m.Caches)].Session(t.Context(), user) })
	}
	group.Wait()
	if !isCached {
		if err := m.learn(user, got[0], errs[0]); err != nil {
			return err
		}
	}
	for i := range got {
		if err := same(m.cached[user], got[i], errs[i]); err != nil {
			return err
		}
	}
	return nil
}
