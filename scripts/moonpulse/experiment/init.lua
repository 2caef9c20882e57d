--- Experiments: a script that decides while it runs what is given next.
local blame = require "moonpulse.text.author_line"
local protocols = require "moonpulse.protocol"
local sandbox = require "moonpulse.protocol.sandbox"

local M = {}

---@class moonpulse.Experiment
---@field id string? set from the file's name
---@field file string? that it was read from
---@field name string?
---@field aim string? what for
---@field cite string?
---@field doi string?
---@field note string?
---@field coil string?
---@field threshold string?
---@field nerve string[]?
---@field params table<string, moonpulse.Parameter>?
---@field run fun(run: moonpulse.ExperimentRun)

local known = { id = "?text", name = "?text", aim = "?text", cite = "?text", doi = "?text", note = "?text",
  params = "?table", coil = "?text", threshold = "?text", nerve = "?list", run = "function" }

local is_experiment = setmetatable({}, { __mode = "k" })
local environments = setmetatable({}, { __mode = "k" })

--- Declare an experiment. Raises at the author's line for a missing or unknown field.
---@param spec moonpulse.Experiment|fun(run: moonpulse.ExperimentRun)
---@return moonpulse.Experiment
function M.experiment(spec)
  if type(spec) == "function" then
    spec = { run = spec }
  end
  blame.options("experiment", spec, known)
  if type(spec.run) ~= "function" then
    blame.fail("experiment: run must be a function(run), not %s", type(spec.run))
  end
  protocols.check_parameters("experiment", spec)
  return protocols.accept(spec, function(environment)
    local own = protocols.own(spec, known)
    protocols.check_parameters("experiment", own)
    is_experiment[own], environments[own] = true, environment
    return own
  end)
end

--- It is about to be run: its script may use files, modules and the system from now on.
---@param spec moonpulse.Experiment
function M.open(spec)
  if environments[spec] then
    sandbox.open(environments[spec])
  end
end

--- It is about to be looked at: its script sees no more of the machine than a protocol.
---@param spec moonpulse.Experiment
---@param file string as it was named
---@param kept table? what a record kept of the files that it read: sandbox.look
---@param exit fun(code: any)? os.exit, all that it sees of os
function M.look(spec, file, kept, exit)
  sandbox.look(assert(environments[spec], "only what came from a file is looked at"), file, kept, exit)
end

--- The globals of the file that it came from.
---@param spec moonpulse.Experiment
---@return table
function M.environment(spec)
  return environments[spec]
end

--- Did mp.experiment make it?
---@param value any
---@return boolean
function M.is(value)
  return is_experiment[value] == true
end

return M
