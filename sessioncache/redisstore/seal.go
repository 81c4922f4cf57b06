package redisstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
)

// version begins each value. It changes with the format.
const version = "\x01"

// sealer encrypts entries and hashes the names of users and sessions.
type sealer struct {
	aead   cipher.AEAD
	key    []byte // of the hashes
	prefix string // of the names
}

func newSealer(prefix string, key []byte) (*sealer, error) {
	const size = 32
	if len(key) != size {
		return nil, fmt.Errorf("redisstore: New: the key has %d bytes; pass 32 random bytes", len(key))
	}
	values, err := hkdf.Key(sha256.New, key, nil, "seam sessioncache values", size)
	if err != nil {
		return nil, fmt.Errorf("redisstore: New: %w", err)
	}
	hashes, err := hkdf.Key(sha256.New, key, nil, "seam sessioncache names", size)
	if err != nil {
		return nil, fmt.Errorf("redisstore: New: %w", err)
	}
	block, err := aes.NewCipher(values)
	if err != nil {
		return nil, fmt.Errorf("redisstore: New: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("redisstore: New: %w", err)
	}
	return &sealer{aead, hashes, prefix}, nil
}

// hash returns the keyed hash of a user or a session, by which it is named in Redis.
func (s *sealer) hash(kind string, key sessioncache.Key) string {
	hash := hmac.New(sha256.New, s.key)
	_, _ = fmt.Fprintf(hash, "%s:%q:%s", kind, key.Namespace, key.ID)
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil))
}

// names returns the names in Redis of the value and the lock of a user. They are in the same slot.
func (s *sealer) names(hash string) (value, lock string) {
	return s.prefix + "user:{" + hash + "}", s.prefix + "lock:{" + hash + "}"
}

// session returns the name in Redis of the index of a session.
func (s *sealer) session(session sessioncache.Key) string {
	return s.prefix + "session:{" + s.hash("session", session) + "}"
}

// index returns the index of a session: the hash of its user, and the nonce of the value that has the
// session.
func index(hash, value string) string {
	const nonceSize = 12
	return hash + " " + base64.RawURLEncoding.EncodeToString([]byte(value[len(version):][:nonceSize]))
}

// sealed is the encrypted part of an entry. The entry expires with the value in Redis, so the
// clocks of the processes may differ.
type sealed struct {
	Session     seam.ClientSession `json:"session"`
	Life        time.Duration      `json:"life"` // time until ExpiresAt, as of sealing
	ExpiresAt   time.Time          `json:"expires_at"`
	RenewBefore time.Duration      `json:"renew_before"` // time between RenewAt and ExpiresAt
	CheckedAt   time.Time          `json:"checked_at,omitzero"`
	Client      string             `json:"client"`
	Revoked     bool               `json:"revoked,omitzero"`
}

// seal encrypts an entry and binds it to its name.
func (s *sealer) seal(name string, entry *sessioncache.Entry) string {
	text, err := json.Marshal(sealed{entry.Session, time.Until(entry.ExpiresAt), entry.ExpiresAt, entry.ExpiresAt.Sub(entry.RenewAt), entry.CheckedAt, entry.Client, entry.Revoked})
	if err != nil {
		panic(fmt.Sprintf("redisstore: a session cannot be encoded: %v", err)) // cannot happen: it was decoded from JSON
	}
	return version + string(s.aead.Seal(nil, nil, text, []byte(version+name)))
}

// open decrypts a value that expires after left. It returns nil if the value was not sealed with
// this key for this name, or if its expiry was extended beyond its life.
func (s *sealer) open(name, value string, left time.Duration) *sessioncache.Entry {
	value, ok := strings.CutPrefix(value, version)
	if !ok {
		return nil
	}
	text, err := s.aead.Open(nil, nil, []byte(value), []byte(version+name))
	var opened sealed
	if err = errors.Join(err, json.Unmarshal(text, &opened)); err != nil || left <= 0 || left > opened.Life || !time.Now().Before(opened.ExpiresAt) {
		return nil
	}
	end := time.Now().Add(left)
	if opened.ExpiresAt.Before(end) {
		end = opened.ExpiresAt // the expiry in Redis was extended
	}
	return &sessioncache.Entry{Session: opened.Session, RenewAt: end.Add(-opened.RenewBefore), ExpiresAt: end, CheckedAt: opened.CheckedAt, Client: opened.Client, Revoked: opened.Revoked}
}
