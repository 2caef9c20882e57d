--- Driver for the Magstim 200²: single pulses, timed by us.
--
-- Wire protocol from public programs (MagPy 92bf2d0, MAGIC ed58dd1); simulated, not yet proven on
-- hardware.
local command = require "moonpulse.driver.command"
local frames = require "moonpulse.devices.magstim.frames"
local talk = require "moonpulse.devices.magstim.talk"

local M = {
  name = "magstim200",
  description = "Magstim 200²",
  simulator = "magstim200",
  proof = "simulated",
  serial = { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  -- read off MagPy's plots: 8.4 ms (8.0-9.1) after the fire command, 1.1 ms after an RTS edge
  latency = 0.0084,
  latency_from = "read off MagPy's plots (8.0 to 9.1 ms)",
  trigger_latency = 0.0011,
  reply_slow = 0.15,
  reply_timeout = 0.6,
}

M.commands = frames.common()
M.commands.get_params = frames.plain("Ask for the power.", "J@")
command.named(M.commands)

local replies = frames.common_replies()
replies["J"] = { name = "get_params", length = 12, read = function(reply, data)
  reply.power = frames.number(data:sub(1, 3))
  return reply.power ~= false
end }

M.replies = frames.reply_fields(replies, {
  get_params = { "power" }, get_temperature = { "coil1_c:%.1f", "coil2_c:%.1f" },
})

function M.decode(buffer, dialect)
  return frames.decode(buffer, replies, dialect)
end

local fixed = frames.fixed(M.commands, { "remote_on", "remote_off", "get_temperature", "arm", "fire",
  "disarm", "get_params" })

function M.explain(bytes)
  local power = bytes:match("^@(%d%d%d).$")
  if not frames.valid(bytes) then
    return nil, "the check byte is wrong"
  elseif fixed[bytes] then
    return fixed[bytes], {}
  elseif power then
    return "set_power", { percent = math.tointeger(tonumber(power)) }
  end
end

--- Seconds between pulses by power (the virtual device of MagPy's author).
local function shortest(percent)
  return percent < 50 and 2 or percent < 80 and 3 or 4
end

function M.limits()
  return {
    channels = 1,
    intensity = { min = 0, max = 100, step = 1 },
    shortest_interval = function(action) return shortest(action.mso) end,
    longest_rest = talk.longest_rest,
    why = "200²: 2 s between pulses below 50 %, 3 s below 80 %, 4 s from 80 % on; faster protocols "
      .. "need another stimulator",
  }
end

M.encode = {
  pulse = function() return M.commands.fire() end,
  --- The reply to a setting only says that there was one: the question after it tells the power.
  set = function(from, to)
    return M.commands.set_power { percent = to.mso } .. M.commands.get_params(),
      talk.lead(talk.settling(from.mso, to.mso), M.reply_slow), { "the power" },
      talk.falling("the power", from.mso, to.mso)
  end,
}

--- What a reply says of the settings that action needs.
function M.tells(reply, action)
  return reply.name == "get_params" and { ["the power"] = talk.same_power(reply.power, action.mso) } or nil
end

M.safe = M.commands.disarm()
M.safe_answer = talk.safe_answer
M.keepalive = { bytes = M.commands.keepalive(), period = 0.5, answered = true }

local function params(io)
  return talk.ask(io, M.commands.get_params(), "get_params", "the question for its settings", 3)
end

function M.connect(io)
  talk.ask(io, M.commands.remote_on(), "remote_on", "taking remote control", 3)
  local settings = params(io)
  if settings.bytes:sub(6, 11) ~= "000000" then -- there a BiStim² has its power B and its interval
    io:fault("it answers like a BiStim², which would give a second pulse that nobody asked for: use "
      .. "--device bistim")
  end
  local temperature = talk.ask(io, M.commands.get_temperature(), "get_temperature",
    "the question for its temperature", 3)
  return { model = "200²", power = settings.power, coil = settings.coil_present == 1,
    temperature_c = temperature.coil1_c }
end

function M.status(io)
  return params(io)
end

--- Power for the first pulse, read back; then arm, and wait until the unit says that it is ready.
---@param io moonpulse.Link
---@param first moonpulse.Action
function M.arm(io, first)
  talk.ask(io, M.commands.remote_on(), "remote_on", "taking remote control", 3)
  local before = params(io).power
  talk.ask(io, M.commands.set_power { percent = first.mso }, "set_power", "setting the power")
  local settings = params(io)
  if settings.power ~= first.mso then
    io:fault("it did not take the power %d %%: it says %d %%", first.mso, settings.power)
  end
  io:sleep(talk.settling(before, first.mso))
  talk.ask(io, M.commands.arm(), "state", "arming")
  talk.await_ready(io, M.commands.keepalive(), "remote_on")
end

function M.disarm(io)
  talk.disarm(io, M.commands.get_params(), "get_params", M.commands.remote_off())
end

M.judge = talk.judge

M.confirmation = talk.confirmation

return M
