-- Counts one attempt in all buckets, or in none if any of them demands to wait. The arithmetic is that of
-- limits.py. One script, because the look and the count must not be apart: else all who look at once get through.
--
-- KEYS: a hash per bucket with the fields level, at, until (times in ms)
-- ARGV: six per bucket: free, first ms, longest ms, cap or 0, forgive ms or 0, memory ms
-- Answers: now in ms, then per bucket the ms to wait
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local buckets, answer, refused = {}, { string.format('%d', now) }, false

local function wait_after(level, free, first, longest)
  local over = math.floor(level) - free
  if over < 1 then return 0 end
  return math.min(first * 2 ^ math.min(over - 1, 60), longest)
end

for i, key in ipairs(KEYS) do
  local a = {}
  for j = 1, 6 do a[j] = tonumber(ARGV[(i - 1) * 6 + j]) end
  local row = redis.call('HMGET', key, 'level', 'at', 'until')
  local level, at, till = tonumber(row[1] or 0), tonumber(row[2] or now), tonumber(row[3] or 0)
  if a[5] > 0 then level = math.max(0, level - math.max(0, now - at) / a[5]) end
  local wait = math.max(0, till - now)
  if a[4] > 0 and level >= a[4] then wait = math.max(at + a[6] - now, a[2]) end
  if wait > 0 then refused = true end
  buckets[i] = { level = level + 1, till = now + wait_after(level + 1, a[1], a[2], a[3]), memory = a[6] }
  answer[i + 1] = math.ceil(wait)
end

if not refused then
  for i, key in ipairs(KEYS) do
    local b = buckets[i]
    redis.call('HSET', key, 'level', string.format('%.6f', b.level), 'at', answer[1],
      'until', string.format('%d', math.ceil(b.till)))
    redis.call('PEXPIRE', key, math.ceil(b.memory))
  end
end
return answer
