--- Answers that are samples of a stream of LSL (--answers lsl:NAME): behind each pulse the first one, such as
--- the size of an MEP that a program has measured. It may come before the script asks.
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"
local streams = require "moonpulse.experiment.stream_in"

local M = {}

---@class moonpulse.SampledAnswers
---@field path string of the stream, the source of these answers
---@field kept string? the first sample behind the last pulse, not asked for yet
---@field kept_of integer the plan that it is behind, as a place in due
---@field passed_over integer samples that nobody waited for, or that are no answer
local Sampled = {}
Sampled.__index = Sampled

--- Of which plan the first pulse was due last at that time, as a place in the list; 0: of none.
local function plan_at(self, at_ns)
  local place = #self.due
  while place > 0 and self.due[place] > at_ns do
    place = place - 1
  end
  return place
end

--- It is none: said once, as another may come with each pulse.
local function pass_over(self, text, why)
  self.passed_over = self.passed_over + 1
  if self.passed_over == 1 then
    self.say(("--answers %s: the sample \"%s\" is no answer (%s): passed over"):format(self.path,
      escapes.shown(text), why))
  end
end

--- Give it to the question that is open.
local function offer(self, text)
  local keyboard = self.keyboard
  if not keyboard.takes(text:match "^%s*(.-)%s*$") then
    return pass_over(self, text, "it takes " .. (keyboard.named or "any text"))
  end
  local taken, why = keyboard:offer(text, self.path)
  if not taken then
    pass_over(self, text, why)
  end
end

--- A sample came.
local function take(self, text, at_ns)
  local keyboard, place = self.keyboard, plan_at(self, at_ns)
  if keyboard.question and keyboard.is_asking and not keyboard.offered then
    self.kept_of = place
    offer(self, text)
  elseif place > self.kept_of then
    self.passed_over = self.passed_over + (self.kept and 1 or 0)
    self.kept, self.kept_of = text, place
  else
    pass_over(self, text, "none was waited for")
  end
end

--- A question was asked: the first sample behind the last pulse, if it is there, is its answer.
function Sampled:asked()
  local kept = self.kept
  self.kept = nil
  if kept and self.kept_of == plan_at(self, core.clock_ns()) and self.keyboard.is_asking then
    offer(self, kept)
  elseif kept then
    pass_over(self, kept, "none was waited for")
  end
end

--- No more come.
function Sampled:close()
  self.stream:close()
  self.session:close()
  local dropped = self.stream.was.dropped
  local passed = self.passed_over + dropped
  if passed > 1 then
    pcall(self.say, ("--answers %s: %s passed over%s"):format(self.path, numbers.counted(passed, "sample"),
      dropped > 0 and (", of which %s came too fast to be looked at"):format(
        numbers.counted(dropped, "sample")) or ""))
  end
end

Sampled.__close = Sampled.close

--- Receive them, once the stream is there. Raises a fault where it is not.
---@param path string lsl:NAME
---@param keyboard table of moonpulse.experiment.ask
---@param waiting table
---@param due integer[] when the first pulse of each plan was due, growing (monotonic)
---@param say fun(text: string)
---@return moonpulse.SampledAnswers to be closed
function M.open(path, keyboard, waiting, due, say)
  local self = setmetatable({ path = path, keyboard = keyboard, due = due, say = say, kept_of = 0,
    passed_over = 0 }, Sampled)
  if path:find(";", 1, true) then
    refusals.raise("usage", "--answers %s: no ; is taken here: a sample's own text is the answer", path)
  end
  local rest = ""
  self.session = core.session {
    on_bytes = function(bytes, at_ns)
      rest = rest .. bytes
      for line in rest:gmatch "([^\n]*)\n" do
        take(self, line, at_ns)
      end
      rest = rest:match "[^\n]*$"
    end,
    on_outcome = function() end,
    on_gone = function(message) say(("--answers %s is lost: %s"):format(path, message)) end,
  }
  local ok, message = self.session:open("samples:" .. path, { baud = 115200, bits = 8, parity = "none",
    stop_bits = 1, flow = "none" })
  if not ok then
    refusals.fault("--answers: " .. message)
  end
  self.stream = streams.open(self.session, "--answers " .. path, waiting, say)
  keyboard.sampled = self
  return self
end

return M
