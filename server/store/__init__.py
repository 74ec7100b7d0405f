"""The live state's adapters: in memory, in Redis, and the Redis-compatible server that comes along."""
