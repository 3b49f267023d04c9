-- Give a lock back, only while it holds the caller's token.
-- KEYS lock   ARGV token   > 1 or 0
local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^(.*):%d+$') ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
return 1
