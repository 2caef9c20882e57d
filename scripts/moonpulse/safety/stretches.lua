--- What goes on without a pause, though moonpulse.safety.trains finds several trains, pairs or single pulses
--- in it. One more pulse may cut a slow train into pairs and single pulses, and one more pause a long theta
--- burst into short ones: so a stretch is also judged as a whole, from its first pulse to its last.
local instants = require "moonpulse.safety.instants"

local M = {}

local SLOW = 4 * instants.second  -- of silence, last pulse to first: from here on pulses and pairs are trials
local PAUSE = 5 * instants.second -- between two theta bursts: less does not part them

-- A slow stretch lasts up to the pause after it: never shorter than the slow train (pulses / rate) that a
-- pulse more cuts.

---@class moonpulse.Stretch
---@field kind "stretch"|"theta stretch"
---@field first integer nanoseconds, its first pulse; last: its last
---@field pieces integer how many trains, pairs or pulses it is made of
---@field least number the shortest silence between two of them, in nanoseconds
---@field over integer the end of what the next one's silence is counted from
---@field pulses integer
---@field pulse integer number of its first pulse; train: number of its first train
---@field actions table<any, boolean>
---@field origin string

local function begin(kind, train, over)
  local actions = {}
  for action in pairs(train.actions) do
    actions[action] = true
  end
  return { kind = kind, first = train.first_ns, last = train.last_ns, pieces = 1, least = math.huge,
    over = over, pulses = train.pulses, pulse = train.pulse, train = train.number, actions = actions,
    origin = train.origin }
end

local function add(stretch, train, over)
  stretch.pieces, stretch.pulses = stretch.pieces + 1, stretch.pulses + train.pulses
  stretch.least = math.min(stretch.least, train.first_ns - stretch.over)
  stretch.last, stretch.over = train.last_ns, over
  for action in pairs(train.actions) do
    stretch.actions[action] = true
  end
end

--- A stretch is over: one of several pieces is handed out, one of one piece was, as a train.
local function close(finder, name)
  local stretch = finder[name]
  finder[name] = nil
  if stretch and stretch.pieces > 1 then
    finder.emit { kind = stretch.kind, pulses = stretch.pulses, pieces = stretch.pieces,
      start = stretch.first / 1e9, last = stretch.last / 1e9, first_ns = stretch.first,
      last_ns = stretch.last,
      duration = (stretch.last - stretch.first + (name == "slow" and SLOW or 0)) / 1e9,
      inner_gap = stretch.least / 1e9, pulse = stretch.pulse, number = stretch.train,
      actions = stretch.actions, origin = stretch.origin }
  end
end

--- A train, a pair or a pulse: does it go on with the slow stretch?
local function follow_slow(finder, piece)
  local slow = finder.slow
  if slow and piece.first_ns - slow.over < SLOW then
    add(slow, piece, piece.last_ns)
  else
    close(finder, "slow")
    finder.slow = begin("stretch", piece, piece.last_ns)
  end
end

--- One pulse of single pulses in a row.
local function pulse_of(train, at, actions, pulse)
  return { kind = "single", first_ns = at, last_ns = at, pulses = 1, pulse = pulse, number = train.number,
    actions = actions, origin = train.origin }
end

--- A train of finder is over: what does it go on with?
---@param finder table with emit
---@param train moonpulse.Train numbered
---@param over integer the end of it, for the silence after it
---@param fast boolean a train for the gap rule: between two theta bursts it is no pause
function M.follow(finder, train, over, fast)
  if train.kind == "single" and train.pulses > 1 then
    -- as far apart as trials: only the first goes on with what was before, and the last with what follows
    follow_slow(finder, pulse_of(train, train.first_ns, train.opens, train.pulse))
    follow_slow(finder, pulse_of(train, train.last_ns, train.ends, train.pulse + train.pulses - 1))
  else
    follow_slow(finder, train)
  end
  local theta = finder.theta
  if not fast then
    return
  elseif theta and train.first_ns - theta.over < PAUSE then
    if train.kind == "theta burst" then
      add(theta, train, over)
    else
      theta.over = over
    end
  else
    close(finder, "theta")
    finder.theta = train.kind == "theta burst" and begin("theta stretch", train, over) or nil
  end
end

--- What tells whether a repetition went on with the open stretches.
---@param finder table of moonpulse.safety.trains
---@return table for again()
function M.mark(finder)
  local slow, theta = finder.slow, finder.theta
  return { slow = slow, theta = theta, slow_pieces = slow and slow.pieces, slow_pulses = slow and slow.pulses,
    theta_pieces = theta and theta.pieces, theta_pulses = theta and theta.pulses,
    theta_over = theta and theta.over }
end

--- The last repetition comes `times` more.
---@param finder table of moonpulse.safety.trains
---@param before table from mark
---@param times integer
---@param ns integer from it to the last of them; pulses: so many later
---@param pulses integer
function M.again(finder, before, times, ns, pulses)
  for _, name in ipairs { "slow", "theta" } do
    local stretch = finder[name]
    if stretch and stretch ~= before[name] then
      stretch.first, stretch.last = stretch.first + ns, stretch.last + ns
      stretch.over, stretch.pulse = stretch.over + ns, stretch.pulse + pulses
    elseif stretch then
      local more = stretch.pieces - before[name .. "_pieces"]
      if more > 0 then
        stretch.pieces, stretch.last = stretch.pieces + times * more, stretch.last + ns
        stretch.pulses = stretch.pulses + times * (stretch.pulses - before[name .. "_pulses"])
      end
      if more > 0 or stretch.over ~= before[name .. "_over"] then
        stretch.over = stretch.over + ns
      end
    end
  end
end

--- No more trains come.
---@param finder table of moonpulse.safety.trains
function M.finish(finder)
  close(finder, "slow")
  close(finder, "theta")
end

return M
