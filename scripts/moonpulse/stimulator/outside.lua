--- Pulses that something outside fires over the stimulator's trigger input, and that are waited for: each is
--- taken as the device reports it, and the device is disarmed when as many came as may, or one too soon.
local core = require "moonpulse.core"
local deadlines = require "moonpulse.stimulator.deadlines"
local patiences = require "moonpulse.stimulator.patience"

local M = {}

---@class moonpulse.Outside
---@field count integer so many may come
---@field refractory_ns integer the shortest time from one to the next
---@field until_ns integer it is waited for them so long (monotonic)
---@field took fun(at_ns: integer, text: string, value: integer?, verdict: string) one came: "given"; "over":
---   as many had come already; "refractory": too soon after the one before; "otherwise": not as was set
---@field sooner fun(apart_ns: integer) one came so soon after the one before it, which stops the run
---@field pulses integer so many came
---@field last_ns integer? when the last one did

--- The device is disarmed at once: the first reason stays, but that a pulse came too soon is told also where
--- the others were enough.
local function stop(self, reason)
  self.link.session:stop(reason)
  if reason == "refractory" and self.stopped == "finished" then
    self.stopped = reason
  end
end

--- The device reports one. False: it is not waited for any more.
local function take(self, how, at_ns, text, value, wrong)
  if self.left then
    return false
  end
  local apart_ns = how.last_ns and at_ns - how.last_ns
  local soon = apart_ns and apart_ns < how.refractory_ns
  how.last_ns = at_ns
  how.took(at_ns, text, value, wrong and "otherwise" or soon and "refractory"
    or how.pulses >= how.count and "over" or "given")
  how.pulses = how.pulses + 1
  if wrong then
    return true -- which is a fault, and stops as one
  elseif soon then
    stop(self, "refractory")
    how.sooner(apart_ns)
  elseif how.pulses >= how.count then
    stop(self, "finished")
  end
  self:wake()
  return true
end

--- Wait until the device has confirmed all that it was told: before that a pulse might be of another
--- intensity.
local function await_settings(self)
  local begun_ns = core.clock_ns()
  while not self.stopped and not self.listening:settled() do
    if patiences.waited_ns(begun_ns) > patiences.ns(self.driver, self.driver.reply_timeout) then
      self.link:fault("%s", self.listening:unsettled())
    end
    deadlines.await_reply(self, 20000000)
    self:watch()
  end
end

--- Take what comes from now on, at the setting that the device is at; ready() is told when that begins.
--- Returns when as many came as may, when the time is over, or where a stop came; the device is disarmed
--- then, and what it still reports until it says so is taken as well.
---@param self moonpulse.Stimulator
---@param how moonpulse.Outside
---@param ready fun()
---@return "count"|"timeout"|nil why nil: a stop
function M.watch(self, how, ready)
  self.task, self.near, how.pulses = core.current(), nil, 0
  await_settings(self)
  if self.stopped then
    return nil
  end
  ready()
  self.listening.external = function(...) return take(self, how, ...) end
  while not self.stopped and core.clock_ns() < how.until_ns do
    core.wait(deadlines.next_s(self, math.min(0.05, (how.until_ns - core.clock_ns()) / 1e9), how.until_ns))
    self:watch()
    self.record:sync()
  end
  -- another part of the script may have disarmed the device meanwhile
  local why = self.stopped == "finished" and how.pulses >= how.count and "count"
    or not self.stopped and "timeout" or nil
  if why then
    self:stop("finished")
    self:leave()
  end
  return why
end

return M
