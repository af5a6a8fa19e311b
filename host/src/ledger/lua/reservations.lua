-- Shared by the scripts that see what is reserved: data keys of a cluster that objects are about to write.
--
-- A reservation is '?<mark> <length of the name> <name>' before the owner as it was. Several workers may have
-- reserved a key one after the other, for one object or for several of a joint commit: the latest stands first, and
-- whoever gives its own back leaves the others' in place.

-- More are not kept: workers that have died leave theirs. Whose is dropped finds its key taken, at the worst, and
-- tries again.
local MOST_RESERVATIONS = 4

-- The reservations of a key, the latest first, and the owner who has written it, '' where nobody has.
local function reservations(owner)
  local list, text, place = {}, owner or '', 1
  while true do
    local _, last, by, length = string.find(text, '^%?(%S+) (%d+) ', place)
    if not by then
      return list, string.sub(text, place)
    end
    place = last + tonumber(length) + 1
    list[#list + 1] = {by = by, name = string.sub(text, last + 1, place - 1)}
  end
end

-- The owner of a key that has these reservations.
local function reserved(list, written)
  local parts = {}
  for i = 1, math.min(#list, MOST_RESERVATIONS) do
    parts[i] = '?' .. list[i].by .. ' ' .. #list[i].name .. ' ' .. list[i].name
  end
  return table.concat(parts) .. written
end

-- Gives back what `is_given_back` says of the reservations of a key. Answers how many those were, and whether any
-- of an object of that name is left.
local function give_back(owners, key, owner, name, is_given_back)
  local list, written = reservations(owner)
  local left, any_left = {}, false
  for _, reservation in ipairs(list) do
    if not is_given_back(reservation) then
      left[#left + 1], any_left = reservation, any_left or reservation.name == name
    end
  end
  if #left < #list then
    local owner_left = reserved(left, written)
    if owner_left == '' then
      redis.call('HDEL', owners, key)
    else
      redis.call('HSET', owners, key, owner_left)
    end
  end
  return #list - #left, any_left
end
