--- --start-on: a run that waits for a trigger, a scanner's first volume, and starts with it.
local core = require "moonpulse.core"
local ending = require "moonpulse.run.ending"
local line_bytes = require "moonpulse.experiment.line_bytes"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"
local stops = require "moonpulse.run.stop_sources"
local term = require "term"
local triggers = require "moonpulse.experiment.wait_trigger"
local waitings = require "moonpulse.experiment.waiting"

local M = {}

---@class moonpulse.StartOn what --start-on says
---@field text string as it was given
---@field byte integer? nil: any
---@field line string? "cts", "dsr", "ri" or "cd": byte is that of an edge of it
---@field delay_ns integer? from the trigger to the plan's start; nil: lead_ns, or more where it must be
---@field arms_after boolean? the device is armed when the trigger has come, not before
---@field timeout number? seconds, of --timeout

---@class moonpulse.StartSource
---@field spec moonpulse.StartOn
---@field entries moonpulse.TriggerEntry[]? in virtual time: what comes
---@field name string? in virtual time: where that is from
---@field path string? of --trigger-in
---@field baud integer
---@field facts table? when it came, for the manifest
---@field listening table? of a protocol, once its port is open

local lead_ns = 200000000 -- as from any go to a plan's start
local least_ns = 20000000 -- a plan leaves so long after it is called for, at the earliest
local tell_s = 10 -- where a line a second would be too much
local longest_s = 1e6

local readers = {}

function readers.byte(spec, value)
  spec.byte = math.tointeger(tonumber(value))
  return spec.byte and spec.byte >= 0 and spec.byte <= 255, "a whole number from 0 to 255"
end

function readers.line(spec, value)
  local name, edge = value:match("^(%l+)([+-]?)$")
  spec.line = name
  spec.byte = name and line_bytes.of(name, edge == "-" and "falling" or "rising")
  return spec.byte, "cts, dsr, ri or cd, with a - behind it for the falling edge"
end

function readers.delay(spec, value)
  local delay = tonumber(value)
  spec.delay_ns = delay and delay >= 0 and delay <= longest_s and math.floor(delay * 1e9 + 0.5)
  return spec.delay_ns, ("seconds from 0 to %d"):format(longest_s)
end

function readers.arm(spec, value)
  spec.arms_after = value == "after"
  return value == "before" or value == "after", "before or after: the trigger comes"
end

--- Read what --start-on says; for argparse.
---@param text string "any", "byte=5", "byte=5,delay=0.5,arm=after"
---@return moonpulse.StartOn?
---@return string? message
function M.parse(text)
  local spec, named = { text = text }, {}
  for part in (text .. ","):gmatch("([^,]*),") do
    local key, value = part:match("^(%a+)=(.*)$")
    key = part == "any" and "byte" or key
    if not readers[key] or named[key] or key == "line" and named.byte then
      return nil, ("--start-on %s: it is any, byte=N or line=cts, then delay=SECONDS and arm=after if you "
        .. "want them, like byte=5,delay=0.5"):format(text)
    elseif part ~= "any" then
      local ok, wanted = readers[key](spec, value)
      if not ok then
        return nil, ("--start-on: %s=%s: it must be %s"):format(key, value, wanted)
      end
    end
    named[key == "line" and "byte" or key] = true
  end
  if not named.byte then
    return nil, ("--start-on %s: say which trigger: byte=N, line=cts, or any"):format(text)
  end
  return spec
end

--- Raise where the options do not go together.
local function check(options, what, entries)
  local spec = options.start_on
  for _, entry in ipairs(what == "protocol" and entries or {}) do
    if entry.fires then
      refusals.raise("usage", "--triggers: \"device pulse\" is for experiments: nothing in a protocol waits "
        .. "for pulses that it does not send")
    end
  end
  if what == "experiment" and (spec.delay_ns or spec.arms_after) then
    refusals.raise("usage", "--start-on: delay and arm are for protocols: a script says itself when it arms, "
      .. "and what it plays when")
  elseif not (options.speed == 1 and options.trigger_in or options.speed ~= 1 and options.triggers) then
    refusals.raise("usage", "--start-on: where does the trigger come from? Give --trigger-in PATH, or in "
      .. "virtual time --triggers FILE")
  elseif spec.delay_ns and not spec.arms_after and spec.delay_ns < least_ns then
    refusals.raise("usage", "--start-on: a plan starts %s after its trigger at the earliest: give delay=%g "
      .. "or more (stim:on_trigger in an experiment starts one within microseconds)",
      numbers.seconds(least_ns / 1e9), least_ns / 1e9)
  end
  spec.timeout = options.timeout
end

--- What the start waits for, and where that comes from. Raises a refusal where that cannot be.
---@param options table of the command, with start_on
---@param what "protocol"|"experiment"
---@param entries moonpulse.TriggerEntry[]? of --triggers
---@return moonpulse.StartSource
function M.source(options, what, entries)
  check(options, what, entries)
  return { spec = options.start_on, entries = entries, name = options.triggers,
    path = options.trigger_in, baud = math.tointeger(options.trigger_baud) or 115200 }
end

--- What is waited for, in words.
---@param spec moonpulse.StartOn
---@return string
function M.name(spec)
  return spec.line and line_bytes.words(spec.byte) or spec.byte and ("byte %d"):format(spec.byte)
    or "any byte"
end

--- While somebody waits, say so now and then; returns what ends that.
local function say_waiting(from, spec)
  ending.line("waiting", "for %s from %s, %s; Ctrl-C stops", M.name(spec), from, spec.timeout
    and "for up to " .. numbers.duration(spec.timeout) or "for as long as it takes")
  io.stdout:flush()
  local over, on_terminal, begun_ns = false, term.isatty(io.stdout), core.clock_ns()
  local task = not core.is_virtual() and core.spawn(function()
    while true do
      core.wait(on_terminal and 1 or tell_s)
      if over then
        return
      end
      local text = ("waiting for %s, %d s"):format(M.name(spec), (core.clock_ns() - begun_ns) // 1000000000)
      if on_terminal then -- one that takes nothing (Ctrl-S) holds up nothing
        core.screen("\r" .. text .. "\27[K")
      else
        ending.line("waiting", "%s", text:match(", (.*)$"))
        io.stdout:flush()
      end
    end
  end)
  return function()
    over = true
    if task then
      task:wake()
      if on_terminal then
        core.screen("\r\27[K")
      end
    end
  end
end

--- Wait for the trigger of the run's start. Raises where it does not come, or a stop does.
---@param listening table of moonpulse.experiment.wait_trigger, open; without a path nobody is told
---@param spec moonpulse.StartOn
---@param tell fun(kind: string, entry: table, at_ns: integer?) to the audit trail
---@return integer at_ns when it came (monotonic)
---@return { trigger: string, byte: integer, trigger_waited_s: number, passed_over: integer } facts
function M.await(listening, spec, tell)
  local from, begun_ns = listening.path, core.clock_ns()
  local said = from and say_waiting(from, spec) or function() end
  local ok, at_ns, byte = pcall(listening.wait_for_start, listening, spec.byte, spec.timeout,
    spec.line ~= nil)
  said()
  if not ok then
    error(at_ns, 0)
  elseif not at_ns then
    refusals.raise("stopped", "--start-on: %s did not come from %s within %s: is it connected, and does it "
      .. "send what is waited for (%s came meanwhile)?", M.name(spec), from,
      numbers.duration(spec.timeout), numbers.counted(listening.queue.came, "byte"))
  end
  tell("trigger", { byte = byte, starts = "the run" }, at_ns)
  return at_ns, { trigger = spec.text, byte = byte, trigger_waited_s = (at_ns - begun_ns) / 1e9,
    passed_over = listening.queue.came - 1 }
end

--- For a protocol: what hears the keys that are typed, where they are its triggers; nil: they are not.
---@param job moonpulse.Job
---@return (fun(bytes: string))?
function M.typed(job)
  local from = job.start_on
  return from and from.path == triggers.keys and stops.keys_to(job, function(bytes)
    if from.listening then
      from.listening:typed(bytes)
    end
  end) or nil
end

---@class moonpulse.Starting a protocol's start
---@field spec moonpulse.StartOn
---@field listening table
local Starting = {}
Starting.__index = Starting

--- For a protocol: open what triggers come from. Raises a fault.
---@param job moonpulse.Job with start_on, and trigger_in or triggers; nil where it has none
---@param stimulator moonpulse.Stimulator
---@return moonpulse.Starting? to be closed
function M.open(job, stimulator)
  local from = job.start_on
  if not from then
    return nil
  end
  local self = setmetatable({ spec = from.spec, job = job, stimulator = stimulator }, Starting)
  local waiting = waitings.new(function()
    if self.listening.lost and not stimulator.armed then
      refusals.fault(self.listening.lost)
    end
    stimulator:check_stop()
    stimulator:check_fault()
  end)
  stimulator.on_wake = function() waiting:wake() end
  self.listening = triggers.new(waiting, stimulator.link.session, function(text)
    stimulator:lost_with(text)
  end, function(text) ending.line("note", "%s", text) end, { part = function() end })
  if core.is_virtual() then
    self.listening:play(from.entries, from.name, { inputs = function() end })
  else
    self.listening:open(from.path, from.baud)
    from.listening = self.listening
  end
  return self
end

--- The run begins: times of --triggers count from now.
function Starting:begin()
  self.listening:start(core.clock_ns())
end

--- Wait for the trigger, if now is the time to: before the device is armed, or after.
---@param armed boolean
function Starting:await(armed)
  if armed == not self.spec.arms_after then
    self.at_ns, self.job.start_on.facts = M.await(self.listening, self.spec, function(...)
      if self.job.audit then
        self.job.audit:tell(...)
      end
    end)
    self:close() -- what comes now is nobody's, and a port that is lost ends nothing
  end
end

--- When the plan starts: as long after the trigger as was asked for. Raises where that cannot be any more.
---@param admitted moonpulse.Admitted
---@return integer start_ns monotonic
function Starting:start_ns(admitted)
  local delay_ns = self.spec.delay_ns
  local earliest_ns = self.stimulator:earliest(admitted, 0, least_ns)
  local start_ns = self.at_ns + (delay_ns or lead_ns)
  if start_ns < earliest_ns and delay_ns then
    refusals.raise("limit", "--start-on: the plan should start %s after the trigger, and could %s after it "
      .. "at the earliest%s: give a longer delay", numbers.seconds(delay_ns / 1e9),
      numbers.seconds((earliest_ns - self.at_ns) / 1e9), self.spec.arms_after
      and " (the stimulator is armed in that time; without arm=after that is done before)" or "")
  end
  start_ns = math.max(start_ns, earliest_ns)
  local facts = self.job.start_on.facts
  facts.after_trigger_s = (start_ns - self.at_ns) / 1e9
  if self.listening.path then
    ending.line("start", "%s came after %.3f s; the plan starts %s after it",
      self.spec.line and M.name(self.spec) or ("byte %d"):format(facts.byte),
      facts.trigger_waited_s, numbers.seconds(facts.after_trigger_s))
    io.stdout:flush()
  end
  return start_ns
end

--- The port is let go of.
function Starting:close()
  if not self.closed then
    self.closed, self.stimulator.on_wake = true, nil
    self.listening:close()
  end
end

Starting.__close = Starting.close

return M
