-- Records a commit to a cluster, after the last hash slot was touched.
--
-- KEYS     the object's record, the index; with a prefix, what earlier versions called both
-- ARGV     ticket, member (the object's key), '1' where the object exists, seconds that the record
--          of one that does not is kept, hash slots of its keys as JSON, the prefix, '1' where entries
--          were written, then the record's fields, name and value in turn
--
-- Answers  {'committed'}
--          {'stale'}   a later ticket has finished, though no slot that this one was applied in knew of it: parts were
--                      lost. Or the ticket was not issued, as far as the record knows: it was lost. The next one may
--                      be smaller than what the slots have, so the caller is to take it
local record, index = KEYS[1], KEYS[2]
local seen = redis.call('HMGET', record, 'ticket', 'announced', 'issued')
local ticket = tonumber(ARGV[1])
if number(seen[1]) == ticket then
  return {'committed'}
elseif number(seen[1]) > ticket or number(seen[3]) < ticket then
  return {'stale'}
end
-- A full Redis refuses HSET as long as the script has written nothing. HDEL writes, so that deletions make room.
redis.call('HDEL', record, '')
write_fields(record, ARGV[1], ARGV[7] == '1', {unpack(ARGV, 8)})
if KEYS[3] and keys_taken_over(KEYS[3], ARGV[6]) then
  redis.call('UNLINK', KEYS[3])
  redis.call('ZREM', KEYS[4], ARGV[2])
end
-- A later commit that was announced meanwhile has not finished: it may be in every slot it knows.
if number(seen[2]) > ticket then
  return {'committed'}
end
redis.call('HSET', record, 'slots', ARGV[5])
if ARGV[3] == '1' then
  redis.call('PERSIST', record)
  redis.call('ZADD', index, 0, ARGV[2])
else
  redis.call('EXPIRE', record, ARGV[4])
  redis.call('ZREM', index, ARGV[2])
end
return {'committed'}
