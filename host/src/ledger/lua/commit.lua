-- Commits what one or several objects yield, all of it or nothing.
--
-- KEYS     the index, the owners, the record of each object, then every data key concerned
-- ARGV[1]  the request, as JSON:
--            adopt      whether keys that nobody owns are taken over
--            channel    where changed keys are published, if anywhere
--            tombstone  seconds that the record of a deleted object is kept
--            objects    for each object: name (bucket/key), member (key), ticket, live (whether it
--                       exists), write (whether its entries follow, or are those already there),
--                       digest (of its entries), first and last (its keys, as places in KEYS),
--                       fields (the record's, name and value in turn)
-- ARGV[2]  on: for each key of each object that is written: kind, time to live in seconds or '',
--          number of elements, elements
--
-- Answers  {'committed', written, removed}
--          {'superseded', i}         a later ticket of object i (from 0) has committed
--          {'conflict', i, key, by}  key belongs to the object `by`; '' is somebody unknown
--          {'changed', i}            object i is not as it was when `write` was decided
--          {'undeclared', keys...}   these keys are concerned too; KEYS must name them
--
-- Repeating it is safe: a ticket that has committed is not committed again.

-- redis.call takes no more arguments than Lua's stack has room for (8000).
local CHUNK = 1000

local index, owners = KEYS[1], KEYS[2]
local request = cjson.decode(ARGV[1])
local objects = request.objects

local function all(list, visit)
  for i, object in ipairs(list) do
    local answer = visit(object, i - 1)
    if answer then
      return answer
    end
  end
end

-- Whether the ticket counts. All objects of a request commit in one go, so the first speaks for
-- all of them where the request is a repetition.
local function outdated(object, i)
  object.record = KEYS[3 + i]
  local committed = tonumber(redis.call('HGET', object.record, 'ticket') or '0')
  local ticket = tonumber(object.ticket)
  if committed == ticket then
    return {'committed', 0, 0}
  elseif committed > ticket then
    return {'superseded', i}
  end
end

local function read_old_keys(object)
  local old = redis.call('HGET', object.record, 'keys')
  object.old = old and cjson.decode(old) or {}
  object.new = {}
  for place = object.first, object.last do
    object.new[KEYS[place]] = true
  end
end

local function undeclared()
  local declared, missing = {}, {'undeclared'}
  for place = 3 + #objects, #KEYS do
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

local function changed(object, i)
  if object.write then
    return nil
  end
  if redis.call('HGET', object.record, 'digest') ~= object.digest then
    return {'changed', i}
  end
  for _, key in ipairs(object.old) do
    if not object.new[key] then
      return {'changed', i}
    end
  end
  for key in pairs(object.new) do
    if redis.call('EXISTS', key) == 0 or redis.call('HGET', owners, key) ~= object.name then
      return {'changed', i}
    end
  end
end

local members, claimed = {}, {}

local function conflict(object, i)
  for place = object.first, object.last do
    local key = KEYS[place]
    if claimed[key] then
      return {'conflict', i, key, claimed[key]}
    end
    claimed[key] = object.name
    local owner = redis.call('HGET', owners, key)
    if owner and not members[owner] then
      return {'conflict', i, key, owner}
    end
    if not owner and not request.adopt and redis.call('EXISTS', key) == 1 then
      return {'conflict', i, key, ''}
    end
  end
end

local function publish(key)
  if request.channel then
    redis.call('PUBLISH', request.channel, key)
  end
end

local removed, written = {}, {}

local function remove(object)
  for _, key in ipairs(object.old) do
    if not object.new[key] and redis.call('HGET', owners, key) == object.name then
      redis.call('UNLINK', key)
      redis.call('HDEL', owners, key)
      removed[#removed + 1] = key
    end
  end
end

local push = {hash = 'HSET', list = 'RPUSH', set = 'SADD', sorted_set = 'ZADD'}
local argument = 2

local function write_entry(key)
  local kind, ttl, count = ARGV[argument], ARGV[argument + 1], tonumber(ARGV[argument + 2])
  argument = argument + 3
  redis.call('UNLINK', key)
  if kind == 'bytes' then
    redis.call('SET', key, ARGV[argument])
  else
    for from = argument, argument + count - 1, CHUNK do
      local to = math.min(from + CHUNK, argument + count) - 1
      redis.call(push[kind], key, unpack(ARGV, from, to))
    end
  end
  argument = argument + count
  if ttl ~= '' then
    redis.call('EXPIRE', key, ttl)
  end
end

local function write(object)
  if not object.write then
    return
  end
  for place = object.first, object.last do
    local key = KEYS[place]
    write_entry(key)
    redis.call('HSET', owners, key, object.name)
    written[#written + 1] = key
  end
end

local function record(object)
  local keys = {}
  for place = object.first, object.last do
    keys[#keys + 1] = KEYS[place]
  end
  redis.call('HSET', object.record, 'ticket', object.ticket, 'digest', object.digest,
    'keys', #keys > 0 and cjson.encode(keys) or '[]', unpack(object.fields))
  redis.call('HDEL', object.record, 'error', 'error_at')
  if object.live then
    redis.call('PERSIST', object.record)
    redis.call('ZADD', index, 0, object.member)
  else
    redis.call('EXPIRE', object.record, request.tombstone)
    redis.call('ZREM', index, object.member)
  end
end

local answer = all(objects, outdated)
if answer then
  return answer
end
all(objects, read_old_keys)
answer = undeclared() or all(objects, changed)
if answer then
  return answer
end
for _, object in ipairs(objects) do
  members[object.name] = true
end
answer = all(objects, conflict)
if answer then
  return answer
end
all(objects, remove)
all(objects, write)
all(objects, record)
all(removed, publish)
all(written, publish)
return {'committed', #written, #removed}
