--- What a Pulse Pal plays: from pulses of a plan to the parameters that make them.
--
-- Playback rules from firmware 2.0.1 (sanworks/PulsePal, run natively): intervals count from the end
-- of a pulse; a train's duration cuts the pulse in progress; a pulse that would not end before its
-- burst does is not started; a custom train ends with its last pulse.
local channel_map = require "moonpulse.driver.channel_map"
local command = require "moonpulse.driver.command"
local protocol = require "moonpulse.devices.pulsepal.commands"

local M = {}

local cycle = 1 / 20000
local channel_names = { [""] = 1, ["1"] = 1, ["2"] = 2, ["3"] = 3, ["4"] = 4 }

--- The output channel that a plan's channel means.
---@param options table
---@param name string
---@return integer
function M.channel(options, name)
  return channel_map.output(options.channels, name) or channel_names[name]
    or command.refuse("the Pulse Pal's outputs are 1 to 4: which is channel %q? Say "
    .. "--device-option channels=%s=1, or name the channels of the plan 1 to 4", name, name)
end

--- The volts of a pulse's first phase.
---@param options table of the driver, settled
---@param action moonpulse.Action
---@return number
function M.volts(options, action)
  return options.full_scale_volts and action.mso / 100 * options.full_scale_volts or options.volts
end

--- What the intensity may be: its converter has 32768 steps from 0 to 10 V, and ends one below.
---@param options table
---@return table range as of limits()
function M.intensity(options)
  local range = { min = 0, max = 100, step = 1 }
  if options.full_scale_volts then
    range.step = 100 * protocol.step_volts / options.full_scale_volts
    local highest = 100 * protocol.most_volts / options.full_scale_volts
    range.highest = highest < range.max and highest or nil
  end
  return range
end

--- One pulse, in cycles: first phase, gap, second phase, and all of it.
---@param options table of the driver, settled
---@return { first: integer, gap: integer, second: integer, all: integer }
function M.shape(options)
  local first = protocol.cycles("pulse_ms / 1000", options.pulse_ms / 1000, 1)
  if options.biphasic == 0 then
    return { first = first, gap = 0, second = 0, all = first }
  end
  local gap = protocol.cycles("interphase_ms / 1000", options.interphase_ms / 1000)
  return { first = first, gap = gap, second = first, all = 2 * first + gap }
end

--- The volts of outputs 1 to 4: each at its own first action, the others at that of the run.
---@param options table of the driver, settled
---@param first moonpulse.Action of the run
---@param firsts moonpulse.First[]?
---@return number[]
function M.volts_of_outputs(options, first, firsts)
  local volts = {}
  for output = 1, 4 do
    volts[output] = M.volts(options, first)
  end
  for _, each in ipairs(firsts or {}) do
    volts[each.output] = M.volts(options, each.action)
  end
  return volts
end

--- The 180 bytes of op 73: all four outputs alike but for their volts, no trigger input starts anything.
---@param options table
---@param volts number|number[] of all, or of each
---@param train table? interval, burst, gap, duration in cycles; custom: 1 or 2; nil: a single pulse
---@return string
function M.program(options, volts, train)
  local shape = M.shape(options)
  train = train or { duration = shape.all }
  local first, second = type(volts) == "table" and volts or { volts }, {}
  for i, each in ipairs(first) do
    second[i] = -each
  end
  local function seconds(cycles)
    return { (cycles or 0) * cycle }
  end
  return protocol.commands.sync_all {
    isBiphasic = { options.biphasic }, phase1Voltage = first, phase2Voltage = second,
    phase1Duration = seconds(shape.first), interPhaseInterval = seconds(shape.gap),
    phase2Duration = seconds(math.max(shape.second, 1)),
    interPulseInterval = seconds(train.interval or 20), burstDuration = seconds(train.burst),
    interBurstInterval = seconds(train.gap), pulseTrainDuration = seconds(train.duration),
    customTrainID = { train.custom or 0 }, linkTriggerChannel1 = { 0 },
  }
end

--- A level's period in cycles; nil and a sentence where the box cannot keep it.
local function period(level)
  local numerator = level.num * 20000
  if numerator % level.den == 0 then
    return numerator // level.den
  end
  local below = numerator // level.den
  return nil, ("a period of %.10g ms lies between the Pulse Pal's steps of 50 us: %.10g or %.10g ms "
    .. "(%.10g or %.10g Hz) fit"):format(level.period * 1000, below / 20, (below + 1) / 20,
    20000 / math.max(below, 1), 20000 / (below + 1))
end

--- Onsets of a part's pulses in cycles, in order, each with its action.
local function expand(part, periods)
  local list = {}
  for i, pulse in ipairs(part.cell) do
    local at = math.floor(pulse.offset * 20000 + 0.5)
    if math.abs(pulse.offset * 20000 - at) > 1e-6 then
      return nil, ("an onset %.10g ms after the first lies between the Pulse Pal's steps of 50 us; %s")
        :format(pulse.offset * 1000, command.nearest(pulse.offset * 1000, 20, " ms"))
    end
    list[i] = { at = at, action = pulse.action }
  end
  for i, level in ipairs(part.levels) do
    local longer = {}
    for count = 0, level.count - 1 do
      for _, pulse in ipairs(list) do
        longer[#longer + 1] = { at = pulse.at + count * periods[i], action = pulse.action }
      end
    end
    list = longer
  end
  return list
end

--- How the box makes a regular part from its parameters alone; nil where it needs a custom train.
local function parametric(part, periods, shape)
  local levels = part.levels
  local interval = periods[1] and periods[1] - shape.all
  if #part.cell ~= 1 or interval < 1 then
    return nil
  elseif #levels == 1 then
    return { interval = interval, duration = (levels[1].count - 1) * periods[1] + shape.all }
  elseif #levels == 2 then
    local burst = (levels[1].count - 1) * periods[1] + shape.all + 1
    local gap = periods[2] - burst
    return gap >= 1 and { interval = interval, burst = burst, gap = gap,
      duration = (levels[2].count - 1) * periods[2] + burst - 1 } or nil
  end
end

--- Are the pulses far enough apart, and alike where they must be? What is wrong in words, without numbers of
--- pulses: those of a part are not those of the plan.
local function check(options, list, shape)
  local first = list[1].action
  for i, pulse in ipairs(list) do
    local before = list[i - 1]
    if M.channel(options, pulse.action.channel) ~= M.channel(options, first.channel) then
      return ("one train plays on one output, not on channels %s and %s"):format(first.channel,
        pulse.action.channel)
    elseif not options.full_scale_volts and pulse.action.mso ~= first.mso then
      return "the trigger pulses of a train all fire at the intensity that is set at the stimulator"
    elseif before and (pulse.at - before.at) / 20000 < M.shortest(options) - 1e-9 then
      return ("pulses %.10g ms apart: %s"):format((pulse.at - before.at) / 20, M.why(options))
    elseif before and pulse.at - before.at <= shape.all then
      return ("pulses that begin %.10g ms apart: one of %.10g ms does not end before the next"):format(
        (pulse.at - before.at) / 20, shape.all / 20)
    end
  end
end

--- The shortest interval between two pulses, seconds: what the stimulator behind the box takes, and
--- a millisecond (ours: a USB frame) after the end of a pulse, so that no soft trigger finds the box
--- playing. It would be kept, and played afterwards.
---@param options table of the driver, settled
---@return number
function M.shortest(options)
  return math.max(1 / options.fastest_hz, M.shape(options).all * cycle + 0.001)
end

--- From one output to another, seconds: the box takes one message in a cycle of 50 us (firmware, read); two
--- cycles keep the second from being late by one.
M.apart = 0.0001
M.why_apart = "it takes one command in 50 us; a train must be over, since its program is that of all outputs"

--- The rule of the shortest interval in words: what sets it, and how it gets shorter.
---@param options table of the driver, settled
---@return string
function M.why(options)
  local shape = M.shape(options)
  if 1 / options.fastest_hz >= shape.all * cycle + 0.001 then
    return ("at most %g Hz, as its option fastest_hz says: set it to what the stimulator behind the box "
      .. "takes"):format(options.fastest_hz)
  end
  return ("a pulse of %g ms, and 1 ms of rest"):format(shape.all / 20)
end

local function text_of(part, train)
  if train.custom then
    return ("custom train, %d pulses"):format(part.pulses)
  elseif train.burst then
    return ("%d bursts of %d pulses"):format(part.levels[2].count, part.levels[1].count)
  end
  return ("%g Hz, %d pulses"):format(1 / part.levels[1].period, part.pulses)
end

--- Times and voltages of a custom train: two messages, given to keep; with the train's id. The box compares
--- the last pulse with what its memory holds after it (firmware 2.0.1, read): a stale time there can
--- leave the output on. So one entry more is written first, far enough away.
local function custom(options, list, shape, keep)
  if #list > protocol.most_pulses then
    return nil, ("%d pulses: a custom train of the Pulse Pal has at most %d"):format(#list,
      protocol.most_pulses)
  end
  local cycles, bits = {}, {}
  for i, pulse in ipairs(list) do
    cycles[i], bits[i] = pulse.at, protocol.bits("volts", M.volts(options, pulse.action))
  end
  local longer, padded = table.move(cycles, 1, #cycles, 1, {}), table.move(bits, 1, #bits, 1, {})
  longer[#longer + 1] = cycles[#cycles] + shape.all + 20000
  padded[#padded + 1] = protocol.bits("volts", 0)
  local function both(id)
    return { protocol.custom(id, longer, padded), protocol.custom(id, cycles, bits) }
  end
  local uploads = both(1)
  uploads.bytes = table.concat(uploads)
  uploads.id = keep(uploads)
  if uploads.id == 2 then
    uploads[1], uploads[2] = table.unpack(both(2))
  elseif not uploads.id then
    return nil, "the Pulse Pal holds two custom trains, and this plan needs more"
  end
  return uploads
end

--- A part as a program of the box.
---@param options table
---@param part moonpulse.Part
---@param keep fun(uploads: table): integer? says which custom train of the box it will be
---@return table? program
---@return string? why not
function M.train(options, part, keep)
  local shape, periods = M.shape(options), {}
  for i, level in ipairs(part.levels) do
    local why
    periods[i], why = period(level)
    if why then
      return nil, why
    end
  end
  local list, problem = expand(part, periods)
  problem = problem or check(options, list, shape)
  if problem then
    return nil, problem
  end
  local train = parametric(part, periods, shape) or { duration = list[#list].at + shape.all, custom = true }
  if train.duration > 36000000 then
    return nil, ("the train lasts %.10g s: the Pulse Pal's longest is 1800 s"):format(train.duration * cycle)
  elseif train.custom then
    train.uploads, problem = custom(options, list, shape, keep)
    if problem then
      return nil, problem
    end
    train.custom = train.uploads.id
  end
  local first, busy = part.cell[1].action, train.duration * cycle + 0.001
  return {
    start = protocol.commands.trigger { mask = 1 << M.channel(options, first.channel) - 1 },
    busy = busy, locked = busy, whole = true, confirms = 0, text = text_of(part, train),
    uploads = train.uploads,
    program = M.program(options, M.volts(options, first), train),
  }
end

return M
