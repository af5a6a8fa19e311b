-- Reserves the keys that objects are to write in one hash slot of a cluster, all of them or none, once their
-- commit is announced and before anything is removed or written in any slot: from then on nobody else gets them.
--
-- KEYS and ARGV are those of commit_prelude.lua; the records are parts: those of this slot. A part lists in `v`
-- what is reserved for its object, until a commit of the object has been here.
--
-- Answers  {'committed'}
--          {'overtaken', i, ticket}, {'conflict', i, key, by}: as apply
local function outdated(object, i)
  return object.committed > object.number and {'overtaken', i, string.format('%.0f', object.committed)} or nil
end

-- The owner to record for a key that has this owner now; nil where the key is the object's already.
local function reservation_over(object, owner)
  local name, by, before = reservation(owner)
  if name == object.name then
    return ticket_of(by) < object.number and reserved(object.ticket, name, before) or nil
  elseif not by and name_in(owner) == object.name then
    return nil
  end
  return reserved(object.ticket, object.name, by and before or owner or '')
end

local function reserve(object)
  local is_listed, list, noted = {}, object.reserved, {}
  for _, key in ipairs(list) do
    is_listed[key] = true
  end
  with_owners(object, function(from, to, found)
    for place = from, to do
      local key = KEYS[place]
      local text = reservation_over(object, found[place - from + 1])
      if text then
        noted[#noted + 1], noted[#noted + 2] = key, text
        if not is_listed[key] then
          list[#list + 1] = key
        end
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
local refusal = first_of(outdated)
if refusal or not pending then
  return refusal or {'committed'}
end
refusal = conflict()
if refusal then
  return refusal
end
for _, object in ipairs(objects) do
  if not object.done then
    reserve(object)
  end
end
return {'committed'}
