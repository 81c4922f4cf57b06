package cachetest

import (
	"sync/atomic"
	"testing"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/sessioncache"
	"github.com/seam-go/seam/webhook"
)

// User is the user of tests with a single one.
const User = "jane_doe"

// Get returns the session of User from cache. The test fails unless Seam accepts its token.
func (s *Seam) Get(tb testing.TB, cache *sessioncache.Cache) *seam.ClientSession {
	tb.Helper()
	session, err := cache.Session(tb.Context(), User)
	if err != nil {
		tb.Fatal(err)
	}
	if session.UserIdentifierKey != User {
		tb.Errorf("session of %q, want %q", session.UserIdentifierKey, User)
	}
	if !s.Valid(session.Token) {
		tb.Error("Seam rejects the token")
	}
	return session
}

// Endings are the ways to end the session of User.
var Endings = map[string]func(tb testing.TB, srv *Seam, cache *sessioncache.Cache){
	"SignOut": func(tb testing.TB, _ *Seam, cache *sessioncache.Cache) {
		tb.Helper()
		if err := cache.SignOut(tb.Context(), User); err != nil {
			tb.Fatal(err)
		}
	},
	"Forget": func(tb testing.TB, srv *Seam, cache *sessioncache.Cache) {
		tb.Helper()
		srv.Revoke(srv.Alive(User)[0])
		if err := cache.Forget(tb.Context(), User); err != nil {
			tb.Fatal(err)
		}
	},
	"HandleEvent": func(tb testing.TB, srv *Seam, cache *sessioncache.Cache) {
		tb.Helper()
		id := srv.Alive(User)[0]
		srv.Revoke(id)
		if err := cache.HandleEvent(tb.Context(), DeletedEvent(id)); err != nil {
			tb.Fatal(err)
		}
	},
}

// DeletedEvent returns the event for a deleted session.
func DeletedEvent(clientSessionID string) webhook.Event {
	return webhook.Event{
		EventType:            webhook.EventTypeClientSessionDeleted,
		ClientSessionDeleted: &webhook.ClientSessionDeleted{ClientSessionID: clientSessionID},
	}
}

// HoldFetch sets After to hold the response to the first get_or_create until release is closed.
// It closes held when Seam has processed that request.
func (s *Seam) HoldFetch() (held <-chan struct{}, release chan<- struct{}) {
	holds, releases := make(chan struct{}), make(chan struct{})
	var later atomic.Bool
	s.After = func(path string) error {
		if path == "get_or_create" && !later.Swap(true) {
			close(holds)
			<-releases
		}
		return nil
	}
	return holds, releases
}
