-- Looks, in one hash slot of a cluster, whether what objects yield could be committed. Writes nothing.
--
-- KEYS and ARGV are those of commit_prelude.lua; the records are parts: those of this slot.
--
-- Answers  {'committed'}             nothing is in the way
--          {'unreserved'}            nor that, but keys have to be reserved first
--          {'overtaken', i, ticket}, {'conflict', i, key, by}, {'unstaged'}: as apply
local function outdated(object, i)
  return object.committed > object.number and {'overtaken', i, string.format('%.0f', object.committed)} or nil
end

local pending = load_objects()
local refusal = first_of(outdated)
if refusal or not pending then
  return refusal or {'committed'}
end
refusal = conflict() or forbidden() or unstaged()
if refusal then
  return refusal
end
return first_of(function(object)
  return unreserved(object, true) and {'unreserved'}
end) or {'committed'}
