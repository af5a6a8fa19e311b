-- Shared by all scripts; each is this and its own file in one chunk.

-- redis.call takes no more arguments than Lua's stack has room for (8000).
local CHUNK = 1000

-- Calls `visit` with the places of many elements at a time, and answers what it first answers.
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

-- A list of texts as JSON. cjson writes an empty one as an object.
local function json_list(list)
  return #list > 0 and cjson.encode(list) or '[]'
end

-- A number that a record may not have yet.
local function number(text)
  return tonumber(text or '0')
end
