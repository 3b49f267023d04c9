-- Revoke one session, if it is live, and that user's and that client's where these are given.
-- KEYS: session, log
-- ARGV: user or '', client or '', horizon ms, family
local row = redis.call('HMGET', KEYS[1], 'user', 'client', 'revoked')
if not row[1] or row[3] then return 0 end
if (ARGV[1] ~= '' and ARGV[1] ~= row[1]) or (ARGV[2] ~= '' and ARGV[2] ~= row[2]) then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'revoked', now)
redis.call('XADD', KEYS[2], 'MINID', '~', now - ARGV[3], '*',
  'kind', 'session', 'id', ARGV[4], 'expires', now + ARGV[3])
return 1
