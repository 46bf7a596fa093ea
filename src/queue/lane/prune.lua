-- KEYS[1] stream; ARGV: group, own consumer, 1 when leaving, idle limit in ms.
-- Removes consumers with nothing pending; returns how many.
local removed = 0
if redis.call('EXISTS', KEYS[1]) == 0 then
  return removed
end
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #flat, 2 do
    consumer[flat[i]] = flat[i + 1]
  end
  local own = consumer.name == ARGV[2]
  local gone = (own and ARGV[3] == '1') or (not own and consumer.idle >= tonumber(ARGV[4]))
  if consumer.pending == 0 and gone then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed
