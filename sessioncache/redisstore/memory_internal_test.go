package redisstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
)

func newEntry(id string) *sessioncache.Entry {
	return &sessioncache.Entry{Session: seam.ClientSession{ClientSessionID: id}, ExpiresAt: time.Now().Add(time.Hour)}
}

// TestTrust checks how long an entry is trusted after a connection was lost.
func TestTrust(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		events  func(m *memory)
		trusted bool
	}{
		"no loss":                 {func(*memory) { time.Sleep(time.Hour) }, true},
		"a loss":                  {func(m *memory) { m.changed(nil); time.Sleep(trust) }, true},
		"a loss long ago":         {func(m *memory) { m.changed(nil); time.Sleep(trust + 1) }, false},
		"a loss, and another one": {func(m *memory) { m.changed(nil); time.Sleep(trust + 1); m.changed(nil) }, false},
		"many losses": {func(m *memory) {
			for range 100 {
				m.changed(nil)
				time.Sleep(time.Second)
			}
		}, false},
		"a loss, then read again": {func(m *memory) {
			m.changed(nil)
			time.Sleep(time.Hour)
			m.get("name", "value", 1)
			m.changed(nil)
			time.Sleep(trust)
		}, true},
		"read with another expiry": {func(m *memory) { m.changed(nil); time.Sleep(time.Hour); m.get("name", "value", 2) }, false},
		"deleted":                  {func(m *memory) { m.remove("name") }, false},
		"deleted by its session":   {func(m *memory) { m.removeSession("id") }, false},
		"another one deleted":      {func(m *memory) { m.remove("another"); m.removeSession("another") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(1 << 20)
				time.Sleep(time.Second)
				m.add("name", &read{newEntry("id"), "value", 1, time.Now()}, m.changesOf("name"))
				time.Sleep(time.Second)
				tt.events(m)
				assert.Equal(t, tt.trusted, m.trusted("name") != nil)
			})
		})
	}
}

// TestChangedWhileRead checks that a value is not kept in memory if it may have changed after it was read.
func TestChangedWhileRead(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(m *memory){
		"deleted":                func(m *memory) { m.remove("name") },
		"deleted by its session": func(m *memory) { m.removeSession("id") },
		"reported by Redis":      func(m *memory) { m.changed(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory(1 << 20)
			changes := m.changesOf("name")
			change(m)
			m.add("name", &read{newEntry("id"), "value", 1, time.Now()}, changes)
			assert.Nil(t, m.trusted("name"))
		})
	}
}

// TestExpiry checks that an entry is not used after its expiry, whatever the expiry in Redis says.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := newSealer("seam:", make([]byte, 32))
		require.NoError(t, err)
		entry := newEntry("id")
		value := s.seal("name", entry)
		assert.NotNil(t, s.open("name", value, time.Hour))
		assert.Nil(t, s.open("name", value, time.Hour+1), "longer than its life")
		time.Sleep(30 * time.Minute)
		assert.Equal(t, entry.ExpiresAt.UnixNano(), s.open("name", value, time.Hour).ExpiresAt.UnixNano(), "extended")
		assert.Equal(t, time.Now().Add(time.Minute), s.open("name", value, time.Minute).ExpiresAt, "as the clock of Redis says")
		time.Sleep(30 * time.Minute)
		assert.Nil(t, s.open("name", value, time.Hour), "expired and extended")
		assert.Nil(t, s.open("name", "\x02"+value[1:], time.Minute), "another version")
	})
}
