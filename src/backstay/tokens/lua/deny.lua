-- Deny one token until it expires.
-- KEYS: denied token, log
-- ARGV: token id, expires ms, horizon ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], 1, 'PXAT', ARGV[2])
redis.call('XADD', KEYS[2], 'MINID', '~', now - ARGV[3], '*', 'kind', 'token', 'id', ARGV[1], 'expires', ARGV[2])
return 1
