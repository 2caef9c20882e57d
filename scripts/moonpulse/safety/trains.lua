--- Trains, bursts and single pulses, found in the pulses of one channel as they come.
---
--- A run is pulses at one rate: it ends where an interval is more than 1.5 times longer or shorter
--- than its mean. Runs with a silence under 1 s between them are a chain, and a chain is one thing, however
--- it is cut: theta burst where all of it is short fast bursts at 3 to 10 Hz, a pair or a group where it has
--- up to 4 pulses above 25 Hz, else one train, at its fastest rate, from its first pulse to its last.
---
--- Onsets are whole nanoseconds, so that a class ends where it is written to end, wherever a plan starts.
local cells = require "moonpulse.safety.cells"
local instants = require "moonpulse.safety.instants"
local stretches = require "moonpulse.safety.stretches"

local M = {}

local SECOND = instants.second
local RATIO = 1.5             -- intervals that differ by more are of two runs
local ROUNDED = 2.5           -- ns: what rounded onsets can make of an interval and 1.5 times a mean one
local JOIN = SECOND           -- of silence, last pulse to first: less does not part two runs
local BURST_PULSES = 5        -- theta burst: 2 to 5 pulses
local BURST_PERIOD = 40000000 -- at 25 Hz or faster
local BURST_LEAST, BURST_MOST = 100000000, 333333334 -- from burst to burst: 10 to 3 Hz, 1/3 s rounded up
local GROUP_PULSES = 4        -- up to so many pulses above 25 Hz are a pair or a group (quadripulse)
local GROUP_PERIOD = 40000000 -- at 25 Hz itself they are a train
local SINGLE_PERIOD = 4500000000 -- from 5 s apart on they are single pulses; a tenth is left to jitter
local TRIAL = 4 * SECOND      -- what is so far apart may be a trial of its own

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
---@field first_ns integer the same in nanoseconds; last_ns: its last pulse
---@field last_ns integer
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
  return setmetatable({ emit = emit, pulses = 0, rest = 0, trains = 0, counts = {}, instants = {} }, Finder)
end

local function shallow(value)
  local made = setmetatable({}, getmetatable(value))
  for key, inner in pairs(value) do
    made[key] = inner
  end
  return made
end

local TOGETHER = 1000000 -- ns: pulses of several coils at one instant are one

--- A finder for the pulses of several channels together: what is given at one instant counts as one pulse.
local Pool = setmetatable({}, { __index = Finder })
Pool.__index = Pool

--- Finds the trains in the pulses of several channels together: what comes at once counts once.
---@param emit fun(train: moonpulse.Train)
function M.pool(emit)
  return setmetatable(M.new(emit), Pool)
end

--- One pulse, of any channel.
---@param at integer nanoseconds
---@param action moonpulse.Action
---@param origin string "file:line"
---@param rest number? of the instant
function Pool:add(at, action, origin, rest)
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
  Finder.add(self, at, action, origin, rest)
end

local function period_of(run)
  return run.n > 1 and (run.last - run.first) / (run.n - 1) or nil
end

local function is_burst(run)
  return run.n >= 2 and run.n <= BURST_PULSES and period_of(run) <= BURST_PERIOD
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
  return train.kind == "theta burst" or train.kind == "group" or train.kind == "train" and train.hz > 1
    and (train.pulses >= 3 or train.gap ~= nil and train.gap <= 1 + cells.silence_edge)
end

local function seconds(ns)
  return ns / 1e9
end

--- What the next train must know of this one. Times are absolute, in nanoseconds, and the tables new each
--- time, so that `again` can tell and shift what a repetition left behind.
local function remember(self, train, over)
  train.gap = self.over and seconds(train.first_ns - self.over) or nil
  local fast = self.fast
  train.after = fast and { kind = fast.kind, gap = seconds(train.first_ns - fast.over),
    onset = seconds(train.first_ns - fast.start), hz = fast.hz } or nil
  self.over = over
  local is = is_fast(train)
  if is then
    self.fast = { kind = train.kind, start = train.first_ns, over = over, hz = train.hz }
  end
  return is
end

--- How many trials a train counts for: single pulses each for itself, anything else as many as could be in
--- its time. So a pulse more never makes it fewer.
local function trials_of(train)
  return train.kind == "single" and train.pulses
    or 1 + (train.last_ns - train.first_ns) // TRIAL
end

--- A chain is over: hand it out.
local function close_chain(self)
  local chain = self.chain
  self.chain = nil
  if not chain then
    return
  end
  local kind, hz = kind_of(chain), chain.period and instants.rate(chain.period, chain.intervals)
  local long = seconds(chain.last - chain.first)
  local train = {
    kind = kind, pulses = chain.pulses, start = seconds(chain.first), first_ns = chain.first,
    last = seconds(chain.last), last_ns = chain.last, pieces = chain.runs, pulse = chain.pulse,
    origin = chain.origin,
    actions = chain.actions, opens = chain.opens, ends = chain.ends, hz = hz,
    duration = not hz and 0 or chain.runs == 1 and chain.pulses / hz or long + 1 / hz,
  }
  if kind == "theta burst" then
    train.bursts, train.burst_pulses, train.duration = chain.runs, chain.n, long
  else
    train.inner_gap = chain.inner_gap and seconds(chain.inner_gap)
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
  return is_burst(run) and onset >= BURST_LEAST and onset <= BURST_MOST
    and silence >= chain.last - chain.last_onset - 1 -- three onsets, each rounded: this is none
end

--- After a run's last pulse a period of it is no silence: in whole nanoseconds, and 0 of a single pulse.
--- Rounded down, so that the silence after 7 Hz is not a nanosecond shorter than it is written.
local function last_period_of(run, period)
  return period and period > 0 and math.floor(1e9 / instants.rate(period, run.n - 1) + 1e-3) or 0
end

local function join(chain, run)
  local period, silence = period_of(run), run.first - chain.last
  local gap = math.max(0, silence - chain.last_period)
  chain.theta = chain.theta and is_next_burst(chain, run)
  chain.runs, chain.pulses, chain.n = chain.runs + 1, chain.pulses + run.n, math.max(chain.n, run.n)
  chain.inner_gap = math.min(chain.inner_gap or gap, gap)
  if silence < (chain.period or math.huge) then
    chain.period, chain.intervals = silence, 1
  end
  if period and period < chain.period then
    chain.period, chain.intervals = period, run.n - 1
  end
  chain.last, chain.last_onset, chain.last_period = run.last, run.first, last_period_of(run, period)
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
    last = run.last, last_onset = run.first, period = period, intervals = run.n - 1,
    last_period = last_period_of(run, period), pulse = run.pulse, origin = run.origin, actions = run.actions,
    opens = run.opens, ends = run.ends }
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
---@param at integer nanoseconds, not before the pulse before it
---@param action any what it is
---@param origin string
---@param rest number? of the instant; 0 without
function Finder:add(at, action, origin, rest)
  local run, now = self.run, instant(self, action)
  self.pulses, self.rest = self.pulses + 1, rest or 0
  if not run then
    begin(self, at, now, origin)
  else
    local interval, mean = at - run.last, period_of(run)
    -- what comes a second or more after a single pulse is not of the chain that the pulse may be the end of
    local parted = not mean and interval >= JOIN and self.chain and run.first - self.chain.last < JOIN
    if parted or mean and interval > mean * RATIO + ROUNDED then
      close_run(self)
      begin(self, at, now, origin)
    elseif mean and interval < mean / RATIO - ROUNDED then
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

--- count pulses, period nanoseconds apart, the first at `at`: without looking at each of them.
---@param at integer
---@param count integer
---@param period integer
---@param action any
---@param origin string
---@param rest number of the first instant; period_rest: what the period is longer
---@param period_rest number
function Finder:add_run(at, count, period, action, origin, rest, period_rest)
  local one_by_one = math.min(count, 4)
  for i = 0, one_by_one - 1 do
    local its_at, its_rest = instants.later(at, rest, period, period_rest, i)
    self:add(its_at, action, origin, its_rest)
  end
  if count > one_by_one then
    local run, more = self.run, count - one_by_one
    run.n, run.before = run.n + more, instants.later(at, rest, period, period_rest, count - 2)
    run.last, self.rest = instants.later(at, rest, period, period_rest, count - 1)
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

local function shift(run, ns, pulses)
  run.first, run.last = run.first + ns, run.last + ns
  run.before = run.before and run.before + ns
  run.pulse = run.pulse + pulses
end

--- What came before the open chain comes later now, where it is of the repetition.
local function shift_past(self, before, ns)
  if self.over then
    self.over = self.over + ns
  end
  local fast = self.fast
  if fast ~= before.fast then
    self.fast = { kind = fast.kind, start = fast.start + ns, over = fast.over + ns, hz = fast.hz }
  end
end

--- The last repetition comes `times` more: what was said of it holds for each of them.
---@param before table from mark, before that repetition
---@param times integer
---@param period integer nanoseconds from repetition to repetition
---@param period_rest number what it is longer
function Finder:again(before, times, period, period_rest)
  local each, run, chain = self.pulses - before.pulses, self.run, self.chain
  -- all by as much as the last pulse, from which what comes next is counted
  local ns, rest = instants.later(0, self.rest, period, period_rest, times)
  local pulses = times * each
  self.pulses = self.pulses + pulses
  self.trains = self.trains + times * (self.trains - before.trains)
  for kind, count in pairs(self.counts) do
    self.counts[kind] = count + times * (count - (before.counts[kind] or 0))
  end
  if each == 0 then
    return
  end
  self.rest = rest
  if run == before.run then -- one long run
    run.n, run.last = run.n + pulses, run.last + ns
    run.before = run.before and run.before + ns
    return
  end
  shift(run, ns, pulses)
  if chain and chain == before.chain then -- one long chain
    chain.runs = chain.runs + times * (chain.runs - before.runs)
    chain.pulses = chain.pulses + times * (chain.pulses - before.chain_pulses)
    chain.last, chain.last_onset = chain.last + ns, chain.last_onset + ns
    return
  elseif chain then
    chain.first, chain.last = chain.first + ns, chain.last + ns
    chain.last_onset, chain.pulse = chain.last_onset + ns, chain.pulse + pulses
  end
  shift_past(self, before, ns)
  stretches.again(self, before.stretches, times, ns, pulses)
end

-- copies that are made by the thousand: in one piece, not field by field

local function copy_of_run(run)
  return { n = run.n, first = run.first, last = run.last, before = run.before, pulse = run.pulse,
    origin = run.origin, opens = run.opens, ends = run.ends, before_ends = run.before_ends,
    actions = run.actions }
end

local function copy_of_chain(chain)
  return { n = chain.n, pulses = chain.pulses, runs = chain.runs, theta = chain.theta, first = chain.first,
    last = chain.last, last_onset = chain.last_onset, period = chain.period,
    intervals = chain.intervals, last_period = chain.last_period,
    inner_gap = chain.inner_gap, pulse = chain.pulse, origin = chain.origin, actions = chain.actions,
    opens = chain.opens, ends = chain.ends }
end

--- A finder that goes on by itself from where this one is, to see what trains there may be: counts, stretches
--- and what pulses are (actions) are not its own.
function Finder:fork()
  return setmetatable({ emit = self.emit, pulses = self.pulses, rest = self.rest,
    trains = self.trains, counts = self.counts,
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
