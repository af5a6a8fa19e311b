-- Shared by all scripts; each is this and its own file in one chunk.

-- redis.call takes no more arguments than Lua's stack has room for (8000).
local CHUNK = 1000

-- Calls `visit(from, to)` for one chunk of places after another, and returns its first answer that is not nil.
local function in_chunks(first, last, visit)
  for from = first, last, CHUNK do
    local answer = visit(from, math.min(from + CHUNK - 1, last))
    if answer then
      return answer
    end
  end
end

-- Calls a command with many of `list` at a time, after `key` where one is given.
local function call_with(list, command, key)
  in_chunks(1, #list, function(from, to)
    if key then
      redis.call(command, key, unpack(list, from, to))
    else
      redis.call(command, unpack(list, from, to))
    end
  end)
end

-- Why the user may not do what is about to be done, if it may not: an error in the middle of a script would leave
-- behind what was written before. (Redis before 7.0 cannot be asked.)
local function no_permission(reason, ...)
  if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
    return redis.error_reply('NOPERM the user may not ' .. reason)
  end
end

local function uncallable(command, ...)
  return no_permission("call '" .. command .. "', which this commit needs", command, ...)
end

local function unpublishable(channel)
  return channel ~= '' and no_permission('publish on the channel of CHANGES_CHANNEL', 'PUBLISH', channel, 'k') or nil
end

-- A list of texts as JSON. cjson writes an empty one as an object.
local function json_list(list)
  return #list > 0 and cjson.encode(list) or '[]'
end

-- A number that a record may not have yet.
local function number(text)
  return tonumber(text or '0')
end

-- A whole number as text: Lua writes large ones with an exponent.
local function decimal(whole)
  return string.format('%.0f', whole)
end

local DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_'

-- A ticket as owners have it: in digits of six bits.
local function mark(ticket)
  local digits, rest = '', tonumber(ticket)
  repeat
    local digit = rest % 64
    digits = string.sub(DIGITS, digit + 1, digit + 1) .. digits
    rest = (rest - digit) / 64
  until rest == 0
  return digits
end

-- The ticket that a mark stands for.
local function ticket_of(text)
  local ticket = 0
  for digit in string.gmatch(text, '.') do
    ticket = ticket * 64 + string.find(DIGITS, digit, 1, true) - 1
  end
  return ticket
end

-- Fields of a record that list its keys, in pieces, and other fields that a commit may leave out.
local PIECES = {'k', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'}
local OPTIONAL = {'e', 'p', 'q', 'r', 'v', 'by', 'ip', unpack(PIECES)}

-- Fields that only versions before this one have written.
local EARLIER = {
  'keys', 'fingerprint', 'basis', 'digest', 'etag', 'version_id', 'last_modified', 'plugins', 'written_at',
}

-- The digest of the entries, from the field of a record that begins with it.
local function digest_in(sums)
  return sums and string.sub(sums, 1, 16)
end

-- A list of keys, each of which begins as the one before it: of each, how many bytes they have in common, how
-- many follow (255 stands before two bytes more), and those.
local function unpack_keys(packed)
  local keys, key, place = {}, '', 1
  while place <= #packed do
    local shared, length
    shared, length, place = struct.unpack('>BB', packed, place)
    if length == 255 then
      length, place = struct.unpack('>H', packed, place)
    end
    key = string.sub(key, 1, shared) .. string.sub(packed, place, place + length - 1)
    keys[#keys + 1], place = key, place + length
  end
  return keys
end

-- The same of keys as if they had nothing in common.
local function pack_keys(keys)
  local parts = {}
  for i, key in ipairs(keys) do
    parts[i] = (#key < 255 and struct.pack('>BB', 0, #key) or struct.pack('>BBH', 0, 255, #key)) .. key
  end
  return table.concat(parts)
end

-- The list of keys of a record in one piece, without those that an earlier version has listed.
local function packed_in(record)
  local pieces = {}
  for i, piece in ipairs(redis.call('HMGET', record, unpack(PIECES))) do
    pieces[i] = piece or ''
  end
  return table.concat(pieces)
end

-- The keys that an earlier version has listed in a record; nil where this version has written the record since.
local function keys_before(record)
  local list = redis.call('HGET', record, 'keys')
  return list and cjson.decode(list) or nil
end

-- All keys that a record lists.
local function keys_in(record)
  local keys = unpack_keys(packed_in(record))
  for _, key in ipairs(keys_before(record) or {}) do
    keys[#keys + 1] = key
  end
  return keys
end

-- The keys of a record that an earlier version has written, which had one name for all prefixes: where all of
-- them begin with this prefix, it is taken over. Otherwise the second answer is whether there is one.
local function keys_taken_over(record, prefix)
  local keys = keys_before(record)
  for _, key in ipairs(keys or {}) do
    if string.sub(key, 1, #prefix) ~= prefix then
      return nil, true
    end
  end
  return keys, keys ~= nil
end

-- Writes what a commit records, and drops what is of no use any more: an error, tickets that are not later than
-- this one, fields that the commit leaves out.
local function write_fields(record, ticket, writes, fields)
  local seen = redis.call('HMGET', record, 'ticket', 'written', 'issued', 'announced', 'keys')
  local is_table = seen[5] or math.max(
    redis.call('HSTRLEN', record, 'error'),
    redis.call('HSTRLEN', record, 'v')
  ) > 64
  redis.call('HSET', record, 'ticket', ticket, unpack(fields))
  local given, gone = {}, {'error', 'error_at', 'error_basis'}
  for i = 1, #fields, 2 do
    given[fields[i]] = true
  end
  for _, name in ipairs(OPTIONAL) do
    if not given[name] then
      gone[#gone + 1] = name
    end
  end
  if writes then
    gone[#gone + 1] = 'written'
  else
    redis.call('HSET', record, 'written', seen[2] or seen[1] or ticket)
  end
  for i, name in ipairs({'issued', 'announced'}) do
    if number(seen[2 + i]) <= tonumber(ticket) then
      gone[#gone + 1] = name
    end
  end
  redis.call('HDEL', record, unpack(gone))
  if is_table then
    redis.call('HDEL', record, unpack(EARLIER))
    -- Redis makes a table of a hash with a long value, and leaves it at that when the value is gone.
    local all = redis.call('HGETALL', record)
    redis.call('UNLINK', record)
    redis.call('HSET', record, unpack(all))
  end
end
