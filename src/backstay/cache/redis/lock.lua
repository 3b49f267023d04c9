-- Take or renew a named lock. The fence is a counter without expiry: it must never go back.
-- KEYS lock, fence   ARGV token, ms   > {1, fence} or {0, token, ms left}
local held = redis.call('GET', KEYS[1])
if held then
  local token, fence = string.match(held, '^(.*):(%d+)$')
  if token ~= ARGV[1] then return {0, token, redis.call('PTTL', KEYS[1])} end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, tonumber(fence)}
end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. fence, 'PX', ARGV[2])
return {1, fence}
