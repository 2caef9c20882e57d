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

local function text_of(protocol, plan, values, seed)
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

--- The text of the plan file. Raises a refusal { code, message } where it cannot be written exactly. Where
--- nothing is drawn the seed decides nothing: it is 1, so that the same plan is the same bytes.
---@param protocol moonpulse.Protocol
---@param plan moonpulse.Plan
---@param values table the parameters
---@param seed integer
---@param drawn boolean? the plan's order was drawn from it
---@return string
function M.text(protocol, plan, values, seed, drawn)
  local decides = drawn or protocol.plan_file or plan:totals().random -- a plan file stays as it is
  return text_of(protocol, plan, values, decides and seed or 1)
end

--- The text of the plan file of a run, to be compared with the one in its folder: older versions wrote the
--- seed also where nothing is drawn. Raises as text.
---@param text string in the folder
---@param kept { protocol: moonpulse.Protocol, plan: moonpulse.Plan, values: table, seed: integer,
---   drawn: boolean? }
---@return string
function M.like(text, kept)
  local made = M.text(kept.protocol, kept.plan, kept.values, kept.seed, kept.drawn)
  local older = made ~= text and text_of(kept.protocol, kept.plan, kept.values, kept.seed)
  return older == text and older or made
end

return M
