-- What is remembered from before Redis lost its memory. It only raises what is used, and only where the server has not
-- told since: it knows better.
local state = load()
for _, kept_windows in ipairs(ask.remembered) do
  for _, name in ipairs(NAMES) do
    local kept, window = kept_windows[name], state[name]
    if window.guess == 1 and kept.reset_at_ms > now then
      -- It stays a guess: the first answer of the server overrules it.
      window.limit, window.reset = kept.limit, kept.reset_at_ms
      window.seen = math.max(window.seen, kept.used)
    end
  end
  if kept_windows.closed_until_ms > now then
    state.closed = math.max(state.closed, kept_windows.closed_until_ms)
  end
end
if not state.born then
  state.born = now
  if #ask.remembered > 0 then
    state.closed = math.max(state.closed, now + ask.settle_ms)
  end
end
save(state)
return answer(state, 0, 0, 0)
