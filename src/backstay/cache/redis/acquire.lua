-- Ask for the leases of keys. One step for each, because what is between a look and a claim is lost.
-- KEYS (entry, lease)...   ARGV (token, lease ms, epoch, floor, seen head)...
-- > for each: {1, value}  filled since the caller looked
--             {2, token, ms left}  somebody else's
--             3  granted
-- Only who is told to wait needs to hear what becomes of the entry and the lease, so only they read them with
-- commands that are tracked. (GETEX without options is GET without that. Redis 7.0 tracks all KEYS of a script as
-- soon as it runs one command that is.)
local function acquire(entry, lease, token, ms, epoch, floor, seen)
  local value = redis.pcall('GETEX', entry)
  if type(value) == 'table' then
    redis.call('UNLINK', entry) -- a foreign type under our name would fail every reader for ever
  elseif value and string.sub(value, 1, 32) ~= seen then
    return {1, value}
  end
  local mine = token .. ':' .. epoch
  if redis.call('SET', lease, mine, 'NX', 'PX', ms) then return 3 end
  local holder, began = string.match(redis.call('GETEX', lease) or '', '^(.*):(%d+)$')
  if holder and holder ~= token and tonumber(began) >= tonumber(floor) then
    redis.call('EXISTS', entry, lease)
    return {2, holder, redis.call('PTTL', lease)}
  end
  redis.call('SET', lease, mine, 'PX', ms)
  return 3
end
local answers = {}
for i = 1, #KEYS / 2 do
  local a = 5 * i - 4
  answers[i] = acquire(KEYS[2 * i - 1], KEYS[2 * i], ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4])
end
return answers
