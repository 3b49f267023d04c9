-- Store whatever is there, and void the lease in the same step.
-- KEYS entry, lease   ARGV value, ms
redis.call('UNLINK', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
