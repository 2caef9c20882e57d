--- What a MagPro times by itself: bursts and pairs (one command each), and trains of pulses or of bursts.
--
-- Models, waveforms and rates from MagventureTMS d08ff84 and MagventurePyTMS fbd76a8. The train
-- interval runs from the last pulse of a train to the first of the next, where a burst counts as
-- one pulse at its onset: MagventurePyTMS's total time, ((pulses - 1) / rate + interval) * trains
-- - interval. So the iTBS of Huang 2005, a train of ten bursts every 10 s, is an interval of 8.2 s.
local commands = require "moonpulse.devices.magventure.commands"
local doubles = require "moonpulse.devices.magventure.pairs"
local replies = require "moonpulse.devices.magventure.replies"

local M = {}

local timing_page = 2

-- What the device times by itself goes on when the cable is lost: with --timing auto that lasts no
-- longer than this (seconds, our choice; the usual trains have 2 to 4 s). The rest stays ours.
local longest_alone = 5
local burst_waveform = "Biphasic_Burst"

-- Highest rates in Hz: of pulses in mode Standard, and of bursts. No table tells them of the MST,
-- nor of bursts on an R30+Option+Mono.
local rates = {
  ["R30"] = { 30 }, ["R30+Option"] = { 30 }, ["R30+Option+Mono"] = { 30 },
  ["X100"] = { 100, 20 }, ["X100+Option"] = { 100, 20 },
}

--- The models whose rates are known, as they name themselves.
M.models = { "R30", "R30+Option", "R30+Option+Mono", "X100", "X100+Option" }

--- The highest rate of pulses in Hz; nil where no table has the model.
---@param model string
---@return integer?
function M.highest_rate(model)
  return rates[model] and rates[model][1]
end

--- Why commands would fire more than one pulse each, or unequal ones; nil: they fire one.
---@param mode string
function M.pairing(mode)
  return doubles.is_paired(mode)
    and ("it is in mode %s, where each command fires a pair: set mode Standard on its front panel")
      :format(mode) or nil
end

local function reduced(num, den)
  local a, b = num, den
  while b ~= 0 do
    a, b = b, a % b
  end
  return num // a, den // a
end

--- num/den in tenths, exactly; nil where it lies between two.
local function tenths(num, den)
  num, den = reduced(num * 10, den)
  return den == 1 and num or nil
end

--- The rate in tenths of Hz of a period, if a train can have it.
local function rate_of(period, top, what, model)
  local rate = tenths(period.den, period.num)
  local hz = period.den / period.num
  if hz > top or hz < 0.1 then
    return nil, ("%.6g Hz is outside the 0.1 to %d Hz of %s on the %s"):format(hz, top, what, model)
  elseif not rate or rate > 10 and rate % 10 ~= 0 then
    return nil, ("the MagPro has no rate of %.6g Hz: 0.1 to 1 Hz by 0.1, then whole numbers"):format(hz)
  end
  return rate
end

--- The train interval in tenths of seconds: from the onset of the last pulse to the next train's.
local function interval_of(pulses, period, blocks)
  local num = blocks.num * period.den - (pulses - 1) * period.num * blocks.den
  local interval = tenths(num, blocks.den * period.den)
  if not interval or interval < 1 or interval > 3000 then
    return nil, ("%.6g s from the last pulse of a train to the next train is none of the MagPro's 0.1 "
      .. "to 300 s by 0.1"):format(num / (blocks.den * period.den))
  end
  return interval
end

--- Settings of the page Timing for pulses (or bursts) at a period, in blocks or not.
local function train_of(pulses, blocks, top, what, model)
  local rate, why = rate_of(pulses, top, what, model)
  if not rate then
    return nil, why
  elseif commands.nearest(commands.pulse_counts, pulses.count) ~= pulses.count then
    return nil, ("%d pulses are none of a train's 1 to 1000, or 1100 to 2000 by 100"):format(pulses.count)
  elseif blocks and blocks.count > 500 then
    return nil, ("%d trains are more than the MagPro's 500"):format(blocks.count)
  end
  local interval = 10
  if blocks then
    interval, why = interval_of(pulses.count, pulses, blocks)
    if not interval then
      return nil, why
    end
  end
  return { rate_hz = rate / 10, pulses = pulses.count, trains = blocks and blocks.count or 1,
    iti_s = interval / 10, timing = "Sequence", warn = 0 }
end

local function describe(burst, train)
  local parts = {}
  if burst then
    parts[1] = ("bursts of %d, %g ms apart"):format(burst.count, burst.ipi_ms)
  end
  if train then
    parts[#parts + 1] = ("%g Hz, %d %s"):format(train.rate_hz, train.pulses,
      burst and "bursts" or "pulses")
  end
  if train and train.trains > 1 then
    parts[#parts + 1] = ("%d trains, %g s between"):format(train.trains, train.iti_s)
  end
  return table.concat(parts, ", ")
end

--- Would it run alone for too long?
local function too_long(part)
  return part.timing ~= "device" and part.last > longest_alone
    and ("by itself it would go on for %g s after a lost cable; --timing device lets it"):format(part.last)
    or nil
end

--- Pulses without a burst.
local function plain(part, identity, pulses, blocks)
  if identity.waveform == burst_waveform then
    return nil, "it is set to Biphasic Burst, where each command fires several pulses: set waveform "
      .. "Biphasic on its front panel"
  end
  local top = rates[identity.model][1]
  local train, why = train_of(pulses, blocks, top, "pulses", identity.model)
  if not train then
    return nil, why
  end
  return { start = commands.commands.start_train {}, busy = part.last + 1 / top,
    confirms = train.pulses * train.trains, text = describe(nil, train), train = train,
    period = pulses.period, recharge = 1 / top, setting = identity.setting,
    single = identity.setting }
end

--- "the nearest are 5 and 5.1 ms", of an interval in tenths of ms that need not be whole.
local function nearest_text(tenths_of_ms)
  local near = commands.neighbours(commands.single_intervals, tenths_of_ms)
  if #near == 1 then
    return ("the nearest is %g ms"):format(near[1] / 10)
  end
  return ("the nearest are %g and %g ms"):format(near[1] / 10, near[2] / 10)
end

--- The pulses of a burst, if the device has such a burst.
local function burst_of(count, gap, identity)
  local ipi = math.floor(gap * 10000 + 0.5)
  if not rates[identity.model][2] then
    return nil, ("no published table says that the %s has the waveform Biphasic Burst"):format(
      identity.model)
  elseif identity.waveform ~= burst_waveform and identity.waveform ~= "Biphasic" then
    return nil, ("it is set to waveform %s, and bursts are biphasic: set waveform Biphasic on its "
      .. "front panel"):format(identity.waveform)
  elseif count < 2 or count > 5 then
    return nil, ("a burst has 2 to 5 pulses, not %d"):format(count)
  elseif math.abs(gap * 10000 - ipi) > 1e-6
    or commands.nearest(commands.single_intervals, ipi) ~= ipi then
    return nil, ("the MagPro has no burst with %.6g ms between its pulses; %s"):format(gap * 1000,
      nearest_text(math.floor(gap * 1e7 + 0.5) / 1000))
  end
  return { count = count, ipi_ms = ipi / 10, lasts = (count - 1) * ipi / 10000 }
end

--- Bursts: one, or trains of them.
local function bursts(part, identity, shape, pulses, blocks)
  local burst, why = burst_of(shape.count, shape.gap, identity)
  if not burst then
    return nil, why
  end
  local recharge, train = math.max(1 / rates[identity.model][2], burst.count * burst.ipi_ms / 1000), nil
  if pulses then
    train, why = train_of(pulses, blocks, rates[identity.model][2], "bursts", identity.model)
    if not train then
      return nil, why
    elseif pulses.period < recharge or blocks and train.iti_s < recharge then
      return nil, ("bursts that last %g ms overlap"):format(burst.lasts * 1000)
    end
  end
  local setting = {}
  for key, value in pairs(identity.setting) do
    setting[key] = value
  end
  setting.waveform, setting.burst_pulses, setting.ipi_ms = burst_waveform, burst.count, burst.ipi_ms
  local count = train and train.pulses * train.trains or 1
  return { start = train and commands.commands.start_train {} or commands.commands.fire {},
    busy = part.last - burst.lasts + recharge,
    why = ("%s: at most %d bursts a second, and none before the last is over"):format(identity.model,
      rates[identity.model][2]),
    -- event 02 comes after "each pulse"; whether a burst is one is nowhere said: both are taken
    confirms = count, spare = count * (burst.count - 1),
    text = describe(burst, train), train = train, period = pulses and pulses.period or recharge,
    recharge = recharge, setting = setting, single = identity.setting }
end

--- The pulses of the innermost group, if they are alike and evenly spaced.
local function shape_of(cell)
  local first, gap = cell[1].action, #cell > 1 and cell[2].offset - cell[1].offset or 0
  for i, pulse in ipairs(cell) do
    if pulse.action.mso ~= first.mso then
      return nil, "the pulses of a burst of a MagPro have one intensity"
    elseif math.abs(pulse.offset - (i - 1) * gap) > 1e-9 then
      return nil, "the pulses of a burst are evenly spaced"
    end
  end
  return { count = #cell, gap = gap }
end

--- What a device is taken for before it was asked, as limits() does.
---@param options table? the driver's: the model as declared, else an X100
---@return table identity
function M.assumed(options)
  local model = options and options.model or "X100"
  local setting = M.wanted({ model = model, mode = "Standard", direction = "Normal", waveform = "Biphasic",
    burst_pulses = 2, ipi_ms = 20 }, options)
  return { model = model, mode = "Standard", waveform = setting.waveform, setting = setting }
end

--- A level of pulses alone: as single pulses, or as one burst; nil and why the likelier of them is not there.
local function either(identity, as_burst, alone, burst)
  local program, why = alone()
  if program then
    return program
  end
  local grouped, no_burst = burst()
  local likely = as_burst.count <= 5 and as_burst.gap <= 0.1 -- as a burst's are
    or as_burst.gap < 1 / rates[identity.model][1] - 1e-9
  return grouped, not grouped and (likely and no_burst or why) or nil
end

--- The program for a part of a plan, however long it lasts.
local function whole(part, identity)
  local levels = part.levels
  if #part.cell == 2 and part.cell[1].action.mso ~= part.cell[2].action.mso then
    return doubles.program(part, identity)
  end
  local shape, why = shape_of(part.cell)
  if not shape then
    return nil, why
  elseif shape.count > 1 then
    if #levels > 2 then
      return nil, "the MagPro knows bursts, trains of them, and blocks of trains"
    end
    return bursts(part, identity, shape, levels[1], levels[2])
  end
  local as_burst = { count = levels[1].count, gap = levels[1].period }
  if #levels == 1 then
    local program = bursts(part, identity, as_burst)
    if program then
      return program
    end
  end
  if #levels <= 2 then
    return either(identity, as_burst, function()
      return plain(part, identity, levels[1], levels[2])
    end, function()
      return bursts(part, identity, as_burst, levels[2])
    end)
  elseif #levels == 3 then
    return bursts(part, identity, as_burst, levels[2], levels[3])
  end
  return nil, "the MagPro knows bursts, trains of them, and blocks of trains"
end

--- The program for a part of a plan.
---@param part moonpulse.Part
---@param identity table of connect, or assumed()
---@return table? program
---@return string? why not
function M.program(part, identity)
  local why = M.pairing(identity.mode)
  if not rates[identity.model] then
    return nil, ("no published table says which rates the %s can do"):format(identity.model)
  elseif why then
    return nil, why
  end
  local program
  program, why = whole(part, identity)
  if not program and doubles.two(part) then -- a pair that is no burst of this model
    program = doubles.program(part, identity)
  end
  if program and too_long(part) then -- last: --timing device must then let it
    return nil, too_long(part)
  end
  return program, why
end

-- Bringing the device there ---------------------------------------------------------------------

local function same_setting(wanted, reply)
  local pair, burst = doubles.is_paired(wanted.mode), wanted.waveform == burst_waveform
  return reply.mode == wanted.mode and reply.direction == wanted.direction
    and reply.waveform == wanted.waveform and (not burst or reply.burst_pulses == wanted.burst_pulses)
    and (not (pair or burst) or reply.ipi_ms == wanted.ipi_ms)
end

--- What a setting is in words: what counts of it.
local function setting_text(setting)
  local parts = { (setting.waveform or "?"):gsub("_", " "), ("mode %s"):format(setting.mode),
    ("direction %s"):format(setting.direction) }
  if setting.waveform == burst_waveform then
    parts[#parts + 1] = ("%d pulses"):format(setting.burst_pulses)
  end
  if setting.waveform == burst_waveform or doubles.is_paired(setting.mode) then
    parts[#parts + 1] = ("%s ms apart"):format(setting.ipi_ms and ("%g"):format(setting.ipi_ms) or "?")
  end
  return table.concat(parts, ", ")
end

--- A setting with the waveform and the direction that options ask for.
---@param setting table of setting()
---@param options table? the driver's
---@return table
function M.wanted(setting, options)
  local own = {}
  for key, value in pairs(setting) do
    own[key] = value
  end
  own.waveform = options and options.waveform or own.waveform
  own.direction = options and options.direction or own.direction
  return own
end

--- What set_mode takes to bring the device back to what it said of itself.
---@param reply table get_mode
---@return table values
function M.setting(reply)
  return {
    model = reply.model, mode = reply.mode, direction = reply.direction, waveform = reply.waveform,
    burst_pulses = math.max(2, math.min(5, reply.burst_pulses)),
    ipi_ms = reply.ipi_ms or replies.interval_ms(commands.single_intervals, reply.ipi_index) or 20,
  }
end

--- Set mode and waveform where they differ, and believe only what is read back.
---@param io moonpulse.Link
---@param setting table
---@param reply table? what get_mode answered last
function M.set_mode(io, setting, reply)
  if reply and same_setting(setting, reply) then
    return
  end
  io:write(commands.commands.set_mode(setting))
  reply = io:transact(commands.commands.get_mode {}, "get_mode", 0.5, 3)
  if not same_setting(setting, reply) then
    io:fault("it did not take waveform %s: it says %s; set it on its front panel, or use --timing host",
      setting_text(setting), setting_text(reply))
  end
end

local function check_delays(io, program)
  local delays = io:transact(commands.commands.get_delays {}, "get_delays", 0.5, 3,
    "it does not tell its delays: use --timing host")
  if delays.charge_ms / 1000 + program.recharge > program.period and delays.charge_ms > 0 then
    io:fault("its charge delay of %d ms is too long for pulses %.6g ms apart: set it to 0 on its front "
      .. "panel", delays.charge_ms, program.period * 1000)
  end
end

local function same_train(wanted, reply)
  return reply.rate_hz == wanted.rate_hz and reply.pulses == wanted.pulses
    and reply.trains == wanted.trains and (wanted.trains == 1 or reply.iti_s == wanted.iti_s)
    and reply.timing == wanted.timing
end

local function set_train(io, train)
  io:write(commands.commands.set_page { page = timing_page })
  local page = io:transact(commands.commands.get_page {}, "get_page", 0.5, 3)
  if page.page ~= timing_page then
    io:fault("it does not show its page Timing, but page %d: trains start from there only", page.page)
  end
  io:write(commands.commands.set_train_ext(train))
  local reply = io:transact(commands.commands.get_train {}, "get_train", 0.5, 3)
  if not same_train(train, reply) then
    io:fault("it did not take the train (%s): it says %s", describe(nil, train), describe(nil, reply))
  elseif train.trains > 1 and reply.ramp_up < 1 then
    io:fault("it ramps up: its first %d trains begin at %g %% of the amplitude; set Ramp Up to 1.00 on "
      .. "its front panel", reply.ramp_trains, reply.ramp_up * 100)
  end
end

--- Bring a disabled device to a program, reading everything back.
---@param io moonpulse.Link
---@param program table of M.program
---@param reply table what get_mode answered
function M.prepare(io, program, reply)
  check_delays(io, program)
  M.set_mode(io, program.setting, reply)
  if program.train then
    set_train(io, program.train)
  end
end

--- The commands from one program (or single pulses: nil) to the next, while enabled, each with the question
--- that reads it back; and what the answers must confirm.
---@param from table?
---@param to table?
---@return string[]? frames
---@return string[]|string fields, or why not
function M.change(from, to)
  local frames, fields, send = {}, {}, commands.commands
  local function add(field, ...)
    fields[#fields + 1] = field
    table.move({ ... }, 1, 2, #frames + 1, frames)
  end
  if not from and not to then
    return frames, fields
  end
  local setting = to and to.setting or from and from.single
  local before = from and from.setting or to and to.single
  if not to and setting.waveform == burst_waveform then
    return nil, "it was set to Biphasic Burst: set waveform Biphasic on its front panel for single pulses"
  elseif not same_setting(setting, before) then
    add("the waveform", send.set_mode(setting), send.get_mode {})
  end
  if to and to.train and not (from and from.train == to.train) then
    add("the page", send.set_page { page = timing_page }, send.get_page {})
    add("the train", send.set_train_ext(to.train), send.get_train {})
  end
  return frames, fields
end

--- Does the device fire what it was told, as the flags of an event show it? In words what is wrong.
---@param program table? nil: single pulses
---@param reply table an event with mode and waveform
---@param found table? how it was set when it was armed: single pulses go on so
---@return string?
function M.deviation(program, reply, found)
  local wanted = program and program.setting or found
  if not reply.waveform or not reply.mode then
    return nil
  elseif wanted and (reply.mode ~= wanted.mode or reply.waveform ~= wanted.waveform) then
    return ("it is set to %s, %s, not to %s, %s%s"):format(reply.mode, reply.waveform, wanted.mode,
      wanted.waveform, program and "" or ", as it was when it was armed")
  elseif not wanted and (reply.waveform == burst_waveform or M.pairing(reply.mode)) then
    return ("it is set to %s, %s: each command fires several pulses"):format(reply.mode,
      reply.waveform)
  end
end

--- What a reply says of what a program (nil: single pulses) needs: by field true, or what is otherwise.
---@param reply table
---@param program table?
---@param found table? as for deviation
---@return table<string, true|string>
function M.tells(reply, program, found)
  local says, train = {}, program and program.train
  if reply.waveform and reply.mode and reply.name ~= "event_didt" then -- that is its pulse's, not of now
    says["the mode"] = M.deviation(program, reply, found) or true
  end
  if reply.name == "get_mode" then -- an event shows neither the pulses of a burst nor their interval
    says["the waveform"] = M.deviation(program, reply, found)
      or same_setting(program and program.setting or found or reply, reply)
      or ("it is set to %s, not to %s"):format(setting_text(reply), setting_text(program and program.setting
        or found))
  elseif train and (reply.name == "event_page" or reply.name == "get_page") then
    says["the page"] = reply.page == timing_page
      or ("it shows page %d, not Timing: its trains start from there only"):format(reply.page)
  elseif train and reply.name == "get_train" then
    says["the train"] = same_train(train, reply)
      or ("its train is %s, not %s"):format(describe(nil, reply), describe(nil, train))
  end
  return says
end

return M
