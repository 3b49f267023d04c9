-- Judge a presented generation and, if it is current, move on by one. The rule is sessions.judge.
-- KEYS: session, log
-- ARGV: generation, client, jkt, new kid, grace ms, idle ms, horizon ms, prefix of epoch keys, epoch ttl ms, family
local row = redis.call('HMGET', KEYS[1], 'user', 'client', 'jkt', 'kid', 'generation', 'scope', 'context',
  'rotated', 'idle_end', 'ends', 'revoked')
if not row[1] then return { 'unknown' } end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local presented, current = tonumber(ARGV[1]), tonumber(row[5])
local replay = presented == current - 1 and now - row[8] <= tonumber(ARGV[5])
local kid, outcome = row[4], nil
if row[2] ~= ARGV[2] then
  outcome = 'wrong_client'
elseif row[3] ~= ARGV[3] then
  outcome = 'wrong_key'
elseif row[11] then
  outcome = 'revoked'
elseif presented < current and not replay then
  outcome = 'reused'
  redis.call('HSET', KEYS[1], 'revoked', now)
  redis.call('XADD', KEYS[2], 'MINID', '~', now - ARGV[7], '*',
    'kind', 'session', 'id', ARGV[10], 'expires', now + ARGV[7])
elseif now >= tonumber(row[9]) then
  outcome = 'expired'
elseif replay then
  outcome = 'replayed'
else
  outcome, current, kid = 'rotated', presented + 1, ARGV[4]
  redis.call('HSET', KEYS[1], 'generation', current, 'kid', kid, 'rotated', now,
    'idle_end', math.min(now + ARGV[6], row[10]))
end
local epoch = ARGV[8] .. row[1]
redis.call('PEXPIRE', epoch, ARGV[9])
return { outcome, current, kid, tonumber(redis.call('HGET', epoch, 'epoch') or 0),
  row[1], row[6], row[3], row[7], tonumber(row[10]) }
