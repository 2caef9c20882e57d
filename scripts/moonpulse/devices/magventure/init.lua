--- Driver for MagVenture MagPro stimulators (X100, R30): single pulses, timed by us; bursts, pairs
--- and trains, timed by the stimulator.
--
-- Wire protocol from public programs that control the device (MAGIC ed58dd1, MagventurePyTMS
-- fbd76a8, MagventureTMS d08ff84, MAGICPy 0.1.6); simulated, not yet proven on hardware.
-- The device acknowledges nothing: a setting is confirmed by reading it back or by the event that
-- reports it, and the only proof of a pulse is event 02. That disabling ends a running train is an
-- assumption: nobody says so, but a disabled device fires nothing.

local protocol = require "moonpulse.devices.magventure.commands"
local replies = require "moonpulse.devices.magventure.replies"
local trains = require "moonpulse.devices.magventure.trains"

local M = {
  name = "magventure",
  description = "MagVenture MagPro",
  simulator = "magventure",
  proof = "simulated",
  serial = { baud = 38400, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  -- from the last byte to the pulse: not published; 0 until somebody has measured it
  latency = 0,
  latency_from = "nobody has measured it: 0 is taken",
  trigger_delay = function(options) return (options.in_ms or 0) / 1000 end,
  trigger_confirms = true, -- event 02 comes for triggers at its input, too
  -- replies take 20 to 80 ms (MagProController): one later than reply_slow is suspicious, and a
  -- pulse that is not confirmed after reply_timeout is a fault
  reply_slow = 0.09,
  reply_timeout = 0.6,
  measures = { what = "dI/dt", unit = "A/us" }, -- by its confirmations: more at a higher amplitude
  options = {
    { "model", "choice", trains.models, optional = true,
      help = "which model it is, for the check before it is asked (else an X100); a unit that says it is "
        .. "another is refused" },
    { "waveform", "choice", { "Monophasic", "Biphasic", "Halfsine" }, optional = true,
      help = "set before the run and read back; afterwards it is as it was" },
    { "direction", "choice", { "Normal", "Reverse" }, optional = true,
      help = "of the current, set before the run and read back; afterwards it is as it was" },
    { "in_ms", "number", 0, 6500, optional = true,
      help = "its delay from an edge on its trigger input to the pulse, set and read back" },
    { "out_ms", "number", -100, 100, optional = true,
      help = "its delay from the pulse to its trigger output, set and read back" },
  },
}

M.commands, M.explain = protocol.commands, protocol.explain
M.replies, M.decode = replies.replies, replies.decode

--- What the device allows; identity is nil before it was asked which model it is.
function M.limits(identity, _, options)
  local model = identity and identity.model or options and options.model or "X100"
  local rate = trains.highest_rate(model) or 30
  return {
    channels = 1,
    intensity = { min = 0, max = 100, step = 1 },
    shortest_interval = function() return 1 / rate end,
    why = ("%s: at most %d Hz"):format(model, rate),
  }
end

-- How long before a pulse the device must have a command: a cautious choice of ours, as no source
-- says how long the charge takes to follow the amplitude, or what time a setting takes. The slowest
-- answer that confirms it, and 0.03 s to read it, must fit: else no pulse leaves.
local lead = M.reply_slow + 0.03

--- The amplitude B: of the second pulse of a pair; 0 where there is none.
local function second_of(action)
  return action.train and action.train.b or 0
end

--- Has the device the amplitudes of an action? B only counts in a pair.
local function same_amplitude(reply, action)
  local b = action.train and action.train.b
  return reply.a == action.mso and (not b or reply.b == b)
end

--- From one action to the next, how long before the pulse the device must have it all, and what it must
--- confirm: the amplitude by its event, all else by answering the question after it.
local function set(from, to)
  local frames, fields = trains.change(from.train, to.train)
  if not frames then
    return nil, fields
  end
  local b = second_of(to)
  if from.mso ~= to.mso or second_of(from) ~= b then
    frames[#frames + 1] = M.commands.set_amplitude { a = to.mso, b = b }
    fields[#fields + 1] = "the amplitude"
  end
  return table.concat(frames), lead * math.max(1, #fields), fields
end

function M.encode(options)
  return {
    pulse = function() return M.commands.fire() end,
    set = set,
    train = function(part, identity)
      return trains.program(part, identity or trains.assumed(options))
    end,
  }
end

M.safe = M.commands.disable()

local function pulse_as(setting)
  return { waveform = setting.waveform and (setting.waveform:gsub("_", " ")), mode = setting.mode,
    current_direction = setting.direction }
end

--- How a pulse of action is given: as its program was set, else as it was found when it was armed.
---@param io moonpulse.Link
---@param action moonpulse.Action
---@return table
function M.pulse_of(io, action)
  return pulse_as(action.train and action.train.setting or io.dialect.found)
end

--- How its panel, or an option of the run, has it give single pulses, as it was found when it was armed.
---@param io moonpulse.Link
---@return table
function M.panel_of(io)
  return pulse_as(io.dialect.found)
end

--- Who are you? Also the proof that a MagPro answers here.
---@param io moonpulse.Link
---@return table identity
function M.connect(io)
  local reply = io:transact(M.commands.get_status2(), "get_status2", 0.5, 3)
  local mode = io:transact(M.commands.get_mode(), "get_mode", 0.5, 3)
  local declared = io.options.model
  if declared and declared ~= reply.model then
    io:fault("it says that it is the model %s, and it was declared as the %s: say --device-option model=%s, "
      .. "and look at the plan again with moonpulse check", reply.model, declared, reply.model)
  end
  io.dialect.connected = trains.setting(mode)
  local wanted = trains.wanted(io.dialect.connected, io.options)
  return {
    model = reply.model, serial = tostring(reply.serial), coil = reply.coil,
    temperature_c = reply.temp_c, mode = mode.mode, waveform = wanted.waveform,
    pulse = pulse_as(wanted),
    setting = wanted,
    enabled = reply.enabled == 1,
  }
end

function M.status(io)
  return io:transact(M.commands.get_status2(), "get_status2", 0.5, 3)
end

--- Single pulses only: each command must fire one, as the stimulator is set or will be.
local function check_single(io, mode)
  if mode.waveform == "Biphasic_Burst" or trains.pairing(mode.mode) then
    io:fault("the stimulator is set to %s, %s: each command would fire several pulses; set mode "
      .. "Standard and waveform Biphasic on its front panel", mode.mode,
      (mode.waveform or "?"):gsub("_", " "))
  end
end

--- Programs go back to what the stimulator was set to when it was asked who it is: it is that still?
local function check_as_connected(io, first, actions)
  local was, is, has_program = io.dialect.connected, io.dialect.before, first.train
  for _, action in ipairs(actions) do
    has_program = has_program or action.train
  end
  if has_program and was and (was.mode ~= is.mode or was.waveform ~= is.waveform) then
    io:fault("the stimulator is set to %s, %s, and was set to %s, %s when the run began: set it back, or "
      .. "begin a run anew", is.mode, is.waveform, was.mode, was.waveform)
  end
end

--- Every program of the run once, and the first action's last: what the device does not take shows
--- before it is enabled.
local function rehearse(io, first, actions, mode)
  local seen = {}
  for _, action in ipairs(actions) do
    local program = action.train
    if program and program ~= first.train and not seen[program.text] then
      seen[program.text] = true
      trains.prepare(io, program, mode)
      mode = io:transact(M.commands.get_mode(), "get_mode", 0.5, 3)
    end
  end
  if first.train then
    trains.prepare(io, first.train, mode)
  else
    trains.set_mode(io, io.dialect.found, mode)
  end
end

--- The delays that options ask for, set and read back; what it had is kept for the end.
local function set_delays(io)
  local into, out = io.options.in_ms, io.options.out_ms
  if not into and not out then
    return
  end
  local is = io:transact(M.commands.get_delays {}, "get_delays", 0.5, 3, "it does not tell its delays")
  local wanted = { in_ms = into or is.in_ms, out_ms = out or is.out_ms, charge_ms = is.charge_ms }
  if is.in_ms == wanted.in_ms and is.out_ms == wanted.out_ms then
    return
  end
  io.dialect.delays = io.dialect.delays or { in_ms = is.in_ms, out_ms = is.out_ms, charge_ms = is.charge_ms }
  io:write(M.commands.set_delays_ext(wanted))
  local now = io:transact(M.commands.get_delays {}, "get_delays", 0.5, 3)
  if now.in_ms ~= wanted.in_ms or now.out_ms ~= wanted.out_ms then
    io:fault("it did not take the delays of %g ms from its trigger input and %g ms to its output: it says %g "
      .. "and %g ms; set them on its front panel", wanted.in_ms, wanted.out_ms, now.in_ms, now.out_ms)
  end
end

--- Programs and amplitude for the first pulse, then enable; each is believed when the device
--- reports it.
---@param io moonpulse.Link
---@param first moonpulse.Action
---@param actions moonpulse.Action[]? all of the run
function M.arm(io, first, actions)
  local mode = io:transact(M.commands.get_mode(), "get_mode", 0.5, 3)
  io.dialect.before = trains.setting(mode)
  io.dialect.found = trains.wanted(io.dialect.before, io.options)
  if not first.train then
    check_single(io, io.dialect.found)
  end
  check_as_connected(io, first, actions or {})
  rehearse(io, first, actions or {}, mode)
  set_delays(io)
  local function enabled(reply)
    return reply.name == "event_amplitude" and reply.enabled == 1
  end
  local function amplitude(reply)
    return (reply.name == "event_amplitude" or reply.name == "get_status2") and same_amplitude(reply, first)
  end
  io:transact(M.commands.enable(), enabled, 1.0, 1,
    "the stimulator did not enable: is a coil connected, and is it below its temperature limit?")
  io:transact(M.commands.set_amplitude { a = first.mso, b = second_of(first) }, amplitude, 1.0, 1,
    ("the stimulator did not take the amplitude %d %%"):format(first.mso))
end

--- What arming changed is set back, all of it before anything is asked, and read back; it is safe even if
--- this fails.
---@param is moonpulse.Reply its status
local function set_back(io, is)
  local before, found, delays = io.dialect.before, io.dialect.found, io.dialect.delays
  if delays then
    io:write(M.commands.set_delays_ext(delays))
  end
  local was_changed = before and (is.waveform ~= before.waveform or is.mode ~= before.mode
    or found.direction ~= before.direction)
  if was_changed then
    io:write(M.commands.set_mode(before))
  end
  if delays then
    local now = io:transact(M.commands.get_delays {}, "get_delays", 0.25, 3, ("it is disabled, but does not "
      .. "say whether its delays are %g and %g ms again"):format(delays.in_ms, delays.out_ms))
    if now.in_ms ~= delays.in_ms or now.out_ms ~= delays.out_ms then
      io:fault("it is disabled, but its delays are %g and %g ms, and were %g and %g ms before the run: set "
        .. "them on its front panel", now.in_ms, now.out_ms, delays.in_ms, delays.out_ms)
    end
    io.dialect.delays = nil
  end
  if was_changed then
    io:transact(M.commands.get_mode(), "get_mode", 0.25, 3, "it is disabled, but does not say whether "
      .. "its waveform is " .. before.waveform .. " again")
  end
end

--- After the safe frame: believe it only when the device says so.
function M.disarm(io)
  local reply = io:transact(M.commands.get_status2(), "get_status2", 0.25, 3,
    "it does not say whether it is disabled: disable it on its front panel, or switch it off")
  if reply.enabled ~= 0 then
    io:fault("the stimulator still says that it is enabled: disable it on its front panel")
  end
  if io.dialect then
    set_back(io, reply)
  end
end

--- What a reply says of the settings that action needs: by field true, or in words what is otherwise.
---@param reply table
---@param action moonpulse.Action
---@param _ table options: they change nothing here
---@param dialect table? with found, how it was set when it was armed
---@return table<string, true|string>
function M.tells(reply, action, _, dialect)
  local says = trains.tells(reply, action.train, dialect and dialect.found)
  if reply.name == "event_amplitude" or reply.name == "get_status2" then
    says["the amplitude"] = same_amplitude(reply, action) or (second_of(action) > 0
      and ("the amplitudes are %d and %d %%, not %d and %d %%"):format(reply.a, reply.b, action.mso,
        second_of(action))
      or ("the amplitude is %d %%, not %d %%"):format(reply.a, action.mso))
  end
  return says
end

--- What an unasked or expected reply means while a plan runs.
---@param reply table
---@param expected moonpulse.Action? of the pulse that waits for a confirmation; else what was last commanded
---@param _ table options: they change nothing here
---@param dialect table? as for tells
---@return "confirm"|"fault"|nil
---@return string? text for the record, or what is wrong
---@return integer? value of the pulse that it tells of, for M.confirmation: also of one that is a fault
function M.judge(reply, expected, _, dialect)
  local name = reply.name
  if name == "event_didt" then
    local deviation = expected and trains.deviation(expected.train, reply, dialect and dialect.found)
    if deviation then -- other pulses than those of the plan
      return "fault", deviation .. ": was it changed at its panel?", reply.didt_a
    end
    reply.text = reply.text or M.confirmation(reply.didt_a)
    return "confirm", reply.text, reply.didt_a
  elseif name == "error" then
    return "fault", ("a garbled reply (%s): is the cable sound and fully plugged in?"):format(
      replies.garbled[reply.error])
  elseif reply.enabled == 0 then
    return "fault", name == "event_temperature"
      and ("the stimulator disabled itself, its coil is at %d C: let it cool, or change it"):format(
        reply.temp_c)
      or "the stimulator is no longer enabled: was it disabled at its panel?"
  end
end

--- A confirmed pulse in words, from the number that the record keeps.
---@param value integer dI/dt in A/us
function M.confirmation(value)
  return ("dI/dt %d A/us"):format(value)
end

return M
