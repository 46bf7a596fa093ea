-- The server said 429: the whole fleet stops.
local state = load()
local until_ms
-- A refused request counts on the long window.
count(state.long, 'long', 1)
if ask.observed then
  observe(state, ask.observed)
  for _, name in ipairs(NAMES) do
    local sight, window = ask.observed[name], state[name]
    if sight.usage >= sight.limit and window.reset > now then
      until_ms = math.max(until_ms or 0, window.reset)
    end
  end
  -- No window is full, so it was something else: a wish for a pause is obeyed, else the short window.
  if not until_ms and not ask.retry_after_ms and state.short.reset > now then
    until_ms = state.short.reset
  end
end
if ask.retry_after_ms then
  until_ms = math.max(until_ms or 0, now + ask.retry_after_ms)
end
-- Without any header: a minute, doubling. Refusals of one burst count once.
if not until_ms and now >= state.closed then
  until_ms = now + math.min(ask.closed_min_ms * 2 ^ state.refusals, ask.closed_max_ms)
  state.refusals = math.min(state.refusals + 1, 30)
end
state.closed = math.max(state.closed, until_ms or 0)
save(state)
return answer(state, 0, 0, state.closed - now)
