-- Releases data keys from their owners, where nobody has written them since that was looked up.
--
-- KEYS[1]  the owners
-- ARGV     a data key and the owner it had, in turn
--
-- Answers  how many there were
local owners, released = KEYS[1], {}
for place = 1, #ARGV, 2 do
  if redis.call('HGET', owners, ARGV[place]) == ARGV[place + 1] then
    released[#released + 1] = ARGV[place]
  end
end
call_with(released, 'HDEL', owners)
return #released
