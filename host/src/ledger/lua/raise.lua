-- Makes the tickets of an object larger than one under which something of it was written, where the record knows of
-- none so late: it was lost, and the clock is behind what it was.
-- Whoever calls this takes a later ticket and commits under it, or its event comes again.
--
-- KEYS[1]  the object's record
-- ARGV     the ticket, seconds that a record is kept which nothing is committed to
--
-- Answers  1 where that was so
local record, ticket = KEYS[1], tonumber(ARGV[1])
local seen = redis.call('HMGET', record, 'issued', 'ticket', 'announced')
local last = math.max(number(seen[1]), number(seen[2]), number(seen[3]))
if last >= ticket then
  return 0
end
redis.call('HDEL', record, '')
redis.call('HSET', record, 'issued', decimal(ticket + 1))
if last == 0 then
  redis.call('EXPIRE', record, ARGV[2])
end
return 1
