--- A link: a session, its driver's decoder, and coroutines that wait for replies.
local core = require "moonpulse.core"
local patiences = require "moonpulse.stimulator.patience"
local refusals = require "moonpulse.text.refusal"
local unanswered = require "moonpulse.stimulator.unanswered"

local M = {}

local look_s = 0.05 -- in real time: that the loop was away is seen by what was due meanwhile

---@class moonpulse.Link what a driver's connect, arm, disarm and status are given
local Link = {}
Link.__index = Link

--- Give up: what is wrong with the device and what to do (a format).
---@param text string
function Link:fault(text, ...)
  local message = select("#", ...) > 0 and text:format(...) or text
  refusals.fault(("%s on %s: %s"):format(self.driver.description, self.path or "?", message))
end

--- The same, where the device gave no answer at all: asking again is no use.
---@param text string a format
function Link:silent(text, ...)
  local ok, problem = pcall(self.fault, self, text, ...)
  problem.silent = not ok
  error(problem, 0)
end

--- A link that is not open yet.
---@param driver moonpulse.Driver
---@param handlers { reply: fun(reply: moonpulse.Reply, arrival_ns: integer, bytes: string?),
---   outcome: fun(outcome: moonpulse.core.Told), gone: fun(message: string, which: "device"|"trigger"),
---   triggers: fun(bytes: string, heard: string, times: integer|string, matched: integer),
---   untold: fun(sums: table[], from_ns: integer, until_ns: integer) }
---@return moonpulse.Link
function M.new(driver, handlers)
  local self = setmetatable({ driver = driver, buffer = "", handlers = handlers, dialect = {}, waited_ns = 0,
    options = driver.settings or {} }, Link)
  self.session = core.session {
    on_bytes = function(bytes, arrival_ns)
      self:receive(bytes, arrival_ns)
    end,
    on_outcome = function(outcome)
      if outcome.what == "stopped" then
        self:halt(outcome.stop)
      end
      handlers.outcome(outcome)
    end,
    on_triggers = handlers.triggers, on_untold = handlers.untold,
    on_gone = function(message, which)
      if which == "trigger" then -- this port still answers: the device is to be disarmed over it
        return handlers.gone(message, which)
      end
      message = driver.simulator_failed or message
      self.lost = message
      if self.waiting then
        self.waiting.task:wake()
      end
      handlers.gone(message, which)
    end,
  }
  return self
end

--- Bytes came: cut them into replies; the one that a coroutine waits for goes to it, all go to
--- the handler.
---@param bytes string
---@param arrival_ns integer monotonic
function Link:receive(bytes, arrival_ns)
  local whole = self.buffer == "" and bytes or nil
  local buffer = self.buffer .. bytes
  while #buffer > 0 do
    local reply, used = self.driver.decode(buffer, self.dialect)
    if used == 0 then
      break
    end
    buffer = buffer:sub(used + 1)
    if reply then
      local waiting = self.waiting
      if waiting and not waiting.reply and waiting.match(reply) then
        waiting.reply = reply
        waiting.task:wake(reply)
      end
      self.handlers.reply(reply, arrival_ns, whole and used == #whole and whole or nil)
    end
  end
  self.buffer = buffer
end

--- Part of a reply that never became whole is no beginning of the next one.
function Link:forget()
  self.buffer = ""
end

--- Open the port. Raises a fault with the reason.
---@param path string
function Link:open(path)
  self.path = path
  local ok, message, code = self.session:open(path, self.driver.serial)
  if not ok then
    refusals.fault(message, code)
  end
end

--- A stop came: whatever a driver is doing on this link ends with an error of its own kind.
---@param reason string
function Link:halt(reason)
  self.halted = self.halted or reason
  if self.waiting then
    self.waiting.task:wake()
  end
end

--- The stop is known: questions may be asked again.
function Link:resume()
  self.halted = nil
  self.session:acknowledge()
end

--- Send bytes: at once, or in the next gap where it is armed. Raises the stop that has come, and a fault
--- if the port does not take them.
---@param bytes string
function Link:write(bytes)
  if self.halted then
    refusals.stopped(self.halted)
  end
  local ok, message, code = self.session:write(bytes)
  if not ok and code == "state" then
    -- a stop was latched and its outcome is on the way: this call brings it here
    self.session:stop("requested")
    if self.halted then
      refusals.stopped(self.halted)
    end
  end
  if not ok then
    self:fault("%s", message)
  end
end

--- Wait as core.wait does, and note how long: that is the device's time, not ours.
local function wait(self, seconds)
  local from_ns = core.clock_ns()
  core.wait(seconds)
  self.waited_ns = self.waited_ns + core.clock_ns() - from_ns
end

--- Send bytes and wait for a reply.
---@param bytes string
---@param want string|fun(reply: moonpulse.Reply): boolean the reply's name, or a test
---@param timeout number seconds for each try
---@param tries integer? 1; only a question may be asked again, never a command that acts
---@param remedy string? what to say when nothing came
---@return table reply
function Link:transact(bytes, want, timeout, tries, remedy)
  local match = type(want) == "function" and want
    or function(reply) return reply.name == want end
  tries = tries or 1
  local function patience_ns() -- a stop that comes meanwhile makes it shorter
    return math.max(math.floor(timeout * 1e9 + 0.5),
      patiences.ns(self.driver, timeout * tries, self.until_ns) // tries)
  end
  for _ = 1, tries do
    local waiting = { match = match, task = core.current() }
    self.waiting = waiting
    self:write(bytes)
    local from_ns, left_ns = core.clock_ns(), patience_ns()
    repeat
      local nap_s = patiences.nap_s(left_ns)
      wait(self, core.is_virtual() and nap_s or math.min(nap_s, look_s))
      left_ns = patience_ns() - patiences.waited_ns(from_ns, nil, self.until_ns)
    until waiting.reply or self.halted or self.lost or left_ns <= 0
    self.waiting = nil
    if self.halted then
      refusals.stopped(self.halted)
    elseif self.lost then
      self:fault("%s: %s", core.stops.gone.words, self.lost)
    elseif waiting.reply then
      return waiting.reply
    end
  end
  self:silent("%s", unanswered.cause(self.driver, remedy or ("no answer%s: is it switched on, is the cable "
    .. "in the right socket, and is this the right port?"):format(
      type(want) == "string" and " to " .. want:gsub("_", " ") or "")))
end

--- Wait; a stop or a lost port ends it early, with an error.
---@param seconds number
function Link:sleep(seconds)
  local until_ns = core.clock_ns() + math.floor(seconds * 1e9)
  self.waiting = { match = function() return false end, task = core.current() }
  local left_ns = until_ns - core.clock_ns() -- read once a turn: time does not stand still between
  while not self.halted and not self.lost and left_ns > 0 do
    wait(self, left_ns / 1e9)
    left_ns = until_ns - core.clock_ns()
  end
  self.waiting = nil
  if self.halted then
    refusals.stopped(self.halted)
  elseif self.lost then
    self:fault("%s: %s", core.stops.gone.words, self.lost)
  end
end

--- What is armed is made safe, and the port is closed.
function Link:close()
  self.session:close()
end

Link.__close = Link.close

-- for a link with a tap (moonpulse.conformance.tap)
M.receive, M.write = Link.receive, Link.write

return M
