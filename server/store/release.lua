-- Carry a visit's media no more. KEYS 1 carried. ARGV 1 node. The fence stays, so that the next one is higher.

if redis.call("HGET", KEYS[1], "node") == ARGV[1] then
  redis.call("HSET", KEYS[1], "node", "")
end
return 1
