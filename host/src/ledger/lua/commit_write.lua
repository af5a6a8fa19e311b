-- Shared by the scripts that write: commit and apply.

-- A full Redis refuses HSET as long as the script has written nothing, and refuses nothing after
-- that. So what adds keys begins with HSET, and what only removes them with HDEL.
local function begin_writing()
  for _, object in ipairs(objects) do
    if object.write and not object.done and object.last >= object.first then
      return
    end
  end
  redis.call('HDEL', objects[1].record, 'error')
end

-- Records what the object has now. `keep` says whether the record is to stay.
local function write_record(object, keep)
  write_fields(object.record, object.ticket, object.write, object.fields)
  if object.is_taken_over then
    redis.call('UNLINK', KEYS[object.earlier])
  end
  if keep then
    redis.call('PERSIST', object.record)
  else
    redis.call('EXPIRE', object.record, request.tombstone)
  end
end

local changed_keys = {}

-- Removes what the object had and has no more, also where the owners were lost: whoever had taken
-- a key over would have taken it off the object's record.
local function remove_old(object)
  local old, gone, released, reserved_still = {}, {}, {}, {}
  for _, key in ipairs(object.old) do
    if not object.new[key] then
      old[#old + 1] = key
    end
  end
  in_chunks(1, #old, function(from, to)
    local found = redis.call('HMGET', owners, unpack(old, from, to))
    for place = from, to do
      local key = old[place]
      local list, written = reservations(found[place - from + 1])
      -- Whoever has reserved the key has not written it: what it holds is still this object's, or nobody's; where its
      -- part was lost, perhaps that of a later state of it.
      local written_by = name_in(written)
      if not written_by or written_by == object.name and not is_later(object, written) then
        gone[#gone + 1], changed_keys[#changed_keys + 1] = key, key
        if list[1] then
          reserved_still[#reserved_still + 1], reserved_still[#reserved_still + 2] = key, reserved(list, '')
        else
          released[#released + 1] = key
        end
      end
    end
  end)
  call_with(gone, 'UNLINK')
  call_with(released, 'HDEL', owners)
  call_with(reserved_still, 'HSET', owners)
end

-- What is reserved of a key for the object under tickets later than this one.
local function reserved_later(object, owner)
  local later = {}
  for _, reservation in ipairs(reservations(owner)) do
    if reservation.name == object.name and ticket_of(reservation.by) > object.number then
      later[#later + 1] = reservation
    end
  end
  return later
end

-- Gives back what was reserved for the object under this ticket or an earlier one, and is not yielded any more.
local function give_back_reserved(object)
  give_back_listed(object.record, object.reserved, object.name, function(reservation)
    return reservation.name == object.name and ticket_of(reservation.by) <= object.number
  end)
end

local push = {hash = 'HSET', list = 'RPUSH', set = 'SADD', sorted_set = 'ZADD'}

-- Writes to a key that is free; plain strings are put on the list `strings` instead.
local function write_entry(key, strings)
  local kind, ttl, count = next_part(), next_part(), tonumber(next_part())
  if kind == 'bytes' and ttl == '' then
    strings[#strings + 1] = key
    strings[#strings + 1] = next_part()
  elseif kind == 'bytes' then
    redis.call('SET', key, next_part(), 'EX', ttl)
    return
  elseif kind == 'staged' then
    redis.call('RENAME', KEYS[tonumber(next_part())], key)
    redis.call('PERSIST', key)
  else
    in_chunks(1, count, function(from, to)
      redis.call(push[kind], key, unpack(next_parts(to - from + 1)))
    end)
  end
  if ttl ~= '' then
    redis.call('EXPIRE', key, ttl)
  end
end

-- Passes over an entry that is not written: its object was committed before.
local function skip_entry()
  next_parts(2)
  next_parts(tonumber(next_part()))
end

-- Writes what the object yields, and owns it. What it has reserved under a later ticket stays reserved: whoever
-- holds that counts on it.
local function write_entries(object)
  local keys, owned, strings, later = {}, {}, {}, {}
  local owner = mark(object.ticket) .. ' ' .. object.name
  in_chunks(1, #object.reserved, function(from, to)
    for i, noted in ipairs(redis.call('HMGET', owners, unpack(object.reserved, from, to))) do
      later[object.reserved[from + i - 1]] = reserved(reserved_later(object, noted), owner)
    end
  end)
  for place = object.first, object.last do
    local key = KEYS[place]
    keys[#keys + 1], owned[#owned + 1], owned[#owned + 2] = key, key, later[key] or owner
  end
  call_with(keys, 'UNLINK')
  call_with(owned, 'HSET', owners)
  for _, key in ipairs(keys) do
    write_entry(key, strings)
    changed_keys[#changed_keys + 1] = key
  end
  call_with(strings, 'MSET')
end

local function skip_entries(object)
  for _ = object.first, object.last do
    skip_entry()
  end
end

-- Writes all objects that were not committed before; `record` writes the record of one.
local function write_objects(record)
  begin_writing()
  for _, object in ipairs(objects) do
    if not object.done then
      record(object)
    end
  end
  for _, object in ipairs(objects) do
    if not object.done then
      remove_old(object)
    end
  end
  for _, object in ipairs(objects) do
    if object.write then
      (object.done and skip_entries or write_entries)(object)
    end
  end
  for _, object in ipairs(objects) do
    if not object.done then
      give_back_reserved(object)
    end
  end
  if request.channel ~= '' then
    for _, key in ipairs(changed_keys) do
      redis.call('PUBLISH', request.channel, key)
    end
  end
end

-- Commits all objects or none: `outdated` says whether the ticket of one does not count, `record`
-- writes its record, `is_reserved` is that of `conflict`.
local function commit_objects(outdated, record, is_reserved)
  local pending = load_objects()
  local refusal = first_of(outdated)
  if refusal or not pending then
    return refusal or {'committed'}
  end
  refusal = undeclared() or first_of(changed) or conflict(is_reserved) or forbidden() or unstaged()
  if refusal then
    return refusal
  end
  write_objects(record)
  return {'committed'}
end
