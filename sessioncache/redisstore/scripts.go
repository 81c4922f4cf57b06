package redisstore

// deleted begins the value of the index of a deleted session.
const deleted = "deleted:"

// The scripts are sent as text, because their SHA-1 is not available to a process that is
// restricted to FIPS 140.
//
// The lock of a user is a hash. Its field "owner" is the token of the fetch that has the lock. The
// field named after a token tells why that fetch lost it. The index of a session is a string: the
// hash of its user, and which value has the session.
const (
	// KEYS: the name of a user, the lock. ARGV: a token, the time that the lock lasts, the value
	// that is known.
	lockUser = `local value = redis.call("GET", KEYS[1]) or ""
if value ~= ARGV[3] and value ~= "" then return {"changed", value, redis.call("PTTL", KEYS[1])} end
if redis.call("HEXISTS", KEYS[2], "owner") == 1 then return {"busy", "", 0} end
redis.call("HSET", KEYS[2], "owner", ARGV[1])
redis.call("PEXPIRE", KEYS[2], ARGV[2])
return {"locked", value, 0}`

	// KEYS: a lock. ARGV: a token.
	unlockUser = `if redis.call("HGET", KEYS[1], "owner") == ARGV[1] then redis.call("HDEL", KEYS[1], "owner") end
return 0`

	// KEYS: the name of a user, the lock, the name of the session. ARGV: a token, the value, the time
	// that it lasts, the index of the session.
	storeUser = checkLock + indexSession + setUser
	// In a cluster, a user and a session are in different slots, so each has its own script. ARGV are the
	// same, and KEYS are those of the slot.
	storeUserAlone    = checkLock + setUser
	indexSessionAlone = indexSession + `return "indexed"`

	checkLock = `if redis.call("HGET", KEYS[2], "owner") ~= ARGV[1] then return redis.call("HGET", KEYS[2], ARGV[1]) or "lost" end
`
	indexSession = `local index = redis.call("GET", KEYS[#KEYS]) or ""
if string.find(index, "` + deleted + `", 1, true) == 1 then return "deleted" end
redis.call("SET", KEYS[#KEYS], ARGV[4], "PX", ARGV[3])
`
	setUser = `redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
redis.call("HDEL", KEYS[2], "owner")
return "stored"`

	// KEYS: the name of a user, the lock. ARGV: why it is deleted, the time that the lock lasts.
	// It always writes, so that replicas can confirm it. It deletes a value of the wrong type, too.
	deleteUser = `local value = redis.pcall("GET", KEYS[1])
redis.call("DEL", KEYS[1])
local owner = redis.call("HGET", KEYS[2], "owner") or ""
redis.call("HDEL", KEYS[2], "owner")
redis.call("HSET", KEYS[2], owner, ARGV[1])
redis.call("PEXPIRE", KEYS[2], ARGV[2])
return type(value) == "string" and value or ""`

	// KEYS: the name of a session. ARGV: the index to delete.
	deleteIndex = `if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end
return 0`

	// KEYS: the name of a session. ARGV: the time that the mark lasts.
	markDeleted = `local index = string.gsub(redis.call("GET", KEYS[1]) or "", "^` + deleted + `", "")
redis.call("SET", KEYS[1], "` + deleted + `" .. index, "PX", ARGV[1])
return index`
)
