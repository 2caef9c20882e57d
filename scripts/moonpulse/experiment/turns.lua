--- One operation at a time on a device, whatever the parts of a script do at once: docs/experiments.md
--- has the table. A stop never waits for its turn: it ends what is going on, and what follows waits.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"
local waitings = require "moonpulse.experiment.waiting"

local M = {}

local Turns = {}
Turns.__index = Turns

local going_on = { arm = "is being armed", play = "is playing a plan" }

--- What an operation does while another one goes on: waits for its end, or is an error.
local waits_for = {
  arm = { status = true, stop = true },
  play = { status = true },
  status = { status = true, stop = true },
}

--- Who may have the stimulator: nobody has it yet.
---@param waiting table of moonpulse.experiment.waiting
function M.new(waiting)
  return setmetatable({ waiting = waiting, stoppers = {} }, Turns)
end

--- Whoever stops looks again, in the order in which they began to wait.
local function wake_stoppers(turns)
  for _, task in ipairs(turns.stoppers) do
    task:wake()
  end
end

--- Wait while something goes on, until wake_stoppers(): no stop of the run ends this wait, it is one.
---@param what "leaving"|"running"
local function await_end(turns, what)
  local task, stoppers = core.current(), turns.stoppers
  table.insert(stoppers, task)
  while turns[what] do
    core.wait()
  end
  for i = #stoppers, 1, -1 do
    if stoppers[i] == task then
      table.remove(stoppers, i)
      break
    end
  end
end

local Turn = {}
Turn.__index = Turn

--- The operation is over, however it ended.
function Turn:__close()
  local turns, held = self.turns, self.amid
  if held then
    held.asking = held.asking - 1
  else
    turns.running = nil
  end
  turns.waiting:wake()
  wake_stoppers(turns)
end

local function refuse(who, other)
  local where = other.where ~= "" and (" (%s, %s)"):format(other.who, other.where) or ""
  blame.fail("%s: the stimulator %s%s: one thing at a time", who, going_on[other.what], where)
end

--- Begin an operation: at once, or after a short one that goes on. Raises where it cannot be, and where a
--- stop comes meanwhile.
---@param what "arm"|"play"|"status"
---@param who string the function, for messages
---@return table? turn to be closed when it is over; nil: it is part of what this task holds
function Turns:take(what, who)
  waitings.must_wait(who)
  local held = self.running
  if held and held.task == core.current() then
    self.waiting.check()
    return nil
  elseif held and held.begins_later and what == "status" then
    held.asking = held.asking + 1
    return setmetatable({ turns = self, amid = held }, Turn)
  end
  self.waiting:until_true(function()
    local other = self.running
    if other and not waits_for[what][other.what] then
      refuse(who, other)
    end
    -- a plan finds the device disarmed, which its own words say better
    return not other and not (self.stopping and waits_for[what].stop) or nil
  end)
  self.waiting.check()
  self.running = setmetatable({ turns = self, what = what, who = who, where = blame.origin() }, Turn)
  return self.running
end

--- Begin a plan of which nothing is given yet, and that others find going on all the same: they may ask for
--- the status until begin_held().
---@param who string
---@return table? turn to be closed when it is over; nil: this task holds one
function Turns:hold(who)
  local turn = self:take("play", who)
  if turn then
    turn.task, turn.begins_later, turn.asking = core.current(), true, 0
  end
  return turn
end

--- Wait until an instant, of what this task holds. Raises where a stop comes: what is held has ended then.
---@param at_ns integer monotonic
function Turns:begin_held(at_ns)
  local held = self.running
  while core.clock_ns() < at_ns or held.asking > 0 do
    self.waiting:wait(core.clock_ns() < at_ns and (at_ns - core.clock_ns()) / 1e9 or nil)
    if self.stopping then
      refusals.stopped("finished")
    end
  end
  held.begins_later = nil
end

--- Does another task hold the stimulator for a plan that begins later?
---@return boolean
function Turns:is_held()
  return self.running ~= nil and self.running.task ~= nil and self.running.task ~= core.current()
end

--- Make safe, when what went on has ended; then whoever waits looks again.
local function end_stop(turns, make_safe, is_apart)
  turns.leaving = true
  if not is_apart then
    await_end(turns, "running")
  end
  local ok, problem = pcall(make_safe)
  turns.leaving = nil
  wake_stoppers(turns)
  if not ok then
    error(problem, 0)
  end
end

--- Stop: halt() makes the device safe and ends what goes on, make_safe() follows when that has ended. Of
--- several at once one does it for all, and the next ones only what it left to do: of several devices it may
--- have been about others. What waits for a stop waits for all of them.
---@param who string
---@param halt fun()
---@param make_safe fun()
---@param owes fun(): boolean is there something that was halted, and not made safe?
---@param is_apart boolean what goes on is another device's, and not ended by this
function Turns:stop(who, halt, make_safe, owes, is_apart)
  halt()
  waitings.must_wait(who)
  local follows, ok, problem = self.leaving, true, nil
  self.stopping = (self.stopping or 0) + 1
  if self.running and self.running.begins_later then
    self.waiting:wake()
  end
  while self.leaving do
    await_end(self, "leaving")
  end
  if not follows or owes() then
    ok, problem = pcall(end_stop, self, make_safe, is_apart)
  end
  self.stopping = self.stopping > 1 and self.stopping - 1 or nil
  self.waiting:wake()
  if not ok then
    error(problem, 0)
  end
end

return M
