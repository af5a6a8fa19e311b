-- Removes keys that their object does not yield any more, where nobody has written them since that
-- was found out.
--
-- KEYS     the owners, the object's record (on a cluster, its part in this hash slot), the data keys
-- ARGV     seconds that the record of an object without keys is kept, where changed keys are
--          published or '', the marks that the keys had
--
-- Answers  how many there were
local CHUNK = 1000

local owners, record = KEYS[1], KEYS[2]
local tombstone, channel = ARGV[1], ARGV[2]

local strays, is_stray = {}, {}
for from = 3, #KEYS, CHUNK do
  local to = math.min(from + CHUNK - 1, #KEYS)
  local marks = redis.call('HMGET', owners, unpack(KEYS, from, to))
  for place = from, to do
    if marks[place - from + 1] == ARGV[place] then
      strays[#strays + 1] = KEYS[place]
      is_stray[KEYS[place]] = true
    end
  end
end
for from = 1, #strays, CHUNK do
  local to = math.min(from + CHUNK - 1, #strays)
  redis.call('UNLINK', unpack(strays, from, to))
  redis.call('HDEL', owners, unpack(strays, from, to))
end

local listed = redis.call('HGET', record, 'keys')
if listed then
  local left, before = {}, cjson.decode(listed)
  for _, key in ipairs(before) do
    if not is_stray[key] then
      left[#left + 1] = key
    end
  end
  if #left < #before then
    redis.call('HSET', record, 'keys', #left > 0 and cjson.encode(left) or '[]')
    if #left == 0 then
      redis.call('EXPIRE', record, tombstone)
    end
  end
end
if channel ~= '' then
  for _, key in ipairs(strays) do
    redis.call('PUBLISH', channel, key)
  end
end
return #strays
