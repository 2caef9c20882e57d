--- The shipped protocols: found by id, wherever in the protocols folder they are; and the shipped
--- experiments, one a
--- file of the scripts folder.
local core = require "moonpulse.core"
local lfs = require "lfs"
local companions = require "moonpulse.text.companions"
local plan_file = require "moonpulse.protocol.plan_file"
local protocols = require "moonpulse.protocol"

local M = {}

M.folder = companions.protocols

--- The shipped protocols of those files that wanted(name) takes. Raises where one of them does not load.
local function load_shipped(wanted)
  local found = {}
  for name in lfs.dir(M.folder()) do
    if name:match("%.lua$") and wanted(name) then
      for _, protocol in ipairs(assert(protocols.load(M.folder() .. "/" .. name,
        "protocols/" .. name))) do
        found[#found + 1] = protocol
      end
    end
  end
  return found
end

--- All shipped protocols, sorted by id. Raises where one of them does not load.
---@return moonpulse.Protocol[]
function M.all()
  local found = load_shipped(function() return true end)
  table.sort(found, function(a, b) return a.id < b.id end)
  return found
end

local function with_id(list, id)
  for _, protocol in ipairs(list) do
    if protocol.id == id then
      return protocol
    end
  end
end

--- Of the files that write this id only: a run does not wait until all others were made.
local function written(id)
  return with_id(load_shipped(function(name)
    local file <close> = assert(io.open(M.folder() .. "/" .. name))
    return file:read("a"):find(id, 1, true) ~= nil or name == id .. ".lua"
  end), id)
end

local known = {}

--- A shipped protocol by its id.
---@param id string
---@return moonpulse.Protocol? nil: there is none of that id
function M.shipped(id)
  if known[id] == nil then
    known[id] = written(id) or false
  end
  return known[id] or nil
end

--- The shipped experiment of this id, from its file; nil: there is none, or it is no experiment.
local function experiment(id)
  local path = ("%s/%s.lua"):format(companions.scripts(), id)
  local file <close> = id:match "^[%w_]+$" and io.open(path)
  if file and file:read("a"):find("return mp.experiment", 1, true) then
    return assert(protocols.load(path, id .. ".lua"))[1] -- as its record names it
  end
end

--- All shipped experiments that a paper is named for, sorted by id: not the prompt, which is a command.
--- Raises where one of them does not load.
---@return moonpulse.Experiment[]
function M.experiments()
  local found = {}
  for name in lfs.dir(companions.scripts()) do
    local shipped = name:match "%.lua$" and experiment(name:sub(1, -5))
    found[#found + 1] = shipped and shipped.cite and shipped or nil
  end
  table.sort(found, function(a, b) return a.id < b.id end)
  return found
end

--- The ids that somebody who wrote id may have meant; all of them where none is like it.
local function like(id)
  local ids = {}
  for _, all in ipairs { M.all(), M.experiments() } do
    for _, shipped in ipairs(all) do
      ids[#ids + 1] = shipped.id
    end
  end
  local meant = require "moonpulse.text.meant" -- for a refusal only
  return meant.question(meant.near(id, ids, 3)) or "shipped: " .. table.concat(ids, ", ")
end

--- A file that somebody who wrote a name may have meant: the name is its, without the ending.
local function file_beside(what)
  for _, ending in ipairs { ".lua", ".plan" } do
    if lfs.attributes(what .. ending, "mode") == "file" then
      return what .. ending
    end
  end
end

local is_record = false

--- From now on the files are those of a record, which keeps the protocol of a course as itself: a course
--- names a file of its author's computer, and that is not looked for.
---@param is boolean false: as ever
function M.keep_to_record(is)
  is_record = is
end

--- A protocol or a variant in a file; id nil: the file's own.
local function in_file(path, id, called)
  local all, message = protocols.load(path, called)
  local beside = not all and not lfs.attributes(path) and file_beside(path)
  if beside then
    return nil, ("there is no file %s, but %s: write its name with the ending"):format(path, beside)
  elseif not all then
    return nil, (message:gsub("^cannot open (.*)$", "cannot open %1: give the path of a protocol "
      .. "file, or an id that moonpulse protocols lists"))
  end
  local found = id and with_id(all, id) or not id and all[1]
  if not found then
    local ids = {}
    for i, protocol in ipairs(all) do
      ids[i] = protocol.id
    end
    return nil, ("%s has no protocol %q; it has %s"):format(path, id, table.concat(ids, ", "))
  elseif found.phases and is_record then
    return nil, path .. " is a course, and a record keeps the protocol that it is of"
  elseif found.phases then -- neither a protocol nor an experiment has them
    return require("moonpulse.protocol.course").resolve(found, M.find)
  end
  return found
end

--- A file and the id of what is meant in it: "mine.lua:fast"; nil where it is written otherwise.
---@param what string
---@return string? path
---@return string? id
function M.parts(what)
  if not lfs.attributes(what) then
    return what:match("^(.+%.lua):([^/:]+)$")
  end
end

--- A protocol by file (a path with "/" or ending in .lua, with ":ID" behind it for one of its variants), by
--- plan file (.plan) or by id, that of a shipped experiment too.
---@param what string
---@param called string? how the file is called in messages and records, if it is one
---@return moonpulse.Protocol?
---@return string? message
function M.find(what, called)
  if what:match("%.plan$") then
    return plan_file.load(what)
  end
  local path, id = M.parts(what)
  if path or what:find("/", 1, true) or what:match("%.lua$") then
    return in_file(path or what, id, called)
  end
  local found = written(what) or experiment(what)
    or with_id(M.all(), what) -- an id that is put together in its file
  if found then
    return found
  end
  if lfs.attributes(what, "mode") == "file" then
    return M.find("./" .. what)
  end
  local beside = file_beside(what)
  if beside then
    return nil, ("there is no protocol %q, but a file %s: write its name with the ending: %s"):format(what,
      beside, beside)
  end
  return nil, ("there is no protocol %q; %s (moonpulse protocols lists all; or give the path of a "
    .. "file)"):format(what, like(what))
end

--- Pulses, the first one's onset, and the three durations in seconds: first to last pulse, nominal end,
--- whole cycles. Random rests are drawn with seed.
---@param plan moonpulse.Plan
---@param seed integer
---@param progress (fun(walked: integer, total: integer))? called now and then where that takes long, with
---   pulses and marks
function M.measure(plan, seed, progress)
  local totals = plan:totals()
  local facts = {
    pulses = totals.pulses, marks = totals.marks, random = totals.random, first_s = totals.first,
    first_to_last_s = totals.last - totals.first, nominal_end_s = totals.span,
    whole_cycles_s = totals.whole,
  }
  if totals.random then
    local _, first_us, last_us, end_ns = core.schedule(plan, seed):measure(progress and function(walked)
      progress(walked, totals.pulses + totals.marks)
    end)
    facts.first_s = first_us / 1e6
    facts.first_to_last_s = (last_us - first_us) / 1e6
    facts.nominal_end_s = end_ns / 1e9
    facts.whole_cycles_s = facts.nominal_end_s + totals.whole - totals.span
    facts.seed = seed
  end
  return facts
end

return M
