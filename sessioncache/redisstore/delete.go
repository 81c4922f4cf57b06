package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/seam-go/seam/sessioncache"
)

// errUnconfirmed is an error of a sign-out that not all replicas confirmed.
var errUnconfirmed = errors.New("not all replicas confirmed the deletion in time, so a failover may restore the session; " +
	"call again, and check the replicas if it goes on")

// Delete implements [sessioncache.Store]. If signOut is true, it waits until the replicas have
// confirmed the deletion.
func (s *Store) Delete(ctx context.Context, user sessioncache.Key, signOut bool) error {
	var errs []error
	for _, sealer := range s.sealers {
		errs = append(errs, s.deleteUser(ctx, sealer, sealer.hash("user", user), user.Namespace, signOut))
	}
	return errors.Join(errs...)
}

// DeleteSession implements [sessioncache.Store].
func (s *Store) DeleteSession(ctx context.Context, session sessioncache.Key) error {
	var errs []error
	for _, sealer := range s.sealers {
		index, err := s.evalString(ctx, markDeleted, []string{sealer.session(session)}, milliseconds(deletedTTL))
		if hash, _, ok := strings.Cut(index, " "); ok {
			err = s.deleteUser(ctx, sealer, hash, session.Namespace, false)
		}
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	if err != nil {
		s.memory.removeSession(session.ID)
	}
	return err
}

// deleteUser deletes the value of a user and takes the lock away from a fetch. When it returns, the
// value is also deleted from the memory of this process: Redis reports the change before it
// responds to the last request.
func (s *Store) deleteUser(ctx context.Context, sealer *sealer, hash, namespace string, signOut bool) error {
	name, lock := sealer.names(hash)
	s.memory.remove(name)
	defer s.memory.remove(name) // it may have been read while Redis did not respond
	reason := "deleted"
	if signOut {
		reason = "signed out"
	}
	deletion := func(b rueidis.Builder) rueidis.Completed {
		return eval(b, deleteUser, []string{name, lock}, []string{reason, milliseconds(lockTTL)})
	}
	replies, err := s.send(ctx, func(b rueidis.Builder) rueidis.Commands {
		if signOut {
			return rueidis.Commands{deletion(b), b.Role().Build()}
		}
		return rueidis.Commands{deletion(b)}
	})
	if err != nil {
		return err
	}
	if signOut {
		err = s.confirm(ctx, deletion, replicas(replies[1]))
	}
	value, _ := replies[0].ToString()
	if entry := sealer.open(name, value, 1); entry != nil {
		session := sealer.session(sessioncache.Key{Namespace: namespace, ID: entry.Session.ClientSessionID})
		if s.begin(ctx, session) == nil {
			_, _ = s.eval(ctx, deleteIndex, []string{session}, index(hash, value)) // if it fails, the index stays until it expires
		}
	}
	_, lastErr := s.send(ctx, func(b rueidis.Builder) rueidis.Commands { return rueidis.Commands{b.Pttl().Key(name).Build()} })
	return errors.Join(err, lastErr)
}

// confirm repeats a deletion on a connection of its own, where it does not hold up other requests,
// and waits until the replicas have confirmed it. There WAIT concerns that deletion. In a cluster,
// the first deletion may have been redirected, so connected may be the number of another server.
func (s *Store) confirm(ctx context.Context, deletion func(rueidis.Builder) rueidis.Completed, connected int64) error {
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if !s.isCluster() {
		if connected == 0 {
			return nil
		}
		return s.waitForReplicas(ctx, client, deletion, connected)
	}
	for {
		dedicated, release := client.Dedicate() // does not follow redirections: WAIT would not
		err := s.waitForReplicas(ctx, dedicated, deletion, connected)
		release()
		if reply, ok := errors.AsType[*rueidis.RedisError](err); !ok || !isRedirection(reply) {
			return err
		}
		select { // the slot has moved; rueidis finds out where
		case <-time.After(poll):
		case <-ctx.Done():
			return err
		}
	}
}

func isRedirection(err *rueidis.RedisError) bool {
	_, isMoved := err.IsMoved()
	_, isAsk := err.IsAsk()
	return isMoved || isAsk || err.IsTryAgain()
}

// waitForReplicas repeats a deletion and waits. connected is the number of replicas to wait for, at
// least. If more are connected by then, it begins again.
func (s *Store) waitForReplicas(ctx context.Context, client rueidis.CoreClient, deletion func(rueidis.Builder) rueidis.Completed, connected int64) error {
	b, wait := client.B(), s.timeout/2
	results := client.DoMulti(ctx, deletion(b), b.Role().Build(), b.Wait().Numreplicas(connected).Timeout(wait.Milliseconds()).Build())
	for _, result := range results {
		if err := result.Error(); err != nil {
			return fmt.Errorf("redisstore: the request to Redis failed: %w", err)
		}
	}
	role, _ := results[1].ToMessage()
	confirmed, _ := results[2].AsInt64()
	switch now := replicas(role); {
	case confirmed >= now:
		return nil
	case now > connected:
		return s.waitForReplicas(ctx, client, deletion, now)
	default:
		return fmt.Errorf("redisstore: %d of %d replicas responded within %v: %w", confirmed, now, wait.Round(time.Millisecond), errUnconfirmed)
	}
}

// replicas returns the number of replicas that are connected to a server, from its reply to ROLE.
func replicas(role rueidis.RedisMessage) int64 {
	parts, _ := role.ToArray()
	if len(parts) != 3 { // not a primary
		return 0
	}
	connected, _ := parts[2].ToArray()
	return int64(len(connected))
}
