--- Conformance cases about conversations on a sound wire: connect, arm, fire, disarm.
local M = {}

local function state(stand)
  return stand.simulator:state()
end

local function opens(kit)
  local stand, identity = kit:connected()
  kit:check(type(identity) == "table", "connect returns no identity")
  kit:check(kit:mute() or type(identity.model) == "string", "the identity has no model")
  local again = kit.driver.connect(stand)
  for key, value in pairs(identity) do
    kit:check(type(value) == "table" or again[key] == value, "asked again, identity.%s is %s, not %s", key,
      tostring(again[key]), tostring(value))
  end
end

local function harmless(kit)
  local stand = kit:connected()
  kit:check(stand:count "pulse" == 0, "connect fires")
  kit:check(stand:count "arm" == 0, "connect arms")
  local ok, status = kit:try("status", kit.driver.status, stand)
  kit:check(ok and type(status) == "table", "status gives no table")
  kit:check(stand:count "pulse" == 0 and stand:count "arm" == 0, "status arms or fires")
end

local function ready(kit)
  local always = kit:always_ready() -- first: time passes meanwhile, on every stand
  local stand = kit:armed()
  kit:check(stand:count "pulse" == 0, "arm fires")
  kit:check(kit:is_armed(stand), "arm returns, and the device is not armed")
  kit:check(always or state(stand).ready ~= false, "arm returns before the device is ready")
  local _, _, pulses = kit:fire(stand, kit:action())
  kit:check(pulses >= 1, "arm returns, and the device does not fire")
end

--- Where arming takes time, the driver must learn its end from the device.
local function ready_from_device(kit)
  local stand = kit:connected()
  kit:needs_arming()
  if not (stand.simulator.faults and stand.simulator.faults["over-temperature"]) then
    kit:skip("the simulator has no fault that keeps it from arming")
  end
  kit:needs_replies()
  stand:breaks "over-temperature"
  stand:keep_alive(true)
  kit:faults("arm of a device that is too hot", kit.driver.arm, stand, kit:action())
  kit:check(not state(stand).armed, "arm fails, and the device is armed")
end

local function arm_alone(kit)
  local stand = kit:stand()
  stand:keep_alive(true)
  local ok = kit:try("arm without connect", kit.driver.arm, stand, kit:action())
  kit:check(stand:count "pulse" == 0, "arm fires")
  kit:check(not ok or kit:is_armed(stand), "arm without connect returns, and the device is not armed")
end

local function set_before(kit)
  kit:needs_intensity()
  local notes = {}
  for i, share in ipairs { 0.3, 0.8 } do
    local stand = kit:armed(share)
    kit:fire(stand, kit:action(share))
    notes[i] = kit:check(stand:last_pulse(), "the device does not fire")
  end
  kit:check(notes[1] ~= notes[2], "the first pulse is the same (%s) at %g and %g %%: arm does not set "
    .. "its intensity, or the simulator's note does not say it", notes[1], kit:level(0.3), kit:level(0.8))
end

--- Capacitors fall more slowly than they rise: ready is not yet low enough.
local function set_lower(kit)
  kit:needs_intensity()
  local wanted = kit:armed(0.1)
  wanted:pass(wanted.now_ns + 15000000000)
  kit:fire(wanted, kit:action(0.1))
  local stand = kit:armed(0.9)
  kit:fire(stand, kit:action(0.9))
  kit:leave(stand)
  kit:recharge(stand, kit:action(0.9))
  kit:armed(0.1, stand)
  kit:fire(stand, kit:action(0.1))
  kit:check(stand:last_pulse() == wanted:last_pulse(), "armed for %g %% after a pulse at %g %%, the first "
    .. "pulse is %s, not %s", kit:level(0.1), kit:level(0.9), stand:last_pulse(), wanted:last_pulse())
end

local function not_ready(kit)
  kit:needs_arming()
  local stand = kit:connected()
  local verdicts, _, pulses = kit:fire(stand, kit:action())
  kit:check(pulses == 0, "the device fires before it is armed")
  kit:check(not kit:holds(verdicts, "confirm"), "judge takes a refused pulse for a confirmed one")
end

local function confirms(kit)
  local stand, action = kit:armed(), kit:action()
  local wanted = kit.driver.confirms == false and 0 or 1
  for _ = 1, 3 do
    local verdicts, texts, pulses = kit:fire(stand, action)
    local count = 0
    for i, verdict in ipairs(verdicts) do
      count = count + (verdict == "confirm" and 1 or 0)
      kit:check(verdict ~= "confirm" or #texts[i] > 0, "a confirmation without words")
      kit:check(verdict ~= "fault", "judge says fault at a sound pulse: %s", texts[i])
    end
    kit:check(pulses >= 1, "the device does not fire")
    kit:check(count == wanted, "a pulse has %d confirmations, not %d", count, wanted)
    kit:recharge(stand, action)
  end
  kit:check(wanted == 0 or type(kit.driver.confirmation(1)) == "string", "confirmation(1) is no text")
end

local function idle(kit)
  kit:needs_replies()
  local stand, action = kit:armed(), kit:action()
  local before = #stand.replies
  stand:pass(stand.now_ns + 900000000) -- longer than most devices are silent
  for i = before + 1, #stand.replies do
    local verdict, text = kit.driver.judge(stand.replies[i], action)
    kit:check(verdict ~= "confirm", "judge takes a reply for a confirmation, and nothing was fired")
    kit:check(verdict ~= "fault", "judge says fault while nothing is wrong: %s", tostring(text))
  end
end

local function change_on_the_way(kit)
  local bytes, lead = kit:needs_intensity()
  local stand, from, to = kit:armed(0.3), kit:action(0.3), kit:action(0.6)
  kit:fire(stand, from)
  local first = stand:last_pulse()
  kit:recharge(stand, from)
  if bytes ~= "" then
    stand:write(bytes)
  end
  stand:pass(stand.now_ns + math.ceil(lead * 1e9))
  local _, _, pulses = kit:fire(stand, to)
  kit:check(pulses >= 1, "the device does not fire %g s after a change of intensity", lead)
  kit:check(stand:last_pulse() ~= first, "the intensity did not change: %s", first)
  local straight = kit:armed(0.6)
  kit:fire(straight, to)
  kit:check(stand:last_pulse() == straight:last_pulse(), "changed to, the intensity gives %s, armed "
    .. "with %s", stand:last_pulse(), straight:last_pulse())
end

local function two_channels(kit)
  local limits = kit.driver.limits(nil)
  if limits.channels < 2 then
    kit:skip("the device has one channel")
  end
  local names = limits.channel_names or { "1", "2" }
  local first, second = kit:action(0.3, names[1]), kit:action(0.3, names[2])
  local stand = kit:connected()
  stand:keep_alive(true)
  kit.driver.arm(stand, first)
  local _, _, one = kit:fire(stand, first)
  kit:recharge(stand, first)
  local bytes, lead = kit.driver.encode.set(first, second)
  if bytes then
    if bytes ~= "" then
      stand:write(bytes)
    end
    stand:pass(stand.now_ns + math.ceil(lead * 1e9))
    local _, _, two = kit:fire(stand, second)
    kit:check(one >= 1 and two >= 1, "channel %s fires %d, channel %s %d pulses", names[1], one,
      names[2], two)
  else
    kit:check(type(lead) == "string", "encode.set refuses the other channel without saying why")
  end
end

local function disarms(kit)
  local stand = kit:armed()
  local ok, problem = kit:leave(stand)
  kit:check(ok, "disarm fails on a sound wire: %s", tostring(problem))
  kit:check(stand:count "pulse" == 0, "disarming fires")
  kit:check(kit:always_ready() or kit:is_harmless(stand), "disarm returns, and the device is armed")
end

local function new_arm(kit)
  kit:needs_arming()
  local stand = kit:armed()
  kit:fire(stand, kit:action())
  kit:leave(stand)
  local _, _, pulses = kit:fire(stand, kit:action())
  kit:check(pulses == 0, "the device fires after it was disarmed")
  kit:armed(0.3, stand)
  kit:recharge(stand, kit:action())
  _, _, pulses = kit:fire(stand, kit:action())
  kit:check(pulses >= 1, "armed again, the device does not fire")
end

local function stuck(kit)
  kit:needs_arming()
  local stand = kit:armed()
  if not (stand.simulator.faults and stand.simulator.faults["stuck-armed"]) then
    kit:skip("the simulator has no such fault")
  end
  kit:needs_replies()
  stand:breaks "stuck-armed"
  stand:keep_alive(false)
  stand:safe()
  kit:faults("disarm of a device that stays armed", kit.driver.disarm, stand)
end

--- The safe frame alone, from every state that a run can be in.
local function safe_everywhere(kit)
  kit:needs_arming()
  if kit.driver.safe == "" then
    kit:skip("the lowered trigger line is all there is")
  end
  local states = {
    idle = function() return kit:stand() end,
    connected = function() return (kit:connected()) end,
    armed = function() return kit:armed() end,
    fired = function()
      local stand = kit:armed()
      stand:fire(kit.driver.encode.pulse(kit:action()))
      return stand
    end,
  }
  for name, make in pairs(states) do
    local stand = make()
    stand:keep_alive(false)
    local before = stand:count "pulse"
    stand:safe()
    stand:pass(stand.now_ns + 200000000)
    kit:check(kit:is_harmless(stand), "the safe frame leaves a device armed that was %s", name)
    local _, _, pulses = kit:fire(stand, kit:action())
    kit:check(stand:count "pulse" == before and pulses == 0, "a device that was %s fires after the safe "
      .. "frame", name)
  end
end

local function overheats(kit)
  local stand, action = kit:armed(), kit:action()
  if not (stand.simulator.faults and stand.simulator.faults["over-temperature"]) then
    kit:skip("the simulator has no such fault")
  end
  kit:needs_replies()
  local before = #stand.replies
  stand:breaks "over-temperature"
  stand:pass(stand.now_ns + 2000000000)
  local _, _, pulses = kit:fire(stand, action)
  kit:check(pulses == 0, "a device that is too hot fires")
  local verdicts = {}
  for i = before + 1, #stand.replies do
    verdicts[#verdicts + 1] = kit.driver.judge(stand.replies[i], action)
  end
  kit:check(kit:holds(verdicts, "fault"), "judge does not call it a fault that the device is too hot")
end

local function contact_lost(kit)
  if not kit.driver.keepalive then
    kit:skip("the driver has no keepalive")
  end
  local stand, action = kit:armed(), kit:action()
  stand:keep_alive(false)
  stand:pass(stand.now_ns + math.floor(kit.driver.keepalive.period * 20e9) + 5000000000)
  kit:check(not state(stand).armed, "the simulator stays armed although the keep-alives have ended")
  local before = #stand.replies
  stand:write(kit.driver.keepalive.bytes)
  local _, _, pulses = kit:fire(stand, action)
  kit:check(pulses == 0, "the device fires after it has lost contact")
  local verdicts = {}
  for i = before + 1, #stand.replies do
    verdicts[#verdicts + 1] = kit.driver.judge(stand.replies[i], action)
  end
  kit:check(kit:mute() or kit:holds(verdicts, "fault"),
    "judge does not call it a fault that the device has disarmed itself")
end

local function contact_kept(kit)
  if not kit.driver.keepalive then
    kit:skip("the driver has no keepalive")
  end
  local stand, action = kit:armed(), kit:action()
  stand:pass(stand.now_ns + 20000000000)
  kit:check(state(stand).armed, "the device disarms within 20 s although the keep-alives come")
  local _, _, pulses = kit:fire(stand, action)
  kit:check(pulses >= 1, "after 20 s of keep-alives the device does not fire")
  kit:check(stand:count "error" == 0, "the keep-alives are no frames for the simulator")
end

M.cases = {
  { "connect names the device, and says the same again", opens },
  { "connect and status change nothing that could fire", harmless },
  { "arm returns with the device armed and ready", ready },
  { "arm believes the device, not the clock", ready_from_device },
  { "arm without connect works or fails, and never fires", arm_alone },
  { "arm sets the intensity of the first pulse", set_before },
  { "arm waits until a lower intensity is reached", set_lower },
  { "a pulse before arming is refused, and never confirmed", not_ready },
  { "every pulse has its confirmation (or none, where confirms is false)", confirms },
  { "nothing is confirmed or wrong while the device waits", idle },
  { "a change of intensity is done when its lead is over", change_on_the_way },
  { "every channel fires", two_channels },
  { "disarm returns with the device disarmed", disarms },
  { "after a stop only a new arm makes it fire", new_arm },
  { "a device that stays armed is reported", stuck },
  { "the safe frame disarms from every state", safe_everywhere },
  { "over-temperature is a fault, and fires nothing", overheats },
  { "lost contact disarms the device, and is a fault", contact_lost },
  { "keep-alives keep it armed", contact_kept },
}

return M
