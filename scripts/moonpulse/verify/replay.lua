--- A protocol's run in virtual time, played again: the same plan through the same driver and the same
--- simulator gives the same rows, or one of them was changed.
local core = require "moonpulse.core"
local devices = require "moonpulse.cli.device_argument"
local drivers = require "moonpulse.driver.find"
local faults = require "moonpulse.simulation.faults"
local folders = require "moonpulse.record.folder"
local insides = require "moonpulse.run.inside"
local journal_lines = require "moonpulse.record.journal_lines"
local lfs = require "lfs"
local plans = require "moonpulse.verify.plan"
local records = require "moonpulse.record"
local pulses = require "moonpulse.verify.pulses"
local read = require "moonpulse.record.read"
local rows = require "moonpulse.verify.rows"
local sha256 = require "moonpulse.text.sha256"
local start_ons = require "moonpulse.run.start_on"
local triggers = require "moonpulse.driver.trigger_path"
local versions = require "moonpulse.verify.version"

local M = {}

local function nothing() end

local function is_real(manifest)
  return manifest.speed == nil or manifest.speed == 1
end

--- What the journal's first line says of how the run was driven.
local function options_of(begin)
  local from = type(begin.options) == "table" and begin.options or {}
  local name = type(begin.device) == "table" and begin.device.name
  if type(name) ~= "string" or not drivers.known(name) then
    return nil, ("its driver %s is no shipped one, and no driver that a record names is loaded"):format(
      tostring(name))
  end
  local options = { device = "sim:" .. name, speed = "max", timing = from.timing or "auto",
    device_option = {} }
  for i, text in ipairs(type(from.device_options) == "table" and from.device_options or {}) do
    options.device_option[i] = tostring(text)
  end
  if type(from.trigger) == "string" then
    options.trigger = triggers.parse(from.trigger)
  end
  if type(from.faults) == "string" then
    options.fault = faults.parse(from.faults)
  end
  return options, from
end

--- What its start waited for, and when that came; nil where it waited for nothing.
local function started_of(folder, from)
  if type(from.start_on) ~= "string" then
    return nil
  end
  local text = core.read_file(folder .. "/journal.jsonl", journal_lines.most_bytes)
  for _, entry in ipairs(journal_lines.whole((journal_lines.of(text or "")))) do
    if entry and entry.kind == "trigger" and entry.starts ~= nil then
      return { spec = start_ons.parse(from.start_on), entries = { { at_ns = math.tointeger(
        tonumber(entry.at_ns)), byte = math.tointeger(tonumber(entry.byte)) } } }
    end
  end
end

--- The job of the run, as its options made it.
local function job_of(kept, manifest, options, from, started)
  local driver = devices.choose(options)
  return { start_on = started, policy = { real = false, protocol = kept.protocol }, seed = kept.seed,
    driver = driver,
    thresholds = { rmt = plans.threshold(manifest, "rmt"), amt = plans.threshold(manifest, "amt") },
    tolerance = (tonumber(from.tolerance_ms) or 1) / 1e3, late = from.late or "abort", stop_line = "none",
    timing = options.timing, faults = options.fault, protocol = kept.protocol, plan = kept.plan,
    cuts = { near = true, far = true } }
end

--- Play it into a folder; the record.
local function play(kept, manifest, folder, out, begin, progress)
  local options, from = options_of(begin)
  if not options then
    return nil, from
  end
  options.fault = not is_real(manifest) and options.fault or nil -- of the plan alone
  local job = job_of(kept, manifest, options, from, not is_real(manifest) and started_of(folder, from) or nil)
  local record, message = records.create(out, "again")
  if not record then
    return nil, message
  end
  local total = kept.plan:totals().pulses
  local ok, problem = pcall(insides.run, job, record, "max", { connected = nothing, prepared = nothing,
    armed = nothing, progress = function()
      progress("playing again", record.pulses_sent, total, "pulses")
    end })
  record:close()
  if record.lost then
    return nil, record.lost
  end
  return record, not ok and tostring(problem) or nil
end

--- Of a run that somebody stopped, the rows until a second before: nobody can stop it again at that instant.
local function until_stop(text)
  local ends, number, upto = nil, 0, 0
  for onset in text:gmatch("\n(%-?%d+%.?%d*)\t") do
    ends = math.max(ends or -math.huge, tonumber(onset))
  end
  for onset in text:gmatch("\n(%-?%d+%.?%d*)\t") do
    number = number + 1
    if tonumber(onset) < (ends or 0) - 1 then
      upto = number + 1
    end
  end
  return upto
end

--- Compare a table of the folder with the one that was made by playing it again.
---@param folder string
---@param made string the folder of that
---@param name "events.tsv"|"twin.tsv"
---@param findings moonpulse.VerifyFindings
---@param stopped boolean somebody stopped the run: only events.tsv, until a second before
---@param alike (fun(line: string): string)? what of a line is compared; nil: all
---@return boolean same
function M.compare(folder, made, name, findings, stopped, alike)
  local path = folder .. "/" .. name
  if not lfs.symlinkattributes(path, "mode") or stopped and name ~= "events.tsv"
    or sha256.of_file(path) == sha256.of_file(made .. "/" .. name) then
    return true
  end
  local text = name == "events.tsv" and rows.read(folder, findings) or core.read_file(path, 2000000000)
  local again = core.read_file(made .. "/" .. name, 2000000000)
  return findings:compare(name, text or "", again or "", "played again it is", alike,
    stopped and until_stop(text or "") or nil)
end

--- Play the run again and compare its rows.
---@param folder string
---@param manifest table
---@param kept moonpulse.KeptPlan?
---@param why string? there is none
---@param begin table the first line of the journal
---@param findings moonpulse.VerifyFindings
---@param progress fun(what: string, done: integer, total: integer, of: string)
function M.check(folder, manifest, kept, why, begin, findings, progress)
  local what = "events.tsv against the plan played again"
  if not kept then
    return findings:leave("%s: %s", what, why)
  end
  local out <close>, problem = folders.scratch()
  if not out then
    return findings:leave("%s: %s", what, problem)
  end
  local record, message = play(kept, manifest, folder, out.path, begin, progress)
  if not record then
    return findings:leave("%s: %s", what, message)
  end
  local stopped = M.was_stopped(manifest)
  local other = versions.other(manifest)
  local found = other and require("moonpulse.verify.findings").new() or findings
  local in_real_time, before = is_real(manifest), #found.differs
  local same = true
  if in_real_time then
    local text = rows.read(folder, found)
    pulses.compare(text or "", core.read_file(record.folder .. "/events.tsv", 2000000000) or "", {
      whole = manifest.status == "completed", what = "the plan made again has",
      since = function() return 0 end,
      same_device = read.get(manifest, "device.own_simulator") == true }, found)
    same = #found.differs == before
  end
  for _, name in ipairs(in_real_time and {} or { "events.tsv", "twin.tsv" }) do
    same = M.compare(folder, record.folder, name, found, stopped) and same
  end
  if same and in_real_time then
    findings:check("the pulses of events.tsv are those of the plan")
  elseif same then
    findings:check("%s what the plan gives when it is played again%s", stopped and "events.tsv is"
      or "events.tsv and twin.tsv are", stopped and " (until a second before it was stopped or killed)" or "")
  elseif other then
    versions.leave(findings, what, other, found.differs)
  end
end

--- Did somebody stop the run, or kill it? Nobody can do that again at that instant.
---@param manifest table
---@return boolean
function M.was_stopped(manifest)
  if manifest.status == "interrupted" then
    return true
  end
  local stop = manifest.result and manifest.result.stop
  return core.stops[stop] ~= nil and core.stops[stop].asked_for and stop ~= "finished"
    and stop ~= "requested" -- which a script does again
end

return M
