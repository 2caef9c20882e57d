--- A plan that triggers start: the dispatcher hears them itself and sends, and what it did is told here
--- after it. Each start is a play of the run like any other.
local admission = require "moonpulse.stimulator.admission"
local core = require "moonpulse.core"
local deadlines = require "moonpulse.stimulator.deadlines"
local ignored = require "moonpulse.record.ignored"
local reactions = require "moonpulse.record.reactions"
local refusals = require "moonpulse.text.refusal"
local turn = require "moonpulse.stimulator.turn"

local M = {}

---@class moonpulse.Ahead
---@field from userdata the session on whose port triggers come, which reads nothing meanwhile
---@field rule table byte, every, delay_ns, from_ns, until_ns, refractory_ns, most: as core.session has them
---@field first integer the number in the run of the first start's play
---@field begun fun(number: integer, start_ns: integer, trigger_ns: integer) a trigger started it: before any
---   row of it
---@field heard fun(bytes: string, heard: string, times: integer|string, matched: integer) triggers, and their
---   verdicts, as core.session tells them
---@field lost fun(sums: table[], from_ns: integer, until_ns: integer) more, which came faster than that
---@field reacted fun(reaction_ns: integer) from a trigger to the first command that was handed over
---@field is_over fun(): boolean no trigger may start it any more

--- A trigger has started the plan: what is told of it counts from there.
---@param self moonpulse.Stimulator
---@param how moonpulse.Ahead
---@param out moonpulse.core.Told
local function starts(self, how, out)
  self.start_ns = out.start_ns
  self.facts.offset_ns = out.start_ns - self.record.start_ns
  how.begun(how.first + out.number - 1, out.start_ns, out.trigger_ns)
  self.ahead.trigger_ns = out.trigger_ns
  self:wake()
end

--- A pulse of it was sent or left out. The first one says how soon that was.
---@param self moonpulse.Stimulator
---@param how moonpulse.Ahead
---@param out moonpulse.Outcome
local function gave(self, how, out)
  local trigger_ns = self.ahead.trigger_ns
  self.ahead.trigger_ns = nil
  if trigger_ns and out.what == "sent" then
    how.reacted(reactions.of(trigger_ns, how.rule.delay_ns or 0, out.due_ns, self.start_ns + out.returned_ns))
  end
end

local function facts_of(self, lowering)
  local facts = { offset_ns = 0, wire_ns = {}, latency_ns = self.latency_ns,
    tolerance_ns = math.floor(self.job.tolerance * 1e9 + 0.5) }
  local frames = lowering:frames()
  for i, frame in ipairs(frames) do
    facts.wire_ns[i] = frame.wire_ns
  end
  ignored.remember(self.record, frames)
  return facts
end

local function arm_ahead(self, lowering, how)
  local rule = { from = how.from, play = how.first }
  for key, value in pairs(how.rule) do
    rule[key] = value
  end
  local ok, message = self.link.session:ahead(lowering, rule)
  if ok then
    return
  end
  self.ahead = nil
  self.link.session:stop("error") -- brings the outcome of a stop that was latched meanwhile
  if self.link.halted then
    refusals.stopped(self.link.halted)
  end
  self.link:fault("%s", message)
end

--- Play what was admitted each time that a trigger comes; returns when no further one may start it and the
--- last pulse is over and confirmed, or where a stop came. The device must be at the plan's first action.
---@param self moonpulse.Stimulator
---@param admitted moonpulse.Admitted
---@param how moonpulse.Ahead
function M.play(self, admitted, how)
  assert(admission.is_admitted(admitted, self.identity), "only what admit() made can be played")
  local record, enough = self.record, false
  self.actions, self.facts = admitted.actions, facts_of(self, admitted.lowering)
  self.watching, self.finished, self.near = true, false, nil
  self.ahead = { starts = function(out) starts(self, how, out) end,
    gave = function(out) gave(self, how, out) end,
    heard = how.heard, lost = how.lost }
  self.task = core.current()
  arm_ahead(self, admitted.lowering, how)
  while not self.finished and not self.stopped do
    if not enough and how.is_over() then
      enough = true
      self.link.session:enough()
    end
    core.wait(deadlines.next_s(self, 0.05, how.rule.until_ns and how.rule.until_ns + 1))
    self:watch()
    record:sync()
  end
  turn.ask(self)
  while not self.stopped and (turn.is_open(self) or record:oldest_open()
    or core.clock_ns() < self.over_ns) do
    deadlines.await_end(self)
    self:watch()
    record:sync()
  end
  self.ahead = nil
end

return M
