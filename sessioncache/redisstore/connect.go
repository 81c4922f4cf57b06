package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/seam-go/seam/sessioncache"
)

var (
	errClosed     = errors.New("redisstore: the store is closed")
	errConnecting = errors.New("redisstore: the store is connecting to Redis")
)

// connect returns the client. If there is none, one call connects and waits for it, for up to the
// timeout of a request. The others fail at once.
func (s *Store) connect(ctx context.Context) (rueidis.Client, error) {
	if client := s.client.Load(); client != nil {
		return *client, nil
	}
	s.mu.Lock()
	switch client := s.client.Load(); {
	case client != nil:
		s.mu.Unlock()
		return *client, nil
	case s.closed:
		s.mu.Unlock()
		return nil, errClosed
	case s.connecting:
		s.mu.Unlock()
		return nil, errConnecting
	}
	begin, err := s.connection.begin()
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.connecting = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.connectNow(begin) }() //nolint:contextcheck // the connection outlives the call
	select {
	case err := <-done:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, s.unusable(ctx.Err())
	}
	if client := s.client.Load(); client != nil {
		return *client, nil
	}
	return nil, errConnecting // it was closed since
}

// connectNow connects, proves that the server is usable, and stores the client.
func (s *Store) connectNow(begin int64) error {
	client, err := rueidis.NewClient(s.option)
	if err == nil {
		if err = s.prove(client); err != nil {
			client.Close()
		}
	}
	if err != nil {
		err = s.unusable(err)
	}
	s.connection.end(begin, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connecting = false
	switch {
	case err != nil:
		return err
	case s.closed:
		client.Close()
		return errClosed
	}
	s.client.Store(&client)
	return nil
}

// prove stores an entry, deletes it, and checks that Redis reported the deletion. It uses every command
// and every kind of name, so that a missing right is found here.
func (s *Store) prove(client rueidis.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	proof := &Store{sealers: s.sealers[:1], timeout: s.timeout, memory: s.memory}
	proof.client.Store(&client)
	user := sessioncache.Key{Namespace: "proof", ID: rand.Text()}
	entry := &sessioncache.Entry{ExpiresAt: time.Now().Add(time.Minute)}
	entry.Session.ClientSessionID = user.ID
	for _, step := range []func() error{
		func() error {
			_, err := proof.Load(ctx, user, func(*sessioncache.Entry) bool { return false },
				func(context.Context, *sessioncache.Entry) (*sessioncache.Entry, error) { return entry, nil })
			return err
		},
		func() error { _, err := proof.Get(ctx, user); return err },
		func() error { return proof.Ping(ctx) },
		func() error { return client.Do(ctx, client.B().Arbitrary("WAIT", "0", "1").Build()).Error() }, // does not wait
		func() error { return proof.DeleteSession(ctx, user) },
		func() error { return proof.Delete(ctx, user, true) },
	} {
		if err := step(); err != nil && !errors.Is(err, errUnconfirmed) {
			return err
		}
	}
	if entry, err := proof.Get(ctx, user); entry != nil || err != nil {
		return errors.Join(err, errNoReport)
	}
	return nil
}

var errNoReport = errors.New("it does not report changes of values")

// mayEnd reports whether a failure to connect may end by itself, so that connecting is tried again.
func mayEnd(err error) bool {
	if _, isNet := errors.AsType[net.Error](err); isNet {
		return true
	}
	if errors.Is(err, io.EOF) { // a proxy whose server is down closes the connection
		return true
	}
	reply, isReply := errors.AsType[*rueidis.RedisError](err)
	if !isReply {
		return false
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	switch code {
	case "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN":
		return true
	}
	return false
}

// unusable returns the error of a failure to connect. It adds what to do.
func (s *Store) unusable(err error) error {
	const needs = "; permit the commands HELLO, AUTH, PING, CLIENT TRACKING, CLIENT CACHING, ROLE, WAIT, GET, PTTL, SET, DEL, HGET, HSET, HDEL, HEXISTS, " +
		"PEXPIRE, MULTI, EXEC, EVAL, and in a cluster CLUSTER SLOTS, CLUSTER SHARDS and ASKING, for the keys "
	text, advice := err.Error(), "" // rueidis replaces some errors by their text
	switch {
	case strings.Contains(text, "NOPERM") || strings.Contains(text, "executing the script") || errors.Is(err, rueidis.ErrDoCacheAborted) || errors.Is(err, errNoReport):
		advice = needs + s.prefix + "*"
	case errors.Is(err, rueidis.ErrNoCache):
		return fmt.Errorf("redisstore: cannot use Redis at %s: the server or a proxy before it does not support client-side caching with RESP3; use Redis 6.2 or later without such a proxy",
			strings.Join(s.option.InitAddress, ", "))
	case errors.Is(err, io.EOF) || strings.Contains(text, "connection reset"):
		advice = "; if Redis is up, there is a proxy before it that does not support RESP3, such as twemproxy"
	case strings.Contains(text, "CROSSSLOT") || strings.HasPrefix(text, "MOVED"):
		advice = "; the server is part of a cluster, so omit ForceSingleClient"
	case strings.Contains(text, "unknown command"):
		advice = "; if this is a Sentinel, set ClientOption.Sentinel.MasterSet"
	}
	return fmt.Errorf("redisstore: cannot use Redis at %s: %w%s", strings.Join(s.option.InitAddress, ", "), err, advice)
}
