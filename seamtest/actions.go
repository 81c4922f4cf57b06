package seamtest

import (
	"maps"
	"net/http"
	"strings"
	"time"
)

// Outcome says what becomes of the actions of locks: how long their action attempts are
// pending, and how they end. Creating, updating and deleting an access code are actions
// too. The zero Outcome lets every action succeed at once. The response to the action
// itself always says pending.
type Outcome struct {
	// DeviceID limits the outcome to a lock. An empty DeviceID means all locks of all
	// workspaces.
	DeviceID string
	// Pending is how long an attempt is pending, on the server's clock: it ends during
	// time.Sleep in a testing/synctest bubble, and by [Server.Advance].
	Pending time.Duration
	// ErrorType makes actions fail with an error of this type, such as
	// device_disconnected. The lock does not move then.
	ErrorType    string
	ErrorMessage string
}

// SetOutcome sets the outcome of later actions. The one that was set last for a lock,
// or for all locks, holds. SetOutcome panics if Pending is negative, or if there is an
// ErrorMessage without an ErrorType.
func (s *Server) SetOutcome(outcome Outcome) {
	if outcome.Pending < 0 || outcome.ErrorType == "" && outcome.ErrorMessage != "" {
		panic("seamtest: SetOutcome: Pending must not be negative, and ErrorMessage requires ErrorType")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes = append(s.outcomes, outcome)
}

// actionError says why an action attempt failed.
type actionError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

var errNoAttempt = &refusal{status: http.StatusNotFound, Type: "action_attempt_not_found", Message: "action_attempt not found"}

func (s *Server) unlockDoor(c call) (any, error) {
	return s.move(c, "UNLOCK_DOOR", "lock.unlocked", false)
}

func (s *Server) lockDoor(c call) (any, error) { return s.move(c, "LOCK_DOOR", "lock.locked", true) }

// move moves a lock that the caller can access, if its action attempt succeeds.
func (s *Server) move(c call, actionType, moved string, locked bool) (any, error) {
	lock, err := s.byIDOf(c, "device", errNoDevice)
	if err != nil {
		return nil, err
	}
	var attempt *resource
	attempt = s.act(lock, actionType, func(failed *actionError) {
		about := func(fields object) object {
			maps.Copy(fields, object{
				"action_attempt_id": attempt.id(), "device_id": lock.id(), "connected_account_id": lock.fields["connected_account_id"],
			})
			return fields
		}
		workspace, ended := s.workspace(lock.workspaceID), ".failed"
		if failed == nil {
			ended = ".succeeded"
			lock.fields["properties"].(object)["locked"] = locked
			s.send(workspace, moved, about(object{"method": "remote"}))
		}
		s.send(workspace, "action_attempt."+strings.ToLower(actionType)+ended,
			about(object{"action_type": actionType, "status": attempt.fields["status"]}))
	})
	return object{"action_attempt": attempt, "ok": true}, nil
}

// act starts an action of a lock. It calls end with the outcome.
func (s *Server) act(lock *resource, actionType string, end func(failed *actionError)) *resource {
	var outcome Outcome
	for _, set := range s.outcomes {
		if set.DeviceID == "" || set.DeviceID == lock.id() {
			outcome = set
		}
	}
	attempt := s.add("action_attempt", lock.workspaceID, object{
		"action_type": actionType, "status": "pending", "result": nil, "error": nil,
	})
	attempt.device, attempt.ends = lock, s.now().Add(outcome.Pending)
	attempt.end = func() {
		var failed *actionError
		if outcome.ErrorType != "" {
			failed = &actionError{outcome.ErrorType, outcome.ErrorMessage}
			attempt.fields["status"], attempt.fields["error"] = "error", failed
		} else {
			attempt.fields["status"], attempt.fields["result"] = "success", object{"was_confirmed_by_device": true}
		}
		end(failed)
	}
	time.AfterFunc(outcome.Pending, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle()
	})
	return attempt
}

// settle ends the action attempts whose time has come. The caller must hold mu.
func (s *Server) settle() {
	for _, attempt := range s.resources["action_attempt"] {
		if attempt.fields["status"] == "pending" && !attempt.ends.After(s.now()) {
			attempt.end()
		}
	}
}
