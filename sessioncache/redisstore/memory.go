package redisstore

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/redis/rueidis"

	"github.com/seam-go/seam/sessioncache"
)

const (
	// trust is how long entries in memory are returned after the connection to Redis was lost.
	trust = 10 * time.Second
	// entrySize is the approximate size of an entry.
	entrySize = 2 << 10
)

// memory holds the entries that were read last, so that each is decrypted once. An entry can be trusted
// for a while after the connection was lost, because Redis reported its changes until then.
type memory struct {
	mu      sync.Mutex
	entries *simplelru.LRU[string, *read]
	changes [256]uint64 // that Redis reported or this process made, by hash of the name
	seed    maphash.Seed
	losses  []time.Time // when connections were lost; of those longer than trust ago, only the last
}

// read is an entry and the value that it was decrypted from.
type read struct {
	entry   *sessioncache.Entry
	value   string
	expires int64 // in Unix milliseconds, as Redis said
	at      time.Time
}

// newMemory returns a memory of a size in bytes.
func newMemory(size int) *memory {
	entries, _ := simplelru.NewLRU[string, *read](max(1, size/entrySize), nil) // fails only for a size of 0
	return &memory{entries: entries, seed: maphash.MakeSeed()}
}

// change returns the counter of the changes of a value, which other values share.
func (m *memory) change(name string) *uint64 {
	return &m.changes[maphash.String(m.seed, name)%uint64(len(m.changes))]
}

func (m *memory) changeAll() {
	for i := range m.changes {
		m.changes[i]++
	}
}

// changesOf returns a number to pass to add after the value was read.
func (m *memory) changesOf(name string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.change(name)
}

// get returns the entry of a value that is still in Redis, or nil.
func (m *memory) get(name, value string, expires int64) *sessioncache.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.entries.Get(name)
	if !ok || known.value != value || known.expires != expires {
		return nil
	}
	known.at = time.Now()
	return known.entry
}

// last returns the entry that was read last and its value.
func (m *memory) last(name string) (value string, _ *sessioncache.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.entries.Get(name); ok {
		return known.value, known.entry
	}
	return "", nil
}

// add adds an entry, unless its value may have changed since changesOf.
func (m *memory) add(name string, r *read, changes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if *m.change(name) == changes {
		m.entries.Add(name, r)
	}
}

func (m *memory) remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.change(name)++
	m.entries.Remove(name)
}

// removeSession removes the entry that has a session.
func (m *memory) removeSession(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changeAll()
	for _, name := range m.entries.Keys() {
		if known, _ := m.entries.Peek(name); known.entry.Session.ClientSessionID == id {
			m.entries.Remove(name)
		}
	}
}

// clear removes all entries.
func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changeAll()
	m.entries.Purge()
}

// changed is called when Redis reports changes, and with nil after a flush and when a connection is
// lost. It must not send a request, because it runs where the responses are read.
func (m *memory) changed(names []rueidis.RedisMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, message := range names {
		if name, err := message.ToString(); err == nil {
			*m.change(name)++
			m.entries.Remove(name)
		}
	}
	if names == nil {
		m.changeAll()
		now := time.Now()
		m.losses = append(m.losses, now)
		for len(m.losses) > 1 && now.Sub(m.losses[1]) > trust {
			m.losses = m.losses[1:]
		}
	}
}

// trusted returns an entry, or nil if its connection was lost longer than trust ago.
func (m *memory) trusted(name string) *sessioncache.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.entries.Get(name)
	if !ok {
		return nil
	}
	for _, loss := range m.losses {
		if known.at.Before(loss) && time.Since(loss) > trust {
			return nil
		}
	}
	return known.entry
}
