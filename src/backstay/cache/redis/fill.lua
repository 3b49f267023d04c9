-- Store under a lease: compare-and-set on the token. An invalidation removed the lease, so it is refused.
-- KEYS entry, lease   ARGV token, value, ms   > 1 stored, 0 refused
local held = redis.call('GET', KEYS[2])
if not held or string.match(held, '^(.*):%d+$') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
return 1
