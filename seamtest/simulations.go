package seamtest

// simulation is what the server does for an endpoint.
type simulation struct {
	run    func(*Server, call) (any, error)
	params string                     // those that it obeys; requests with others are refused
	needs  func(params) (lack string) // returns what is wrong besides the schema; optional
}

// The params of several endpoints.
const (
	paging         = "limit page_cursor"
	ofSession      = "user_identifier_key connect_webview_ids connected_account_ids user_identity_id user_identity_ids"
	deviceFilters  = "connect_webview_id connected_account_id connected_account_ids created_before custom_metadata_has device_ids device_type device_types manufacturer search user_identifier_key"
	oneDevice      = "device_id name"
	oneSession     = "client_session_id"
	sessionOfUser  = "client_session_id user_identifier_key"
	accountChanges = "connected_account_id accepted_capabilities automatically_manage_new_devices custom_metadata customer_key display_name"
	webviewFields  = "accepted_capabilities accepted_providers automatically_manage_new_devices custom_metadata custom_redirect_failure_url custom_redirect_url customer_key device_selection_mode wait_for_device_creation"
	eventFilters   = "access_code_id access_code_ids between connect_webview_id connected_account_id device_id device_ids event_ids event_type event_types limit since"
)

// simulations has the endpoints that the server simulates.
var simulations = map[string]simulation{
	"/access_codes/create": {(*Server).createAccessCode, "device_id name code common_code_key starts_at ends_at", bothTimes},
	"/access_codes/delete": {(*Server).deleteAccessCode, "access_code_id device_id", nil},
	"/access_codes/get": {
		get("access_code", &refusal{status: 404, Type: "not_found", Message: "Access Code Not Found"}, "access_code"),
		"access_code_id device_id code", oneAccessCode,
	},
	"/access_codes/list": {
		list("access_code", 55_000, "access_codes"), "device_id access_code_ids search user_identifier_key " + paging,
		anyOf("Either 'device_id' or 'access_code_ids' is required", "device_id", "access_code_ids"),
	},
	"/access_codes/update": {(*Server).updateAccessCode, "access_code_id device_id name code starts_at ends_at type", bothTimes},

	"/action_attempts/get":  {get("action_attempt", errNoAttempt, "action_attempt"), "action_attempt_id", nil},
	"/action_attempts/list": {list("action_attempt", 500, "action_attempts"), "action_attempt_ids " + paging, nil},

	"/client_sessions/create":        {(*Server).create, ofSession + " customer_id customer_key expires_at", nil},
	"/client_sessions/delete":        {(*Server).delete, oneSession, nil},
	"/client_sessions/get":           {(*Server).getSession, sessionOfUser, nil},
	"/client_sessions/get_or_create": {(*Server).getOrCreate, ofSession + " expires_at", nil},
	"/client_sessions/grant_access":  {(*Server).grantAccess, oneSession + " " + ofSession, nil},
	"/client_sessions/list":          {(*Server).listSessions, sessionOfUser + " connect_webview_id user_identity_id without_user_identifier_key", nil},
	"/client_sessions/revoke":        {(*Server).revoke, oneSession, nil},

	"/connect_webviews/create": {(*Server).createWebview, webviewFields, nil},
	"/connect_webviews/delete": {(*Server).deleteWebview, "connect_webview_id", nil},
	"/connect_webviews/get":    {get("connect_webview", errNoWebview, "connect_webview"), "connect_webview_id", nil},
	"/connect_webviews/list": {
		list("connect_webview", 500, "connect_webviews"), "custom_metadata_has customer_key search user_identifier_key " + paging, nil,
	},

	"/connected_accounts/delete": {(*Server).deleteAccount, "connected_account_id", nil},
	"/connected_accounts/get":    {get("connected_account", errNoAccount, "connected_account"), "connected_account_id email", nil},
	"/connected_accounts/list": {
		list("connected_account", 11_000, "connected_accounts"), "custom_metadata_has customer_key search user_identifier_key " + paging, nil,
	},
	"/connected_accounts/update": {(*Server).updateAccount, accountChanges, nil},

	"/devices/get":    {get("device", errNoDevice, "device"), oneDevice, deviceOrName},
	"/devices/list":   {list("device", 500, "devices"), deviceFilters + " " + paging, nil},
	"/devices/update": {(*Server).updateDevice, "device_id name custom_metadata", nil},

	"/events/get": {
		get("event", &refusal{status: 404, Type: "event_not_found", Message: "Event not found"}, "event"), "event_id event_type device_id",
		anyOf("An argument for event_id, event_type, or device_id is required", "event_id", "event_type", "device_id"),
	},
	"/events/list": {list("event", 0, "events"), eventFilters, sinceOrBetween},

	"/locks/get":         {get("device", errNoDevice, "lock", "device"), oneDevice, deviceOrName},
	"/locks/list":        {list("device", 0, "locks", "devices"), deviceFilters, nil},
	"/locks/lock_door":   {(*Server).lockDoor, "device_id", nil},
	"/locks/unlock_door": {(*Server).unlockDoor, "device_id", nil},
}

// anyOf returns a check that one of the params is there.
func anyOf(lack string, names ...string) func(params) string {
	return func(p params) string {
		if p.has(names...) {
			return ""
		}
		return lack
	}
}

var deviceOrName = anyOf("Either 'device_id' or 'name' is required", "device_id", "name")

func bothTimes(p params) string {
	switch {
	case p.has("starts_at") != p.has("ends_at"):
		return "Both starts_at and ends_at must be provided if one is"
	case p.text("type") == "time_bound" && !p.has("starts_at"):
		return "'time_bound' Access codes must include both starts_at and ends_at"
	}
	return ""
}

func sinceOrBetween(p params) string {
	switch {
	case !p.has("since", "between"):
		return "Must specify either since or between"
	case p.has("since") && p.has("between"):
		return "Cannot specify both since and between"
	}
	for _, text := range append(p.list("between"), p.text("since")) {
		if text != "" && parseTime(text).IsZero() {
			return "Invalid timestamp"
		}
	}
	return ""
}

func oneAccessCode(p params) string {
	switch {
	case p.has("access_code_id") && p.has("code"):
		return `Both "access_code_id" and "code" can not be provided`
	case !p.has("access_code_id", "code", "device_id"):
		return `Either "access_code_id" OR "code" and "device_id" must be provided`
	case !p.has("access_code_id") && p.has("code") != p.has("device_id"):
		return `Both "device_id" and "code" must be provided if one is`
	}
	return ""
}
