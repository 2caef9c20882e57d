--- A run's folder as the exporter needs it. Nothing of it is run: text and JSON are read as data.
local edited = require "moonpulse.safety.edited"
local lfs = require "lfs"
local opened = require "moonpulse.record.opened"
local plan_file = require "moonpulse.protocol.plan_file"
local read = require "moonpulse.record.read"
local text_files = require "moonpulse.text.text_file"
local tsv = require "moonpulse.bids.tsv"

local M = {}

local events_kind = { bytes = 400000000, name = "record" }

---@class moonpulse.BidsRun
---@field folder string
---@field name string of its folder
---@field id string of the protocol or the experiment
---@field manifest table
---@field events string events.tsv
---@field events_json string? its description, if the run wrote one
---@field plan { plan: moonpulse.Plan, seed: integer, is_nerve: fun(channel: string): boolean }?
---@field plan_file table? as plan_file.read has it
---@field plan_text string?
---@field is_nerve fun(channel: string): boolean
---@field edited string? what of it is not as it was sealed
---@field files string[] paths in its folder, sorted; links and what is no regular file are not among them

--- All regular files below a folder.
local function files_below(folder, under, into)
  local names = {}
  for name in lfs.dir(folder .. "/" .. under) do
    names[#names + 1] = name ~= "." and name ~= ".." and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = under == "" and name or under .. "/" .. name
    local mode = lfs.symlinkattributes(folder .. "/" .. path, "mode")
    if mode == "directory" then
      files_below(folder, path, into)
    elseif mode == "file" then
      into[#into + 1] = path
    end
  end
  return into
end

--- The plan that was run.
local function plan_of(run)
  run.plan_text = text_files.read(run.folder .. "/resolved.plan", { bytes = 1 << 24, name = "plan file" })
  local nerve = {}
  for _, name in ipairs(read.get(run.manifest, "protocol.nerve") or {}) do
    nerve[name] = true
  end
  if run.plan_text then
    local found, message = plan_file.read(run.plan_text, run.folder .. "/resolved.plan")
    if not found then
      return nil, message
    end
    for _, name in ipairs(found.nerve or {}) do
      nerve[name] = true
    end
    run.plan_file, found.text = found, run.plan_text
  end
  run.is_nerve = function(channel) return nerve[channel] or false end
  if run.plan_file then
    run.plan = { plan = run.plan_file.plan, seed = run.plan_file.seed, is_nerve = run.is_nerve }
  end
  return run
end

--- Read a run's folder.
---@param folder string
---@return moonpulse.BidsRun? run
---@return string? message
function M.read(folder)
  local path, manifest = opened.ended(folder)
  if not path then
    return nil, manifest
  end
  folder = path
  local text, message = text_files.read(folder .. "/events.tsv", events_kind)
  if not text then
    return nil, message
  end
  local header = tsv.parse(text:match("^[^\r\n]*"))
  for _, name in ipairs { "onset", "duration", "event", "status" } do
    if not header.index[name] then
      return nil, ("%s/events.tsv has no column '%s': was it changed?"):format(folder, name)
    end
  end
  local run = { folder = folder, name = folder:match("[^/]+$"), manifest = manifest, events = text,
    id = tostring(read.get(manifest, "protocol.id") or read.get(manifest, "experiment.id") or "run"),
    events_json = text_files.read(folder .. "/events.json"), files = files_below(folder, "", {}) }
  run.edited = edited.look(folder, manifest, { "resolved.plan" })
  return plan_of(run)
end

return M
