--- Trains, bursts and single pulses, found in the pulses of one channel as they come.
---
--- A run is pulses at one rate: it ends where an interval is more than 1.5 times longer or shorter
--- than its mean. Runs with a silence under 1 s between them are a chain, and a chain is one thing, however
--- it is cut: theta burst where all of it is short fast bursts at 3 to 10 Hz, a pair or a group where it has
--- up to 4 pulses above 25 Hz, else one train, at its fastest rate, from its first pulse to its last.
local stretches = require "moonpulse.safety.stretches"

local M = {}

local RATIO = 1.5 + 1e-6    -- intervals that differ by more, rounding aside, are of two runs
local JOIN = 1.0 - 1e-6     -- s of silence, last pulse to first: less does not part two runs
local EDGE = 1e-6           -- s: onsets late in a long plan are whole nanoseconds
local BURST_PULSES = 5      -- theta burst: 2 to 5 pulses
local BURST_PERIOD = 0.04   -- s: at 25 Hz or faster
local BURST_LEAST, BURST_MOST = 0.1, 1 / 3 -- s from burst to burst: 10 to 3 Hz
local GROUP_PULSES = 4      -- up to so many pulses above 25 Hz are a pair or a group (quadripulse)
local GROUP_PERIOD = 0.0399
local SINGLE_PERIOD = 4.5   -- s: from 5 s apart on they are single pulses; a tenth is left to jitter
local FAST_HZ = 1 + 1e-6
local TRIAL = 4             -- s: what is so far apart may be a trial of its own

M.ratio = RATIO

---@class moonpulse.Train
---@field kind "single"|"pair"|"group"|"train"|"theta burst"
---@field pulses integer
---@field bursts integer? theta burst: how many; each has burst_pulses at most
---@field burst_pulses integer?
---@field hz number? pulses a second (theta burst: inside the burst; a train in pieces: its fastest)
---@field duration number seconds: pulses / hz; in pieces: first pulse to last and one interval more; theta
---   burst: first pulse to last
---@field pieces integer how many runs it is made of
---@field inner_gap number? the shortest silence between two of them
---@field start number seconds
---@field last number seconds, its last pulse
---@field gap number? seconds of silence before it, after the end of what came before
---@field after { kind: string, gap: number, onset: number, hz: number }? the last fast train, group or
---   theta burst: the silence since, the time since its first pulse, its rate
---@field pulse integer number of its first pulse; number: its own, both on its channel
---@field actions table<any, boolean> what its pulses are
---@field opens table<any, boolean> what its first pulse is; ends: its last (of one run)
---@field origin string script line of its first pulse

local Finder = {}
Finder.__index = Finder

--- A finder; emit(train) gets each train once it is over.
---@param emit fun(train: moonpulse.Train)
function M.new(emit)
  return setmetatable({ emit = emit, pulses = 0, trains = 0, counts = {}, instants = {} }, Finder)
end

local function shallow(value)
  local made = setmetatable({}, getmetatable(value))
  for key, inner in pairs(value) do
    made[key] = inner
  end
  return made
end

local TOGETHER = 0.001 -- s: pulses of several coils at one instant are one

--- A finder for the pulses of several channels together: what is given at one instant counts as one pulse.
local Pool = setmetatable({}, { __index = Finder })
Pool.__index = Pool

--- Finds the trains in the pulses of several channels together: what comes at once counts once.
---@param emit fun(train: moonpulse.Train)
function M.pool(emit)
  return setmetatable(M.new(emit), Pool)
end

--- One pulse, of any channel.
---@param at number seconds
---@param action moonpulse.Action
---@param origin string "file:line"
function Pool:add(at, action, origin)
  local run = self.run
  if run and at - run.last < TOGETHER then
    run.actions[action] = true
    if not run.ends[action] then
      local ends = shallow(run.ends)
      ends[action] = true
      run.opens, run.ends = run.n == 1 and ends or run.opens, ends
    end
    return
  end
  Finder.add(self, at, action, origin)
end

local function period_of(run)
  return run.n > 1 and (run.last - run.first) / (run.n - 1) or nil
end

local function is_burst(run)
  return run.n >= 2 and run.n <= BURST_PULSES and period_of(run) <= BURST_PERIOD + EDGE
end

local function kind_of(chain)
  if chain.runs > 1 and chain.theta then
    return "theta burst"
  elseif chain.pulses == 1 or chain.runs == 1 and chain.period >= SINGLE_PERIOD then
    return "single"
  elseif chain.pulses <= GROUP_PULSES and chain.period < GROUP_PERIOD then
    return chain.pulses == 2 and "pair" or "group"
  end
  return "train"
end

--- A train for the gap rule? Two pulses on their own are a pair of trials; where they follow what was before
--- within a second they are none.
local function is_fast(train)
  return train.kind == "theta burst" or train.kind == "group" or train.kind == "train" and train.hz > FAST_HZ
    and (train.pulses >= 3 or train.gap ~= nil and train.gap <= 1 + EDGE)
end

--- What the next train must know of this one. Times are absolute, and the tables new each time, so that
--- `again` can tell and shift what a repetition left behind.
local function remember(self, train, over)
  train.gap = self.over and train.start - self.over or nil
  local fast = self.fast
  train.after = fast and { kind = fast.kind, gap = train.start - fast.over, onset = train.start - fast.start,
    hz = fast.hz } or nil
  self.over = over
  local is = is_fast(train)
  if is then
    self.fast = { kind = train.kind, start = train.start, over = over, hz = train.hz }
  end
  return is
end

--- How many trials a train counts for: single pulses each for itself, anything else as many as could be in
--- its time. So a pulse more never makes it fewer.
local function trials_of(train)
  return train.kind == "single" and train.pulses
    or 1 + math.floor((train.last - train.start) / TRIAL + EDGE)
end

--- A chain is over: hand it out.
local function close_chain(self)
  local chain = self.chain
  self.chain = nil
  if not chain then
    return
  end
  local kind, period = kind_of(chain), chain.period
  local train = {
    kind = kind, pulses = chain.pulses, start = chain.first, last = chain.last, pieces = chain.runs,
    pulse = chain.pulse, origin = chain.origin, actions = chain.actions, opens = chain.opens,
    ends = chain.ends, hz = period and 1 / period,
    duration = chain.runs == 1 and chain.pulses * (period or 0) or chain.last - chain.first + period,
  }
  if kind == "theta burst" then
    train.bursts, train.burst_pulses = chain.runs, chain.n
    train.duration = chain.last - chain.first
  else
    train.inner_gap = chain.inner_gap
  end
  local over = chain.last + (kind == "train" and chain.last_period or 0)
  local fast = remember(self, train, over)
  self.trains = self.trains + 1
  self.counts[kind] = (self.counts[kind] or 0) + chain.pulses
  self.counts.trials = (self.counts.trials or 0) + trials_of(train)
  train.number = self.trains
  self.emit(train)
  stretches.follow(self, train, over, fast)
end

--- Does run go on with the theta burst that chain is? Its silence is at least as long as a burst: else it is
--- a train with some longer intervals.
local function is_next_burst(chain, run)
  local onset, silence = run.first - chain.last_onset, run.first - chain.last
  return is_burst(run) and onset >= BURST_LEAST - EDGE and onset <= BURST_MOST + EDGE
    and silence >= chain.last - chain.last_onset - EDGE
end

local function join(chain, run)
  local period, silence = period_of(run), run.first - chain.last
  local gap = math.max(0, silence - chain.last_period)
  chain.theta = chain.theta and is_next_burst(chain, run)
  chain.runs, chain.pulses, chain.n = chain.runs + 1, chain.pulses + run.n, math.max(chain.n, run.n)
  chain.inner_gap = math.min(chain.inner_gap or gap, gap)
  chain.period = math.min(chain.period or silence, silence, period or silence)
  chain.last, chain.last_onset, chain.last_period = run.last, run.first, period or 0
  for action in pairs(run.actions) do
    chain.actions[action] = true
  end
end

--- A run is over: it goes on with the chain, or begins one of its own.
local function close_run(self)
  local run, chain = self.run, self.chain
  self.run = nil
  if chain and run.first - chain.last < JOIN then
    return join(chain, run)
  end
  close_chain(self)
  local period = period_of(run)
  self.chain = { n = run.n, pulses = run.n, runs = 1, theta = is_burst(run), first = run.first,
    last = run.last, last_onset = run.first, period = period, last_period = period or 0, pulse = run.pulse,
    origin = run.origin, actions = run.actions, opens = run.opens, ends = run.ends }
end

--- A pulse as what is given at one instant: one table for each action, which nobody changes.
local function instant(self, action)
  local known = self.instants[action]
  if not known then
    known = { [action] = true }
    self.instants[action] = known
  end
  return known
end

--- opens, ends: what is given at a run's first and last instant.
local function begin(self, at, now, origin)
  self.run = { n = 1, first = at, last = at, pulse = self.pulses, origin = origin, opens = now, ends = now,
    actions = shallow(now) }
end

--- One pulse.
---@param at number seconds, not before the pulse before it
---@param action any what it is
---@param origin string
function Finder:add(at, action, origin)
  local run, now = self.run, instant(self, action)
  self.pulses = self.pulses + 1
  if not run then
    begin(self, at, now, origin)
  else
    local interval, mean = at - run.last, period_of(run)
    -- what comes a second or more after a single pulse is not of the chain that the pulse may be the end of
    local parted = not mean and interval >= JOIN and self.chain and run.first - self.chain.last < JOIN
    if parted or mean and interval > mean * RATIO then
      close_run(self)
      begin(self, at, now, origin)
    elseif mean and interval < mean / RATIO then
      -- the pulse before began something faster
      local before, kept, from = run.last, run.ends, self.last_origin
      run.n, run.last, run.ends = run.n - 1, run.before, run.before_ends
      close_run(self)
      begin(self, before, kept, from)
      self.run.pulse = self.pulses - 1
      run = self.run
      run.n, run.before, run.last = 2, before, at
      run.before_ends, run.ends = kept, now
      run.actions[action] = true
    else
      run.n, run.before, run.last = run.n + 1, run.last, at
      run.before_ends, run.ends = run.ends, now
      run.actions[action] = true
    end
  end
  self.last_action, self.last_origin = action, origin
end

--- count pulses, period seconds apart, the first at `at`: without looking at each of them.
---@param at number
---@param count integer
---@param period number
---@param action any
---@param origin string
function Finder:add_run(at, count, period, action, origin)
  local one_by_one = math.min(count, 4)
  for i = 0, one_by_one - 1 do
    self:add(at + i * period, action, origin)
  end
  if count > one_by_one then
    local run, more = self.run, count - one_by_one
    run.n, run.last = run.n + more, at + (count - 1) * period
    run.before = run.last - period
    self.pulses = self.pulses + more
  end
end

--- What tells whether a repetition only made what was there longer.
function Finder:mark()
  local run, chain = self.run, self.chain
  local counts = {}
  for kind, pulses in pairs(self.counts) do
    counts[kind] = pulses
  end
  return { run = run, chain = chain, runs = chain and chain.runs, trains = self.trains, fast = self.fast,
    chain_pulses = chain and chain.pulses, pulses = self.pulses, counts = counts,
    stretches = stretches.mark(self) }
end

local function shift(run, seconds, pulses)
  run.first, run.last = run.first + seconds, run.last + seconds
  run.before = run.before and run.before + seconds
  run.pulse = run.pulse + pulses
end

--- What came before the open chain comes later now, where it is of the repetition.
local function shift_past(self, before, seconds)
  if self.over then
    self.over = self.over + seconds
  end
  local fast = self.fast
  if fast ~= before.fast then
    self.fast = { kind = fast.kind, start = fast.start + seconds, over = fast.over + seconds, hz = fast.hz }
  end
end

--- The last repetition comes `times` more: what was said of it holds for each of them.
---@param before table from mark, before that repetition
---@param times integer
---@param period number seconds from repetition to repetition
function Finder:again(before, times, period)
  local each, run, chain = self.pulses - before.pulses, self.run, self.chain
  local seconds, pulses = times * period, times * each
  self.pulses = self.pulses + pulses
  self.trains = self.trains + times * (self.trains - before.trains)
  for kind, count in pairs(self.counts) do
    self.counts[kind] = count + times * (count - (before.counts[kind] or 0))
  end
  if each == 0 then
    return
  elseif run == before.run then -- one long run
    run.n, run.last = run.n + pulses, run.last + seconds
    run.before = run.before and run.before + seconds
    return
  end
  shift(run, seconds, pulses)
  if chain and chain == before.chain then -- one long chain
    chain.runs = chain.runs + times * (chain.runs - before.runs)
    chain.pulses = chain.pulses + times * (chain.pulses - before.chain_pulses)
    chain.last, chain.last_onset = chain.last + seconds, chain.last_onset + seconds
    return
  elseif chain then
    chain.first, chain.last = chain.first + seconds, chain.last + seconds
    chain.last_onset, chain.pulse = chain.last_onset + seconds, chain.pulse + pulses
  end
  shift_past(self, before, seconds)
  stretches.again(self, before.stretches, times, seconds, pulses)
end

-- copies that are made by the thousand: in one piece, not field by field

local function copy_of_run(run)
  return { n = run.n, first = run.first, last = run.last, before = run.before, pulse = run.pulse,
    origin = run.origin, opens = run.opens, ends = run.ends, before_ends = run.before_ends,
    actions = run.actions }
end

local function copy_of_chain(chain)
  return { n = chain.n, pulses = chain.pulses, runs = chain.runs, theta = chain.theta, first = chain.first,
    last = chain.last, last_onset = chain.last_onset, period = chain.period, last_period = chain.last_period,
    inner_gap = chain.inner_gap, pulse = chain.pulse, origin = chain.origin, actions = chain.actions,
    opens = chain.opens, ends = chain.ends }
end

--- A finder that goes on by itself from where this one is, to see what trains there may be: counts, stretches
--- and what pulses are (actions) are not its own.
function Finder:fork()
  return setmetatable({ emit = self.emit, pulses = self.pulses, trains = self.trains, counts = self.counts,
    instants = self.instants, run = self.run and copy_of_run(self.run),
    chain = self.chain and copy_of_chain(self.chain), over = self.over, fast = self.fast,
    last_action = self.last_action, last_origin = self.last_origin }, getmetatable(self))
end

--- No more pulses come.
function Finder:finish()
  if self.run then
    close_run(self)
  end
  close_chain(self)
  stretches.finish(self)
end

return M
