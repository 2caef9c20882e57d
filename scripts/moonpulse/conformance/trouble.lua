--- Conformance cases about conversations that go wrong: what a driver says must stay true.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local refusals = require "moonpulse.text.refusal"

local M = {}

local longest_ns = 60 * 1000000000 -- a conversation that takes longer hangs

local function in_time(kit, stand, begun_ns, what)
  kit:check(stand.now_ns - begun_ns < longest_ns, "%s takes %.0f s", what,
    (stand.now_ns - begun_ns) / 1e9)
end

local function nobody(kit)
  kit:needs_replies()
  local stand = kit:stand_with(nil)
  local problem = kit:faults("connect with nobody there", kit.driver.connect, stand)
  in_time(kit, stand, stand.begun_ns, "connect with nobody there")
  kit:check(problem.message:find("[?:]"), "the message asks nothing and says no remedy: %s",
    problem.message)
end

local function noise(kit)
  kit:needs_replies()
  for _ = 1, 20 do
    local stand, said = kit:stand(), {}
    stand.on_reply = function(_, bytes)
      said[#said + 1] = kit.chance:bytes(#bytes)
      return said[#said]
    end
    local ok = kit:try("connect to noise", kit.driver.connect, stand)
    kit:check(not ok, "connect takes noise for a device: %s", (table.concat(said):gsub(".",
      function(c) return ("%02x "):format(c:byte()) end)))
    in_time(kit, stand, stand.begun_ns, "connect to noise")
  end
end

--- A trigger box takes every byte for a pulse: no question can spare it.
local function fires_at_anything(model)
  local _, log = model.new({}):receive("?", 1000000000)
  return log and log[1] and log[1].event == "pulse"
end

local function another_device(kit)
  kit:needs_replies()
  for _, name in ipairs(devices.names) do
    local other = assert(devices.find(name))
    local model = other.simulator ~= kit.driver.simulator and devices.simulator(other)
    if model and not fires_at_anything(model) then
      local stand = kit:stand_with(model.new {})
      local ok, problem = kit:try("connect to a " .. name, kit.driver.connect, stand)
      kit:check(stand:count "pulse" == 0 and stand:count "arm" == 0, "connect arms or fires a %s", name)
      kit:check(not ok or kit:holds(kit.kin, name), "connect takes a %s for a %s", name,
        kit.driver.name)
      kit:check(ok or refusals.is_fault(problem), "connect to a %s ends with %s", name, tostring(problem))
      ok = ok and kit:try("arming a " .. name, kit.driver.arm, stand, kit:action())
      kit:check(not ok and stand:count "arm" == 0 and stand:count "pulse" == 0,
        "the driver of a %s arms or fires a %s", kit.driver.name, name)
      in_time(kit, stand, stand.begun_ns, "connect to a " .. name)
    end
  end
end

--- Connect and arm on a stand that is disturbed; whatever is said must be true.
---@return boolean ok
local function arm_is_honest(kit, what, stand)
  local begun_ns, action = stand.now_ns, kit:action()
  local ok, problem = kit:try(what, function()
    kit.driver.connect(stand)
    stand:keep_alive(true)
    kit.driver.arm(stand, action)
  end)
  in_time(kit, stand, begun_ns, what)
  kit:check(stand:count "pulse" == 0, "%s: it fires", what)
  stand.on_write, stand.on_reply = nil, nil
  if not ok then
    return false, problem
  end
  kit:check(kit:is_armed(stand), "%s: arm says ready, and the device is not armed", what)
  kit:recharge(stand, action)
  local _, _, pulses = kit:fire(stand, action)
  kit:check(pulses >= 1, "%s: arm says ready, and the device does not fire", what)
  local note = kit.memory.sound_note
  kit:check(stand:last_pulse() == note, "%s: arm says ready, and the pulse is %s, not %s", what,
    stand:last_pulse(), note)
  return true
end

--- How many writes and replies a sound arming has.
local function measure(kit)
  local stand = kit:armed()
  local writes, said = #stand.writes, stand.said
  kit:recharge(stand, kit:action())
  kit:fire(stand, kit:action())
  kit.memory.sound_note = stand:last_pulse()
  return math.min(writes, 40), math.min(said, 40)
end

--- Arm once for each of count writes or replies, with that one changed on its way.
local function each(kit, count, hook, what, change)
  for number = 1, count do
    local stand = kit:stand()
    stand[hook] = function(at, bytes)
      if at == number then
        return change(bytes)
      end
      return bytes
    end
    arm_is_honest(kit, what:format(number), stand)
  end
end

local function each_write(kit, what, change)
  kit:needs_replies()
  local written = measure(kit)
  each(kit, written, "on_write", what, change)
end

local function each_reply(kit, what, change)
  kit:needs_replies()
  local _, said = measure(kit)
  each(kit, said, "on_reply", what, change)
end

local function lost_write(kit)
  each_write(kit, "command %d is lost", function() end)
end

local function lost_reply(kit)
  each_reply(kit, "reply %d is lost", function() end)
end

local function garbled(kit)
  for _ = 1, 3 do
    each_reply(kit, "reply %d is garbled", function(bytes) return kit.chance:damage(bytes) end)
  end
  each_reply(kit, "reply %d is a byte that is no reply", function() return "\x15" end)
end

local function refused(kit)
  kit:needs_replies()
  -- a command that the device has never heard of: what it says then is no reply to ours
  each_write(kit, "command %d is garbled", function(bytes)
    return kit.chance:damage(bytes)
  end)
end

local function late(kit)
  each_reply(kit, "reply %d is 3 s late", function(bytes) return { { 3000000000, bytes } } end)
end

local function twice(kit)
  each_reply(kit, "reply %d comes twice", function(bytes) return { { 0, bytes }, { 0, bytes } } end)
end

local function pieces(kit)
  kit:needs_replies()
  measure(kit)
  local stand = kit:stand()
  local free_ns = 0 -- two replies never mix: the wire carries one after the other
  stand.on_reply = function(_, bytes)
    local list = {}
    free_ns = math.max(free_ns, stand.now_ns)
    for i = 1, #bytes do
      free_ns = free_ns + 300000
      list[i] = { free_ns - stand.now_ns, bytes:sub(i, i) }
    end
    return list
  end
  local ok, problem = arm_is_honest(kit, "replies come byte by byte", stand)
  kit:check(ok, "replies that come byte by byte are not understood: %s", tostring(problem))
end

--- The same command with another value where the first action's intensity stands.
local function other_setting(kit, bytes)
  local driver, action = kit.driver, kit:action()
  local name, values = driver.explain(bytes, {})
  local command = name and driver.commands[name]
  for _, spec in ipairs(command and command.args or {}) do
    local key = spec[1]
    if (spec[2] == "integer" or spec[2] == "number") and values[key] == action.mso then
      values[key] = kit:action(0.6).mso
      local ok, changed = pcall(command, values)
      if ok then
        return changed
      end
    end
  end
end

local function read_back(kit)
  kit:needs_replies()
  if not kit.driver.explain then
    kit:skip("the driver has no explain")
  end
  measure(kit)
  local stand, changed, told = kit:stand(), false, false
  local other = kit:action(0.6).mso
  stand.on_write = function(_, bytes)
    local own = other_setting(kit, bytes)
    changed = changed or own ~= nil
    return own or bytes
  end
  local ok = kit:try("arm", function()
    kit.driver.connect(stand)
    stand:keep_alive(true)
    kit.driver.arm(stand, kit:action())
  end)
  for _, reply in ipairs(stand.replies) do
    for _, value in pairs(reply) do
      told = told or value == other
    end
  end
  if not changed then
    kit:skip("no command of arm carries the intensity in plain")
  elseif not told then
    kit:skip("the device does not say its setting")
  end
  kit:check(not ok, "arm asks for %g %%, the device says %g %%, and arm is content", kit:action().mso,
    other)
end

--- The port is lost, or a stop comes, at each call of a whole conversation.
local function each_call(kit, what, raise, expected)
  local function conversation(stand)
    kit.driver.connect(stand)
    kit.driver.arm(stand, kit:action())
    stand:safe()
    kit.driver.disarm(stand)
  end
  local whole = kit:stand()
  conversation(whole)
  for number = 1, math.min(whole.calls, 60) do
    local stand = kit:stand()
    stand.on_call = function(at)
      if at >= number then
        raise(stand)
      end
    end
    local ok, problem = kit:try(what, conversation, stand)
    kit:check(not ok, "%s at call %d, and the driver goes on", what, number)
    kit:check(expected(problem), "%s at call %d ends with: %s", what, number, tostring(problem))
    kit:check(stand:count "pulse" == 0, "%s at call %d: it fires", what, number)
  end
end

local function port_lost(kit)
  local lost = core.stops.gone.words
  each_call(kit, lost, function(stand) stand:fault(lost) end,
    function(problem) return problem.message:find(lost, 1, true) end)
end

local function stopped(kit)
  each_call(kit, "a stop comes", function() refusals.stopped("signal") end, refusals.is_stopped)
end

local function silent_disarm(kit)
  kit:needs_replies()
  local stand = kit:armed()
  stand:keep_alive(false)
  stand.on_reply = function() end
  stand:safe()
  local begun_ns = stand.now_ns
  kit:faults("disarm without an answer", kit.driver.disarm, stand)
  in_time(kit, stand, begun_ns, "disarm without an answer")
end

M.cases = {
  { "nobody there is a fault that says what to do", nobody },
  { "noise is no device", noise },
  { "another device is refused, and neither armed nor fired", another_device },
  { "a lost command never ends in a false ready", lost_write },
  { "a lost reply never ends in a false ready", lost_reply },
  { "a garbled reply never ends in a false ready", garbled },
  { "a garbled command never ends in a false ready", refused },
  { "a late reply never ends in a false ready", late },
  { "a reply that comes twice never ends in a false ready", twice },
  { "replies in pieces are understood while arming", pieces },
  { "a setting that the device reports otherwise is a fault", read_back },
  { "a lost port ends every conversation", port_lost },
  { "a stop ends every conversation at once", stopped },
  { "a device that does not say that it is disarmed is a fault", silent_disarm },
}

return M
