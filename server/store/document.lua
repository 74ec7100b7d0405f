-- One registry document, with what is owed for its change, in one transaction.
--
-- KEYS  1 the hash of its kind      2 outbox
-- ARGV  1 field      2 version expected: 8 bytes, "" if it must not exist, "any"
--       3 version and sealed value, or "" to delete it      4... outbox entries
--
-- Returns 1: changed. 0: another version is there, or there is nothing to delete; nothing was changed.

local present = redis.call("HGET", KEYS[1], ARGV[1])
if ARGV[2] ~= "any" and (present and string.sub(present, 1, 8) or "") ~= ARGV[2] then
  return 0
end
if ARGV[3] == "" then
  if not present then
    return 0
  end
  redis.call("HDEL", KEYS[1], ARGV[1])
else
  redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
end
for i = 4, #ARGV do
  redis.call("XADD", KEYS[2], "*", "o", ARGV[i])
end
return 1
