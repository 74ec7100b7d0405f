-- One change of one room, whole or not at all. Values are sealed; this script never looks in.
--
-- KEYS  1 room  2 events  3 reply  4 deadlines  5 outbox  6... one hash for each document
-- ARGV  1 version expected: 8 bytes, or "" for a room that must not exist
--       2 room: version and sealed snapshot      3 reply      4 how long the reply is kept, ms
--       5 deadline, or ""      6 room id (its name among the deadlines)
--       7 channel      8 what to publish, or ""      9 how many events to keep in the stream
--       10 number of events, then (stream id, sealed) of each
--       then the number of outbox entries, then each
--       then (field, version expected, version and sealed value) of each document
--
-- Returns nil: saved. {"repeated", reply} | {"conflict", room or nil} | {"documents"}: nothing was saved.

local kept = redis.call("GET", KEYS[3])
if kept then
  -- Written once more, so that who then waits for the replicas waits for this: the change itself may have come over
  -- another connection.
  redis.call("SET", KEYS[3], kept, "KEEPTTL")
  return { "repeated", kept }
end

if redis.call("GETRANGE", KEYS[1], 0, 7) ~= ARGV[1] then
  return { "conflict", redis.call("GET", KEYS[1]) }
end

local events = tonumber(ARGV[10])
local outbox_at = 11 + 2 * events
local documents_at = outbox_at + 1 + tonumber(ARGV[outbox_at])

for i = 6, #KEYS do
  local at = documents_at + 3 * (i - 6)
  local present = redis.call("HGET", KEYS[i], ARGV[at])
  if (present and string.sub(present, 1, 8) or "") ~= ARGV[at + 1] then
    return { "documents" }
  end
end

-- Events first: theirs is the only command that can fail (a seq that is not new), and then nothing was written yet.
for at = 11, outbox_at - 2, 2 do
  redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[9], ARGV[at], "e", ARGV[at + 1])
end
redis.call("SET", KEYS[1], ARGV[2])
for at = outbox_at + 1, documents_at - 1 do
  redis.call("XADD", KEYS[5], "*", "o", ARGV[at])
end
for i = 6, #KEYS do
  local at = documents_at + 3 * (i - 6)
  redis.call("HSET", KEYS[i], ARGV[at], ARGV[at + 2])
end
if ARGV[5] == "" then
  redis.call("ZREM", KEYS[4], ARGV[6])
else
  redis.call("ZADD", KEYS[4], ARGV[5], ARGV[6])
end
redis.call("SET", KEYS[3], ARGV[3], "PX", ARGV[4])
if ARGV[8] ~= "" then
  redis.call("PUBLISH", ARGV[7], ARGV[8])
end
return nil
