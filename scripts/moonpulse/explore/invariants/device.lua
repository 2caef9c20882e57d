--- How the stimulator is, before and after: by the simulator's own state.
local troubles = require "moonpulse.explore.trouble"

local heedless = { ["stuck-armed"] = true }

--- Can the device be told to disarm, and does it do so?
local function is_reachable(run)
  return run.final and not troubles.cuts_frames(run) and not troubles.broke(run, heedless)
end

--- Is the simulator able to fire, as it knows itself? A unit that is armed at its panel always is.
local function is_armed(run)
  local final = run.final
  if run.scenario.device == "duomag" then
    return final.intensity ~= 0
  end
  return final.armed or final.enabled or false
end

return {
  { name = "disarmed-at-the-end", each = true,
    says = "A device that can be reached is disarmed when the run has ended.",
    when = is_reachable,
    check = function(run)
      return is_armed(run) and "the simulator can still fire" or nil
    end },
  { name = "disarmed-is-true", each = true, says = "Where the record says disarmed, the simulator is.",
    when = function(run) return run.final and run.result.disarmed and not run.facts.by_hand end,
    check = function(run)
      local stuck = run.facts.outputs and troubles.broke(run, heedless) -- docs/stopping.md: see its lights
      return is_armed(run) and not stuck and "the record says disarmed, the simulator can still fire" or nil
    end },
  { name = "unsafe-is-said", each = true,
    says = "A device that is left armed is said to be NOT CONFIRMED SAFE.",
    when = function(run) return run.final and run.start_ns and run.facts.tells end,
    check = function(run)
      return is_armed(run) and not (run.message or ""):find "NOT CONFIRMED SAFE"
        and ("the simulator can still fire, and the run said: %s"):format(run.message or "nothing") or nil
    end },
  { name = "unsafe-is-status-4", each = true,
    says = "NOT CONFIRMED SAFE has the exit status of a device fault.",
    when = function(run) return (run.message or ""):find "^NOT CONFIRMED SAFE" end,
    check = function(run)
      return run.status ~= 4 and ("the exit status is %d"):format(run.status) or nil
    end },
  { name = "armed-before-pulse", each = true,
    says = "No pulse is given before the simulator was armed, nor after it was disarmed.",
    when = function(run) return run.facts.arms and run.given[1] end,
    check = function(run)
      local at, state, ends_ns = 1, false, 0
      for _, pulse in ipairs(run.given) do
        while run.log[at] and (run.log[at].ns < pulse.ns or run.log[at].ns == pulse.ns
          and run.log[at].event == "arm") do
          local event = run.log[at].event
          if event == "arm" or event == "disarm" then
            state = event == "arm"
            ends_ns = state and math.huge or ends_ns == math.huge and run.log[at].ns or ends_ns
          end
          at = at + 1
        end
        if not state and pulse.ns > ends_ns + (run.facts.settles_ns or 0) then
          return ("a pulse at %.6f s, and the simulator is not armed"):format(pulse.ns / 1e9)
        end
      end
    end },
  { name = "never-armed-if-refused", each = true,
    says = "A plan that is refused arms nothing and gives nothing.",
    when = function(run) return run.scenario.plan and run.status == 3 and run.manifest == nil end,
    check = function(run)
      return (run.given[1] or run.heard[1]) and "the device was sent something" or nil
    end },
  { name = "counts-of-the-simulator", each = true,
    says = "The simulator's own count of pulses is that of its log.",
    when = function(run) return run.final and math.type(run.final.pulses) == "integer" and not run.full end,
    check = function(run)
      local logged = #run.given + #run.fired_given
      return run.final.pulses ~= logged and ("it counts %d, its log has %d"):format(run.final.pulses, logged)
        or nil
    end },
  { name = "stays-armed", each = true,
    says = "Between arming and the stop the device does not fall out of its armed state.",
    when = function(run)
      return is_reachable(run) and run.facts.arms and run.result.stop == "finished" and run.scenario.plan
    end,
    check = function(run)
      local last = run.given[#run.given]
      for _, entry in ipairs(run.log) do
        if entry.event == "disarm" and last and entry.ns < last.ns then
          return ("it was disarmed at %.6f s, and the last pulse is at %.6f s"):format(entry.ns / 1e9,
            last.ns / 1e9)
        end
      end
    end },
}
