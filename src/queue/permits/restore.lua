-- What is remembered from before Redis lost its memory. It only raises what is used, and only where the server has not
-- told since: it knows better. Times are of a clock that may have been another one: none is further away than can be.
local state = load()
for _, kept_windows in ipairs(ask.remembered) do
  local taken = math.min(kept_windows.taken_at_ms, now)
  for _, name in ipairs(NAMES) do
    local kept, window = kept_windows[name], state[name]
    if window.guess == 1 and kept.reset_at_ms > now then
      -- It stays a guess: the first answer of the server overrules it.
      window.seen = math.max(window.seen, kept.used)
      if window.reset == 0 or taken >= state.told then
        window.limit, window.reset = kept.limit, math.min(kept.reset_at_ms, now + LENGTH[name])
      end
    end
  end
  state.told = math.max(state.told, taken)
  if kept_windows.closed_until_ms > now then
    state.closed = math.max(state.closed, math.min(kept_windows.closed_until_ms, now + LENGTH.long))
  end
end
if not state.born then
  state.born = now
  if #ask.remembered > 0 then
    state.probe = now + ask.settle_ms
  end
end
save(state)
return answer(state, 0, 0, 0)
