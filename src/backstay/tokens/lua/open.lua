-- Open a session at generation 0 and answer with the user's epoch and the server's time.
-- KEYS: session, sessions of the user, epoch of the user
-- ARGV: idle ms, absolute ms, epoch ttl ms, then the session's fields and values
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ends = now + ARGV[2]
local idle_end = math.min(now + ARGV[1], ends)
redis.call('HSET', KEYS[1], 'generation', 0, 'created', now, 'rotated', now,
  'idle_end', idle_end, 'ends', ends, unpack(ARGV, 4))
redis.call('PEXPIREAT', KEYS[1], ends)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], ends, KEYS[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return { tonumber(redis.call('HGET', KEYS[3], 'epoch') or 0), now }
