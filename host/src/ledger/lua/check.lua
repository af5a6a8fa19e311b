-- Looks, in one hash slot of a cluster, whether what objects yield could be committed. Writes nothing.
--
-- KEYS and ARGV are those of commit_prelude.lua; the records are parts: those of this slot.
--
-- Answers  {'committed'}             nothing is in the way
--          {'overtaken', i, ticket, ...}, {'stale', i}, {'conflict', i, key, by}, {'unstaged'}: as apply
--          {'changed', i}            also where object i is to stay as it is, and others are committed with it
local pending = load_objects()
local refusal = overtaken()
if refusal or not pending then
  return refusal or {'committed'}
end
return conflict() or first_of(changed) or forbidden() or unstaged() or {'committed'}
