--- Progress: one line that changes on a terminal, a plain line now and then in a pipe.
local core = require "moonpulse.core"
local numbers = require "moonpulse.text.numbers"
local term = require "term"

local M = {}

local Live = {}
Live.__index = Live

--- Show a run of planned pulses that lasts seconds.
---@param planned integer
---@param seconds number from the first to the last pulse
---@param speed number|string|nil of the run; nil: 1. Virtual time is mostly over before a line could be read:
---   then it shows one only when it has taken so long that there are two
function M.new(planned, seconds, speed)
  local now = core.real_ns()
  return setmetatable({
    planned = planned, seconds = seconds, terminal = term.isatty(io.stdout),
    shown_ns = (speed or 1) == 1 and 0 or now, recent = {}, start_ns = now,
  }, Live)
end

local function clock(seconds)
  seconds = math.max(0, seconds)
  return ("%d:%04.1f"):format(seconds // 60, seconds % 60)
end

--- Pulses a second over the last two seconds of the run.
---@param elapsed number seconds of the plan
---@param done integer pulses
---@return number?
function Live:rate(elapsed, done)
  local recent = self.recent
  recent[#recent + 1] = { elapsed, done }
  while #recent > 2 and recent[2][1] < elapsed - 2 do
    table.remove(recent, 1)
  end
  local span = elapsed - recent[1][1]
  return span > 0.5 and (done - recent[1][2]) / span or nil
end

--- The line: time, pulses, rate, worst onset error, time left.
---@param elapsed number seconds of the plan
---@param done integer pulses
---@param worst_us number? nil: nothing is measured
---@return string
function Live:text(elapsed, done, worst_us)
  local rate = self:rate(elapsed, done)
  return ("%s  %s/%s pulses  %s  worst onset error %s  %s left"):format(clock(elapsed),
    numbers.count(done), numbers.count(self.planned),
    rate and ("%5.1f Hz"):format(rate) or "  -   ",
    worst_us and numbers.seconds(worst_us / 1e6) or "-", clock(self.seconds - elapsed))
end

--- A line longer than the terminal would wrap and scroll: cut it, the terminal may be resized.
---@param text string
---@return string
function Live:fit(text)
  local width = self.terminal and core.terminal_width()
  return width and #text >= width and text:sub(1, width - 1) or text
end

--- Show where the run is; cheap to call often.
---@param elapsed number seconds from the plan's start
---@param done integer pulses sent
---@param worst_us number? the largest onset error so far
function Live:update(elapsed, done, worst_us)
  local now = core.real_ns()
  local period = self.terminal and 100000000 or 10000000000
  if now - self.shown_ns < period then
    return
  end
  self.shown_ns = now
  local text = self:fit(self:text(elapsed, done, worst_us))
  if self.terminal then -- one that takes nothing (Ctrl-S) holds up nothing
    core.screen("\r" .. text .. "\27[K")
    self.open = true
  else
    io.stdout:write(text, "\n")
    io.stdout:flush()
  end
end

--- End the line, so that what follows starts on its own.
---@param elapsed number seconds of the plan
---@param done integer pulses
---@param worst_us number?
function Live:finish(elapsed, done, worst_us)
  if self.open then
    io.stdout:write("\r", self:fit(self:text(elapsed, done, worst_us)))
    term.cleareol()
    io.stdout:write("\n")
    self.open = false
  end
end

return M
