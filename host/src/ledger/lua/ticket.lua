-- Hands out a ticket for one object, and says what is recorded of it.
--
-- KEYS[1]  the object's record
-- ARGV[1]  seconds that a record is kept which nothing is committed to
-- ARGV[2]  size up to which the list of its keys is handed out
--
-- A ticket is the larger of the last one plus 1 and the server's clock in microseconds, so that it
-- still grows where the record was lost. Microseconds since 1970 fit a double until the year 2255.
local record = KEYS[1]
local clock = redis.call('TIME')
local last = tonumber(redis.call('HGET', record, 'issued') or '0')
local ticket = math.max(last + 1, clock[1] * 1000000 + clock[2])
redis.call('HSET', record, 'issued', string.format('%.0f', ticket))
if last == 0 then
  redis.call('EXPIRE', record, ARGV[1])
end
local keys = false
if redis.call('HSTRLEN', record, 'keys') <= tonumber(ARGV[2]) then
  keys = redis.call('HGET', record, 'keys')
end
local seen = redis.call('HMGET', record, 'ticket', 'fingerprint', 'basis', 'digest')
return {string.format('%.0f', ticket), seen[1], seen[2], seen[3], seen[4], keys}
