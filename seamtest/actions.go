package seamtest

import (
	"fmt"
	"net/http"
	"time"
)

// Outcome says what becomes of the actions of locks: how long their action attempts are
// pending, and how they end. The zero Outcome lets every action succeed at once. The
// response to the action itself says pending in any case.
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

// actionAttempt is an action attempt as the API encodes it.
type actionAttempt struct {
	ActionAttemptID string       `json:"action_attempt_id"`
	ActionType      string       `json:"action_type"`
	Status          string       `json:"status"`
	Result          any          `json:"result"`
	Error           *actionError `json:"error"`

	device *device
	locked bool // what the lock is to be
	ends   time.Time
	fails  *actionError // nil if it is to succeed
}

type actionError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (s *Server) unlockDoor(c call) (any, error) { return s.move(c, "UNLOCK_DOOR", false) }

func (s *Server) lockDoor(c call) (any, error) { return s.move(c, "LOCK_DOOR", true) }

// move starts an action of a lock that the caller can access.
func (s *Server) move(c call, actionType string, locked bool) (any, error) {
	lock, err := s.findDevice(c)
	if err != nil {
		return nil, err
	}
	var outcome Outcome
	for _, set := range s.outcomes {
		if set.DeviceID == "" || set.DeviceID == lock.DeviceID {
			outcome = set
		}
	}
	attempt := &actionAttempt{
		ActionAttemptID: fmt.Sprintf("0000000a-0000-4000-8000-%012d", len(s.attempts)+1),
		ActionType:      actionType,
		Status:          "pending",
		device:          lock,
		locked:          locked,
		ends:            s.now().Add(outcome.Pending),
	}
	if outcome.ErrorType != "" {
		attempt.fails = &actionError{outcome.ErrorType, outcome.ErrorMessage}
	}
	s.attempts = append(s.attempts, attempt)
	pending := *attempt
	time.AfterFunc(outcome.Pending, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle()
	})
	return map[string]any{"action_attempt": pending, "ok": true}, nil
}

// settle ends the action attempts whose time has come. The caller must hold mu.
func (s *Server) settle() {
	for _, attempt := range s.attempts {
		if attempt.Status == "pending" && !attempt.ends.After(s.now()) {
			s.end(attempt)
		}
	}
}

// end ends an action attempt, moves the lock unless the attempt fails, and sends the
// events.
func (s *Server) end(attempt *actionAttempt) {
	lock := attempt.device
	workspace := s.workspace(lock.WorkspaceID)
	action, moved := "unlock_door", "lock.unlocked"
	if attempt.locked {
		action, moved = "lock_door", "lock.locked"
	}
	about := map[string]any{
		"action_attempt_id": attempt.ActionAttemptID, "device_id": lock.DeviceID, "connected_account_id": lock.ConnectedAccountID,
	}
	ended := map[string]any{"action_type": attempt.ActionType}
	for name, value := range about {
		ended[name] = value
	}
	if attempt.fails != nil {
		attempt.Status, attempt.Error = "error", attempt.fails
		ended["status"] = attempt.Status
		s.send(workspace, "action_attempt."+action+".failed", ended)
		return
	}
	attempt.Status, attempt.Result = "success", map[string]any{"was_confirmed_by_device": true}
	ended["status"] = attempt.Status
	about["method"] = "remote"
	lock.Properties.Locked = attempt.locked
	s.send(workspace, moved, about)
	s.send(workspace, "action_attempt."+action+".succeeded", ended)
}

// getActionAttempt returns an action attempt of a lock that the caller can access.
func (s *Server) getActionAttempt(c call) (any, error) {
	for _, attempt := range s.attempts {
		if attempt.ActionAttemptID == c.params.text("action_attempt_id") && s.callerCanAccess(c.caller, attempt.device) {
			return map[string]any{"action_attempt": *attempt, "ok": true}, nil
		}
	}
	return nil, &refusal{status: http.StatusNotFound, Type: "action_attempt_not_found", Message: "action_attempt not found"}
}
