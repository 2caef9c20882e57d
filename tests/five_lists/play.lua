--- One run of a plan on a simulator, in this process and in virtual time.
local devices = require "moonpulse.driver.find"
local inside = require "moonpulse.run.inside"
local lfs = require "lfs"
local protocols = require "moonpulse.protocol"
local records = require "moonpulse.record"
local refusals = require "moonpulse.text.refusal"
local shell = require "shell"
local triggers = require "moonpulse.driver.trigger_path"

local M = {}

M.thresholds = { rmt = 50, amt = 45 }

--- The plan of a protocol's text. Raises where it does not load.
---@param folder string
---@param source string
---@param seed integer
---@return moonpulse.Plan
function M.build(folder, source, seed)
  local path = folder .. "/drawn.lua"
  shell.write(path, source)
  local protocol = assert(protocols.load(path))[1]
  return assert(protocols.build(protocol, assert(protocols.values(protocol, {})), seed))
end

local function cleared(folder)
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then
      os.remove(folder .. "/" .. name)
    end
  end
  lfs.rmdir(folder)
end

---@class Played
---@field refused string? why the plan is not played
---@field stop string? how the run ended
---@field fault string?
---@field job table
---@field record table
---@field events string events.tsv
---@field simulator string twin.tsv

--- Play plan; whatever is raised that is no refusal is raised on.
---@param folder string for the run's folder, which is removed
---@param plan moonpulse.Plan
---@param given { device: table, timing: string, seed: integer } timing "trigger": by the host, over the
---   device's trigger input
---@return Played
function M.play(folder, plan, given)
  local driver = devices.configure(assert(devices.find(given.device.name)), given.device.settings)
  local timing = given.timing
  if timing == "trigger" then
    driver, timing = triggers.apply(driver, assert(triggers.parse("sim"))), "host"
  end
  local record = assert(records.create(folder, "five"))
  local job = { plan = plan, seed = given.seed, driver = driver, thresholds = M.thresholds,
    policy = { real = false }, timing = timing, tolerance = 0.001, late = "abort", stop_line = "none",
    cuts = { near = true, far = true } }
  local ok, outcome = pcall(inside.run, job, record, "max",
    { connected = function() end, prepared = function() end, armed = function() end,
      progress = function() end })
  record:close()
  local made = { job = job, record = record, events = shell.read(record.folder .. "/events.tsv"),
    simulator = shell.read(record.folder .. "/twin.tsv") }
  cleared(record.folder)
  if ok then
    made.stop, made.fault = outcome.stop, outcome.fault or outcome.not_disarmed
  elseif type(outcome) == "table" and (outcome.code == "limit" or outcome.code == "usage") then
    made.refused = outcome.message
  elseif refusals.is_fault(outcome) then
    made.stop, made.fault = "device", tostring(outcome.message)
  else
    error(outcome, 0)
  end
  return made
end

return M
