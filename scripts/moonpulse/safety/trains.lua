--- Trains, bursts and single pulses, found in the pulses of one channel as they come.
---
--- A run is pulses at one rate: it ends where an interval is more than 1.5 times longer or shorter
--- than its mean. Short fast runs that follow each other within a second are theta burst; what is
--- left are trains, pairs (2 to 4 pulses above 25 Hz) and single pulses.
local M = {}

local RATIO = 1.5 + 1e-6    -- intervals that differ by more, rounding aside, are of two runs
local BURST_PERIOD = 0.0501 -- s: 20 Hz and faster may be a burst
local BURST_PULSES = 10
local SHORT_BURST = 4       -- longer ones are a train unless the silence after them is as long as they are
local BURST_EVERY = 1.0     -- s from burst to burst: slower is no theta burst
local PAIR_PULSES = 4       -- up to so many pulses above 25 Hz are a pair or a quadripulse
local PAIR_PERIOD = 0.0399
local SINGLE_PERIOD = 4.5   -- s: from 5 s apart on they are single pulses; a tenth is left to jitter

---@class moonpulse.Train
---@field kind "single"|"pair"|"train"|"theta burst"
---@field pulses integer
---@field bursts integer? theta burst: how many; each has burst_pulses
---@field burst_pulses integer?
---@field hz number? pulses a second (theta burst: inside the burst)
---@field burst_hz number? theta burst
---@field duration number seconds: pulses / hz; theta burst: first pulse to last
---@field start number seconds
---@field last number seconds, its last pulse
---@field gap number? seconds of silence before it, after the end of the train before
---@field pulse integer number of its first pulse; number: its own, both on its channel
---@field actions table<any, boolean> what its pulses are
---@field origin string script line of its first pulse

local Finder = {}
Finder.__index = Finder

--- A finder; emit(train) gets each train once it is over.
---@param emit fun(train: moonpulse.Train)
function M.new(emit)
  return setmetatable({ emit = emit, pulses = 0, trains = 0, counts = {} }, Finder)
end

local function period_of(run)
  return run.n > 1 and (run.last - run.first) / (run.n - 1) or nil
end

local function is_burst(run)
  return run.n >= 2 and run.n <= BURST_PULSES and period_of(run) <= BURST_PERIOD
end

local function kind_of(group)
  local period = group.period
  if group.bursts > 1 then
    return "theta burst"
  elseif group.n == 1 or period >= SINGLE_PERIOD then
    return "single"
  elseif group.n <= PAIR_PULSES and period < PAIR_PERIOD then
    return "pair"
  end
  return "train"
end

--- A group of runs is over: hand it out.
local function close_group(self)
  local group = self.group
  self.group = nil
  if not group then
    return
  end
  local kind, period = kind_of(group), group.period
  local train = {
    kind = kind, pulses = group.pulses, start = group.first, last = group.last,
    pulse = group.pulse, origin = group.origin, actions = group.actions,
    hz = period and 1 / period, duration = group.n * (period or 0),
  }
  if kind == "theta burst" then
    train.bursts, train.burst_pulses = group.bursts, group.n
    train.burst_hz = (group.bursts - 1) / (group.last_burst - group.first)
    train.duration = group.last - group.first
  end
  local over = group.last + (kind == "train" and period or 0)
  train.gap = self.over and group.first - self.over or nil
  self.over, self.trains = over, self.trains + 1
  self.counts[kind] = (self.counts[kind] or 0) + group.pulses
  train.number = self.trains
  self.emit(train)
end

--- Does run go on with the theta burst that group is?
local function continues(group, run)
  if not (group and group.burst and is_burst(run) and run.first - group.last_burst <= BURST_EVERY) then
    return false
  end
  local longest, period = math.max(group.n, run.n), math.max(group.period, period_of(run))
  return longest <= SHORT_BURST or run.first - group.last > longest * period - 1e-6
end

--- A run is over: it joins the theta burst that goes on, or begins a group of its own.
local function close_run(self)
  local run, group = self.run, self.group
  self.run = nil
  if continues(group, run) then
    group.bursts, group.pulses = group.bursts + 1, group.pulses + run.n
    group.last, group.last_burst = run.last, run.first
    group.n = math.max(group.n, run.n)
    for action in pairs(run.actions) do
      group.actions[action] = true
    end
    return
  end
  close_group(self)
  self.group = { n = run.n, pulses = run.n, bursts = 1, burst = is_burst(run), first = run.first,
    last = run.last, last_burst = run.first, period = period_of(run), pulse = run.pulse,
    origin = run.origin, actions = run.actions }
end

local function begin(self, at, action, origin)
  self.run = { n = 1, first = at, last = at, pulse = self.pulses, origin = origin,
    actions = { [action] = true } }
end

--- One pulse.
---@param at number seconds, not before the pulse before it
---@param action any what it is
---@param origin string
function Finder:add(at, action, origin)
  local run = self.run
  self.pulses = self.pulses + 1
  if not run then
    begin(self, at, action, origin)
  else
    local interval, mean = at - run.last, period_of(run)
    if mean and interval > mean * RATIO then
      close_run(self)
      begin(self, at, action, origin)
    elseif mean and interval < mean / RATIO then
      -- the pulse before began something faster
      local before, kept, from = run.last, self.last_action, self.last_origin
      run.n, run.last = run.n - 1, run.before
      close_run(self)
      begin(self, before, kept, from)
      self.run.pulse = self.pulses - 1
      run = self.run
      run.n, run.before, run.last = 2, before, at
      run.actions[action] = true
    else
      run.n, run.before, run.last = run.n + 1, run.last, at
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
  local run, group = self.run, self.group
  local counts = {}
  for kind, pulses in pairs(self.counts) do
    counts[kind] = pulses
  end
  return { run = run, group = group, bursts = group and group.bursts, trains = self.trains,
    group_pulses = group and group.pulses, pulses = self.pulses, counts = counts }
end

local function shift(run, seconds, pulses)
  run.first, run.last = run.first + seconds, run.last + seconds
  run.before = run.before and run.before + seconds
  run.pulse = run.pulse + pulses
end

--- The last repetition comes `times` more: what was said of it holds for each of them.
---@param before table from mark, before that repetition
---@param times integer
---@param period number seconds from repetition to repetition
function Finder:again(before, times, period)
  local each, run, group = self.pulses - before.pulses, self.run, self.group
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
  if group and group == before.group then -- one long theta burst
    group.bursts = group.bursts + times * (group.bursts - before.bursts)
    group.pulses = group.pulses + times * (group.pulses - before.group_pulses)
    group.last, group.last_burst = group.last + seconds, group.last_burst + seconds
    return
  elseif group then
    group.first, group.last = group.first + seconds, group.last + seconds
    group.last_burst, group.pulse = group.last_burst + seconds, group.pulse + pulses
  end
  if self.over then
    self.over = self.over + seconds
  end
end

--- No more pulses come.
function Finder:finish()
  if self.run then
    close_run(self)
  end
  close_group(self)
end

return M
