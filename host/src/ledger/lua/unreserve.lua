-- Gives back what an object has reserved under a ticket in one hash slot of a cluster, since its commit cannot
-- be: nothing was written yet.
--
-- KEYS     the owners, the part of the object's record in this slot
-- ARGV     the ticket, the name of the object (bucket/key)
--
-- Answers  how many keys there were
local owners, record = KEYS[1], KEYS[2]
local listed, left = unpack_keys(redis.call('HGET', record, 'v') or ''), {}
for _, key in ipairs(listed) do
  local name, by, before = reservation(redis.call('HGET', owners, key))
  if name == ARGV[2] and by == mark(ARGV[1]) then
    give_back(owners, key, before)
  elseif name == ARGV[2] then
    left[#left + 1] = key
  end
end
if #left > 0 then
  redis.call('HSET', record, 'v', pack_keys(left))
elseif #listed > 0 then
  redis.call('HDEL', record, 'v')
end
return #listed - #left
