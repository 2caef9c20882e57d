--- moonpulse compile: a protocol, resolved, as a plan file that another lab can check and run.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local numbers = require "moonpulse.text.numbers"
local plan_file = require "moonpulse.protocol.plan_file"
local sessions = require "moonpulse.safety.sessions"

local M = {}

function M.parser()
  local parser = cli.parser("compile",
    "Write the resolved plan of a protocol to a file: its structure, its parameters, the seed of its "
      .. "random rests, and a SHA-256. run, show, events and check take it as they take a protocol; a file "
      .. "that was changed is refused. Intensities stay as they are written (%RMT, %AMT): the participant's "
      .. "thresholds belong to the run.",
    "moonpulse compile itbs600 -o itbs600.plan\nmoonpulse run itbs600.plan --amt 50")
  common.add_protocol(parser)
  parser:option("-o --output", "The file; - is standard output."):argname("FILE.plan")
  return parser
end

--- The schedule, with what is published of a day.
local function schedule_of(protocol)
  local schedule = {}
  for key, value in pairs(protocol.sessions or {}) do
    schedule[key] = value
  end
  schedule.day_pulses = sessions.day_pulses(protocol)
  return schedule
end

local function facts_of(protocol, values, seed)
  local parameters = protocol.plan_file and protocol.plan_file.parameters or {}
  for name, value in pairs(values) do
    parameters[name] = tostring(value)
  end
  return { id = protocol.id, name = protocol.name, cite = protocol.cite, doi = protocol.doi,
    target = protocol.target, note = protocol.note, unconfirmed = protocol.unconfirmed,
    coil = protocol.coil, threshold = protocol.threshold, nerve = protocol.nerve,
    sessions = schedule_of(protocol),
    seed = seed, parameters = parameters }
end

--- The plan file's text. Raises a refusal { code, message } where a plan cannot be written exactly.
---@param protocol moonpulse.Protocol
---@param plan moonpulse.Plan
---@param values table its parameters
---@param seed integer
---@return string
function M.text(protocol, plan, values, seed)
  return plan_file.write(plan, facts_of(protocol, values, seed))
end

function M.run(options)
  local protocol, plan, values = common.load(options, false, true)
  local seed = options.seed or 1
  local ok, text = pcall(M.text, protocol, plan, values, seed)
  if not ok then
    cli.fail(type(text) == "table" and text.code or "fault", "%s",
      type(text) == "table" and text.message or tostring(text))
  end
  local path = options.output or protocol.id .. ".plan"
  if path == "-" then
    io.stdout:write(text)
    return
  end
  local file, message = io.open(path, "wb")
  if not file then
    cli.fail("usage", "cannot write the plan: %s", message)
  end
  local written
  written, message = file:write(text)
  if not (written and file:close()) then
    cli.fail("fault", "cannot write the plan: %s", message or path)
  end
  print(("%s: %s, %d bytes, SHA-256 %s"):format(path, numbers.counted(plan:totals().pulses, "pulse"), #text,
    text:match("sha256 (%x+)\n$")))
end

return M
