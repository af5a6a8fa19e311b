-- Adds a chunk to a value that is staged, in a key that nobody else writes to.
--
-- KEYS[1]  the key
-- ARGV     the command that adds it, how long the value was before, how much longer it is then at the most, seconds
--          that it is kept, what the command takes after the key
--
-- Answers  how long the value is now; -1 where it was not so long before: Redis has evicted it, or a replica has
--          taken over that had not got all of it
--
-- Repeating it is safe: a chunk that was added is not added again.
local LENGTH = {SETRANGE = 'STRLEN', HSET = 'HLEN', RPUSH = 'LLEN', SADD = 'SCARD', ZADD = 'ZCARD'}
local key, command, before = KEYS[1], ARGV[1], tonumber(ARGV[2])

-- Nothing is added that would stay for ever.
local refusal = uncallable('EXPIRE', key, ARGV[4])
if refusal then
  return refusal
end
local length = redis.call(LENGTH[command], key)
if length == before then
  redis.call(command, key, unpack(ARGV, 5))
  redis.call('EXPIRE', key, ARGV[4])
  length = redis.call(LENGTH[command], key)
elseif length < before or length > before + tonumber(ARGV[3]) then
  return -1
end
return length
