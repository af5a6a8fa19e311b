-- Gives back what an object has reserved under a ticket in one hash slot of a cluster, since its commit cannot
-- be: nothing was written yet.
--
-- KEYS     the owners, the part of the object's record in this slot
-- ARGV     the ticket, the name of the object (bucket/key)
--
-- Answers  how many keys there were
local record, by, name = KEYS[2], mark(ARGV[1]), ARGV[2]

local function is_own(reservation)
  return reservation.name == name and reservation.by == by
end

local listed = unpack_keys(redis.call('HGET', record, 'v') or '')
-- A full Redis refuses HSET as long as the script has written nothing. HDEL writes.
redis.call('HDEL', record, '')
return give_back_listed(record, listed, name, is_own)
