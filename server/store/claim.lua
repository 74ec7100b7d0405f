-- Carry a visit's media, unless another node does. KEYS 1 carried.
-- ARGV 1 node  2 instead of which node  3 its fence  4 least fence before  5 how long the fence is kept, in ms.
-- Returns who carries it now, and the fence.

local there = redis.call("HMGET", KEYS[1], "node", "fence")
local node, fence = there[1], tonumber(there[2] or 0)
redis.call("PEXPIRE", KEYS[1], ARGV[5])
if node and node ~= "" and not (node == ARGV[2] and fence == tonumber(ARGV[3])) then
  return {node, fence}
end
fence = math.max(fence, tonumber(ARGV[4])) + 1
redis.call("HSET", KEYS[1], "node", ARGV[1], "fence", fence)
redis.call("PEXPIRE", KEYS[1], ARGV[5])
return {ARGV[1], fence}
