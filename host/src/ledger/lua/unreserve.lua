-- Gives back what an object has reserved under a ticket in one hash slot of a cluster, since its commit cannot
-- be: nothing was written yet.
--
-- KEYS     the owners, the part of the object's record in this slot
-- ARGV     the ticket, the name of the object (bucket/key)
--
-- Answers  how many keys there were
local owners, record, by, name = KEYS[1], KEYS[2], mark(ARGV[1]), ARGV[2]

local function is_own(reservation)
  return reservation.name == name and reservation.by == by
end

local listed, left, given_back = unpack_keys(redis.call('HGET', record, 'v') or ''), {}, 0
for _, key in ipairs(listed) do
  local count, any_left = give_back(owners, key, redis.call('HGET', owners, key), name, is_own)
  given_back = given_back + count
  if any_left then
    left[#left + 1] = key
  end
end
if #left > 0 then
  redis.call('HSET', record, 'v', pack_keys(left))
elseif #listed > 0 then
  redis.call('HDEL', record, 'v')
end
return given_back
