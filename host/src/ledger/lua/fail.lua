-- Records why the last attempt at an object failed, unless a later ticket has committed.
--
-- KEYS     the index, the object's record
-- ARGV     ticket, member (the object's key), reason, time in milliseconds, basis of the attempt or ''
local index, record = KEYS[1], KEYS[2]
if number(redis.call('HGET', record, 'ticket')) < tonumber(ARGV[1]) then
  redis.call('HSET', record, 'error', ARGV[3], 'error_at', ARGV[4], 'error_basis', ARGV[5])
  redis.call('PERSIST', record)
  redis.call('ZADD', index, 0, ARGV[2])
end
