-- Renew a lease, or end it (0 ms), only while it holds the caller's token.
-- KEYS lease   ARGV token, ms   > 1 or 0
local held = redis.call('GETEX', KEYS[1]) -- read without being tracked
if not held or string.match(held, '^(.*):%d+$') ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('UNLINK', KEYS[1])
end
return 1
