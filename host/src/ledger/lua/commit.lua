-- Commits what one or several objects yield, all of it or nothing: everything on one server, or
-- on a cluster what concerns one hash slot.
--
-- KEYS     the owners, the record of each object, the index where the request says so, every data
--          key concerned, every staged key
-- ARGV[1]  the request, as JSON:
--            adopt      whether keys that nobody owns are taken over
--            check      whether only conflicts are looked for, and nothing is written
--            index      whether the index is among KEYS, and tickets are checked against those issued
--            channel    where changed keys are published, if anywhere
--            tombstone  seconds that the record of an object without keys is kept
--            staged     places of staged keys in KEYS
--            objects    for each object: name (bucket/key), member (key), ticket, live (whether it
--                       exists), write (whether its entries follow, or are those already there),
--                       digest (of its entries), first and last (its keys, as places in KEYS),
--                       fields (the record's, name and value in turn)
-- ARGV[2]  for each key of each object that is written: kind, time to live in seconds or '', number
--          of elements, elements; of kind 'staged', the one element is a place in KEYS. All are in
--          one argument, each after its length (4 bytes, the lowest first): a request may have no
--          more than 3999 arguments on ElastiCache Serverless, and the keys need them.
--
-- Answers  {'committed', written, removed}
--          {'superseded', i}         a later ticket of object i (from 0) has committed
--          {'stale', i}              the ticket of object i does not count: its record was lost, or
--                                    a later one has been in this slot, and need not have finished
--          {'conflict', i, key, by}  key belongs to the object `by`; '' is somebody unknown
--          {'changed', i}            object i is not as it was when `write` was decided
--          {'unstaged'}              staged keys are gone
--          {'undeclared', keys...}   these keys are concerned too; KEYS must name them
--
-- Repeating it is safe: a ticket that has committed is not committed again.
--
-- An owner is noted as '<ticket> <name>', with the ticket its key was written under. The record has
-- that ticket as `written`: where they differ, the one or the other was lost.

-- redis.call takes no more arguments than Lua's stack has room for (8000).
local CHUNK = 1000

local owners = KEYS[1]
local request = cjson.decode(ARGV[1])
local objects = request.objects
local index = request.index and KEYS[2 + #objects]

local function all(list, visit)
  for i, object in ipairs(list) do
    local answer = visit(object, i - 1)
    if answer then
      return answer
    end
  end
end

-- Whether the ticket counts. One that was not issued, as far as the record knows, was issued
-- before the record was lost (evicted, or not yet replicated when its primary failed): what was
-- read under it may be older than what was committed under a smaller one.
local function outdated(object, i)
  object.record = KEYS[2 + i]
  local seen = redis.call('HMGET', object.record, 'ticket', 'issued')
  local committed, issued = tonumber(seen[1] or '0'), tonumber(seen[2] or '0')
  local ticket = tonumber(object.ticket)
  object.done = committed == ticket
  if committed > ticket then
    return {request.index and 'superseded' or 'stale', i}
  elseif request.index and issued < ticket then
    return {'stale', i}
  end
end

-- The name of the object that has a key, of what is noted.
local function name_in(owner)
  return owner and string.match(owner, '^%d+ (.*)$')
end

local function read_old_keys(object)
  local seen = redis.call('HMGET', object.record, 'keys', 'written')
  local old = seen[1]
  object.written = seen[2]
  object.old, object.had, object.new = old and cjson.decode(old) or {}, {}, {}
  for _, key in ipairs(object.old) do
    object.had[key] = true
  end
  for place = object.first, object.last do
    object.new[KEYS[place]] = true
  end
end

local function undeclared()
  local declared, missing = {}, {'undeclared'}
  for place = 2 + #objects, #KEYS do
    declared[KEYS[place]] = true
  end
  for _, object in ipairs(objects) do
    for _, key in ipairs(object.old) do
      if not declared[key] then
        missing[#missing + 1] = key
      end
    end
  end
  return #missing > 1 and missing or nil
end

-- Calls `visit` for the object's keys, many at a time, with their places in KEYS and their owners.
local function with_owners(object, visit)
  for from = object.first, object.last, CHUNK do
    local to = math.min(from + CHUNK - 1, object.last)
    local answer = visit(from, to, redis.call('HMGET', owners, unpack(KEYS, from, to)))
    if answer then
      return answer
    end
  end
end

local function changed(object, i)
  if object.write or object.done then
    return nil
  end
  local answer = {'changed', i}
  if redis.call('HGET', object.record, 'digest') ~= object.digest then
    return answer
  end
  for _, key in ipairs(object.old) do
    if not object.new[key] then
      return answer
    end
  end
  local owner = (object.written or '') .. ' ' .. object.name
  return with_owners(object, function(from, to, found)
    for place = from, to do
      if found[place - from + 1] ~= owner then
        return answer
      end
    end
    return redis.call('EXISTS', unpack(KEYS, from, to)) < to - from + 1 and answer or nil
  end)
end

local members, claimed = {}, {}

-- An object's own keys stay its own where the owners were lost.
local function conflict(object, i)
  return with_owners(object, function(from, to, found)
    for place = from, to do
      local key, owner = KEYS[place], name_in(found[place - from + 1])
      if claimed[key] then
        return {'conflict', i, key, claimed[key]}
      end
      claimed[key] = object.name
      if owner and not members[owner] then
        return {'conflict', i, key, owner}
      end
      if not owner and not request.adopt and not object.had[key] and redis.call('EXISTS', key) == 1 then
        return {'conflict', i, key, ''}
      end
    end
  end)
end

local function unstaged()
  return all(request.staged, function(place)
    return redis.call('EXISTS', KEYS[place]) == 0 and {'unstaged'} or nil
  end)
end

local function publish(key)
  if request.channel then
    redis.call('PUBLISH', request.channel, key)
  end
end

local removed, written = {}, {}

-- Calls a command with many of `list` at a time.
local function in_chunks(list, command, key)
  for from = 1, #list, CHUNK do
    local to = math.min(from + CHUNK - 1, #list)
    if key then
      redis.call(command, key, unpack(list, from, to))
    else
      redis.call(command, unpack(list, from, to))
    end
  end
end

-- Removes what the object had and has no more, also where the owners were lost: whoever had taken
-- a key over would have taken it off the object's record.
local function remove(object)
  local old, gone = {}, {}
  for _, key in ipairs(object.done and {} or object.old) do
    if not object.new[key] then
      old[#old + 1] = key
    end
  end
  for from = 1, #old, CHUNK do
    local to = math.min(from + CHUNK - 1, #old)
    local found = redis.call('HMGET', owners, unpack(old, from, to))
    for place = from, to do
      local owner = name_in(found[place - from + 1])
      if not owner or owner == object.name then
        gone[#gone + 1] = old[place]
        removed[#removed + 1] = old[place]
      end
    end
  end
  in_chunks(gone, 'UNLINK')
  in_chunks(gone, 'HDEL', owners)
end

local push = {hash = 'HSET', list = 'RPUSH', set = 'SADD', sorted_set = 'ZADD'}
local position = 1

-- The next part of ARGV[2].
local function next_part()
  local part
  part, position = struct.unpack('<I4c0', ARGV[2], position)
  return part
end

local function next_parts(count)
  local parts = {}
  for i = 1, count do
    parts[i] = next_part()
  end
  return parts
end

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
    for from = 1, count, CHUNK do
      redis.call(push[kind], key, unpack(next_parts(math.min(CHUNK, count - from + 1))))
    end
  end
  if ttl ~= '' then
    redis.call('EXPIRE', key, ttl)
  end
end

-- Passes over what belongs to a key.
local function skip_entry()
  next_parts(2)
  next_parts(tonumber(next_part()))
end

local function write(object)
  if not object.write then
    return
  end
  local keys, owned, strings = {}, {}, {}
  for place = object.first, object.last do
    keys[#keys + 1] = KEYS[place]
    owned[#owned + 1] = KEYS[place]
    owned[#owned + 1] = object.ticket .. ' ' .. object.name
  end
  if not object.done then
    in_chunks(keys, 'UNLINK')
    in_chunks(owned, 'HSET', owners)
  end
  for _, key in ipairs(keys) do
    if object.done then
      skip_entry()
    else
      write_entry(key, strings)
      written[#written + 1] = key
    end
  end
  in_chunks(strings, 'MSET')
end

local function record(object)
  if object.done then
    return
  end
  local keys = {}
  for place = object.first, object.last do
    keys[#keys + 1] = KEYS[place]
  end
  redis.call('HSET', object.record, 'ticket', object.ticket, 'digest', object.digest,
    'keys', #keys > 0 and cjson.encode(keys) or '[]', unpack(object.fields))
  if object.write then
    redis.call('HSET', object.record, 'written', object.ticket)
  end
  redis.call('HDEL', object.record, 'error', 'error_at')
  if object.live and (index or #keys > 0) then
    redis.call('PERSIST', object.record)
  else
    redis.call('EXPIRE', object.record, request.tombstone)
  end
  if index then
    redis.call(object.live and 'ZADD' or 'ZREM', index, unpack(object.live and {0, object.member} or {object.member}))
  end
end

local answer = all(objects, outdated)
if answer then
  return answer
end
local pending = false
for _, object in ipairs(objects) do
  pending = pending or not object.done
end
if not pending then
  return {'committed', 0, 0}
end
all(objects, read_old_keys)
answer = not request.check and (undeclared() or all(objects, changed))
if answer then
  return answer
end
local adds = false
for _, object in ipairs(objects) do
  members[object.name] = true
  adds = adds or (object.write and object.last >= object.first)
end
answer = all(objects, conflict) or unstaged()
if answer or request.check then
  return answer or {'committed', 0, 0}
end
-- A full Redis refuses HSET as long as the script has written nothing, and refuses nothing after
-- that. So what adds keys begins with HSET, and what only removes them with HDEL.
if not adds then
  redis.call('HDEL', objects[1].record, 'error')
end
all(objects, record)
all(objects, remove)
all(objects, write)
all(removed, publish)
all(written, publish)
return {'committed', #written, #removed}
