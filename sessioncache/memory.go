package sessioncache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// memory is the [Store] of one process. Package otter shares loads, discards a load whose key is
// invalidated before it ends, and limits the number of users. Its expiry is not used:
// its clock stops while the machine is suspended, and it needs a goroutine that must be stopped.
type memory struct {
	users *otter.Cache[string, *held]

	// Otter's callbacks lock mu while otter holds its own locks. So methods of the users cache
	// must not be called while mu is held.
	mu       sync.Mutex
	sessions map[string]*held // by session ID; entries in users
	renewing map[string]*held // by user; entries that a load is renewing
	deleted  recent
}

// held is an entry in a memory. It is dead if its session was deleted.
type held struct {
	Entry
	dead atomic.Bool
}

// newMemory returns a memory with at most maxUsers entries. It counts the entries that it evicts.
func newMemory(maxUsers int, evictions *atomic.Uint64) *memory {
	m := &memory{sessions: map[string]*held{}, renewing: map[string]*held{}}
	m.users = otter.Must(&otter.Options[string, *held]{
		MaximumWeight: uint64(maxUsers),
		// Otter calls Weigher before it stores an entry, and OnAtomicDeletion when it removes
		// one. Both calls hold the lock of the entry's key.
		Weigher: func(_ string, h *held) uint32 {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.sessions[h.Session.ClientSessionID] = h
			h.dead.Store(m.deleted.has(h.Session.ClientSessionID))
			return 1
		},
		OnAtomicDeletion: func(e otter.DeletionEvent[string, *held]) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if id := e.Value.Session.ClientSessionID; m.sessions[id] == e.Value {
				delete(m.sessions, id)
			}
			if e.Cause == otter.CauseOverflow {
				evictions.Add(1)
			}
		},
	})
	return m
}

func (m *memory) Get(_ context.Context, userIdentifierKey string) (*Entry, error) {
	h, ok := m.users.GetIfPresent(userIdentifierKey)
	if !ok || h.dead.Load() {
		return nil, nil
	}
	return &h.Entry, nil
}

func (m *memory) Load(ctx context.Context, userIdentifierKey string, fetch FetchFunc) (*Entry, error) {
	loader := otter.LoaderFunc[string, *held](func(ctx context.Context, key string) (*held, error) {
		m.mu.Lock()
		renewing := m.renewing[key]
		m.mu.Unlock()
		var old *Entry
		if renewing != nil {
			old = &renewing.Entry
			defer func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				if m.renewing[key] == renewing {
					delete(m.renewing, key)
				}
			}()
		}
		entry, err := fetch(ctx, old)
		if err != nil {
			return nil, err
		}
		return &held{Entry: *entry}, nil
	})
	for loads, last := 0, ""; loads < maxLoads; loads++ {
		if h, ok := m.users.GetIfPresent(userIdentifierKey); ok && (h.dead.Load() || !time.Now().Before(h.RenewAt)) {
			m.retire(userIdentifierKey, h)
		}
		h, err := m.users.Get(ctx, userIdentifierKey, loader)
		if err != nil {
			return nil, err
		}
		if !h.dead.Load() {
			return &h.Entry, nil
		}
		if h.Session.ClientSessionID != last { // another session, deleted before it was stored
			loads, last = 0, h.Session.ClientSessionID
		}
	}
	return nil, ErrDeleted
}

// retire removes h so that the next load fetches. If h is not dead, that load gets it as the old
// entry. If h was already replaced, retire does nothing.
func (m *memory) retire(userIdentifierKey string, h *held) {
	m.users.ComputeIfPresent(userIdentifierKey, func(current *held) (*held, otter.ComputeOp) {
		if current != h {
			return current, otter.CancelOp
		}
		if !h.dead.Load() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.renewing[userIdentifierKey] = h
		}
		return nil, otter.InvalidateOp
	})
}

func (m *memory) Delete(_ context.Context, userIdentifierKey string) error {
	m.users.Compute(userIdentifierKey, func(*held, bool) (*held, otter.ComputeOp) {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.renewing, userIdentifierKey)
		return nil, otter.InvalidateOp
	})
	return nil
}

func (m *memory) DeleteSession(_ context.Context, clientSessionID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted.add(clientSessionID)
	if h := m.sessions[clientSessionID]; h != nil {
		h.dead.Store(true)
	}
	return nil
}

// recent is a set of strings. It keeps each for at least fetchTimeout, and removes old ones when
// others are added.
type recent struct {
	since       time.Time
	these, past map[string]struct{}
}

func (r *recent) add(text string) {
	if now := time.Now(); r.these == nil || now.Sub(r.since) > fetchTimeout {
		r.since, r.past, r.these = now, r.these, map[string]struct{}{}
	}
	r.these[text] = struct{}{}
}

func (r *recent) has(text string) bool {
	_, these := r.these[text]
	_, past := r.past[text]
	return these || past
}
