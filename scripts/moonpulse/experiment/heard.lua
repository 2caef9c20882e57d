--- What a script is told from outside of it: the clock, the device's readings, and what it was refused. It
--- may decide by that, so the journal keeps it, with the part of the script (run:spawn) that was told. Of a
--- run in real time verify and rerun make the same decisions from the journal alone
--- (moonpulse.experiment.recall); in virtual time the same comes again by itself. Where a run broke off, the
--- one that goes on with it is told the same first (moonpulse.experiment.past).
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local handles = require "moonpulse.experiment.handle"
local refusals = require "moonpulse.text.refusal"

local M = {}

local most_kept = 200000 -- readings of a run: of a script that looks at the clock all the time no more
-- what waits is written before a plan starts, and must not take long then
local most_in_line, most_pending = 200, 20
local stop = {} -- among them: there a stop came

---@class moonpulse.Heard
---@field audit moonpulse.Audit
---@field recall moonpulse.Recall? what an earlier run was told: it is told again
---@field parts table<any, integer> the number of each part that runs, by its task
---@field begun integer parts that the script asked for
---@field spawned integer parts that were begun
---@field arms integer how often the stimulator was armed
---@field tries table<integer, integer> how often each part wanted to arm, to play or a trigger; 0: the script
---@field pending table[] what was told since the journal's last line, and a stop that came meanwhile
---@field until_other { lines: integer, by: string }? the journal's lines before something else had a part
---@field kept integer readings that the journal has, or will
---@field await fun(at_ns: integer) the part of the script waits until then, from the run's start
---@field past moonpulse.Past what the run that this one goes on with was told: it is told first
local Heard = {}
Heard.__index = Heard

--- Of a run whose script was told nothing yet.
---@param audit moonpulse.Audit with a journal: what it writes is told which part of the script it is of
---@param recall moonpulse.Recall? of moonpulse.experiment.recall
---@param await fun(at_ns: integer) the part of the script that runs waits until then, from the run's start
---@param past moonpulse.Past
---@return moonpulse.Heard
function M.new(audit, recall, await, past)
  local self = setmetatable({ audit = audit, recall = recall, await = await, past = past,
    parts = setmetatable({}, { __mode = "k" }), begun = 0, spawned = 0, arms = 0, tries = {}, pending = {},
    kept = 0 }, Heard)
  audit.journal:listen(function() self:flush() end, function() return self:part() end)
  audit.on_noted = function() table.insert(self.pending, stop) end
  audit.write_all = function() self:flush() end
  return self
end

--- From now on something else has a part in what the script decides than what it is told: of a run that is
--- made again, what stands in the journal before that must be the same.
---@param by "lost"|"outside" readings that the journal does not keep; what it asked for, and is not given
function Heard:other(by)
  self.until_other = self.until_other or { lines = self.audit.journal.lines, by = by }
end

--- The script asks for a new part.
function Heard:spawn()
  self.begun = self.begun + 1
  self.past:count_part(1)
end

--- The part of the script that runs now is a new one, from run:spawn.
function Heard:begin_part()
  self.spawned = self.spawned + 1
  self.parts[core.current()] = self.spawned
end

--- It came to its end. Raises where it was told more in the run that this one goes on with.
function Heard:end_part()
  self.past:count_part(-1, self:part())
end

--- Which part of the script runs now.
---@return integer? number of its run:spawn; nil: the script itself, or nothing of it
function Heard:part()
  local ok, task = pcall(core.current)
  return ok and self.parts[task] or nil
end

--- Write down what was told since the last line.
function Heard:flush()
  local pending = self.pending
  self.pending = {}
  for _, entry in ipairs(pending) do
    if entry == stop then
      self.audit:write_noted()
    else
      self.audit:tell("read", entry)
    end
  end
end

local function keep(self, what, value, size)
  if self.kept > most_kept then
    return
  end
  self.kept = self.kept + (size or 1)
  local part, last = self:part(), self.pending[#self.pending]
  if self.kept > most_kept then
    self.pending[#self.pending + 1] = { part = part, what = what, lost = true }
    if self.recall or not core.is_virtual() then -- in virtual time the same comes again by itself
      self:other "lost"
    end
  elseif math.type(value) ~= "integer" then
    self.pending[#self.pending + 1] = { part = part, what = what, value = value }
  elseif last and last.what == what and last.part == part and #last.since_ns < most_in_line then
    table.insert(last.since_ns, value)
  else
    self.pending[#self.pending + 1] = { part = part, what = what, since_ns = { value } }
  end
  if #self.pending > most_pending or last and #(last.since_ns or {}) == most_in_line then
    self:flush()
  end
end

--- Data without what a journal cannot hold.
local function plain(value)
  if type(value) == "function" or type(value) == "userdata" then
    return nil
  elseif type(value) ~= "table" then
    return value
  end
  local copied = {}
  for key, inner in next, value do
    copied[key] = plain(inner)
  end
  return copied
end

--- What was told then, of the kind that it has now: a journal has no functions, and one kind of number. What
--- the device does not tell of now (DuoMAG: left_out) was a count or a flag then.
local function as_now(told, now)
  if type(told) == "table" and type(now) == "table" then
    for key, value in next, told do
      if now[key] == nil and math.type(value) then
        told[key] = math.tointeger(value) or value
      end
    end
    for key, value in next, now do
      told[key] = type(value) == "function" and value or as_now(told[key], value)
    end
  elseif math.type(told) and math.type(now) then
    return math.abs(told - now) <= 1e-13 * math.abs(now) and now or math.type(now) == "integer"
      and math.tointeger(told) or told
  end
  return told
end

--- A part of the script goes on behind something that took time, or that is seen by others. Of a script
--- without others nothing is written: its own order is that of its lines.
function Heard:turn()
  if self.begun > 0 and not self.past:take "turn" then
    keep(self, "turn", true)
  end
end

--- Was it done in the run that this one goes on with? Where it was not it is done now, and turn() says so.
---@return boolean
function Heard:was_done()
  if self.begun == 0 then
    return self.past:is_behind_mark() or self.past:goes_on()
  end
  return self.past:take "turn" ~= nil
end

--- Was a mark given in the run that this one goes on with? Where it was not it is now, and turn() says so.
---@param text string as rows have it
---@return boolean
function Heard:was_said(text)
  if self.begun == 0 then
    return self.past:was_said(text)
  end
  return self.past:take "turn" ~= nil
end

--- The script reads the clock.
---@param since_ns integer what it shows, from the script's beginning
---@return integer since_ns what the script is told
function Heard:now(since_ns)
  local was = self.past:now()
  if was then
    return was
  end
  local told = self.recall and self.recall:reading(self:part(), "now") or since_ns
  keep(self, "now", told)
  return told
end

--- The script is about to do what other parts of it feel at that instant: of a run that is told what an
--- earlier one was told when that did; where it never did, for it had ended before, not until its end.
---@param what "arm"|"disarm"|"stop"
---@param since_ns integer now, from the run's start
function Heard:when(what, since_ns)
  local was = self.recall and self.recall:reading(self:part(), what)
  if self.recall then
    self.await(was or self.recall.over_ns)
  end
  keep(self, what, was or since_ns)
end

--- The stimulator is armed: of a run that is told what an earlier one was told when it was then.
function Heard:armed()
  self.arms = self.arms + 1
  local was = self.recall and self.recall:arm(self:part())
  if was then
    self.await(was.at_ns)
  end
end

--- A plan that no trigger starts is begun.
function Heard:plays()
  if self.recall then
    self.recall:begun(self:part())
  end
end

--- The script is told when a plan started.
---@param start_ns integer as it was, from the run's start
---@param number integer of the plan
---@return integer start_ns what the script is told
function Heard:start(start_ns, number)
  local was = self.recall and self.recall:play(number)
  if not was then
    return start_ns -- which the plan's line has
  end
  local told = self.recall:reading(self:part(), "start") or was.start_ns
  keep(self, "start", told)
  return told
end

--- The script reads something of the device.
---@param what "status"|"limits"|"identity"|"triggers"|"trigger_count"|"armed"|"on_trigger"|"watch"
---   |"signal"
---@param value table
---@param size integer? how many readings of the journal it is as long as
---@return table value what the script is told
function Heard:reading(what, value, size)
  local was = self.past:take(what)
  if was then
    return as_now(handles.copy(was.value), value)
  end
  local told = self.recall and self.recall:reading(self:part(), what)
  local is = told and as_now(handles.copy(told), value) or value
  keep(self, what, plain(is), size)
  return is
end

--- The script waits for something, and is told what it came to; of a run that is told what an earlier one was
--- told that again, when it was then.
---@param what "phase"
---@param wait fun(): table with until_ns: when the wait was over, from the run's start
---@return table told
function Heard:waited(what, wait)
  local told = self.recall and self.recall:reading(self:part(), what)
  if told then
    self.await(math.tointeger(told.until_ns) or 0)
  end
  told = told or wait()
  keep(self, what, told)
  return told
end

--- Is the stimulator armed? Of a script with parts another one of them may have armed or disarmed it.
---@param ready boolean
---@return boolean ready what the script is told
function Heard:is_armed(ready)
  return self.spawned == 0 and ready or self.spawned > 0 and self:reading("armed", { armed = ready }).armed
end

--- Raise what an earlier run was refused.
local function refuse_again(refused)
  if refused.code then
    refusals.raise(refused.code, "%s", refused.why)
  end
  error(refused.why, 0)
end

--- Is an error a refusal, after which a script may go on?
local function is_refusal(problem)
  return not refusals.is_stopped(problem) and not refusals.is_fault(problem)
end

--- Do again what an earlier run was refused, up to where it was: the device was told something. What was
--- refused before that is not begun, but refused when it was then: other parts of the script had gone on.
local function try_again(self, refused, action, begins)
  if refused.at_once then
    if pcall(core.current) then
      self.await(refused.at_ns)
    end
    refuse_again(refused)
  end
  local ok, problem = pcall(action, function() refuse_again(refused) end, begins, true)
  if not ok and not is_refusal(problem) then
    error(problem, 0)
  end
  refuse_again(refused)
end

--- Arm, play a plan, or wait for a trigger: what is refused before anything of it counts is written down, and
--- a script may go on from there.
---@param who string the verb
---@param action fun(counts: fun(), begins: fun(), refused: boolean?): any calls begins() before the device
---   is told anything, counts() once it is not refused any more; refused: an earlier run was
---@return any what action returned
function Heard:try(who, action)
  local part, counted, begun = self:part(), false, false
  local function begins() begun = true end
  local number = (self.tries[part or 0] or 0) + 1
  self.tries[part or 0] = number
  local refused = self.recall and self.recall:refusal(part, number)
  local ok, result
  if refused then
    ok, result = pcall(try_again, self, refused, action, begins)
  else
    ok, result = pcall(action, function() counted = true end, begins)
  end
  if ok then
    return result
  elseif not counted and is_refusal(result) then
    local at_once = not begun or nil
    if refused then
      at_once = refused.at_once
    end
    self.audit:tell("refused", { what = who, number = number, why = blame.text(result), at_once = at_once,
      code = type(result) == "table" and refusals.status[rawget(result, "code")] and result.code or nil })
  end
  error(result, 0)
end

return M
