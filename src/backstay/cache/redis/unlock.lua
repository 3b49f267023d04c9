-- Give a lock back, only while it holds the caller's token; or a place in the queue.
-- The first who waits is handed the lock, for a moment in which they have to come and get it: else who has just
-- given it back would take it again before anybody who waits could ask.
-- KEYS lock, fence, queue   ARGV token, ms to come and get it   > 1 or 0
redis.call('ZREM', KEYS[3], ARGV[1])
local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^(.*):%d+$') ~= ARGV[1] then return 0 end
local first = redis.call('ZPOPMIN', KEYS[3])
if first[1] then
  redis.call('SET', KEYS[1], first[1] .. ':' .. redis.call('INCR', KEYS[2]), 'PX', ARGV[2])
else
  redis.call('UNLINK', KEYS[1])
end
return 1
