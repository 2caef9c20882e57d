--- One operation at a time on a device, whatever the parts of a script do at once: docs/experiments.md
--- has the table. A stop never waits for its turn: it ends what is going on, and what follows waits.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
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
  local turns = self.turns
  turns.running = nil
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
---@return table turn to be closed when it is over
function Turns:take(what, who)
  waitings.must_wait(who)
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
