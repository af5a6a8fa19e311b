-- Notes something: how far a thing is that takes more than one invocation, who has uploaded a plugin.
--
-- KEYS[1]  the notes
-- ARGV     name, note ('' takes it away), seconds that the notes are kept (0: always), how many there may be
--
-- Answers  whether it is noted
local notes = KEYS[1]
if ARGV[2] == '' then
  redis.call('HDEL', notes, ARGV[1])
  return 0
end
if redis.call('HEXISTS', notes, ARGV[1]) == 0 and redis.call('HLEN', notes) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('HSET', notes, ARGV[1], ARGV[2])
if ARGV[3] ~= '0' then
  redis.call('EXPIRE', notes, ARGV[3])
end
return 1
