package sessioncache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// memory is the [Store] of one process. Otter shares loads, discards a load whose key is
// invalidated before it ends, and bounds the number of users. Entries carry their own times:
// otter's clock stops while the machine sleeps, and its expiry needs a goroutine that
// somebody would have to stop.
type memory struct {
	users *otter.Cache[string, *held]

	// mu is taken under otter's locks, so no method of users is called while it is held.
	mu       sync.Mutex
	sessions map[string]*held // what users holds, by session ID
	renewing map[string]*held // what a load is about to replace, by user
	deleted  recent
}

// held is an entry of a memory. It is dead once its session is known to be deleted.
type held struct {
	Entry
	dead atomic.Bool
}

// newMemory returns a store of at most maxUsers entries, which counts those that it drops for
// others.
func newMemory(maxUsers int, evictions *atomic.Uint64) *memory {
	m := &memory{sessions: map[string]*held{}, renewing: map[string]*held{}}
	m.users = otter.Must(&otter.Options[string, *held]{
		MaximumWeight: uint64(maxUsers),
		// Otter calls this for each entry that it is about to store, under the lock of the
		// entry's key, and OnAtomicDeletion for each that it drops under the same lock.
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
		if h.Session.ClientSessionID != last { // a new one, deleted before it was here
			loads, last = 0, h.Session.ClientSessionID
		}
	}
	return nil, ErrDeleted
}

// retire makes room for a load, unless another entry has taken the place of h. If h is still
// good, the load may fall back on it.
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

// recent remembers texts for at least as long as a fetch takes, and for no more than twice that
// once others are added.
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
