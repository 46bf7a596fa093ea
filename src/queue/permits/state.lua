-- Shared head of every script: KEYS[1] is the hash, ARGV[1] the question as JSON.
--
-- The hash: `short.*` and `long.*` (limit, seen = the server's count, reset = when the window ends,
-- guess = 1 while no server has told), `closed` = nobody may ask before, `refusals` = 429s without
-- any header in a row, and `p:PROCESS` = `open:expires`, the permits that a process holds.
-- Of Redis' own memory: `born` = when this hash was told what is remembered of an earlier one, `told` =
-- from when that is, `probe` = when the next request may ask the server whether it is right (0: it need
-- not be asked), and `seq` grows with every change: a hash that has less of it than a process saw has
-- gone back in time.
-- What is used is always seen + all open ones. All times are milliseconds of Redis' clock. The hash
-- has one field a living process beside these: reading all of it is cheap.
local key = KEYS[1]
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local LENGTH = { short = 15 * 60 * 1000, long = 24 * 60 * 60 * 1000 }
local NAMES = { 'short', 'long' }
-- Two sights of one window's end differ by rounding and by the answer's way; two windows by more.
local SLACK = 10 * 1000

local function load()
  local hash = {}
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    hash[flat[i]] = flat[i + 1]
  end
  local state = {
    born = tonumber(hash.born),
    told = tonumber(hash.told) or 0,
    probe = tonumber(hash.probe) or 0,
    seq = tonumber(hash.seq) or 0,
    open = {},
    closed = tonumber(hash.closed) or 0,
    refusals = tonumber(hash.refusals) or 0,
  }
  for _, name in ipairs(NAMES) do
    local window = {
      limit = tonumber(hash[name .. '.limit']) or ask.assumed[name],
      seen = tonumber(hash[name .. '.seen']) or 0,
      reset = tonumber(hash[name .. '.reset']) or 0,
      guess = tonumber(hash[name .. '.guess']) or 1,
    }
    if window.reset > 0 and now >= window.reset then
      window.seen, window.reset, window.guess = 0, 0, 1
    end
    state[name] = window
  end
  for field, value in pairs(hash) do
    local process = string.match(field, '^p:(.*)$')
    if process then
      local open, expires = string.match(value, '^(%d+):(%d+)$')
      if tonumber(expires) > now then
        state.open[process] = value
      else
        -- The process died. Nobody knows what it has sent: it counts.
        redis.call('HDEL', key, field)
        for _, name in ipairs(NAMES) do
          state[name].seen = state[name].seen + tonumber(open)
        end
      end
    end
  end
  return state
end

local function open_total(state)
  local total = 0
  for _, value in pairs(state.open) do
    total = total + tonumber(string.match(value, '^(%d+)'))
  end
  return total
end

-- While those who hold permits tell of them again.
local function is_settling(state)
  return state.born and state.probe > 0 and now < state.born + ask.settle_ms
end

-- A window begins with its first request. Until the server tells, assume that this was ours.
local function count(window, name, requests)
  if requests > 0 then
    window.seen = window.seen + requests
    if window.reset == 0 then
      window.reset = now + LENGTH[name]
    end
  end
end

-- The server's truth. Later end: a new window. Same end: answers may come out of order, the highest
-- usage is the latest. An end half a window earlier: a straggler of the window before.
local function observe(state, observed)
  local settling = is_settling(state)
  for _, name in ipairs(NAMES) do
    local sight, window = observed[name], state[name]
    local reset = now + sight.reset_in_ms
    if sight.reset_in_ms > 0 and (window.guess == 1 or reset > window.reset - LENGTH[name] / 2) then
      window.limit = sight.limit
      if settling and window.reset > 0 and reset <= window.reset + SLACK then
        -- It may be from before the wipe, and what is remembered later than that.
        window.seen = math.max(window.seen, sight.usage)
      elseif window.guess == 1 or reset > window.reset + SLACK then
        window.seen, window.reset, window.guess = sight.usage, reset, 0
      else
        window.seen, window.reset = math.max(window.seen, sight.usage), math.min(window.reset, reset)
      end
    end
  end
end

-- What the process tells about itself: absolute permits, so that telling twice changes nothing.
local function hold(state, open)
  local field = 'p:' .. ask.process
  if open > 0 then
    state.open[ask.process] = open .. ':' .. string.format('%.0f', now + ask.lease_ms)
    redis.call('HSET', key, field, state.open[ask.process])
  else
    state.open[ask.process] = nil
    redis.call('HDEL', key, field)
  end
end

local function save(state)
  state.seq = state.seq + 1
  local flat = {}
  local function set(field, value)
    flat[#flat + 1] = field
    flat[#flat + 1] = string.format('%.0f', value)
  end
  for _, field in ipairs({ 'closed', 'refusals', 'told', 'probe', 'seq' }) do
    set(field, state[field])
  end
  if state.born then
    set('born', state.born)
  else
    redis.call('HDEL', key, 'born')
  end
  for _, name in ipairs(NAMES) do
    for field, value in pairs(state[name]) do
      set(name .. '.' .. field, value)
    end
  end
  redis.call('HSET', key, unpack(flat))
end

-- `spare` is what each window has left when all permits come back unspent; `lost`: the process has to tell first what
-- is remembered.
local function answer(state, granted, room, wait_ms, spare, lost)
  local windows = {}
  for _, name in ipairs(NAMES) do
    windows[name] = {
      limit = state[name].limit,
      seen = state[name].seen,
      reset_at_ms = state[name].reset,
      spare = spare and spare[name] or 0,
    }
  end
  return cjson.encode({
    born = state.born,
    seq = state.seq,
    lost = lost or false,
    probing = state.probe > now,
    granted = granted,
    room = room,
    wait_ms = wait_ms,
    closed_until_ms = state.closed,
    now_ms = now,
    open = open_total(state),
    short = windows.short,
    long = windows.long,
  })
end
