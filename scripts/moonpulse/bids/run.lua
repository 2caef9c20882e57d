--- A run's folder as the exporter needs it. Nothing of it is run: text and JSON are read as data.
local core = require "moonpulse.core"
local edited = require "moonpulse.safety.edited"
local lfs = require "lfs"
local opened = require "moonpulse.record.opened"
local plain_files = require "moonpulse.text.plain_file"
local plan_file = require "moonpulse.protocol.plan_file"
local read = require "moonpulse.record.read"
local tsv = require "moonpulse.bids.tsv"

local M = {}

local most_events, most_plan, most_sidecar = 400000000, 1 << 24, 16000000 -- bytes
local most_header = 65536

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
---@field files string[] paths in its folder, sorted
---@field left_out string[] what is not among them: links and what else is no regular file, and what it is

--- All regular files below a folder, and what else lies there.
local function files_below(folder, under, into, left_out)
  local names = {}
  for name in lfs.dir(folder .. "/" .. under) do
    names[#names + 1] = name ~= "." and name ~= ".." and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = under == "" and name or under .. "/" .. name
    local instead = plain_files.instead(folder .. "/" .. path)
    if instead == "a folder" then
      files_below(folder, path, into, left_out)
    elseif instead then
      left_out[#left_out + 1] = ("%s, %s"):format(path, instead)
    else
      into[#into + 1] = path
    end
  end
end

--- A text of the folder, or nothing where none is there; what is there and cannot be read is an error.
local function text_of(run, name, most)
  if not lfs.symlinkattributes(run.folder .. "/" .. name, "mode") then
    return nil
  end
  return core.read_file(run.folder .. "/" .. name, most)
end

--- The plan that was run.
local function plan_of(run)
  local nerve, why = {}
  run.plan_text, why = text_of(run, "resolved.plan", most_plan)
  if why then
    return nil, why
  end
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
  local text, message = core.read_file(folder .. "/events.tsv", most_events)
  if not text then
    return nil, message
  end
  local header = tsv.parse(text:sub(1, most_header):match("^[^\r\n]*"))
  for _, name in ipairs { "onset", "duration", "event", "status" } do
    if not header.index[name] then
      return nil, ("%s/events.tsv has no column '%s': was it changed?"):format(folder, name)
    end
  end
  local run = { folder = folder, name = folder:match("[^/]+$"), manifest = manifest, events = text,
    id = tostring(read.get(manifest, "protocol.id") or read.get(manifest, "experiment.id") or "run"),
    files = {}, left_out = {} }
  run.events_json, message = text_of(run, "events.json", most_sidecar)
  if message then
    return nil, message
  end
  files_below(folder, "", run.files, run.left_out)
  for _, name in ipairs(run.files) do -- before anything is written
    local ok, why = plain_files.check(folder .. "/" .. name)
    if not ok then
      return nil, why
    end
  end
  run.edited = edited.look(folder, manifest, { "resolved.plan" })
  return plan_of(run)
end

return M
