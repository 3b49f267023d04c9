-- Ask for the lease of a key. One step, because what is between a look and a claim is lost.
-- KEYS entry, lease   ARGV token, lease ms, epoch, floor, seen head
-- > {1, value}  filled since the caller looked
-- > {2, token, ms left}  somebody else's
-- > {3}  granted
if redis.call('TYPE', KEYS[1]).ok ~= 'string' then
  redis.call('UNLINK', KEYS[1]) -- a foreign type under our name would fail every reader for ever
else
  local head = redis.call('GETRANGE', KEYS[1], 0, 31)
  if head ~= '' and head ~= ARGV[5] then
    return {1, redis.call('GET', KEYS[1])}
  end
end
local held = redis.call('GET', KEYS[2])
if held then
  local token, epoch = string.match(held, '^(.*):(%d+)$')
  if token ~= ARGV[1] and epoch and tonumber(epoch) >= tonumber(ARGV[4]) then
    return {2, token, redis.call('PTTL', KEYS[2])}
  end
end
redis.call('SET', KEYS[2], ARGV[1] .. ':' .. ARGV[3], 'PX', ARGV[2])
return {3}
