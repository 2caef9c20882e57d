--- A time of its own: what runs in it waits in virtual time, in the order in which a loop would wake it.
-- Stands in for the engine's tasks and clock (core.wait, spawn, current, clock_ns), whose rules it keeps.
local core = require "moonpulse.core"
local plants = require "five_lists.plant"

local M = {}

local World = {}
World.__index = World

local Task = {}
Task.__index = Task

---@param now_ns integer of its clock
function M.new(now_ns)
  return setmetatable({ now_ns = now_ns, queue = {}, tasks = setmetatable({}, { __mode = "k" }) }, World)
end

--- Do action at an instant; what is asked for the same instant is done in the order of asking. The queue's
--- soonest is its last: most that is asked for is soon.
---@param at_ns integer
---@param action fun()
function World:at(at_ns, action)
  local queue, i = self.queue, #self.queue
  at_ns = math.max(at_ns, self.now_ns)
  while i > 0 and queue[i].at_ns <= at_ns do
    i = i - 1
  end
  table.insert(queue, i + 1, { at_ns = at_ns, action = action })
end

local function resume(world, task, ...)
  task.state = "ready"
  local ok, problem = coroutine.resume(task.thread, ...)
  if not ok then
    error(problem, 0)
  elseif coroutine.status(task.thread) == "dead" then
    task.state = "ended"
  elseif task.state == "ready" then
    error("a task may wait with moonpulse's functions only", 0)
  end
  return world
end

function World:spawn(action, ...)
  local task = setmetatable({ world = self, thread = coroutine.create(action), state = "ready", turn = 0 },
    Task)
  local values = table.pack(...)
  self.tasks[task.thread] = task
  self:at(self.now_ns, function() resume(self, task, table.unpack(values, 1, values.n)) end)
  return task
end

function World:current()
  return self.tasks[coroutine.running()] or error("waiting works only inside a task", 2)
end

--- Wait for a wake, or until the time is over, in whole milliseconds as the loop's timers have it.
function World:wait(seconds)
  local task = self:current()
  task.state, task.turn = "waiting", task.turn + 1
  local turn = task.turn
  if seconds then
    self:at(self.now_ns + math.ceil(seconds * 1000) * 1000000, function()
      if task.state == "waiting" and task.turn == turn then
        resume(self, task, false)
      end
    end)
  end
  return coroutine.yield()
end

function Task:wake(...)
  if self.state ~= "waiting" then
    return false
  end
  local values = table.pack(true, ...)
  self.state, self.turn = "woken", self.turn + 1
  self.world:at(self.world.now_ns, function()
    resume(self.world, self, table.unpack(values, 1, values.n))
  end)
  return true
end

--- Run action as the main task until it ends; what waits then never goes on. Raises what any task raised.
---@param action fun()
function World:run(action)
  local world = self
  plants.during(function(swap)
    swap(core, "clock_ns", function() return world.now_ns end)
    swap(core, "wait", function(seconds) return world:wait(seconds) end)
    swap(core, "current", function() return world:current() end)
    swap(core, "spawn", function(...) return world:spawn(...) end)
  end, function()
    local main = self:spawn(action)
    while main.state ~= "ended" do
      local event = assert(table.remove(self.queue), "the script waits for what can never come")
      self.now_ns = event.at_ns
      event.action()
    end
  end)
end

return M
