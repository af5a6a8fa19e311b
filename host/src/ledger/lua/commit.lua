-- Commits what one or several objects yield, all of it or nothing, on one server.
--
-- KEYS and ARGV are those of commit_prelude.lua, with the index after the records; with a prefix, what
-- earlier versions called it follows.
--
-- Answers  {'committed'}
--          {'superseded', i}         a later ticket of object i (from 0) has committed
--          {'stale', i}              the ticket of object i does not count: its record was lost
--          {'stale', i, ticket}      a key of object i was written under this later ticket
--          {'undeclared', keys...}   these keys are concerned too; KEYS must name them
--          {'changed', i}            object i is not as it was when `write` was decided
--          {'conflict', i, key, by}  key belongs to the object `by`; '' is somebody unknown
--          {'unstaged'}              staged keys are gone
--
-- Repeating it is safe: a ticket that has committed is not committed again.
local index = KEYS[2 + #objects]

-- Whether the ticket counts. One that was not issued, as far as the record knows, was issued
-- before the record was lost (evicted, or not yet replicated when its primary failed): what was
-- read under it may be older than what was committed under a smaller one.
local function outdated(object, i)
  if object.committed > object.number then
    return {'superseded', i}
  elseif object.issued < object.number then
    return {'stale', i}
  end
end

local function record(object)
  write_record(object, object.live)
  if object.is_taken_over then
    redis.call('ZREM', KEYS[3 + #objects], object.member)
  end
  if object.live then
    redis.call('ZADD', index, 0, object.member)
  else
    redis.call('ZREM', index, object.member)
  end
end

return commit_objects(outdated, record)
