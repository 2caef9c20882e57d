--- Signals while something of ours lies about that must be taken away again, or a process of ours runs: they
--- are heard instead of ending this process at once.
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"

local M = {}

local looked_every_ns = 100000000

---@class moonpulse.Interrupts
---@field heard boolean a signal came
---@field waiting table<any, boolean> tasks that wait for one
---@field next_ns integer when the loop is given a turn the next time
local Interrupts = {}
Interrupts.__index = Interrupts

local current -- who asks inside of another one is told by the same

--- From now on signals are heard, until it is closed. Inside of a task.
---@return moonpulse.Interrupts to be closed
function M.begin()
  if current then
    return setmetatable({}, { __index = current, __close = function() end })
  end
  local self = setmetatable({ heard = false, waiting = {}, next_ns = 0 }, Interrupts)
  current = self
  core.on_signal(function()
    self.heard = true
    for task in pairs(self.waiting) do
      task:wake()
    end
  end)
  return self
end

function Interrupts.__close()
  current = nil
  core.on_signal(nil)
end

--- Wait as core.wait does, and for a signal.
---@param seconds number?
function Interrupts:wait(seconds)
  local task = core.current()
  self.waiting[task] = true
  if not self.heard then
    core.wait(seconds)
  end
  self.waiting[task] = nil
end

--- Amid what computes: raise a stop where a signal came. Cheap to call often.
---@param what string that was done, as "interrupted while the record was looked at"
function Interrupts:check(what)
  local now_ns = core.real_ns()
  if now_ns >= self.next_ns and coroutine.isyieldable() then
    self.next_ns = now_ns + looked_every_ns
    core.wait(0)
  end
  if self.heard then
    refusals.raise("stopped", "%s", what)
  end
end

return M
