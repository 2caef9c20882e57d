--- The audit trail: what an operator does with a run, and what the run does for it, as lines of the journal:
--- when, by the wall clock and by the monotonic one, by whom, and why.
--
-- What is done before there is a journal waits for it, with its time. In virtual time nothing is done at any
-- time of a wall clock: lines have at_ns alone, and a seed gives the same bytes. What came before has the
-- time of the journal's beginning, and what comes when virtual time is over that of its last line. A journal
-- that begins only then, as of a run whose device never answered, begins at the virtual clock's zero.
local clocks = require "moonpulse.record.clocks"
local core = require "moonpulse.core"
local journals = require "moonpulse.record.journal"
local machine_paths = require "moonpulse.text.machine_paths"

local M = {}

---@class moonpulse.Audit
---@field who string the operator's code; "n/a": nobody said
---@field clock moonpulse.ClockWatch? once there is a journal
---@field journal moonpulse.Journal? the same
---@field origin_ns integer? the same: what at_ns counts from
---@field virtual boolean? the same: it is a journal of virtual time
---@field last_ns integer? at_ns of its last line
---@field waiting table[] what was done before
---@field why string? what the script said when it stopped the run
---@field stop_told string? the last stop that was told
---@field noted { reason: string, said: function, clock_ns: integer, asked_ns: integer? }? a stop that is not
---   written yet
---@field on_noted (fun())? of an experiment: what comes next stands behind that stop
---@field write_all (fun(self: moonpulse.Audit))? the same: what is to be written, in its order
---@field folders string[]? of this computer, which its texts need not name
---@field feed moonpulse.Feed? whom its journal tells
---@field closed boolean? its last line is written
---@field on_jump fun(jump: moonpulse.ClockJump)? the wall clock jumped: it is in the journal already
local Audit = {}
Audit.__index = Audit

--- Of a run that has no journal yet.
---@param who string? the operator's code
---@return moonpulse.Audit
function M.new(who)
  return setmetatable({ who = who or "n/a", waiting = {} }, Audit)
end

--- Is it what was answered to a script? That is kept as it was typed: at a prompt it is the code that ran, to
--- a question what the script went on with, and both are answered again from the record.
local function is_answered(kind, entry, key)
  return key == "answer" and (kind == "answer" or kind == "refused_answer") and entry.of == "script"
end

--- Write an entry with its stamps; at: nil in virtual time.
local function put(self, kind, entry, at, at_ns)
  local line = { at = at, at_ns = at_ns, who = self.who }
  self.last_ns = at_ns
  for key, value in pairs(entry) do
    line[key] = is_answered(kind, entry, key) and value or machine_paths.without_all(value, self.folders)
  end
  self.journal:tell(kind, line)
end

--- Something was done. Never raises: it was done whether or not it can be written.
---@param kind string of schema.acts
---@param entry table what is to be said of it; where something changed: old, new, why
---@param clock_ns integer? when, on the run's clock (core.clock_ns); now
function Audit:tell(kind, entry, clock_ns)
  local now_ns = core.clock_ns()
  if self.closed and kind ~= "signature" then
    return
  elseif not self.journal then
    self.waiting[#self.waiting + 1] = { kind = kind, entry = entry, at = clocks.now(), clock_ns = now_ns,
      real = not core.is_virtual() }
  elseif self.virtual and not core.is_virtual() then
    put(self, kind, entry, nil, self.last_ns)
  else
    local ago_ns = now_ns - (clock_ns or now_ns)
    put(self, kind, entry, clocks.now(ago_ns), now_ns - ago_ns - self.origin_ns)
  end
end

--- Something stopped the run, and its script may hear of it: what it does then stands behind the stop. That
--- is written with what comes next, for a disk that hangs keeps nobody from asking the device.
---@param reason string name in core.stops
---@param said fun(): string?, string? source and fault, as of tell_stop
---@param clock_ns integer? when, on the run's clock; now
function Audit:note_stop(reason, said, clock_ns)
  local noted, is_first = self.noted, not self.noted
  if self.closed or self.stop_told == reason then
    return
  elseif noted and noted.reason == reason then
    noted.asked_ns = noted.asked_ns or noted.clock_ns
    noted.clock_ns = clock_ns or noted.clock_ns -- now it is known when the device was stopped
    return
  end
  clock_ns = clock_ns or core.clock_ns()
  if is_first or clock_ns < noted.clock_ns then -- the first reason stays
    self.noted = { reason = reason, said = said, clock_ns = clock_ns }
  end
  if is_first and self.on_noted then
    self.on_noted()
  end
end

--- Write a stop that was noted.
function Audit:write_noted()
  local noted = self.noted
  self.noted = nil
  if noted then
    local source, fault = noted.said()
    self:tell_stop(noted.reason, source, fault, noted.clock_ns, noted.asked_ns)
  end
end

--- When what a line tells was asked for, as it says so.
---@param asked_ns integer? on the run's clock
---@param clock_ns integer? when it was; now
---@return integer? asked_ns from the run's start; nil: at that instant, as ever in virtual time, or unknown
function Audit:asked_ns(asked_ns, clock_ns)
  if not asked_ns or not self.journal or self.virtual or asked_ns >= (clock_ns or core.clock_ns()) then
    return nil
  end
  return asked_ns - self.origin_ns
end

--- Something stopped the run; each stop is told once.
---@param reason string name in core.stops
---@param source string? which signal it was, or what the script says
---@param fault string? what is wrong
---@param clock_ns integer? when, on the run's clock; now
---@param asked_ns integer? when it was asked for: the thread that sends may have had its turn only later, and
---   the script gone on by then
function Audit:tell_stop(reason, source, fault, clock_ns, asked_ns)
  local noted = self.noted
  if noted and noted.reason == reason then
    noted.asked_ns = noted.asked_ns or noted.clock_ns
    noted.said, noted.clock_ns = function() return source, fault end, clock_ns or noted.clock_ns
    return (self.write_all or self.write_noted)(self)
  end
  self.noted = nil -- the first reason stays, and it was another one
  if self.stop_told ~= reason then
    self.stop_told = reason
    self:tell("stop", { reason = reason, source = source or core.stops[reason].words,
      why = fault or self.why, asked_ns = self:asked_ns(asked_ns, clock_ns) }, clock_ns)
  end
end

--- Begin the journal of a run in its folder, with what waited for it.
---@param folder string
---@param entry table of the first line: what is run, on what, by which Moonpulse
---@param origin_ns integer? what at_ns counts from (core.clock_ns); now
---@param folders string[]? of this computer, which its texts need not name
---@param virtual boolean? it is a run in virtual time, which may be over by now
---@return moonpulse.Journal? journal to be closed
---@return string? message
function Audit:begin(folder, entry, origin_ns, folders, virtual)
  local journal, message = journals.new(folder)
  if not journal then
    return nil, message
  end
  local over = virtual and not core.is_virtual()
  journal.feed = self.feed
  self.journal, self.clock, self.folders = journal, clocks.watch(), folders
  self.origin_ns, self.virtual = over and 0 or origin_ns or core.clock_ns(), virtual or core.is_virtual()
  local at = not self.virtual and clocks.now() or nil
  entry.clock_ns = self.origin_ns
  put(self, "begin", entry, at, 0)
  for _, act in ipairs(self.waiting) do
    local real = act.real and not self.virtual
    put(self, act.kind, act.entry, real and act.at or at, real and act.clock_ns - self.origin_ns or 0)
  end
  self.waiting = {}
  return journal
end

--- Look whether the wall clock jumped; in real time only.
---@param must boolean? also if it was looked at just now
function Audit:look(must)
  if not self.clock or self.closed or self.virtual then
    return
  end
  local jump = self.clock:look(must)
  if jump then
    self:tell("clock", { old = jump.old, new = jump.new, by_s = jump.by_s,
      why = "the wall clock was set, or the computer slept" })
    if self.on_jump then
      self.on_jump(jump)
    end
  end
end

--- The run is about to be signed: the very last line.
---@param key string its fingerprint
function Audit:tell_signature(key)
  if self.journal then
    self:tell("signature", { key = key, why = "--sign" })
  end
end

--- When, and by whom, the folder is sealed after the last line.
---@return { at: string?, at_ns: integer, who: string }
function Audit:stamp()
  if not self.journal then
    return { at = clocks.now(), at_ns = 0, who = self.who }
  elseif self.virtual then
    return { at_ns = self.last_ns, who = self.who } -- at is the time of ours at which it is sealed
  end
  return { at = clocks.now(), at_ns = core.clock_ns() - self.origin_ns, who = self.who }
end

--- The last line of what was done; nothing more is told.
---@param entry table how it ended
function Audit:finish(entry)
  if self.journal and not self.closed then
    self:look(true)
    self.noted = nil -- it came when all was over
    if self.write_all then
      self.write_all(self) -- what the script was told last stands before this line, and is counted
    end
    entry.lines_before = {} -- of each kind: one that is taken away later is missed
    for kind, count in pairs(self.journal.by_kind) do
      entry.lines_before[kind] = count
    end
    self:tell("end", entry)
    self.closed = true
  end
end

return M
