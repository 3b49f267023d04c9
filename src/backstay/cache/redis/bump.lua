-- Write one record per scope at a new epoch. Epochs are microseconds: below 2^53, exact in Lua, until 2255.
-- KEYS log, epoch   ARGV known epoch, keep us, most records, scopes...   > the new epoch
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local known = tonumber(redis.call('GET', KEYS[2]) or '0')
local lost = known == 0 or not redis.call('ZSCORE', KEYS[1], '!')
local epoch = math.max(now, known + 1, tonumber(ARGV[1]) + 1)
local text = string.format('%.0f', epoch)
if lost then redis.call('ZADD', KEYS[1], text, '!') end
for i = 4, #ARGV do redis.call('ZADD', KEYS[1], text, ARGV[i]) end
redis.call('SET', KEYS[2], text)
-- Nothing that a record older than the longest lifetime could kill still lives. The floor itself stays.
local floor = tonumber(redis.call('ZSCORE', KEYS[1], '!'))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', epoch - tonumber(ARGV[2])))
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if over > 0 then
  -- Drop an eighth more than needed, so that a full log is not cut at every call, and say so by the floor.
  local cut = over + math.floor(tonumber(ARGV[3]) / 8)
  local last = redis.call('ZRANGE', KEYS[1], cut - 1, cut - 1, 'WITHSCORES')
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, cut - 1)
  floor = math.max(floor, tonumber(last[2]))
end
redis.call('ZADD', KEYS[1], string.format('%.0f', floor), '!')
return text
