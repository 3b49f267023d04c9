-- What is new in the log. If it, or its epoch, was lost: a floor above everything, since what was invalidated
-- meanwhile is not known. Doubt is a miss.
-- KEYS log, epoch   ARGV known epoch   > {epoch, scope, score, ...}
local known = tonumber(ARGV[1])
local epoch = tonumber(redis.call('GET', KEYS[2]) or '0')
if epoch == 0 or epoch < known or not redis.call('ZSCORE', KEYS[1], '!') then
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  epoch = math.max(now, epoch + 1, known + 1)
  redis.call('ZADD', KEYS[1], string.format('%.0f', epoch), '!')
  redis.call('SET', KEYS[2], string.format('%.0f', epoch))
end
local out = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', known), '+inf', 'WITHSCORES')
table.insert(out, 1, string.format('%.0f', epoch))
return out
