--- Where the samples of run:signal come from: datagrams of another program, or a simulated rhythm. They are
--- given to whoever estimates with them, each with the instant that it is of; those of the stimulator's own
--- pulses are given as none.
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"
local simulated = require "moonpulse.experiment.simulated_rhythm"

local M = {}

---@class moonpulse.SignalSource
---@field rate number samples a second
---@field last_ns integer? when the last sample was taken (monotonic)
---@field heard_ns integer when one came last, or the source began
---@field takers table<any, { add: fun(self: table, value: number?), forget: fun(self: table) }>
local Source = {}
Source.__index = Source

local chunk = 5000 -- of simulated samples, then others have a turn
local window_ns = 2000000000 -- the soonest arrival of two such times says when samples are taken
local gap_ns = 100000000 -- one that is so late does not follow on those before it
local drift_ns = 2000000 -- from such a window to the next, 0.1 %: 7 degrees of 10 Hz, and more each time
M.silent_ns = 500000000

--- How long n samples last.
local function lasts_ns(n, rate)
  return math.tointeger(n * 1000000000 // rate)
end

--- Was it taken while a plan of ours was given, or too soon after?
local function is_own(self, at_ns)
  local given, blank_ns = self.given, self.blank_ns
  local each = given[self.place]
  while each and each.until_ns and at_ns > each.until_ns + blank_ns do
    self.place = self.place + 1
    each = given[self.place]
  end
  return each ~= nil and at_ns >= each.from_ns
end

--- One sample, taken then.
local function give(self, value, at_ns)
  self.last_ns = at_ns
  if is_own(self, at_ns) or value ~= value or value == math.huge or value == -math.huge then
    value = nil
  end
  for _, taker in ipairs(self.takers) do
    taker:add(value)
  end
end

--- The soonest arrival of a window was later than the one before, or all were by a gap. Once that is a pause
--- of the sender's; again, with no window between that was not, the times of all samples are wrong.
local function drifted(self, arrival_ns)
  self.drifts = self.drifts + 1
  if self.drifts >= 2 then
    self.trouble = self.trouble or ("run:signal: the samples of %s come at %.1f a second, and rate = %g: "
      .. "give the rate that its amplifier has; if it is that one, samples are lost on their way"):format(
      self.from, self.count * 1e9 / math.max(1, arrival_ns - self.first_ns), self.rate)
    self.wake()
  end
end

--- When the samples begin, as far as their arrivals tell: they come late by chance and never too soon, so the
--- soonest ones count.
local function clock(self, arrival_ns)
  local since_ns = arrival_ns - lasts_ns(self.count, self.rate)
  local soonest = math.min(self.before_ns, self.now_ns)
  if since_ns - soonest > gap_ns and soonest ~= math.maxinteger then -- samples are missing, or came in a heap
    for _, taker in ipairs(self.takers) do
      taker:forget()
    end
    self.before_ns, self.now_ns, self.window_ns = math.maxinteger, since_ns, arrival_ns
    drifted(self, arrival_ns)
  elseif arrival_ns - self.window_ns > window_ns then
    if self.now_ns - self.before_ns > drift_ns then
      drifted(self, arrival_ns)
    elseif self.before_ns ~= math.maxinteger then
      self.drifts = 0
    end
    self.before_ns, self.now_ns, self.window_ns = self.now_ns, since_ns, arrival_ns
  else
    self.now_ns = math.min(self.now_ns, since_ns)
  end
  return math.min(self.before_ns, self.now_ns)
end

--- A datagram came.
---@param bytes string
---@param arrival_ns integer
function Source:take(bytes, arrival_ns)
  if #bytes % 4 ~= 0 then
    self.trouble = self.trouble or ("%s: a datagram of %d bytes: a sample is 4 of them, a float32 with the "
      .. "lowest byte first"):format(self.from, #bytes)
    return self.wake()
  end
  local samples = #bytes // 4
  self.first_ns = self.first_ns or arrival_ns
  self.count, self.heard_ns = self.count + samples, arrival_ns
  local origin_ns = clock(self, arrival_ns) - self.delay_ns
  for i = 1, samples do
    local at_ns = origin_ns + lasts_ns(self.count - samples + i, self.rate)
    give(self, (string.unpack("<f", bytes, 4 * i - 3)), at_ns)
  end
end

--- Listen to the datagrams of another program. Raises a fault.
local function listen(self, wake)
  self.wake, self.count, self.drifts = wake, 0, 0
  self.before_ns, self.now_ns, self.window_ns = math.maxinteger, math.maxinteger, self.heard_ns
  self.session = core.session {
    on_bytes = function(bytes, arrival_ns) self:take(bytes, arrival_ns) end,
    on_outcome = function() end,
    on_gone = function(message)
      self.trouble = self.trouble or ("run:signal: %s is lost: %s"):format(self.from, message)
      wake()
    end,
  }
  local ok, message = self.session:open("samples:" .. self.from, { baud = 115200, bits = 8, parity = "none",
    stop_bits = 1, flow = "none" })
  if not ok then
    refusals.fault("run:signal: " .. message)
  end
end

--- A source from now on.
---@param of { rate: number, from: string?, delay_ns: integer, blank_ns: integer, seed: integer,
---   number: integer, simulated: { hz: number, snr_db: number }? } from: another program's datagrams;
---   without, it is simulated, from the seed, as the number-th signal of the run; with neither it is silent
---@param given { from_ns: integer, until_ns: integer? }[] when plans of ours were given, growing (monotonic)
---@param wake fun() who waits for samples looks again
---@return moonpulse.SignalSource
function M.new(of, given, wake)
  local self = setmetatable({ rate = of.rate, from = of.from, delay_ns = of.delay_ns, blank_ns = of.blank_ns,
    given = given, place = 1, takers = {}, start_ns = core.clock_ns(), count = 0 }, Source)
  self.heard_ns = self.start_ns
  if of.from then
    listen(self, wake)
  elseif of.simulated then
    self.rhythm = simulated.new(simulated.seed_of(of.seed, of.number),
      { hz = of.simulated.hz, snr_db = of.simulated.snr_db, rate = of.rate })
  end
  return self
end

--- All that has come by now is given; of a simulated one that is made here, and others have turns meanwhile.
---@param give_turn fun()
function Source:catch_up(give_turn)
  if self.trouble then
    refusals.fault(self.trouble)
  end
  while self.rhythm do
    local due = (core.clock_ns() - self.delay_ns - self.start_ns) * self.rate // 1000000000
    local upto = math.min(due, self.count + chunk)
    while self.count < upto do
      self.count = self.count + 1
      give(self, self.rhythm:next(), self.start_ns + lasts_ns(self.count, self.rate))
    end
    if upto >= due then
      self.heard_ns = core.clock_ns()
      return
    end
    give_turn()
  end
end

--- Its socket is closed.
function Source:close()
  if self.session then
    self.session:close()
  end
end

return M
