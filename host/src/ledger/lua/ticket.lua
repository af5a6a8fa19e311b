-- Hands out a ticket for one object, and says what is recorded of it.
--
-- KEYS[1]  the object's record
-- KEYS[2]  the generation of the plugin list; not given on a cluster, where it is not in this slot
-- ARGV     seconds that a record is kept which nothing is committed to, size up to which the list of
--          its keys is handed out, a step, the fields that are handed out
--
-- Answers  the ticket, the fields, the packed list of keys where it is short enough, the generation
--
-- A ticket is the larger of the last one plus a step and the server's clock in microseconds, so that it
-- still grows where the record was lost. The last one is the last that the record knows of: after a
-- failover it may know of a commit, or of one that was announced, and not that its ticket was issued. The
-- step is by chance: a replica that has taken over, with a clock that is behind, would hand out the same
-- tickets as the primary has, to others.
-- Microseconds since 1970 fit a double until the year 2255.
local record = KEYS[1]
local clock = redis.call('TIME')
local seen = redis.call('HMGET', record, 'issued', 'ticket', 'announced')
local last = math.max(number(seen[1]), number(seen[2]), number(seen[3]))
local ticket = decimal(math.max(last + tonumber(ARGV[3]), clock[1] * 1000000 + clock[2]))
-- A full Redis refuses HSET as long as the script has written nothing. HDEL writes, so that
-- deletions, which need a ticket, can make room again.
redis.call('HDEL', record, '')
redis.call('HSET', record, 'issued', ticket)
if last == 0 then
  redis.call('EXPIRE', record, ARGV[1])
end
local keys = false
if number(seen[2]) > 0 and redis.call('HEXISTS', record, 'keys') == 0
    and redis.call('HSTRLEN', record, PIECES[1]) <= tonumber(ARGV[2]) then
  keys = packed_in(record)
end
return {ticket, redis.call('HMGET', record, unpack(ARGV, 4)), keys, KEYS[2] and generation(KEYS[2]) or false}
