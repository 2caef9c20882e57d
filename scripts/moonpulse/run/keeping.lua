--- Files that a run reads are kept in its folder: those read so far, before anything is armed; those that a
--- script loads later, before it arms again, or when it has ended.
local bytes_read = require "moonpulse.text.bytes_read"
local compiled = require "moonpulse.safety.compiled"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local refusals = require "moonpulse.text.refusal"
local sources = require "moonpulse.record.sources"

local M = {}

--- The files that the options name, each with what the run has it for.
local function named(options, job)
  local list = {}
  local function add(role, path)
    list[#list + 1] = path and path ~= "" and { role = role, path = path } or nil
  end
  local protocol, driver = job.protocol, job.driver
  add(protocol.plan_file and "plan" or protocol.run and "experiment" or "protocol", protocol.file)
  add("course", protocol.course and protocol.course.file)
  add("lab limits", job.policy.lab and job.policy.lab.place)
  for _, each in ipairs(job.several or { { driver = driver } }) do
    add("driver", each.driver.file)
    add("simulator", each.driver.simulator_file)
  end
  add("preflight", options.preflight)
  add("meta", options.meta)
  add("answers", options.answers)
  add("triggers", options.triggers)
  return list
end

local function no_room(message)
  refusals.raise("limit", "cannot keep what the run read: %s: %s, or name another folder with --out DIR",
    message, require("moonpulse.text.room").remedy(message))
end

--- Keep it all. Raises a refusal { code, message } where the disk does not take it: then nothing is played.
local function keep(context, list)
  core.disk "sources"
  for _, each in ipairs(list) do
    local bytes = each.bytes or bytes_read.of(each.path)
    local ok, message = true, nil
    if bytes then -- a protocol that a program made has no file
      ok, message = context.sources:keep(each.role, each.path, bytes, each.as)
    end
    if not ok then
      core.disk()
      no_room(message)
    end
  end
  core.disk()
end

--- resolved.plan: the plan of a protocol as moonpulse compile writes it, with the seed of what is drawn.
local function keep_plan(context)
  local job, path = context.job, context.record.folder .. "/resolved.plan"
  local made, text = pcall(compiled.text, job.protocol, job.plan, context.values, job.seed, context.drawn)
  if not made and type(text) == "table" and text.code == "limit" then -- a plan file cannot say it
    io.stderr:write(("moonpulse: note: the record has no resolved.plan: %s\n"):format(text.message))
    return
  elseif not made then
    error(text, 0)
  end
  core.disk "resolved.plan"
  local ok, message = sources.write(path, text)
  core.disk()
  if not ok then
    no_room(message)
  end
  context.plan_sha256 = text:match("sha256 (%x+)\n$")
end

--- The run's folder was made: keep what was read for it, and the plan of a protocol.
---@param context moonpulse.Context gets sources and plan_sha256
---@param options table of the command
function M.begin(context, options)
  context.sources = sources.new(context.record.folder)
  keep(context, named(options, context.job))
  M.more(context)
  if context.job.plan then
    keep_plan(context)
  end
end

--- Keep what scripts and drivers have read since. Not while the stimulator is armed: a disk takes its time.
---@param context moonpulse.Context
function M.more(context)
  local list, folder = {}, context.record.folder .. "/"
  for _, each in ipairs(bytes_read.by_scripts()) do
    if each.bytes and each.path:sub(1, #folder) ~= folder then -- a script may look into its own record
      list[#list + 1] = each
    elseif not each.bytes and not context.sources.too_long[each.path] then
      context.sources.too_long[each.path] = true
      io.stderr:write(("moonpulse: note: %s is more than the record of a run keeps (docs/manifest.md): it "
        .. "does not have it\n"):format(escapes.shown(each.path)))
    end
  end
  if list[1] then
    keep(context, list)
  end
end

return M
