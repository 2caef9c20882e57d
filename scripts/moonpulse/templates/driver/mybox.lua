--- Driver for mybox: what it drives, and where its protocol is written down.
-- "moonpulse new driver" made this file. Its device is invented: it speaks lines like "$SET 30*61".
-- Put your device's commands and replies in their place; docs/drivers.md says what each field means,
-- and "moonpulse test mybox_spec.lua" whether the driver conforms.
local command = require "moonpulse.driver.command"

local M = {
  name = "mybox", description = "mybox stimulator", simulator = "mybox_simulator.lua",
  proof = "simulated", -- "hardware" when somebody has measured its pulses with a coil probe
  serial = { baud = 115200, bits = 8, parity = "none", stop_bits = 1, flow = "none" },
  latency = 0, -- seconds from the last byte of FIRE to the pulse; 0: nobody has measured it
  reply_slow = 0.25, reply_timeout = 0.5, -- seconds until a reply is suspicious, and a fault
}

-- Bytes ---------------------------------------------------------------------------------------------

local function frame(text, ...)
  text = text:format(...)
  local sum = 0
  for i = 1, #text do
    sum = sum ~ text:byte(i)
  end
  return ("$%s*%02X\n"):format(text, sum)
end

M.commands = command.named {
  identify = command.new("Ask what it is.", {}, function() return frame "ID" end),
  get_status = command.new("Ask for its state.", {}, function() return frame "STATUS" end),
  set_power = command.new("Set the power.", { { "percent", "integer", 0, 100, help = "%MSO" } },
    function(v) return frame("SET %d", v.percent) end),
  arm = command.new("Arm: ready half a second later.", {}, function() return frame "ARM 1" end),
  disarm = command.new("Disarm.", {}, function() return frame "ARM 0" end),
  fire = command.new("Fire.", {}, function() return frame "FIRE" end),
}

function M.explain(bytes)
  local values = { percent = tonumber(bytes:match("^%$SET (%d+)%*")) }
  for name, each in pairs(M.commands) do
    local ok, own = pcall(each, name == "set_power" and values or {})
    if ok and own == bytes then
      return name, name == "set_power" and values or {}
    end
  end
end

M.replies = {
  identity = { "model", "firmware", "serial" }, status = { "armed", "ready", "power" },
  pulse = { "power" }, refused = { "why" }, error = { "error" },
}
local shapes = {
  identity = "^ID (%w+) ([%d.]+) (%w+)$", status = "^STATUS ([01]) ([01]) (%d+)$",
  pulse = "^FIRED (%d+)$", refused = "^ERR (%w+)$",
}

function M.decode(buffer)
  local stop = buffer:find("\n", 1, true) or #buffer > 100 and #buffer -- no line is so long
  if not stop then
    return nil, 0
  end
  local line = buffer:sub(1, stop)
  local text = line:match("^%$(.*)%*%x%x\n$")
  for name, shape in pairs(text and frame("%s", text) == line and shapes or {}) do
    local found = { text:match(shape) }
    if found[1] then
      local reply = { name = name }
      for i, key in ipairs(M.replies[name]) do
        reply[key] = math.tointeger(tonumber(found[i])) or found[i]
      end
      return reply, stop
    end
  end
  return { name = "error", error = text and "garbled" or "noise" }, stop
end

-- Limits and settings -------------------------------------------------------------------------------

function M.limits()
  return { channels = 1, intensity = { min = 0, max = 100, step = 1 },
    shortest_interval = function() return 0.01 end, why = "mybox: at most 100 Hz (manual, page 1)" }
end

M.encode = {
  pulse = function() return M.commands.fire() end,
  -- the bytes, the seconds before the pulse (its answer must fit), and what the device must confirm
  set = function(_, to) return M.commands.set_power { percent = to.mso }, 0.3, { "the power" } end,
}
M.safe = M.commands.disarm()

-- Conversations -------------------------------------------------------------------------------------

--- Ask, and take a refusal for a fault in the device's own words.
local function ask(io, bytes, name, tries)
  local function wanted(reply) return reply.name == name or reply.name == "refused" end
  local reply = io:transact(bytes, wanted, 0.3, tries)
  return reply.name == name and reply
    or io:fault("it refuses (%s): is its coil connected, and cool?", reply.why)
end

function M.connect(io)
  local reply = ask(io, M.commands.identify(), "identity", 3)
  return { model = reply.model, firmware = reply.firmware, serial = reply.serial }
end

function M.status(io)
  return ask(io, M.commands.get_status(), "status", 3)
end

function M.arm(io, first)
  ask(io, M.commands.set_power { percent = first.mso }, "status")
  ask(io, M.commands.arm(), "status")
  for _ = 1, 20 do -- it is ready when it says so
    local reply = M.status(io)
    if reply.power ~= first.mso then
      io:fault("it did not take the power %d %%: it says %d %%", first.mso, reply.power)
    elseif reply.ready == 1 then
      return
    end
    io:sleep(0.1)
  end
  io:fault("it does not become ready within 2 s: is the coil connected, is its switch closed?")
end

function M.disarm(io)
  if M.status(io).armed == 1 then
    io:fault("it still says that it is armed: switch it off at its panel")
  end
end

-- What a reply means while a plan runs --------------------------------------------------------------

function M.confirmation(power)
  return ("fired at %d %%"):format(power)
end

function M.judge(reply)
  if reply.name == "pulse" then
    return "confirm", M.confirmation(reply.power), reply.power
  elseif reply.name == "error" then
    return "fault", "a reply is " .. reply.error .. ": is the cable sound and fully plugged in?"
  elseif reply.name == "refused" then
    return "fault", "it refuses a command: " .. reply.why
  elseif reply.name == "status" and reply.armed == 0 then
    return "fault", "it is not armed any more: is its coil too hot, was it disarmed at its panel?"
  end
end

--- What a reply says of the settings that action needs: true, or what is otherwise. No pulse leaves before.
function M.tells(reply, action)
  return reply.name == "status" and { ["the power"] = reply.power == action.mso
    or ("its power is %d %%, not %d %%"):format(reply.power, action.mso) } or nil
end

return M
