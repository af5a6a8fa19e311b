-- Shared by the scripts that commit, or look whether they could: commit, check, reserve and apply.
--
-- KEYS     the owners, the record of each object, every data key concerned, what earlier versions called the
--          records, every staged key (commit: the index after the records)
-- ARGV[1]  the request, as JSON:
--            adopt      whether keys that nobody owns are taken over
--            channel    where changed keys are published, if anywhere
--            tombstone  seconds that the record of an object without keys is kept
--            staged     of each staged key: its place in KEYS, the command that tells its length, and that
--            commands   names of the commands that write the entries
--            earlier    with a prefix: that, how names of objects began with earlier versions and begin now
--            objects    for each object: name (bucket/key), member (key), ticket, live (whether it
--                       exists), write (whether its entries follow, or are those already there),
--                       first and last (its keys, as places in KEYS), earlier (the place of what
--                       earlier versions called the record), fields (how many parts those are);
--                       on a cluster, recorded (places of the keys that its record at home lists)
-- ARGV[2]  of each object: the digest of its entries, the fields of its record, name and value in turn;
--          then for each key of each object that is written: kind, time to live in seconds or '', number
--          of elements, elements; of kind 'staged', the one element is a place in KEYS. All are in
--          one argument, each after its length (4 bytes, the lowest first): a request may have no
--          more than 3999 arguments on ElastiCache Serverless, and the keys need them.
--
-- An owner is '<ticket> <name>': the ticket its key was written under, in digits of six bits. The record has that
-- ticket as `written`, or as its own: where they differ, the one or the other was lost.

local request = cjson.decode(ARGV[1])
local objects = request.objects

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

-- Names of objects whose earlier record is of a deployment with another prefix.
local others = {}

-- Calls `visit` with each object and its place, counted from 0, and returns its first answer that is not nil.
local function first_of(visit)
  for i, object in ipairs(objects) do
    local answer = visit(object, i - 1)
    if answer then
      return answer
    end
  end
end

-- What an earlier version has recorded of an object becomes this deployment's, if it is that.
local function take_over(object)
  local keys, is_there = keys_taken_over(KEYS[object.earlier], request.earlier.prefix)
  object.is_taken_over = keys ~= nil
  if is_there and not keys then
    others[request.earlier.from .. object.member] = true
  end
  for _, key in ipairs(keys or {}) do
    object.old[#object.old + 1] = key
  end
end

-- Reads the record of each object, and what it is to have.
local function load_objects()
  local pending = false
  for i, object in ipairs(objects) do
    object.record = KEYS[1 + i]
    object.digest, object.fields = next_part(), next_parts(object.fields)
    local seen = redis.call('HMGET', object.record, 'ticket', 'issued', 'written', 's')
    object.committed = number(seen[1])
    object.issued = math.max(number(seen[2]), object.committed)
    object.written, object.recorded_digest = seen[3] or seen[1], digest_in(seen[4])
    object.number = tonumber(object.ticket)
    -- A ticket as late as this one has been here.
    object.done = object.committed >= object.number
    object.old, object.had, object.new = keys_in(object.record), {}, {}
    -- Where the part was lost, the record at home is all that leads to what is here.
    for _, place in ipairs(not seen[1] and object.recorded or {}) do
      object.old[#object.old + 1] = KEYS[place]
    end
    object.reserved = unpack_keys(redis.call('HGET', object.record, 'v') or '')
    if request.earlier ~= cjson.null then
      take_over(object)
    end
    for _, key in ipairs(object.old) do
      object.had[key] = true
    end
    for place = object.first, object.last do
      object.new[KEYS[place]] = true
    end
    pending = pending or not object.done
  end
  return pending
end

-- Arguments of the commands that a commit calls, after the key, as far as permissions look at them.
local arguments = {
  EXPIRE = {'1'}, HDEL = {'f'}, HGETALL = {}, HSET = {'f', 'v'}, MSET = {'v'}, PERSIST = {}, RPUSH = {'v'},
  SADD = {'v'}, SET = {'v'}, UNLINK = {}, ZADD = {'1', 'm'}, ZREM = {'m'},
}

-- Why the user may not do what a commit does, if it may not. Permissions are by key pattern: it is asked of a data key,
-- where there is one.
local function forbidden()
  local key = KEYS[2]
  for _, object in ipairs(objects) do
    key = object.last >= object.first and KEYS[object.first] or key
  end
  for _, command in ipairs(request.commands) do
    local refusal = uncallable(command, key, unpack(arguments[command] or {key}))
    if refusal then
      return refusal
    end
  end
  return unpublishable(request.channel)
end

-- Whether earlier versions have written that ticket: in decimal, which is longer than any mark.
local function is_decimal(ticket)
  return #ticket > 11
end

-- The name of the object that has a key, of its owner. Earlier versions have written tickets in decimal, and
-- had one name for all prefixes.
local function name_in(owner)
  local ticket, name = string.match(owner or '', '^(%S+) (.*)$')
  local earlier = request.earlier
  if name and is_decimal(ticket) and earlier ~= cjson.null and not others[name]
      and string.sub(name, 1, #earlier.from) == earlier.from then
    return earlier.to .. string.sub(name, #earlier.from + 1)
  end
  return name
end

-- Who keeps others from a key: the object of its first reservation, or of its owner; the object of the owner behind
-- that reservation; and the owner who has written it, as it is noted.
local function names_at(owner)
  local list, written = reservations(owner)
  if list[1] then
    return list[1].name, name_in(written), written
  end
  return name_in(written), nil, written
end

-- Tickets of owners, by their marks: most keys of an object have the same.
local tickets = {}

-- Whether an object has written a key of that owner under a later ticket, of which its record here does not know any
-- more.
local function is_later(object, written)
  local by = string.match(written, '^(%S+) ')
  if not by or is_decimal(by) then
    return false
  end
  tickets[by] = tickets[by] or ticket_of(by)
  return tickets[by] > object.number and name_in(written) == object.name
end

-- Calls `visit` for the object's keys, many at a time, with their places in KEYS and their owners.
local function with_owners(object, visit)
  return in_chunks(object.first, object.last, function(from, to)
    return visit(from, to, redis.call('HMGET', owners, unpack(KEYS, from, to)))
  end)
end

-- Says of all objects of which a later ticket has been here: their places and those tickets.
local function overtaken()
  local answer = {'overtaken'}
  for i, object in ipairs(objects) do
    if object.committed > object.number then
      answer[#answer + 1], answer[#answer + 2] = i - 1, decimal(object.committed)
    end
  end
  return #answer > 1 and answer or nil
end

-- Keys that objects had and that KEYS does not name.
local function undeclared()
  local declared, missing = {}, {'undeclared'}
  for place = 2 + #objects, #KEYS do
    declared[KEYS[place]] = true
  end
  for _, object in ipairs(objects) do
    for _, key in ipairs(object.done and {} or object.old) do
      if not declared[key] then
        missing[#missing + 1] = key
      end
    end
  end
  return #missing > 1 and missing or nil
end

-- Whether what an object is to keep as it is has changed, or is not there any more.
local function changed(object, i)
  if object.write or object.done then
    return nil
  end
  local answer = {'changed', i}
  if not object.written or object.recorded_digest ~= object.digest then
    return answer
  end
  for _, key in ipairs(object.old) do
    if not object.new[key] then
      return answer
    end
  end
  local owner = mark(object.written) .. ' ' .. object.name
  return with_owners(object, function(from, to, found)
    for place = from, to do
      if found[place - from + 1] ~= owner then
        return answer
      end
    end
    return redis.call('EXISTS', unpack(KEYS, from, to)) < to - from + 1 and answer or nil
  end)
end

-- Whether a key is not free. An object's own keys stay its own where the owners were lost. `is_reserved` says whether
-- all keys are reserved by now: what somebody unknown has put there since is lost then, as nothing can be given up any
-- more.
local function conflict(is_reserved)
  local together, claimed = {}, {}
  for _, object in ipairs(objects) do
    together[object.name] = true
  end
  return first_of(function(object, i)
    -- A later state of it may yield other keys.
    if object.committed > object.number then
      return nil
    end
    return with_owners(object, function(from, to, found)
      for place = from, to do
        local key = KEYS[place]
        local owner, before, written = names_at(found[place - from + 1])
        if claimed[key] then
          return {'conflict', i, key, claimed[key]}
        end
        claimed[key] = object.name
        -- What is committed already is not written: it only keeps its keys from the others.
        if object.done then
          owner, before = nil, nil
        elseif is_later(object, written) then
          return {'stale', i, decimal(tickets[string.match(written, '^%S+')])}
        elseif written == '' and not (owner and is_reserved) and not request.adopt and not object.had[key]
            and redis.call('EXISTS', key) == 1 then
          return {'conflict', i, key, ''}
        end
        if owner and not together[owner] then
          return {'conflict', i, key, owner}
        end
        if before and not together[before] then
          return {'conflict', i, key, before}
        end
      end
    end)
  end)
end

-- Whether staged values are gone, or a part of one is.
local function unstaged()
  for _, staged in ipairs(request.staged) do
    local place, command, length = unpack(staged)
    if redis.call(command, KEYS[place]) ~= length then
      return {'unstaged'}
    end
  end
end
