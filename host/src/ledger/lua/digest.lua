-- Digests what keys hold, so that it can be compared with what was written and no value travels.
--
-- KEYS     data keys, on a cluster those of one hash slot
-- ARGV     the place in the first key where to go on, '0' at its start; how much to go through:
--          elements, and keys; the most elements that a value of ours has
--
-- Answers  {keys..., each as {type, 1 where it expires, length, elements gone through, three sums}},
--          the place in the last of them where to go on, '0' at its end
--
-- The digest is that of entry/content.rs, piece by piece. HSCAN and its like may hand out an element twice
-- where a table is being resized: then more were gone through than there are, and the caller begins again.
-- What has more elements than a value of ours is not gone through.
local PIECE, TEXT_PIECES, MODULUS = 1048576, 4, 2 ^ 48
-- Bytes that take as long as an element does besides.
local BYTES = 512
-- Elements whose size is looked at.
local SAMPLES = 20
local place, room, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local sum, visited

local function add(text)
  local hash = redis.sha1hex(text)
  for lane = 1, 3 do
    sum[lane] = (sum[lane] + tonumber(string.sub(hash, 12 * lane - 11, 12 * lane), 16)) % MODULUS
  end
  visited = visited + 1
end

local function number_bytes(value)
  return struct.pack('<I4', value)
end

local function score_bytes(text)
  local infinite = {inf = math.huge, ['-inf'] = -math.huge}
  return struct.pack('<d', (infinite[text] or tonumber(text)) + 0)
end

-- As how many small ones each of a key's elements counts. Who may not ask for their size is not told.
local function weight(key, length)
  local usage = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', SAMPLES)
  local bytes = type(usage) == 'number' and usage / math.max(length, 1) or 0
  return math.max(1, math.floor(bytes / BYTES))
end

-- Goes through some pairs of what `command` hands out.
local function scan(command, key, bytes, count)
  local page = redis.call(command, key, place, 'COUNT', count)
  for i = 1, #page[2], 2 do
    add(bytes(page[2][i], page[2][i + 1]))
  end
  return page[1]
end

-- How each type is gone through, from `place` on: the next place.
local go_through = {
  string = function(key)
    local size, from = redis.call('STRLEN', key), tonumber(place)
    local to = math.min(from + TEXT_PIECES * PIECE, size)
    for piece = from, to - 1, PIECE do
      local text = redis.call('GETRANGE', key, piece, math.min(piece + PIECE, to) - 1)
      add(number_bytes(piece / PIECE) .. text)
    end
    -- A piece takes as long as some hundred elements.
    room = room - (to - from) / 4096
    return to < size and decimal(to) or '0'
  end,
  list = function(key, count)
    local from = tonumber(place)
    local items = redis.call('LRANGE', key, from, from + count - 1)
    for i, item in ipairs(items) do
      add(number_bytes(from + i - 1) .. item)
    end
    local to = from + #items
    return to < redis.call('LLEN', key) and decimal(to) or '0'
  end,
  set = function(key, count)
    local page = redis.call('SSCAN', key, place, 'COUNT', count)
    for _, member in ipairs(page[2]) do
      add(member)
    end
    return page[1]
  end,
  hash = function(key, count)
    return scan('HSCAN', key, function(field, value)
      return number_bytes(#field) .. field .. value
    end, count)
  end,
  zset = function(key, count)
    return scan('ZSCAN', key, function(member, score)
      return score_bytes(score) .. member
    end, count)
  end,
}

local LENGTH = {string = 'STRLEN', list = 'LLEN', set = 'SCARD', hash = 'HLEN', zset = 'ZCARD'}
local answer = {}
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local expires = redis.call('PTTL', key) >= 0 and 1 or 0
  local length = LENGTH[kind] and redis.call(LENGTH[kind], key) or 0
  local is_text = kind == 'string'
  local each = is_text and 1 or weight(key, length)
  sum, visited = {0, 0, 0}, 0
  if not is_text and length > most then
    place, visited = '0', length
    room = room - 1
  else
    place = go_through[kind] and go_through[kind](key, math.max(1, math.floor(room / each))) or '0'
    room = math.floor(room - visited * each - 1)
  end
  answer[#answer + 1] = {kind, expires, length, visited, sum[1], sum[2], sum[3]}
  if place ~= '0' or room < 1 then
    break
  end
end
return {answer, place}
