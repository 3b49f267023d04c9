-- Whether anything on record revokes a token with these identifiers.
-- KEYS: denied token, session, epoch of the user
-- ARGV: family, epoch
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HEXISTS', KEYS[2], 'revoked') == 1 then return 1 end
local row = redis.call('HMGET', KEYS[3], 'epoch', 'keep', 'keep_epoch')
if not row[1] then return 0 end
local least = row[1]
if row[2] ~= '' and row[2] == ARGV[1] then least = row[3] end
if tonumber(ARGV[2]) < tonumber(least) then return 1 end
return 0
