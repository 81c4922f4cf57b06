package seamtest

import (
	"fmt"
	"maps"
	"net/http"
)

var errNoAccessCode = &refusal{
	status: http.StatusNotFound, Type: "access_code_not_found", Message: "Could not find an access_code with device_id or access_code_id",
}

// createAccessCode creates an access code. It is on the lock when its action attempt has succeeded.
func (s *Server) createAccessCode(c call) (any, error) {
	lock, err := s.byIDOf(c, "device", errNoDevice)
	if err != nil {
		return nil, err
	}
	id := s.nextID("access_code")
	fields := object{
		"access_code_id":                   id,
		"name":                             "New Access Code",
		"code":                             fmt.Sprintf("%04d", s.made["access_code"]),
		"common_code_key":                  nil,
		"workspace_id":                     c.workspaceID,
		"type":                             "ongoing",
		"status":                           "setting",
		"is_managed":                       true,
		"is_backup_access_code_available":  false,
		"is_external_modification_allowed": false,
		"is_one_time_use":                  false,
		"is_offline_access_code":           false,
		"pending_mutations":                []any{},
		"errors":                           []any{},
		"warnings":                         []any{},
	}
	maps.Copy(fields, c.params)
	if c.params.has("starts_at") {
		fields["type"], fields["status"] = "time_bound", "unset"
	}
	for _, other := range s.resources["access_code"] {
		if other.fields["code"] == fields["code"] && other.fields["device_id"] == fields["device_id"] {
			return nil, &refusal{
				status: http.StatusConflict, Type: "duplicate_access_code",
				Message: fmt.Sprintf("Cannot set duplicate access code %v named %v", fields["code"], fields["name"]),
			}
		}
	}
	code := s.add("access_code", c.workspaceID, fields)
	s.sendAbout(code, "access_code.created", nil)
	attempt := s.act(lock, "CREATE_ACCESS_CODE", func(failed *actionError) {
		if failed == nil {
			code.fields["status"] = "set"
			s.sendAbout(code, "access_code.set_on_device", object{"code": code.fields["code"]})
			return
		}
		code.fields["errors"] = []any{object{
			"error_code": "failed_to_set_on_device", "is_access_code_error": true, "message": failed.Message, "created_at": timestamp(s.now()),
		}}
		s.sendAbout(code, "access_code.failed_to_set_on_device", object{"access_code_errors": code.fields["errors"]})
	})
	return object{"access_code": code, "action_attempt": attempt, "ok": true}, nil
}

// updateAccessCode changes an access code when its action attempt succeeds.
func (s *Server) updateAccessCode(c call) (any, error) {
	return s.changeAccessCode(c, "UPDATE_ACCESS_CODE", func(code *resource) {
		maps.Copy(code.fields, c.params)
		if c.params.has("starts_at") {
			code.fields["type"] = "time_bound"
		} else if c.params.text("type") == "ongoing" {
			delete(code.fields, "starts_at")
			delete(code.fields, "ends_at")
		}
		s.sendAbout(code, "access_code.changed", nil)
	})
}

// deleteAccessCode deletes an access code when its action attempt succeeds.
func (s *Server) deleteAccessCode(c call) (any, error) {
	return s.changeAccessCode(c, "DELETE_ACCESS_CODE", func(code *resource) {
		s.remove("access_code", func(r *resource) bool { return r == code })
		s.sendAbout(code, "access_code.deleted", object{"code": code.fields["code"]})
	})
}

func (s *Server) changeAccessCode(c call, actionType string, change func(*resource)) (any, error) {
	code, err := s.byIDOf(c, "access_code", errNoAccessCode)
	if err != nil {
		return nil, err
	}
	if c.params.has("device_id") && c.params["device_id"] != code.fields["device_id"] {
		return nil, errNoAccessCode
	}
	lock := s.byID("device", c.workspaceID, code.text("device_id"))
	attempt := s.act(lock, actionType, func(failed *actionError) {
		if failed == nil && s.byID("access_code", c.workspaceID, code.id()) == code {
			change(code)
		}
	})
	return object{"action_attempt": attempt, "ok": true}, nil
}

// sendAbout sends an event about an access code.
func (s *Server) sendAbout(code *resource, eventType string, fields object) {
	about := object{
		"access_code_id": code.id(), "device_id": code.fields["device_id"], "connected_account_id": s.account(code),
	}
	maps.Copy(about, fields)
	s.send(s.workspace(code.workspaceID), eventType, about)
}
