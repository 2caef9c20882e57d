--- Driver for StimJim (open-ephys, firmware stimjimPulser): an electrical stimulator of two outputs,
--- or a box that fires a TTL-triggered stimulator.
--
-- From open-ephys/stimjim d3ee6ad (compiled natively and run); simulated, not yet proven on hardware.
-- All is played by timer T, output 0 from PulseTrain 0 and output 1 from PulseTrain 1: each is set without
-- touching the other. Its completion text says how many pulses it gave, one
-- period after the last one, and is the proof of a start: of one pulse, or of a train.
local channel_map = require "moonpulse.driver.channel_map"
local command = require "moonpulse.driver.command"
local protocol = require "moonpulse.devices.stimjim.commands"
local words = require "moonpulse.devices.stimjim.replies"

local M = {
  name = "stimjim",
  description = "StimJim",
  simulator = "stimjim",
  proof = "simulated",
  usb = { "16c0:0483" }, -- the USB serial port of a Teensy 3.5
  -- USB: the number means nothing to the device; it is how long bytes are on a full-speed bus
  serial = { baud = 12000000, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  latency = 0, -- the first pulse comes at once; nobody has measured how soon
  latency_from = "nobody has measured it: 0 is taken",
  reply_slow = 0.2,
  reply_timeout = 2.5, -- a train's completion comes a period late
  disarmed = "the StimJim says that its trains are stopped",
}

M.options = {
  { "volts", "number", 0.1, 15, default = 5,
    help = "V of a trigger pulse (TTL: 5); the intensity is then set by hand at the stimulator" },
  { "full_scale_mv", "integer", 1, protocol.most_mv, optional = true,
    help = "voltage output: mV at 100 %MSO; instead of volts" },
  { "full_scale_ua", "integer", 1, protocol.most_ua, optional = true,
    help = "current output: uA at 100 %MSO; instead of volts" },
  { "pulse_us", "integer", 20, 1000000, default = 1000, help = "length of a pulse, or of each phase" },
  { "biphasic", "integer", 0, 1, default = 0, help = "1: a second phase of the opposite amplitude" },
  { "interphase_us", "integer", 0, 1000000, default = 0, help = "between the two phases: 0, or 20 and up" },
  { "fastest_hz", "number", 0.001, 5000, default = 100, help = "what may be given at most" },
  channel_map.option(M.description, { 0, 1 },
    "which outputs the plan's channels are; 0 and 1 are themselves"),
}

local settled = command.settled(M.options)

M.commands, M.explain = protocol.commands, protocol.explain
M.replies, M.decode = words.replies, words.decode

-- Pulses --------------------------------------------------------------------------------------------

local function output_of(options, name)
  return channel_map.output(options.channels, name) or (name == "" or name == "0") and 0 or name == "1" and 1
    or command.refuse("a StimJim has the outputs 0 and 1: which is channel %q? Say --device-option "
      .. "channels=%s=0, or name the channels of the plan 0 and 1", name, name)
end

--- mV or uA at 100 %MSO; nil where a hand sets the intensity.
local function full_scale(options)
  if options.full_scale_mv and options.full_scale_ua then
    command.refuse("full_scale_mv and full_scale_ua: an output is driven by voltage or by current")
  end
  return options.full_scale_mv or options.full_scale_ua
end

--- Mode and amplitude (mV or uA) of a pulse.
local function strength(options, action)
  local full = full_scale(options)
  local value = full and action.mso / 100 * full or options.volts * 1000
  local amplitude = math.floor(value + 0.5)
  if amplitude == 0 then
    command.refuse("%g %%MSO of %d is less than half a %s: no pulse would come", action.mso, full,
      options.full_scale_ua and "uA" or "mV")
  end
  return options.full_scale_ua and 1 or 0, amplitude
end

--- How long a pulse takes with all its phases, microseconds.
local function pulse_us(options)
  if options.interphase_us > 0 and options.interphase_us < 20 then
    command.refuse("interphase_us = %d: a stage of a StimJim lasts at least 20 us; say 0, or 20 and up",
      options.interphase_us)
  end
  return options.biphasic == 0 and options.pulse_us or 2 * options.pulse_us + options.interphase_us
end

local function stages(options, output, amplitude)
  local list = { { amplitude, options.pulse_us } }
  if options.biphasic == 1 then
    list[2] = options.interphase_us > 0 and { 0, options.interphase_us } or nil
    list[#list + 1] = { -amplitude, options.pulse_us }
  end
  for i, stage in ipairs(list) do
    list[i] = (output == 0 and "%d,0,%d" or "0,%d,%d"):format(table.unpack(stage))
  end
  return table.concat(list, "/")
end

--- The PulseTrain of the action's output as the action needs it: what set_train takes.
local function definition(options, action, period, duration)
  local output, mode, amplitude = output_of(options, action.channel), strength(options, action)
  return { index = output, mode0 = output == 0 and mode or 3, mode1 = output == 1 and mode or 3,
    period_us = period, duration_us = duration, stages = stages(options, output, amplitude) }
end

--- A single pulse is a train that ends before its second one. Its completion comes after a period.
local function single_period(options)
  return pulse_us(options) + 500
end

--- It looks whether a train is over before the first pulse, too, after it has started a timer and written
--- a line: a duration that is shorter than that would give none. Amid the period no rounding counts.
local function single(options, action)
  local period = single_period(options)
  return definition(options, action, period, period // 2)
end

local function wanted(options, action)
  return action.train and action.train.definition or single(options, action)
end

--- A start while a train runs begins it anew, also on the other output (one timer for both, since a timer's
--- text would come in the middle of the other's pulse), and its completion is lost: 5 ms more (ours) for the
--- text.
local function reported(options)
  return single_period(options) / 1e6 + 0.005
end

local function shortest(options)
  return math.max(1 / options.fastest_hz, reported(options))
end

local by_hand = "its pulses are triggers of one voltage and the intensity is set by hand at the stimulator: "
  .. "one for each channel; for its own outputs say --device-option full_scale_ua=uA or full_scale_mv=mV"

function M.limits(_, _, options)
  options = settled(options)
  local full = full_scale(options)
  return {
    channels = 2, channel_names = { "0", "1" }, nerve = true,
    intensity = { min = 0, max = 100, step = full and 100 / full or 1 }, -- it takes whole mV and uA
    shortest_interval = function() return shortest(options) end,
    why = ("at most %g Hz, as its option fastest_hz says; and each pulse of %d us must be reported before "
      .. "the next"):format(options.fastest_hz, pulse_us(options)),
    output = function(action) return output_of(options, action.channel) end,
    shortest_across = function(action) return action.train and action.train.busy or reported(options) end,
    why_across = ("each pulse of %d us must be reported before the next; a smaller pulse_us makes it "
      .. "sooner"):format(pulse_us(options)),
    by_hand = not full and by_hand or nil,
  }
end

--- What the operator must know: what 100 %MSO is here.
function M.note(options)
  options = settled(options)
  if options.full_scale_ua or options.full_scale_mv then
    return ("100 %%MSO is %d %s at the output"):format(options.full_scale_ua or options.full_scale_mv,
      options.full_scale_ua and "uA" or "mV")
  end
  return ("every pulse is %g V for %g ms: set the intensity by hand at the stimulator"):format(
    options.volts, options.pulse_us / 1000)
end

-- Trains --------------------------------------------------------------------------------------------

--- One rate of a part, in whole microseconds, and how many pulses; nil and why.
local function regular(part)
  local first = part.levels[1]
  local num, den, count = first and first.num, first and first.den, first and first.count
  for i = 2, #part.levels do -- trains that follow each other without a pause are one
    local level = part.levels[i]
    if level.num * den ~= num * count * level.den then
      return nil, "a train of a StimJim is pulses at one rate"
    end
    count = count * level.count
  end
  if #part.cell ~= 1 or not first then
    return nil, "a train of a StimJim is pulses at one rate"
  elseif num * 1000000 % den ~= 0 then
    local below = num * 1000000 // den
    return nil, ("a period of %.10g ms lies between the StimJim's steps of 1 us: %.10g or %.10g ms (%.10g or "
      .. "%.10g Hz) fit"):format(num / den * 1000, below / 1000, (below + 1) / 1000,
      1e6 / math.max(below, 1), 1e6 / (below + 1))
  end
  return num * 1000000 // den, count
end

local function train(options, part)
  local period, count = regular(part)
  if not period then
    return nil, count
  elseif period / 1e6 < 1 / options.fastest_hz - 1e-9 then
    return nil, ("%.10g Hz is over %g Hz, which its option fastest_hz allows"):format(1e6 / period,
      options.fastest_hz)
  elseif period < pulse_us(options) + 20 then
    return nil, ("a pulse of %d us does not end before the next, %d us later"):format(pulse_us(options),
      period)
  elseif period > 2000000 then
    return nil, "a StimJim reports a train one period late: with more than 2 s we time the pulses"
  end
  local duration = (count - 1) * period + period // 2 -- between two pulses: no rounding adds or drops one
  if duration > 4294967295 then
    return nil, "a train of a StimJim lasts at most 4294 s"
  end
  local busy = count * period / 1e6 + 0.05 -- its completion has come, and was read
  return {
    start = protocol.commands.start { index = output_of(options, part.cell[1].action.channel) },
    busy = busy, locked = busy, confirms = 1, over = (count * period - period // 2) / 1e6,
    reports = period / 1e6, -- it says that the train is complete a period after its last pulse
    text = ("%g Hz, %d pulses"):format(1e6 / period, count), pulses = count,
    definition = definition(options, part.cell[1].action, period, duration),
  }
end

local lead = 0.02 -- ours: the device writes some 400 characters about it

function M.encode(options)
  options = settled(options)
  return {
    pulse = function(action)
      single(options, action) -- refuses what it cannot do
      return protocol.commands.start { index = output_of(options, action.channel) }
    end,
    set = function(from, to)
      if from.mso ~= to.mso and not (options.full_scale_mv or options.full_scale_ua) then
        return nil, by_hand
      end
      local asked = wanted(options, to)
      return protocol.commands.set_train(asked), lead, { "its PulseTrain " .. asked.index }
    end,
    train = function(part) return train(options, part) end,
    -- its definition must not change before it was played and reported
    busy = function() return shortest(options) end,
    reports = function() return reported(options) end, -- T-1 ends it, and then it never says that it did
  }
end

-- Conversations -------------------------------------------------------------------------------------

--- Behind a cut line the line end comes first. A train ends at once, between its pulses.
M.safe = "\nT-1\nU-1\n"

local silent = "no StimJim answers: is it connected by USB, and is this the right port?"

--- Asks in one breath for the firmware and for a train: stimjimPulser knows only the second question.
function M.connect(io)
  local reply = io:transact(protocol.commands.identify() .. protocol.commands.query_train { index = 0 },
    function(each)
      return each.name == "train" or each.name == "awg" or each.name == "text"
    end, 0.5, 3, silent)
  if reply.name ~= "train" then
    io:fault("it answers IDN with %q: that is another firmware (the AWG firmware of tncslab/stimjim?), whose "
      .. "commands differ; only stimjimPulser of open-ephys can be driven", reply.text)
  end
  return { model = "StimJim", firmware = "stimjimPulser" }
end

function M.status(io)
  return io:transact(protocol.commands.query_train { index = 0 }, "train", 0.5, 3, silent)
end

--- Does the device have what was asked? What it says of its train against what was sent.
local function same(reply, asked)
  for key, value in pairs(asked) do
    if reply[key] ~= value then
      return false, ("its PulseTrain %d has %s = %s, not %s"):format(asked.index, key, reply[key], value)
    end
  end
  return true
end

--- No input starts a train; then the train of each output's first action, read back.
---@param io moonpulse.Link
---@param first moonpulse.Action
---@param firsts moonpulse.First[]? of each output
function M.arm(io, first, _, firsts)
  local options = settled(io.options)
  for input = 0, 1 do
    io:transact(protocol.commands.trigger_off { input = input }, function(reply)
      return reply.name == "trigger_off" or reply.error == "bad_index" -- older firmware knows no -1
    end, 0.5, 1, "it did not let go of its trigger inputs")
  end
  for _, each in ipairs(firsts or { { action = first } }) do
    local asked = wanted(options, each.action)
    local reply = io:transact(protocol.commands.set_train(asked), "train", 0.5, 1,
      "it did not take its train")
    local ok, problem = same(reply, asked)
    if not ok then
      io:fault("it did not take its train: %s", problem)
    end
  end
end

--- After the safe frame: believed only when it says so of both timers.
function M.disarm(io)
  for _, engine in ipairs { "T", "U" } do
    io:transact(protocol.commands.stop { engine = engine }, function(reply)
      return reply.name == "stop" and reply.engine == engine
    end, 0.25, 3, "it does not say that its trains are stopped: unplug it")
  end
end

local troubles = {
  bad_index = "it does not know its PulseTrain", no_timer = "it has no timer left: switch it off and on",
  out_of_range = "a value was out of its range", garbled = "a line that no StimJim writes: is another "
    .. "device on this port?",
}

-- Volts and amperes that an output may differ by from what it was set to: an eighth (from there on the other
-- firmware, tncslab/stimjim, calls a current limited), and 5 steps of its converter (ours).
local share, step_mv, step_ua = 1 / 8, 5 * 2.44, 5 * 0.85

--- What the StimJim measured at the end of the first phase, against what it was set to: in words what does
--- not fit.
local function amiss(reply, action, options)
  local output = output_of(options, action.channel or "")
  local number, unit = (reply["output" .. output] or ""):match("^(%-?%d+)(%a+)$")
  local mode, amplitude = strength(options, action)
  local wanted_unit = mode == 1 and "uA" or "mV"
  local measured = math.tointeger(tonumber(number))
  if not measured then
    return nil -- a firmware that does not say
  elseif unit ~= wanted_unit then -- of an output that is not driven, too: its completion counts pulses
    return ("%d %s were measured at output %d, which was set to %d %s: it is not in the mode that it was "
      .. "given, so no pulse came that way"):format(measured, unit, output, amplitude, wanted_unit)
  end
  local room = math.max(amplitude * share, mode == 1 and step_ua or step_mv)
  return math.abs(measured - amplitude) > room and ("%d %s were measured at output %d, which was set to "
    .. "%d %s: is an electrode loose, or is the load too much for it?"):format(measured, unit, output,
    amplitude, unit) or nil
end

--- Which output a completion is of: output 0 plays PulseTrain 0, output 1 plays PulseTrain 1.
function M.confirms_for(reply)
  return reply.name == "train_complete" and reply.index or nil
end

--- What a line means while a plan runs.
function M.judge(reply, expected, options)
  local asked = expected and (expected.train and expected.train.pulses or 1)
  if reply.name == "train_complete" then
    if asked and reply.pulses ~= asked then
      return "fault", ("the StimJim gave %d of %d pulses"):format(reply.pulses, asked)
    end
    return "confirm", M.confirmation(reply.pulses), reply.pulses,
      expected and amiss(reply, expected, settled(options))
  elseif reply.name == "error" then
    return "fault", troubles[reply.error]
  elseif reply.name == "awg" then
    return "fault", ("it says %q"):format(reply.text)
  elseif reply.name == "boot" then
    return "fault", "it has restarted: was its cable or its power loose?"
  end
end

--- What a reply says of the settings that action needs: the device answers a definition with what it has.
--- Of the other output's PulseTrain, which stim:status asks for, it says nothing of this one.
function M.tells(reply, action, options)
  local asked = reply.name == "train" and wanted(settled(options), action)
  if not asked or reply.index ~= asked.index then
    return nil
  end
  local ok, problem = same(reply, asked)
  return { ["its PulseTrain " .. asked.index] = ok or problem }
end

--- Trigger pulses have one voltage: the intensity is set by hand, and nobody says which it is.
function M.setting_proof(options)
  return (options.full_scale_mv or options.full_scale_ua) and "read" or "none"
end

--- A confirmed start in words, from the number that the record keeps.
function M.confirmation(pulses)
  return ("%d delivered"):format(pulses)
end

return M
