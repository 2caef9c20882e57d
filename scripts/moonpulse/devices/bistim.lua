--- Driver for the Magstim BiStim²: pairs that the unit times, and single pulses timed by us.
--
-- Wire protocol from public programs (MagPy 92bf2d0, MAGIC ed58dd1, cboulay/magstim_python 3100dec);
-- simulated, not yet proven on hardware. One fire command gives power A, and power B an interval
-- later. A single pulse is A alone with B at 0 %: a unit that was just switched on has B at 30 %,
-- and would give a second pulse that nobody asked for. A power takes 0.1 s a percent on its way down:
-- where a plan has no time for that from the pairs around, all its single pulses are B alone, with A at
-- 0 %, and each is told its interval sooner.
local command = require "moonpulse.driver.command"
local frames = require "moonpulse.devices.magstim.frames"
local talk = require "moonpulse.devices.magstim.talk"

local M = {
  name = "bistim",
  description = "Magstim BiStim²",
  simulator = "bistim",
  proof = "simulated",
  serial = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  -- read off MagPy's plots for the 200²: after the fire command, after an RTS edge
  latency = 0.0084,
  latency_from = "read off MagPy's plots for the Magstim 200² (8.0 to 9.1 ms)",
  trigger_latency = 0.0011,
  reply_slow = 0.15,
  reply_timeout = 0.6,
  options = {
    { "resolution", "choice", { "auto", "high", "low" }, default = "auto",
      help = "of the interval, for the whole run: high is 0.1 to 99.9 ms in tenths, low is 1 to 999 ms; "
        .. "auto takes high, and low where an interval is over 99.9 ms" },
  },
}

local highest_ms = { high = 99.9, low = 999 }

M.commands = frames.common()
M.commands.set_power = frames.power("Set power A, the first pulse's.", "@", 100)
M.commands.set_power_b = frames.power("Set power B, the second pulse's.", "A", 100)
M.commands.set_interval = command.new("Set the interval from A to B.", {
  { "ms", "number", 0, 999 },
  { "high_res", "choice", { 0, 1 }, default = 0, help = "1: in tenths, up to 99.9 ms" },
}, function(v)
  if v.high_res == 1 and v.ms > highest_ms.high + 1e-9 then
    command.refuse("ms = %.14g: in high resolution the longest interval is 99.9 ms", v.ms)
  end
  return frames.frame(("C%03d"):format(frames.steps("ms", v.ms, v.high_res == 1 and 10 or 1)))
end)
M.commands.high_res_on = frames.plain("Intervals in tenths of ms (in standby).", "Y@")
M.commands.high_res_off = frames.plain("Intervals in whole ms (in standby).", "Z@")
M.commands.get_mode = frames.plain("Ask for the mode, which tells the resolution.", "X@")
M.commands.get_params = frames.plain("Ask for the powers and the interval.", "J@")
command.named(M.commands)

local replies = frames.common_replies()
replies["A"] = { name = "set_power_b", length = 3 }
replies["C"] = { name = "set_interval", length = 3 }
replies["Y"] = { name = "high_res_on", length = 3 }
replies["Z"] = { name = "high_res_off", length = 3 }
replies["X"] = { name = "get_mode", length = 4, read = function(reply, data)
  reply.mode = data
end }
replies["J"] = { name = "get_params", length = 12, read = function(reply, data)
  local a, b, interval = frames.number(data:sub(1, 3)), frames.number(data:sub(4, 6)),
    frames.number(data:sub(7, 9))
  if not (a and b and interval) then
    return false
  end
  reply.power, reply.power_b, reply.interval_raw = a, b, interval
end }

M.replies = frames.reply_fields(replies, {
  get_params = { "power", "power_b", "interval_raw" }, get_mode = { "mode" },
  get_temperature = { "coil1_c:%.1f", "coil2_c:%.1f" },
})

function M.decode(buffer, dialect)
  return frames.decode(buffer, replies, dialect)
end

local fixed = frames.fixed(M.commands, { "remote_on", "remote_off", "get_temperature", "arm", "fire",
  "disarm", "high_res_on", "high_res_off", "get_mode", "get_params" })
local shapes = { ["@"] = { "set_power", "percent" }, A = { "set_power_b", "percent" },
  C = { "set_interval", "ms" } }

--- The bytes do not say in which resolution the unit is: an interval is whole ms, or with high_res=1 tenths.
function M.explain(bytes, dialect)
  local letter, number = bytes:match("^([@AC])(%d%d%d).$")
  if not frames.valid(bytes) then
    return nil, "the check byte is wrong"
  elseif fixed[bytes] then
    return fixed[bytes], {}
  elseif letter == "C" and dialect and tostring(dialect.high_res) == "1" then
    return "set_interval", { ms = tonumber(number) / 10, high_res = 1 }
  elseif letter then
    return shapes[letter][1], { [shapes[letter][2]] = math.tointeger(tonumber(number)) }
  end
end

function M.limits()
  return {
    channels = 1,
    intensity = { min = 0, max = 100, step = 1 },
    shortest_interval = function() return 4 end,
    longest_rest = talk.longest_rest,
    why = "BiStim²: a pulse or a pair every 4 s (0.25 Hz, MagPy 92bf2d0); the interval in a pair is "
      .. "whole ms up to 999 ms, or tenths up to 99.9 ms",
  }
end

-- Programs -----------------------------------------------------------------------------------------

--- The two pulses of a part, seconds apart; nil where it is no single pair.
local function pair_of(part)
  local cell, level = part.cell, part.levels[1]
  if #cell == 2 and not level then
    return cell[1].action, cell[2].action, cell[2].offset - cell[1].offset
  elseif #cell == 1 and #part.levels == 1 and level.count == 2 then
    return cell[1].action, cell[1].action, level.period
  end
end

--- The resolution in which an interval can be told; nil and why where there is none.
---@param ms number
---@param wanted "auto"|"high"|"low"
local function resolution_of(ms, wanted)
  local resolution = wanted
  if wanted == "auto" then
    resolution = ms <= highest_ms.high + 1e-6 and "high" or "low"
  end
  local per_ms = resolution == "high" and 10 or 1
  local nearest = math.floor(ms * per_ms + 0.5) / per_ms
  local below = math.floor(ms * per_ms) / per_ms
  if wanted == "auto" and below < highest_ms.high then -- from 99.9 ms on the steps are whole
    below = math.min(highest_ms.high, math.floor(ms * 10) / 10)
  end
  if ms > highest_ms[resolution] + 1e-6 then
    return nil, ("an interval of %.6g ms is over the %g ms that the unit takes%s"):format(ms,
      highest_ms[resolution], resolution == "high"
        and " in high resolution: --device-option resolution=low takes whole ms up to 999" or "")
  elseif math.abs(nearest - ms) > 1e-6 then
    return nil, ("an interval of %.6g ms is off the unit's steps of %g ms (%s resolution): the nearest "
      .. "are %g and %g ms"):format(ms, 1 / per_ms, resolution, below,
      (math.floor(ms * per_ms) + 1) / per_ms)
  end
  return resolution
end

local pulse_s = 0.05 -- ours: from the command to power A, some 8 ms, and room
local alone_s = 0.001 -- the interval of a test pulse alone: in either resolution there is one of 1 ms

--- The interval of a pair as the unit is told it.
local function tell_interval(ms, high)
  return M.commands.set_interval { ms = ms, high_res = high and 1 or 0 },
    math.floor(ms * (high and 10 or 1) + 0.5)
end

local function train(part, wanted)
  local first, second, interval = pair_of(part)
  if not first then
    return nil, "the BiStim² times single pairs, of two pulses"
  end
  local ms = interval * 1000
  local resolution, why = resolution_of(ms, wanted)
  if not resolution then
    return nil, why
  end
  local bytes, raw = tell_interval(ms, resolution == "high")
  return {
    start = M.commands.fire(), busy = 4, locked = interval + pulse_s, over = interval + pulse_s, confirms = 1,
    ahead = true,
    resolution = resolution, b = second.mso, interval = bytes, raw = raw, ms = ms,
    text = ("pair of %g and %g %%, %.4g ms apart"):format(first.mso, second.mso, ms),
  }
end

--- Is an interval one of whole ms?
local function is_whole(ms)
  return math.abs(ms - math.floor(ms + 0.5)) < 1e-6
end

--- The resolution of a run: where a pair needs the low one, all have it that are of whole ms.
local function resolution_for(actions, wanted)
  local lowest = wanted
  for _, action in ipairs(wanted == "auto" and actions or {}) do
    lowest = action.train and action.train.resolution == "low" and "low" or lowest
  end
  return lowest == "low" and "low" or "high"
end

--- How every action of a plan is given: in which resolution, and whether single pulses are A or B alone.
local function together(actions, other, wanted)
  local resolution = resolution_for(actions, wanted)
  for _, action in ipairs(actions) do
    local pair = action.train
    if pair and resolution == "low" and is_whole(pair.ms) then
      pair.resolution = "low"
      pair.interval, pair.raw = tell_interval(math.floor(pair.ms + 0.5), false)
    end
    action.way = (pair and pair.resolution or resolution) .. (other and not pair and ", B alone" or "")
  end
end

--- What the unit must be set to for an action: both powers, its resolution, and the interval where that
--- counts.
local function needs(action, wanted)
  local pair, way = action.train, action.way or (wanted == "low" and "low" or "high")
  local resolution = way:match("^%a+")
  if pair then
    return { a = action.mso, b = pair.b, resolution = pair.resolution, interval = pair.interval,
      raw = pair.raw }
  elseif way:find("B alone", 1, true) then
    local bytes, raw = tell_interval(alone_s * 1000, resolution == "high")
    return { a = 0, b = action.mso, resolution = resolution, interval = bytes, raw = raw }
  end
  return { a = action.mso, b = 0, resolution = resolution }
end

local function change(from, to, wanted)
  local before, after = needs(from, wanted), needs(to, wanted)
  if after.resolution ~= before.resolution then
    return nil, "intervals over 99.9 ms need low resolution, which is of whole ms, and the unit changes it "
      .. "in standby only: take whole ms for all intervals of the run, or make it two runs"
  end
  local bytes, fields = {}, {}
  local function add(frame, field)
    bytes[#bytes + 1], fields[#fields + 1] = frame, field
  end
  if before.a ~= after.a then
    add(M.commands.set_power { percent = after.a }, "power A")
  end
  if before.b ~= after.b then
    add(M.commands.set_power_b { percent = after.b }, "power B")
  end
  -- after A alone it is not known which interval the unit has: tell it again
  if after.interval and before.raw ~= after.raw then
    if after.raw == 0 then
      return nil, "the unit takes an interval of 0 (both at once) in standby only"
    end
    add(after.interval, "the interval")
  end
  -- the replies to settings only say that there were some: the question after them tells the values
  local lead = 0.05 * #bytes + math.max(talk.settling(before.a, after.a), talk.settling(before.b, after.b))
  if #bytes == 0 then
    return "", lead
  end
  bytes[#bytes + 1] = M.commands.get_params()
  local a, b = talk.falling("power A", before.a, after.a), talk.falling("power B", before.b, after.b)
  return table.concat(bytes), talk.lead(lead, M.reply_slow), fields,
    before.b - after.b > before.a - after.a and b or a
end

--- What a reply says of the settings that action needs.
function M.tells(reply, action)
  if reply.name ~= "get_params" then
    return nil
  end
  local wanted = needs(action)
  return { ["power A"] = talk.same_power(reply.power, wanted.a, "power A"),
    ["power B"] = talk.same_power(reply.power_b, wanted.b, "power B"),
    ["the interval"] = wanted.raw and (reply.interval_raw == wanted.raw
      or ("the interval is %03d, not %03d"):format(reply.interval_raw, wanted.raw)) or nil }
end

function M.encode(options)
  local wanted = options.resolution or "auto"
  return {
    pulse = function(action)
      local fire = M.commands.fire()
      return needs(action, wanted).raw and { bytes = fire, delay = alone_s } or fire
    end,
    set = function(from, to) return change(from, to, wanted) end,
    train = function(part) return train(part, wanted) end,
    together = function(actions, other) together(actions, other, wanted) end,
    other_way = true,
    -- A new power B before B's time (the interval that the unit still has, at most the longest of the
    -- resolution) could be given: nobody says that a unit at B = 0 % looks only when it is fired
    busy = function(action)
      local own = needs(action, wanted)
      return (own.raw and alone_s or highest_ms[own.resolution] / 1000) + pulse_s
    end,
    over = function(action) return (needs(action, wanted).raw and alone_s or 0) + pulse_s end,
  }
end

M.safe = M.commands.disarm()
M.safe_answer = talk.safe_answer
M.keepalive = { bytes = M.commands.keepalive(), period = 0.5, answered = true }

-- Conversations ------------------------------------------------------------------------------------

local slaves = { Q = true, R = true, S = true, T = true }

--- The mode that the unit says; nil where it does not know the question (only one of the public
--- programs does).
local function mode_of(io)
  if io.dialect.no_mode then
    return nil
  end
  local reply = io:transact(M.commands.get_mode(), function(each)
    return each.name == "get_mode" or each.name == "error"
  end, 0.5, 2)
  if reply.error == "invalid_command" then
    -- the question's other bytes may still stand for the beginning of a command: until it answers
    io.dialect.no_mode = true
    io:sleep(0.2)
    io:transact(M.commands.remote_on(), "remote_on", 0.5, 3)
    return nil
  elseif reply.error then
    io:fault("the question for its mode was refused: %s", frames.meanings[reply.error])
  elseif slaves[reply.mode] then
    io:fault("it says that it is the slave unit: plug the cable into the master")
  end
  return reply.mode
end

local function params(io)
  return talk.ask(io, M.commands.get_params(), "get_params", "the question for its settings", 3)
end

local modes = { ["0"] = "single", ["1"] = "simultaneous", ["2"] = "low resolution",
  ["3"] = "external triggering", ["4"] = "high resolution" }

local function mode_in(raw, resolution)
  return raw == 0 and "1" or resolution == "high" and "4" or "2"
end

--- The mode that the unit said when it was armed, or that a pair with another interval brought it to.
---@param io moonpulse.Link
---@param action moonpulse.Action
---@return table
function M.pulse_of(io, action)
  local mode, pair = io.dialect.mode, action.train
  return { mode = modes[pair and mode and mode_in(pair.raw, pair.resolution) or mode] }
end

function M.connect(io)
  talk.ask(io, M.commands.remote_on(), "remote_on", "taking remote control", 3)
  local settings, mode = params(io), mode_of(io)
  local temperature = talk.ask(io, M.commands.get_temperature(), "get_temperature",
    "the question for its temperature", 3)
  return { model = "BiStim²", mode = modes[mode], pulse = { mode = modes[mode] },
    power = settings.power, power_b = settings.power_b,
    coil = settings.coil_present == 1, temperature_c = temperature.coil1_c }
end

function M.status(io)
  return params(io)
end

--- Both powers and the interval, in a resolution that we chose: the unit does not say in which one
--- it is, and takes and gives the same digits in both.
local function set_up(io, first)
  local wanted = needs(first, io.options.resolution or "auto")
  local high = wanted.resolution == "high"
  local before = params(io)
  io:sleep(0.2) -- it takes the resolution some 100 ms after remote control, the interval as long later
  talk.ask(io, high and M.commands.high_res_on() or M.commands.high_res_off(),
    high and "high_res_on" or "high_res_off", "setting the resolution")
  io:sleep(0.1)
  local raw = wanted.raw or 10
  talk.ask(io, wanted.interval or M.commands.set_interval { ms = high and 1 or 10,
    high_res = high and 1 or 0 }, "set_interval", "setting the interval")
  talk.ask(io, M.commands.set_power { percent = wanted.a }, "set_power", "setting power A")
  talk.ask(io, M.commands.set_power_b { percent = wanted.b }, "set_power_b", "setting power B")
  local settings = params(io)
  if settings.power ~= wanted.a or settings.power_b ~= wanted.b then
    io:fault("it did not take the powers %d and %d %%: it says %d and %d %%", wanted.a, wanted.b,
      settings.power, settings.power_b)
  elseif settings.interval_raw ~= raw then
    io:fault("it did not take the interval: it says %03d, not %03d (in %s resolution)",
      settings.interval_raw, raw, wanted.resolution)
  end
  local mode = mode_of(io)
  io.dialect.mode = mode
  if mode and mode ~= mode_in(raw, wanted.resolution) and (wanted.raw or mode ~= "0") then
    io:fault("it is in mode %s (%s), not in %s resolution: choose BiStim on its panel", mode,
      modes[mode] or "unknown", wanted.resolution)
  end
  io:sleep(math.max(talk.settling(before.power, wanted.a), talk.settling(before.power_b, wanted.b)))
end

--- Settings for the first action, read back; then arm, and wait until the unit says it is ready.
---@param io moonpulse.Link
---@param first moonpulse.Action
function M.arm(io, first)
  talk.ask(io, M.commands.remote_on(), "remote_on", "taking remote control", 3)
  set_up(io, first)
  talk.ask(io, M.commands.arm(), "state", "arming")
  talk.await_ready(io, M.commands.keepalive(), "remote_on")
end

function M.disarm(io)
  talk.disarm(io, M.commands.get_params(), "get_params", M.commands.remote_off())
end

M.judge = talk.judge

M.confirmation = talk.confirmation

return M
