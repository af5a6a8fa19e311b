-- Reserves the keys that objects are to write in one hash slot of a cluster, all of them or none, once their
-- commit is announced and before anything is removed or written in any slot: from then on nobody else gets them.
-- Those that an object has already are reserved too: a joint commit may be giving them to another one.
--
-- KEYS and ARGV are those of commit_prelude.lua; the records are parts: those of this slot. A part lists in `v`
-- what is reserved for its object, until a commit of the object has been here.
--
-- Answers  {'committed'}
--          {'overtaken', i, ticket}   also where object i has reserved a key here under that later ticket
--          {'conflict', i, key, by}   as apply

-- Whether one of these objects has reserved a key under a later ticket, whose worker is about to write it.
local function overtaken_by_reservation()
  local place_of = {}
  for i, object in ipairs(objects) do
    place_of[object.name] = i
  end
  return first_of(function(object)
    return with_owners(object, function(_, _, found)
      for _, owner in ipairs(found) do
        for _, reservation in ipairs(reservations(owner)) do
          local i, ticket = place_of[reservation.name], ticket_of(reservation.by)
          if i and ticket > objects[i].number then
            return {'overtaken', i - 1, decimal(ticket)}
          end
        end
      end
    end)
  end)
end

-- The owner of a key that an object has reserved as well: once, though the request may be repeated.
local function reserved_for(own, owner)
  local list, written = reservations(owner)
  local all = {own}
  for _, other in ipairs(list) do
    if other.name ~= own.name or other.by ~= own.by then
      all[#all + 1] = other
    end
  end
  return reserved(all, written)
end

local function reserve(object)
  local own = {by = mark(object.ticket), at = mark(seconds()), name = object.name}
  local is_listed, list, noted = {}, object.reserved, {}
  for _, key in ipairs(list) do
    is_listed[key] = true
  end
  with_owners(object, function(from, to, found)
    for place = from, to do
      local key = KEYS[place]
      noted[#noted + 1], noted[#noted + 2] = key, reserved_for(own, found[place - from + 1])
      if not is_listed[key] then
        list[#list + 1] = key
      end
    end
  end)
  if #noted == 0 then
    return
  end
  local is_new = redis.call('EXISTS', object.record) == 0
  redis.call('HSET', object.record, 'v', pack_keys(list))
  if is_new then
    redis.call('EXPIRE', object.record, request.tombstone)
  end
  call_with(noted, 'HSET', owners)
end

local pending = load_objects()
local refusal = overtaken()
if refusal or not pending then
  return refusal or {'committed'}
end
refusal = conflict() or overtaken_by_reservation()
if refusal then
  return refusal
end
for _, object in ipairs(objects) do
  if object.write and not object.done then
    reserve(object)
  end
end
return {'committed'}
