-- Say that a node is alive, and with how much to do. KEYS 1 pulses  2 loads. ARGV 1 node  2 its load.
-- Returns the time in ms, {node, last pulse, node, ...} and {node, load, node, ...}.
-- Written to no file and no replica: after half a second it is worth nothing, and a disk would be kept awake by it.

redis.set_repl(redis.REPL_NONE)
local time = redis.call("TIME")
local now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000))
redis.call("HSET", KEYS[1], ARGV[1], now)
redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
return {now, redis.call("HGETALL", KEYS[1]), redis.call("HGETALL", KEYS[2])}
