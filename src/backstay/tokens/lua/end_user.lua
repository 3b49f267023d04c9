-- Raise the user's epoch, revoke all their sessions but one, and tell the log, in one step.
-- KEYS: sessions of the user, epoch of the user, log
-- ARGV: user, kept family or '', key of the kept session or '', horizon ms, epoch ttl ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local was = redis.call('HMGET', KEYS[2], 'epoch', 'keep', 'keep_epoch')
local old = tonumber(was[1] or 0)
local keep_epoch = old + 1
if ARGV[2] ~= '' then
  keep_epoch = old
  if was[2] == ARGV[2] then keep_epoch = tonumber(was[3]) end
end
redis.call('HSET', KEYS[2], 'epoch', old + 1, 'keep', ARGV[2], 'keep_epoch', keep_epoch)
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local count = 0
for _, session in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if session ~= ARGV[3] then
    if redis.call('EXISTS', session) == 1 and redis.call('HSETNX', session, 'revoked', now) == 1 then
      count = count + 1
    end
    redis.call('ZREM', KEYS[1], session)
  end
end
redis.call('XADD', KEYS[3], 'MINID', '~', now - ARGV[4], '*', 'kind', 'epoch', 'id', ARGV[1],
  'expires', now + ARGV[4], 'epoch', old + 1, 'keep', ARGV[2], 'keep_epoch', keep_epoch)
return count
