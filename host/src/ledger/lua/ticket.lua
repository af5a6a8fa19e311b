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
-- A full Redis refuses HSET as long as the script has written nothing. HDEL writes, so that
-- deletions, which need a ticket, can make room again.
redis.call('HDEL', record, '')
redis.call('HSET', record, 'issued', string.format('%.0f', ticket))
if last == 0 then
  redis.call('EXPIRE', record, ARGV[1])
end
local seen = redis.call('HMGET', record, 'ticket', 'fingerprint', 'basis', 'digest', 'announced')
-- A commit to a cluster that was broken off has left neither the old entries nor the new ones.
if seen[5] and tonumber(seen[5]) > tonumber(seen[1] or '0') then
  return {string.format('%.0f', ticket), seen[1], false, false, false, false}
end
local keys = false
if redis.call('HSTRLEN', record, 'keys') <= tonumber(ARGV[2]) then
  keys = redis.call('HGET', record, 'keys')
end
return {string.format('%.0f', ticket), seen[1], seen[2], seen[3], seen[4], keys}
