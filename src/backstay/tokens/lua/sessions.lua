-- The user's live sessions.
-- KEYS: sessions of the user
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local found = {}
for _, session in ipairs(redis.call('ZRANGE', KEYS[1], 0, 4095)) do
  local row = redis.call('HMGET', session, 'family', 'user', 'client', 'device', 'scope',
    'created', 'rotated', 'idle_end', 'ends', 'revoked')
  if row[1] and not row[10] and now < tonumber(row[8]) then
    row[10] = nil
    table.insert(found, row)
  end
end
return found
