-- Commits what one or several objects yield in one hash slot of a cluster, all of it or nothing; but an object of
-- which a later ticket has been here is passed over: the others have begun in other slots, and count on what they
-- have reserved here.
--
-- KEYS and ARGV are those of commit_prelude.lua; the records are parts: those of this slot.
--
-- Answers  {'overtaken', i, ticket, ...}   those later tickets of these objects have been in this slot, and need
--                                          not have finished; the other objects are committed
--          {'stale', i}                    keys of object i are not reserved any more
--          and otherwise as commit
--
-- Repeating it is safe: a ticket that has been here is not applied again.

-- Whether any key that an object is to write is neither its own nor reserved for it.
local function unreserved(object, i)
  if not object.write or object.done then
    return nil
  end
  return with_owners(object, function(_, _, found)
    for _, owner in ipairs(found) do
      if names_at(owner) ~= object.name then
        return {'stale', i}
      end
    end
  end)
end

local function record(object)
  write_record(object, object.live and object.last >= object.first)
end

local answer = commit_objects(unreserved, record, true)
return answer[1] == 'committed' and overtaken() or answer
