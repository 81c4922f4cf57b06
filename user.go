package seam

import (
	"encoding/json"
	"strings"
)

var errBlankUser = invalid("user_identifier_key is blank; set it or omit it")

// takesUser has the paths of the endpoints whose params have a user_identifier_key.
var takesUser = map[string]bool{
	"/access_codes/list":             true,
	"/access_codes/unmanaged/list":   true,
	"/client_sessions/create":        true,
	"/client_sessions/get":           true,
	"/client_sessions/get_or_create": true,
	"/client_sessions/grant_access":  true,
	"/client_sessions/list":          true,
	"/connect_webviews/list":         true,
	"/connected_accounts/list":       true,
	"/devices/list":                  true,
	"/devices/unmanaged/list":        true,
	"/locks/list":                    true,
	"/noise_sensors/list":            true,
	"/thermostats/list":              true,
	"/thermostats/schedules/list":    true,
}

// setUser returns body, the JSON of params, with user as its user_identifier_key. It
// returns an error if body has that of another user.
func setUser(body []byte, user string) ([]byte, error) {
	var params map[string]json.RawMessage
	if err := json.Unmarshal(body, &params); err != nil {
		return nil, err
	}
	var have string
	if sent, ok := params["user_identifier_key"]; ok {
		err := json.Unmarshal(sent, &have)
		if err == nil && string(sent) != "null" && strings.TrimSpace(have) == "" {
			return nil, errBlankUser
		}
		if err != nil || have != "" && have != user {
			return nil, invalid("params have another user_identifier_key than WithUser; set only one of them")
		}
	}
	encoded, err := json.Marshal(user)
	if err != nil {
		return nil, err
	}
	params["user_identifier_key"] = encoded
	return json.Marshal(params)
}
