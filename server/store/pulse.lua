-- Say that a node is alive. KEYS 1 pulses. ARGV 1 node. Returns the time in ms, then node, last pulse, node, ...
-- Written to no file and no replica: after half a second it is worth nothing, and a disk would be kept awake by it.

redis.set_repl(redis.REPL_NONE)
local time = redis.call("TIME")
local now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000))
redis.call("HSET", KEYS[1], ARGV[1], now)
local pulses = redis.call("HGETALL", KEYS[1])
table.insert(pulses, 1, now)
return pulses
