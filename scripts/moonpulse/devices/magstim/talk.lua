--- Conversations that every Magstim unit has: who is there, is it ready, is it safe.
local frames = require "moonpulse.devices.magstim.frames"

local M = {}

local patience = 0.5 -- seconds for a reply; units answer within some 20 ms
local last_patience = 0.25 -- after the safe frame: that it is not safe must be said within 2 s

--- Seconds without a pulse: units disarm themselves 60 s after the last (MagPy 92bf2d0); the second
--- that is missing here is ours.
M.longest_rest = 59

--- Send a command and wait for its reply; a refusal is a fault in the unit's own words.
---@param io moonpulse.Link
---@param bytes string
---@param name string the reply's
---@param what string what was asked, for the sentence
---@param tries integer? only questions may be asked again
---@param timeout number? seconds for each
function M.ask(io, bytes, name, what, tries, timeout)
  local reply = io:transact(bytes, function(each)
    return each.name == name or each.name == "error"
  end, timeout or patience, tries or 1, ("no answer to %s: is it switched on, is the cable in the "
    .. "right socket of the main unit, and is this the right port?"):format(what))
  if reply.name == "error" then
    io:fault("%s was refused: %s", what, frames.meanings[reply.error])
  end
  return reply
end

--- The name of the reply to the safe frame: the same as that to the fire command.
M.safe_answer = "state"

--- What in a status byte keeps the unit from firing; nil: nothing.
---@param reply table
---@return string?
function M.trouble(reply)
  if reply.remote == 0 then
    return "it is not under remote control any more"
  elseif reply.coil_present == 0 then
    return "no coil is connected"
  elseif reply.replace_coil == 1 then
    return "its coil must be replaced"
  elseif reply.error_present == 1 then
    return reply.error_fatal == 1 and "it reports a fatal error: see its panel, switch it off and on"
      or "it reports an error: see its panel"
  end
end

--- Wait until the unit says that it is ready to fire.
---@param io moonpulse.Link
---@param poll string the command that asks
---@param name string its reply
function M.await_ready(io, poll, name)
  local last
  for _ = 1, 50 do -- arming takes about 1 s; recharging after a pulse up to 4 s
    last = M.ask(io, poll, name, "the question whether it is ready", 2)
    local trouble = M.trouble(last)
    if trouble then
      io:fault("it does not arm: %s", trouble)
    elseif last.ready == 1 then
      return last
    end
    io:sleep(0.1)
  end
  io:fault("it does not become ready within 5 s (%s): is the coil switch or interlock closed, is "
    .. "the coil below 40 C?", last.armed == 1 and "armed, still charging" or "standby")
end

--- After the safe frame: believed only when the unit says so; then the panel is free again.
---@param io moonpulse.Link
---@param poll string not the keep-alive: the answer to one from before the safe frame, which may still
---   be on its way, would say that the unit is armed
---@param name string
---@param off string the remote off command
function M.disarm(io, poll, name, off)
  local reply = M.ask(io, poll, name, "the question whether it is disarmed", 3, last_patience)
  if reply.armed == 1 or reply.ready == 1 then
    io:fault("it still says that it is armed: disarm it at its panel, or switch it off")
  end
  M.ask(io, off, "remote_off", "giving up remote control", 2)
end

--- What a reply means while a plan runs.
---@param reply table
---@param expected moonpulse.Action? nil: nothing was fired, and the same reply is that to arming
function M.judge(reply, expected)
  if reply.name == "error" then
    local fire = reply.bytes:sub(1, 1) == "E" and (reply.error == "invalid_data" or reply.error == "conflict")
    return fire and expected and "refused" or "fault", frames.meanings[reply.error]
  elseif reply.standby == nil then
    return nil
  end
  local trouble = M.trouble(reply)
  if trouble then
    return "fault", "the stimulator cannot fire: " .. trouble
  elseif reply.name == "state" and reply.standby == 0 and expected then -- a unit in standby did not fire
    reply.text = reply.text or M.confirmation(1)
    return "confirm", reply.text, 1
  elseif reply.name ~= "state" and reply.standby == 1 then
    return "fault", "the stimulator has disarmed itself (as it does 60 s after the last pulse, when its "
      .. "coil is over 40 C, and when the host is silent for 1 s; an experiment calls stim:disarm() before a "
      .. "longer pause, and stim:arm() after it)"
  elseif reply.name ~= "state" then -- it has not disarmed itself: what it times goes on, or has ended whole
    return "going"
  end
end

--- A confirmed pulse in words.
function M.confirmation()
  return "accepted by the unit"
end

--- Does a power that was read back hold? True, or what is otherwise.
---@param said integer
---@param wanted integer
---@param what string?
function M.same_power(said, wanted, what)
  return said == wanted or ("%s is %d %%, not %d %%"):format(what or "the power", said, wanted)
end

--- The lead of a setting that is read back: its slowest reply, and 0.05 s (ours) to read it, must fit.
---@param seconds number that the unit itself needs
---@param reply_slow number the driver's
function M.lead(seconds, reply_slow)
  return math.max(seconds, reply_slow + 0.05)
end

--- How long before a pulse, or before arming, the power must be told: the unit follows by 10 ms for each
--- % up and 100 ms for each % down (MagPy 92bf2d0); 50 ms more are ours. Armed it says ready after a
--- second, wherever its capacitor is on the way down, and would fire at more than was asked.
---@param from number %MSO
---@param to number %MSO
---@return number seconds
function M.settling(from, to)
  return 0.05 + (to > from and 0.01 * (to - from) or 0.1 * (from - to))
end

--- Why a new power takes long: it falls. nil: it rises, or falls by a little.
---@param name string "power B"
---@param from number %MSO
---@param to number %MSO
---@return string?
function M.falling(name, from, to)
  return from - to >= 5 and ("%s has to fall from %g to %g %%MSO, which takes %.1f s"):format(name, from, to,
    M.settling(from, to)) or nil
end

return M
