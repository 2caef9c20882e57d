--- A signal that a script listens to, and the instants at which a rhythm in it has a phase: run:signal.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local handles = require "moonpulse.experiment.handle"
local rhythms = require "moonpulse.experiment.rhythm"
local sources = require "moonpulse.experiment.signal_source"
local value_words = require "moonpulse.text.value_words"

local M = {}

---@class moonpulse.Signal
---@field stage moonpulse.Stage
---@field source moonpulse.SignalSource
local Signal = {}
Signal.__index = Signal

local early_ns = 6000000 -- so long before it must be told the next instant is looked for again
local room_ns = 14000000 -- an instant that is to be told by then is told
local look_s = 0.05 -- how often it is looked whether there is a rhythm
local most_bands = 8
local signal_known = { rate = "Hz", from = "?\"udp:127.0.0.1:PORT\" or \"unix:/PATH\"", delay = "?seconds",
  blank = "?seconds", simulated = "?{ hz, snr_db }" }
local simulated_known = { hz = "Hz", snr_db = "dB" }
local await_known = { hz = "{ lowest, highest }", degrees = "0 to 360", ahead = "?seconds",
  least = "?amplitude", timeout = "?seconds" }

--- A number within bounds, or its default.
local function number(who, name, value, low, high, default)
  if value == nil and default then
    return default
  elseif not math.type(value) or not (value >= low and value <= high) then
    blame.fail("%s: %s must be a number from %g to %g, not %s", who, name, low, high,
      value_words.shown(value))
  end
  return value
end

local function check_from(from)
  if from ~= nil and (type(from) ~= "string" or not (from:find "^udp:127%." or from:find "^unix:/")) then
    blame.fail("run:signal: from must be \"udp:127.0.0.1:PORT\" or \"unix:/PATH\", where another program of "
      .. "this computer sends samples, not %s", value_words.shown(from))
  end
end

--- What run:signal was told, checked.
local function rule_of(options)
  local who = "run:signal"
  options = blame.options(who, options, signal_known)
  check_from(options.from)
  local rule = { rate = number(who, "rate", options.rate, 200, 20000), from = options.from,
    delay_ns = math.floor(number(who, "delay", options.delay, 0, 0.5, 0) * 1e9 + 0.5),
    blank_ns = math.floor(number(who, "blank", options.blank, 0, 2, 0.05) * 1e9 + 0.5) }
  if options.simulated ~= nil then
    local simulated = blame.options(who .. ": simulated", options.simulated, simulated_known)
    rule.simulated = { hz = number(who .. ": simulated", "hz", simulated.hz, 3, 45),
      snr_db = number(who .. ": simulated", "snr_db", simulated.snr_db, -40, 40) }
  elseif not rule.from then
    blame.fail("run:signal: where do samples come from? from = \"udp:127.0.0.1:5005\", or "
      .. "simulated = { hz = 10, snr_db = 0 }")
  end
  return rule
end

--- Begin to listen.
---@param stage moonpulse.Stage
---@param options table of run:signal
---@return table handle
function M.new(stage, options)
  local rule, signals = rule_of(options), stage.signals
  stage.waiting.check()
  local is_simulated = not rule.from or core.is_virtual()
  if is_simulated and not rule.simulated and not stage.heard.recall then
    blame.fail("run:signal: in virtual time no other program sends samples: say what comes instead, like "
      .. "simulated = { hz = 10, snr_db = 0 }")
  end
  is_simulated = stage.heard:reading("signal", { simulated = is_simulated }).simulated
  local number_of = #signals + 1
  local of = { rate = rule.rate, from = not core.is_virtual() and rule.from or nil, delay_ns = rule.delay_ns,
    blank_ns = rule.blank_ns, seed = stage.job.seed, number = number_of, simulated = rule.simulated }
  local source = sources.new(of, stage.device.given, function() stage.waiting:wake() end)
  local self = setmetatable({ stage = stage, source = source, rate = rule.rate, bands = {},
    name = rule.from or "the simulated signal" }, Signal)
  signals[number_of] = source
  local text = ("signal %d: %g samples a second, "):format(number_of, rule.rate)
  text = text .. (is_simulated and rule.simulated and ("simulated: a rhythm of %g Hz at %g dB"):format(
    rule.simulated.hz, rule.simulated.snr_db) or "from " .. tostring(rule.from))
  stage.mark(text, source.start_ns)
  if is_simulated then
    stage.say(text)
  end
  return handles.new(M.kind, self)
end

--- The estimator of a band; its first call begins it.
local function estimator(self, low, high)
  local key = ("%.17g %.17g"):format(low, high)
  if not self.bands[key] then
    local count = #self.source.takers
    if count >= most_bands then
      blame.fail("eeg:await_phase: a signal has at most %d different bands (hz)", most_bands)
    end
    self.bands[key] = rhythms.new(self.rate, low, high)
    self.source.takers[count + 1] = self.bands[key]
  end
  return self.bands[key]
end

local function wanted_of(options)
  local who = "eeg:await_phase"
  options = blame.options(who, options, await_known)
  if type(options.hz) ~= "table" or #options.hz ~= 2 then
    blame.fail("%s: hz must be the band's two ends, like { 8, 13 }, not %s", who,
      value_words.shown(options.hz))
  end
  local low = number(who, "hz[1]", options.hz[1], 3, 45)
  local high = number(who, "hz[2]", options.hz[2], 3, 45)
  if high - low < 0.5 then
    blame.fail("%s: hz = { %g, %g }: the lower end comes first, and a band is 0.5 Hz wide or wider", who, low,
      high)
  end
  return { low = low, high = high, degrees = number(who, "degrees", options.degrees, -360, 360),
    ahead_ns = math.floor(number(who, "ahead", options.ahead, 0, 1, 0.03) * 1e9 + 0.5),
    least = number(who, "least", options.least, 0, 1e12, 0),
    timeout = number(who, "timeout", options.timeout, 0, 1e6, 10) }
end

--- As a journal keeps it: the same number when it is read.
local function rounded(value, format)
  return tonumber(format:format(value))
end

--- Has the source stopped? It is named once, until it goes on.
local function check_silent(self)
  local source, stage = self.source, self.stage
  local silent = core.clock_ns() - source.heard_ns > sources.silent_ns
  if silent and not self.silent then
    local text = ("no sample has come from %s for %g s"):format(self.name, sources.silent_ns / 1e9)
    stage.mark(text, nil, { passed_over = true })
    stage.say(text)
  end
  self.silent = silent
  return silent
end

--- The next instant, or why there is none yet.
---@return integer? at_ns monotonic
---@return table|string about
local function next_instant(self, rhythm, wanted)
  local source = self.source
  if check_silent(self) then
    return nil, ("no sample came from %s"):format(self.name)
  end
  local from_ns = core.clock_ns() + wanted.ahead_ns
  local known = source.last_ns and rhythm:now((from_ns - source.last_ns) / 1e9)
  if not known then
    return nil, ("fewer than %g s of samples in a row have come"):format(rhythms.warm_up_s)
  elseif known.amplitude < wanted.least then
    return nil, ("the amplitude is %.3g, below least = %g"):format(known.amplitude, wanted.least)
  end
  local turns = (wanted.degrees / 360 - known.phase) % 1
  return from_ns + math.floor(turns / known.hz * 1e9), known
end

--- Wait for it: what the script is told.
local function await(self, rhythm, wanted)
  local stage = self.stage
  local waiting, start_ns = stage.waiting, stage.record.start_ns
  local end_ns = core.clock_ns() + math.floor(wanted.timeout * 1e9)
  local function give_turn() waiting:wait(0) end
  while true do
    self.source:catch_up(give_turn)
    local at_ns, about = next_instant(self, rhythm, wanted)
    local now_ns = core.clock_ns()
    if at_ns and at_ns - wanted.ahead_ns - now_ns <= room_ns then
      return { at_ns = at_ns - start_ns, until_ns = now_ns - start_ns, hz = rounded(about.hz, "%.3f"),
        amplitude = rounded(about.amplitude, "%.4g"), sd_degrees = rounded(about.sd_degrees, "%.1f") }
    elseif now_ns >= end_ns then
      local why = at_ns and "the time was over before the phase came" or about
      return { until_ns = now_ns - start_ns, why = why }
    end
    local left_ns = at_ns and at_ns - wanted.ahead_ns - early_ns - now_ns or look_s * 1e9
    waiting:wait(math.min(left_ns, end_ns - now_ns) / 1e9)
  end
end

--- Wait until an instant is foreseen at which the rhythm has a phase.
---@param options { hz: number[], degrees: number, ahead: number?, least: number?, timeout: number? } hz: the
---   band's ends; degrees: 0 at the positive peak, 180 at the trough; ahead: seconds (0.03) that the instant
---   lies ahead at least; least: amplitude of the rhythm, in the samples' unit; timeout: seconds (10)
---@return number? at when that is, in seconds from the run's start; nil: none was foreseen in time
---@return { hz: number?, amplitude: number?, sd_degrees: number?, why: string? } about sd_degrees: what is
---   expected of the phase's error; why: there is none
function Signal:await_phase(options)
  local wanted, stage = wanted_of(options), self.stage
  stage.waiting.check()
  local rhythm = estimator(self, wanted.low, wanted.high)
  local told = stage.heard:waited("phase", function() return await(self, rhythm, wanted) end)
  local at_ns = math.tointeger(told.at_ns)
  if not at_ns then
    stage.mark("phase: none came in time: " .. tostring(told.why))
    return nil, { why = told.why }
  end
  stage.mark(("phase: %g degrees of %.1f Hz"):format(wanted.degrees, told.hz), stage.record.start_ns + at_ns)
  return at_ns / 1e9, { hz = told.hz, amplitude = told.amplitude, sd_degrees = told.sd_degrees }
end

M.kind = handles.kind("eeg", Signal, { "await_phase" }, { "rate" })

--- The signals of a run, to be closed with it.
---@return table
function M.list()
  return setmetatable({}, { __close = function(list)
    for _, source in ipairs(list) do
      source:close()
    end
  end })
end

return M
