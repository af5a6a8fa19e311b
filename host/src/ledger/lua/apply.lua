-- Commits what one or several objects yield in one hash slot of a cluster, all of it or nothing.
--
-- KEYS and ARGV are those of commit_prelude.lua; the records are parts: those of this slot.
--
-- Answers  {'overtaken', i, ticket}   that later ticket of object i has been in this slot, and need not have finished
--          {'stale', i}              keys of object i are not reserved any more
--          and otherwise as commit
--
-- Repeating it is safe: a ticket that has been here is not applied again.
local function outdated(object, i)
  if object.committed > object.number then
    return {'overtaken', i, string.format('%.0f', object.committed)}
  end
  return object.write and not object.done and unreserved(object) and {'stale', i} or nil
end

local function record(object)
  write_record(object, object.live and object.last >= object.first)
end

return commit_objects(outdated, record)
