-- The generation of the plugin list. Whoever handles a change of a plugin raises it before taking a
-- ticket, and a plugin list is kept for tickets of one generation.
--
-- It is the larger of the last one plus a step and the server's clock in microseconds, so that one that was
-- lost does not come back as one under which somebody has kept a list. The step is by chance, as that of tickets.
local function generation(key, step)
  local last = redis.call('GET', key)
  if last and not step then
    return last
  end
  local clock = redis.call('TIME')
  local raised = decimal(math.max(number(last) + (step or 1), clock[1] * 1000000 + clock[2]))
  -- A full Redis refuses SET as long as the script has written nothing. PERSIST writes.
  redis.call('PERSIST', key)
  redis.call('SET', key, raised)
  return raised
end
