--- A protocol's plan as a plan file has it: for moonpulse compile, for the record of a run, and for verify.
local plan_file = require "moonpulse.protocol.plan_file"
local sessions = require "moonpulse.safety.sessions"

local M = {}

--- The schedule, with what is published of a day.
local function schedule_of(protocol)
  local schedule = {}
  for key, value in pairs(protocol.sessions or {}) do
    schedule[key] = value
  end
  schedule.day_pulses = sessions.day_pulses(protocol)
  return schedule
end

--- The text of the plan file. Raises a refusal { code, message } where it cannot be written exactly.
---@param protocol moonpulse.Protocol
---@param plan moonpulse.Plan
---@param values table the parameters
---@param seed integer
---@return string
function M.text(protocol, plan, values, seed)
  local parameters = {}
  for name, value in pairs(protocol.plan_file and protocol.plan_file.parameters or {}) do
    parameters[name] = value
  end
  for name, value in pairs(values) do
    parameters[name] = tostring(value)
  end
  return plan_file.write(plan, { id = protocol.id, name = protocol.name, cite = protocol.cite,
    doi = protocol.doi, target = protocol.target, note = protocol.note, unconfirmed = protocol.unconfirmed,
    coil = protocol.coil, threshold = protocol.threshold, nerve = protocol.nerve,
    sessions = schedule_of(protocol), seed = seed, parameters = parameters })
end

return M
