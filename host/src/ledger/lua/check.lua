-- Looks, in one hash slot of a cluster, whether what objects yield could be committed. Writes nothing.
--
-- KEYS and ARGV are those of commit_prelude.lua; the records are parts: those of this slot.
--
-- Answers  {'committed'}             nothing is in the way
--          {'stale', i}, {'conflict', i, key, by}, {'unstaged'}: as apply
local function outdated(object, i)
  return object.committed > object.number and {'stale', i} or nil
end

local pending = load_objects()
local refusal = first_of(outdated)
if refusal or not pending then
  return refusal or {'committed'}
end
return conflict() or unstaged() or forbidden() or {'committed'}
