-- Notes why the last attempt at an object failed, unless a later ticket has committed.
--
-- KEYS     the index, the object's record
-- ARGV     ticket, member (the object's key), reason, time in milliseconds
if tonumber(redis.call('HGET', KEYS[2], 'ticket') or '0') < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[2], 'error', ARGV[3], 'error_at', ARGV[4])
  redis.call('PERSIST', KEYS[2])
  redis.call('ZADD', KEYS[1], 0, ARGV[2])
end
