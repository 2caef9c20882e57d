--- Waiting in a script: the coroutine sleeps, the loop goes on, and a stop ends every wait.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"

local M = {}

-- turns at one instant of virtual time: more than a script needs, or a port brings bytes in a whole second
local most_here = 20000

local Waiting = {}
Waiting.__index = Waiting

--- Who waits in a script: nobody yet.
---@param check fun() raises where a stop came
---@param left_s (fun(): number)? so many seconds from now check raises in any case: nobody waits for longer
function M.new(check, left_s)
  return setmetatable({ check = check, left_s = left_s, tasks = {}, stops = 0 }, Waiting)
end

--- Can the script wait here? Not in a coroutine of its own, and not in a function that sort, gsub or require
--- calls.
---@return boolean
function M.can_wait()
  return (pcall(core.current))
end

--- Raise, at the script's line, where it cannot wait: nothing was begun then.
---@param who string? the function, for messages
function M.must_wait(who)
  if not M.can_wait() then
    blame.fail("%sthe script cannot wait here: not in a coroutine of its own (run:spawn makes one that "
      .. "can), and not in a function that sort, gsub or require calls", who and who .. ": " or "")
  end
end

--- Raise, at the script's line, where it goes on and on at one instant of virtual time.
---@param what string what it does
---@param remedy string
function M.must_move(what, remedy)
  if core.turns_here() > most_here then
    blame.fail("the script %s again and again, so that virtual time stands still: %s", what, remedy)
  end
end

--- Wait for so many seconds, or for wake(). Raises where a stop came meanwhile.
---@param seconds number?
function Waiting:wait(seconds)
  M.must_wait()
  M.must_move("waits for no time at all", "wait for longer than 0 s")
  local task, stops = core.current(), self.stops
  if seconds and self.left_s then
    seconds = math.min(seconds, self.left_s())
  end
  table.insert(self.tasks, task)
  core.wait(seconds)
  for i = #self.tasks, 1, -1 do
    if self.tasks[i] == task then
      table.remove(self.tasks, i)
      break
    end
  end
  self.check()
  if stops ~= self.stops then
    refusals.stopped("requested")
  end
end

--- The script stopped the run: who waits elsewhere in it goes no further.
function Waiting:stop()
  self.stops = self.stops + 1
  self:wake()
end

--- Everybody who waits looks again, in the order in which they began to wait.
function Waiting:wake()
  for _, task in ipairs(self.tasks) do
    task:wake()
  end
end

--- Wait until test() gives something; what it gave, nil when the time was over.
---@param test fun(): any
---@param timeout number? seconds
---@param period number? how often test is called; without it only after a wake
function Waiting:until_true(test, timeout, period)
  local end_ns = timeout and core.clock_ns() + math.floor(timeout * 1e9)
  while true do
    local value = test()
    local left = end_ns and (end_ns - core.clock_ns()) / 1e9
    if value ~= nil or left and left <= 0 then
      return value
    end
    self:wait(left and math.min(left, period or left) or period)
  end
end

--- Wait until an instant, and not a nanosecond less.
---@param at_ns integer monotonic
function Waiting:until_ns(at_ns)
  while core.clock_ns() < at_ns do
    self:wait(math.max(0, at_ns - core.clock_ns()) / 1e9) -- time passes on the way
  end
end

return M
