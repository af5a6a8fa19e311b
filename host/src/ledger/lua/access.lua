-- Which commands Redis would refuse this user. Each is in ARGV as the number of its words and then these.
-- Nothing is carried out. Before version 7 Redis does not say.

if not redis.acl_check_cmd then
  return false
end
local refused, place = {}, 1
while place <= #ARGV do
  local last = place + tonumber(ARGV[place])
  local known, allowed = pcall(redis.acl_check_cmd, unpack(ARGV, place + 1, last))
  if not (known and allowed) then
    refused[#refused + 1] = ARGV[place + 1]
  end
  place = last + 1
end
return refused
