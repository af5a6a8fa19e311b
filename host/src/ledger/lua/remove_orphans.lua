-- Removes keys that their object does not yield any more, where nobody has written them since that
-- was found out.
--
-- KEYS     the owners, the object's record (on a cluster, its part in this hash slot), the data keys; on a cluster
--          with a prefix, what earlier versions called that part
-- ARGV     on a cluster, seconds that the part of an object without keys is kept; '' on one server, where the record
--          lists all that the object has, and what it lists is no orphan; where changed keys are published
--          or ''; the owners that the keys had; '~' before a reservation that is given back only when its worker
--          cannot be at it any more
--
-- Answers  how many there were
local record = KEYS[2]
local tombstone, channel = ARGV[1], ARGV[2]
local earlier = KEYS[#ARGV + 1]

local refusal = uncallable('UNLINK', owners) or uncallable('HDEL', owners, 'f') or uncallable('HSET', owners, 'f', 'v')
  or uncallable('EXPIRE', owners, '1') or unpublishable(channel)
if refusal then
  return refusal
end
local before, is_listed = keys_in(record), {}
if tombstone == '' then
  for _, key in ipairs(before) do
    is_listed[key] = true
  end
end
-- A full Redis refuses HSET as long as the script has written nothing. HDEL writes, so that this makes room.
redis.call('HDEL', record, '')
local orphans, is_orphan = {}, {}
in_chunks(3, #ARGV, function(from, to)
  local found = redis.call('HMGET', owners, unpack(KEYS, from, to))
  for place = from, to do
    local owner = found[place - from + 1]
    local is_patient, reservation = string.match(ARGV[place], '^(~?)(%?.*)$')
    if reservation then
      -- It was never written. The key may have been among these before, with another reservation of it.
      give_back(KEYS[place], redis.call('HGET', owners, KEYS[place]), function(one)
        return reserved({one}, '') == reservation and (is_patient == '' or is_long_ago(one))
      end)
    elseif owner == ARGV[place] and not is_listed[KEYS[place]] then
      orphans[#orphans + 1] = KEYS[place]
      is_orphan[KEYS[place]] = true
    end
  end
end)
call_with(orphans, 'UNLINK')
call_with(orphans, 'HDEL', owners)

local function without_orphans(keys)
  local left = {}
  for _, key in ipairs(keys) do
    if not is_orphan[key] then
      left[#left + 1] = key
    end
  end
  return left
end
if #before > 0 then
  local left = without_orphans(before)
  if #left < #before then
    local packed = pack_keys(left)
    -- In one piece: the next commit of the object writes it in several.
    redis.call('HSET', record, PIECES[1], packed)
    redis.call('HDEL', record, 'keys', unpack(PIECES, 2))
    if #left == 0 then
      redis.call('EXPIRE', record, tombstone)
    end
  end
end
-- What led to the part of an earlier version is lost: nobody else comes by.
local noted = earlier and keys_before(earlier)
if noted then
  local left = without_orphans(noted)
  if #left == 0 then
    redis.call('UNLINK', earlier)
  elseif #left < #noted then
    redis.call('HSET', earlier, 'keys', json_list(left))
  end
end
if channel ~= '' then
  for _, key in ipairs(orphans) do
    redis.call('PUBLISH', channel, key)
  end
end
return #orphans
