-- Take or renew a named lock. The fence is a counter without expiry: it must never go back.
-- Who waits is remembered in the order of their first asking; `unlock` hands the lock to the first of them.
-- KEYS lock, fence, queue   ARGV token, ms, 1 to queue   > {1, fence} or {0, token, ms left}
local held = redis.call('GET', KEYS[1])
if held then
  local token, fence = string.match(held, '^(.*):(%d+)$')
  if token ~= ARGV[1] then
    if ARGV[3] == '1' then
      local time = redis.call('TIME')
      redis.call('ZADD', KEYS[3], 'NX', time[1] * 1000000 + time[2], ARGV[1])
      redis.call('PEXPIRE', KEYS[3], 600000)
    end
    return {0, token, redis.call('PTTL', KEYS[1])}
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, tonumber(fence)}
end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. fence, 'PX', ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return {1, fence}
