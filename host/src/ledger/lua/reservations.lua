-- Shared by the scripts that see what is reserved: data keys of a cluster that objects are about to write. The owners
-- are the first of their keys.
--
-- A reservation is '?<mark>:<second> <length of the name> <name>' before the owner as it was: the second is when it was
-- made, by this server's clock, in the digits of a mark. Several workers may have reserved a key one after the other,
-- for one object or for several of a joint commit: the latest stands first, and whoever gives its own back leaves the
-- others' in place.
local owners = KEYS[1]

-- More are not kept: workers that have died leave theirs. Whose is dropped finds its key taken, at the worst, and
-- tries again.
local MOST_RESERVATIONS = 4

-- A worker that has reserved keys is through with them in so many seconds: no invocation takes so long.
local LONG = 3600

-- The reservations of a key, the latest first, and the owner who has written it, '' where nobody has.
local function reservations(owner)
  local list, text, place = {}, owner or '', 1
  while true do
    local _, last, by, at, length = string.find(text, '^%?([^ :]+):?(%S*) (%d+) ', place)
    if not by then
      return list, string.sub(text, place)
    end
    place = last + tonumber(length) + 1
    list[#list + 1] = {by = by, at = at, name = string.sub(text, last + 1, place - 1)}
  end
end

-- The owner of a key that has these reservations.
local function reserved(list, written)
  local parts = {}
  for i = 1, math.min(#list, MOST_RESERVATIONS) do
    local reservation = list[i]
    local at = reservation.at ~= '' and ':' .. reservation.at or ''
    parts[i] = '?' .. reservation.by .. at .. ' ' .. #reservation.name .. ' ' .. reservation.name
  end
  return table.concat(parts) .. written
end

-- This server's clock in seconds.
local function seconds()
  return tonumber(redis.call('TIME')[1])
end

-- Whether its worker cannot be at it any more. One from the future is of a clock that was set back since.
local function is_long_ago(reservation)
  return math.abs(seconds() - ticket_of(reservation.at)) > LONG
end

-- Takes off a key what `is_given_back` says of its reservations. Answers those that stay, and how many went.
local function give_back(key, owner, is_given_back)
  local list, written = reservations(owner)
  local stay = {}
  for _, reservation in ipairs(list) do
    if not is_given_back(reservation) then
      stay[#stay + 1] = reservation
    end
  end
  if #stay < #list then
    local left = reserved(stay, written)
    if left == '' then
      redis.call('HDEL', owners, key)
    else
      redis.call('HSET', owners, key, left)
    end
  end
  return stay, #list - #stay
end

-- The same of all keys that a record lists as reserved for an object of that name. The list keeps those that still
-- are. Answers how many reservations went.
local function give_back_listed(record, keys, name, is_given_back)
  local left, given_back = {}, 0
  in_chunks(1, #keys, function(from, to)
    local found = redis.call('HMGET', owners, unpack(keys, from, to))
    for place = from, to do
      local stay, gone = give_back(keys[place], found[place - from + 1], is_given_back)
      local is_left = false
      for _, reservation in ipairs(stay) do
        is_left = is_left or reservation.name == name
      end
      if is_left then
        left[#left + 1] = keys[place]
      end
      given_back = given_back + gone
    end
  end)
  if #left > 0 then
    redis.call('HSET', record, 'v', pack_keys(left))
  elseif #keys > 0 then
    redis.call('HDEL', record, 'v')
  end
  return given_back
end
