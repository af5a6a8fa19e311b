-- Announces a commit to a cluster, before the first hash slot is touched.
--
-- KEYS     the object's record, the index; with a prefix, what earlier versions called both
-- ARGV     ticket, member (the object's key), '1' where the entries are kept as they are, their
--          digest, as JSON the hash slots of the new keys and those where this worker may have written before, the
--          prefix
--
-- Answers  {'announced', slots...}   every slot that may hold something of the object
--          {'superseded'}, {'changed'}: as the commit script
--          {'stale'}              the record was lost, or a later ticket is announced: who holds that
--                                 may have died, so its result is not to be counted on
local record, index = KEYS[1], KEYS[2]
local seen = redis.call('HMGET', record, 'ticket', 'issued', 'announced', 's', 'slots')
local committed = number(seen[1])
local issued, announced = math.max(number(seen[2]), committed), math.max(number(seen[3]), committed)
local ticket = tonumber(ARGV[1])
if committed > ticket then
  return {'superseded'}
elseif issued < ticket or announced > ticket then
  return {'stale'}
elseif ARGV[3] == '1' and committed < ticket and (announced > committed or digest_in(seen[4]) ~= ARGV[4]) then
  return {'changed'}
end
local known, slots = {}, {}
local before = KEYS[3] and keys_taken_over(KEYS[3], ARGV[6]) and redis.call('HGET', KEYS[3], 'slots')
for _, list in ipairs({seen[5] or '[]', before or '[]', ARGV[5]}) do
  for _, slot in ipairs(cjson.decode(list)) do
    if not known[slot] then
      known[slot] = true
      slots[#slots + 1] = slot
    end
  end
end
-- A request that is repeated may arrive when all is over: what has finished is not begun again.
if committed < ticket then
  redis.call('HDEL', record, '')
  redis.call('HSET', record, 'announced', ARGV[1], 'slots', json_list(slots))
  redis.call('PERSIST', record)
  redis.call('ZADD', index, 0, ARGV[2])
end
local answer = {'announced'}
for _, slot in ipairs(slots) do
  answer[#answer + 1] = slot
end
return answer
