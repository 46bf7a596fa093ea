-- A process tells what it did since the last time, and may take a block of permits.
local state = load()
-- Nobody has told this hash yet what was used before Redis lost its memory, or this process has not: nothing is
-- counted or granted until then.
local heard = ask.heard
if state.born and heard and heard.born == state.born and heard.seq > state.seq then
  -- Redis has come back as it was some time ago. What it counts may be too little.
  state.born = nil
  state.short.guess, state.long.guess = 1, 1
end
if not state.born or (heard and heard.born ~= state.born) then
  save(state)
  return answer(state, 0, 0, 0, nil, true)
end
for _, name in ipairs(NAMES) do
  count(state[name], name, ask.unseen)
end
if ask.observed then
  observe(state, ask.observed)
end
if ask.good and now >= state.closed then
  state.refusals = 0
end
if ask.good and not is_settling(state) then
  state.probe = 0
end
hold(state, ask.open)

-- Where permits are all held but not spent, some may come back soon.
local HELD_WAIT = 1000
local open = open_total(state)
local room, wait = nil, 0
local spare = {}
for _, name in ipairs(NAMES) do
  local window = state[name]
  local ceiling = window.limit - math.floor(window.limit * ask.reserve)
  local left = ceiling - window.seen - open
  spare[name] = math.max(ceiling - window.seen, 0)
  room = math.min(room or left, left)
  if left < 1 then
    local spent = window.seen >= ceiling and window.reset > now
    wait = math.max(wait, spent and window.reset - now or HELD_WAIT)
  end
end
room = math.max(room, 0)
if now < state.closed then
  room, wait = 0, math.max(wait, state.closed - now)
end
local granted = 0
if ask.want then
  granted = math.min(room, math.max(1, math.min(ask.block_max, math.floor(room / 100))))
  -- What is remembered of before a wipe may be too little: one request finds out, before others follow.
  if granted > 0 and state.probe > 0 then
    granted = now >= state.probe and 1 or 0
    if granted > 0 then
      state.probe = now + ask.settle_ms
    else
      wait = math.max(wait, math.min(state.probe - now, HELD_WAIT))
    end
  end
  hold(state, ask.open + granted)
end
save(state)
return answer(state, granted, room - granted, wait, spare)
