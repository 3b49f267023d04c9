-- Store under leases: compare-and-set on the token. An invalidation removed the lease, so it is refused.
-- KEYS (entry, lease)...   ARGV (token, value, ms)...   > for each: 1 stored, 0 refused
-- GETEX without options reads without being tracked: who stores need not hear that the lease is gone.
local answers = {}
for i = 1, #KEYS / 2 do
  local entry, lease, a = KEYS[2 * i - 1], KEYS[2 * i], 3 * i - 2
  local held = redis.call('GETEX', lease)
  if held and string.match(held, '^(.*):%d+$') == ARGV[a] then
    redis.call('SET', entry, ARGV[a + 1], 'PX', ARGV[a + 2])
    redis.call('UNLINK', lease)
    answers[i] = 1
  else
    answers[i] = 0
  end
end
return answers
