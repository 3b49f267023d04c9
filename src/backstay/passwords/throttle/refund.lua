-- Takes an attempt back: from every bucket one, or all that the first one holds. What is empty goes.
--
-- KEYS: the buckets, the narrowest first
-- ARGV: when the attempt was counted, as charge.lua said; 1 to take back all that the first holds, else 0
local count = 1
if ARGV[2] == '1' then count = tonumber(redis.call('HGET', KEYS[1], 'level') or 1) end
for _, key in ipairs(KEYS) do
  local row = redis.call('HMGET', key, 'level', 'at')
  if row[1] then
    local level = tonumber(row[1]) - count
    if level <= 0 then
      redis.call('DEL', key)
    else
      redis.call('HSET', key, 'level', string.format('%.6f', level))
      -- Nothing was counted since: the wait goes with the attempt. That of those before had passed already.
      if row[2] == ARGV[1] then redis.call('HSET', key, 'until', ARGV[1]) end
    end
  end
end
return 1
