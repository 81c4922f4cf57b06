package sessioncache

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// memory is the [Store] of one process.
type memory struct {
	evictions *atomic.Uint64

	mu    sync.Mutex
	users *simplelru.LRU[Key, *Entry]
	owner map[Key]Key          // the user of each session in users
	loads map[Key]*interrupted // by user; the loads in progress
}

// interrupted tells a load what was deleted during its fetch.
type interrupted struct {
	err      error        // if the user was deleted
	sessions map[Key]bool // that were deleted
}

// newMemory returns a memory with at most maxUsers entries. It counts the entries that it evicts.
func newMemory(maxUsers int, evictions *atomic.Uint64) *memory {
	m := &memory{evictions: evictions, owner: map[Key]Key{}, loads: map[Key]*interrupted{}}
	m.users, _ = simplelru.NewLRU(maxUsers, func(user Key, entry *Entry) { // fails only for a size of 0
		delete(m.owner, Key{user.Namespace, entry.Session.ClientSessionID})
	})
	return m
}

func (m *memory) Get(_ context.Context, user Key) (*Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entry, _ := m.users.Get(user)
	return entry, nil
}

func (m *memory) Load(ctx context.Context, user Key, usable func(*Entry) bool, fetch FetchFunc) (*Entry, error) {
	m.mu.Lock()
	load := &interrupted{sessions: map[Key]bool{}}
	m.loads[user] = load
	old, _ := m.users.Get(user)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.loads, user)
	}()
	if old != nil && usable(old) {
		return old, nil
	}
	entry, err := fetch(ctx, old)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	session := Key{user.Namespace, entry.Session.ClientSessionID}
	if load.err == nil && load.sessions[session] {
		load.err = ErrDeleted
	}
	if load.err != nil {
		return nil, load.err
	}
	m.users.Remove(user) // and so the session of the previous entry from owner
	if m.owner[session] = user; m.users.Add(user, entry) {
		m.evictions.Add(1)
	}
	return entry, nil
}

func (m *memory) Delete(_ context.Context, user Key, signOut bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users.Remove(user)
	if load := m.loads[user]; load != nil && signOut {
		load.err = ErrSignedOut
	} else if load != nil && load.err == nil {
		load.err = ErrDeleted
	}
	return nil
}

func (m *memory) DeleteSession(_ context.Context, session Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, load := range m.loads {
		load.sessions[session] = true
	}
	if user, ok := m.owner[session]; ok {
		m.users.Remove(user)
	}
	return nil
}
