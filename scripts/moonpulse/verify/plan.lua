--- The plan of a protocol's run, made again from what the folder keeps: the text, the parameters and the
--- seed.
local core = require "moonpulse.core"
local catalogue = require "moonpulse.protocol.catalogue"
local findings_of = require "moonpulse.verify.findings"
local lfs = require "lfs"
local named_files = require "moonpulse.protocol.named_files"
local protocols = require "moonpulse.protocol"
local read = require "moonpulse.record.read"
local versions = require "moonpulse.verify.version"

require "moonpulse" -- the protocol files that are found here require it

local M = {}

local name = "resolved.plan"
local most_bytes = 1 << 24

--- The file of sources/ that the run's protocol was read from.
local function source_of(folder, manifest)
  for _, each in ipairs(type(manifest.files) == "table" and manifest.files or {}) do
    local file = type(each) == "table" and each.file
    if type(file) == "string" and (each.role == "protocol" or each.role == "plan")
      and file:find("^sources/[^/]+$") then
      return folder .. "/" .. file
    end
  end
end

--- The parameters as --param would give them.
local function given_of(manifest, declared)
  local given = {}
  for key, value in pairs(type(manifest.parameters) == "table" and manifest.parameters or {}) do
    if declared[key] and type(value) ~= "table" and type(value) ~= "userdata" then
      given[key] = math.type(value) == "float" and value == math.floor(value) and math.abs(value) < 2 ^ 53
        and ("%d"):format(value) or tostring(value)
    end
  end
  return given
end

local named = { sham = true, table = true } -- roles
local texts = { protocol = true, experiment = true, plan = true }

--- How the name of the file ends that sources/ keeps of a run's protocol or experiment: ".lua" or ".plan".
---@param manifest table
---@return string? ending nil: manifest.json does not say
---@return string? file by its path in the folder
function M.kept_ending(manifest)
  for _, each in ipairs(type(manifest.files) == "table" and manifest.files or {}) do
    if type(each) == "table" and texts[each.role] and type(each.file) == "string" then
      return each.file:match("%.%w+$"), each.file
    end
  end
end

--- What the file of a run's protocol or experiment was called: sources/ keeps it by a name without blanks,
--- quotes and the like, and each pulse and the id may have the one that it had.
---@param manifest table
---@return string? name without folders; nil: manifest.json does not say
function M.file_name(manifest)
  local file = read.get(manifest, "protocol.file") or read.get(manifest, "experiment.file")
  local base = type(file) == "string" and file:match("([^/]+)$")
  local ending = base and base:match("%.%w+$")
  return base and ending == M.kept_ending(manifest) and not base:find("\0", 1, true) and base or nil
end

local function find(path, id, called)
  for _, each in ipairs(called and path:find("%.lua$") and protocols.load(path, called) or {}) do
    if each.id == id and not each.phases then
      return each
    end
  end
  local found, message = catalogue.find(path:find("%.plan$") and path or ("%s:%s"):format(path, id))
  if not found and not path:find("%.plan$") then
    found = catalogue.find(path)
    if found and found.id ~= id then
      found = nil
    end
  end
  return found, message
end

--- The files that the run's protocol, or script, named for a sham or as tables, by how it named them.
---@param folder string
---@param manifest table
---@return table<string, string|false> false: two files of one name
function M.named_files(folder, manifest)
  local kept = {}
  for _, each in ipairs(type(manifest.files) == "table" and manifest.files or {}) do
    local file = type(each) == "table" and named[each.role] and type(each.as) == "string" and each.file
    local path = type(file) == "string" and file:find("^sources/[^/]+$") and folder .. "/" .. file
    if path and lfs.symlinkattributes(path, "mode") == "file" then
      kept[each.as] = kept[each.as] == nil and path
    end
  end
  return kept
end

---@class moonpulse.KeptPlan
---@field protocol moonpulse.Protocol
---@field plan moonpulse.Plan that the run had
---@field begins moonpulse.Begins? with which trial it began, where it is not the first
---@field whole moonpulse.Plan the same, but for a run that began with a later trial
---@field values table
---@field seed integer
---@field drawn boolean its order is drawn from the seed

--- What the run had of the plan: all of it, or what begins with a trial or block.
local function remainder_of(manifest, plan, seed)
  local at = manifest.begins_at
  if at == nil then
    return plan
  end
  local number = type(at) == "table" and math.tointeger(at.number)
  if not number or at.what ~= "trial" and at.what ~= "block" then
    return nil, "manifest.json: begins_at does not say with which trial or block the run began"
  end
  local remainders = require "moonpulse.compose.remainder" -- loaded for the few that have it
  local ok, rest, begins = pcall(remainders.of, plan, seed, { what = at.what, number = number,
    marks_given = math.tointeger(tonumber(at.marks_given)) })
  if not ok then
    return nil, type(rest) == "table" and rest.message or tostring(rest)
  end
  return rest, nil, begins
end

local function again(folder, manifest)
  local path = source_of(folder, manifest)
  if not path or lfs.symlinkattributes(path, "mode") ~= "file" then
    return nil, "the folder does not keep the protocol's text (sources/)"
  end
  local seed = math.tointeger(tonumber(manifest.seed))
  local id = read.get(manifest, "protocol.id")
  if not seed or type(id) ~= "string" then
    return nil, "manifest.json does not say the seed, or the protocol's id"
  end
  local protocol, message = find(path, id, M.file_name(manifest))
  if not protocol then
    return nil, message
  elseif type(protocol.plan) ~= "function" then
    return nil, "what sources/ keeps as the protocol's text is none"
  end
  local values
  values, message = protocols.values(protocol, given_of(manifest, protocol.params or {}),
    { amt = M.threshold(manifest, "amt") })
  if not values then
    return nil, message
  end
  local plan, drawn
  plan, message, drawn = protocols.build(protocol, values, seed)
  if not plan then
    return nil, message
  end
  local whole = plan
  local begins
  plan, message, begins = remainder_of(manifest, plan, seed)
  return plan and { protocol = protocol, plan = plan, whole = whole, begins = begins, values = values,
    seed = seed,
    drawn = drawn or false } or nil, message
end

--- Make the plan of a protocol's run again. Of the files that its text names only those of the folder are
--- read.
---@param folder string
---@param manifest table
---@return moonpulse.KeptPlan?
---@return string? why it cannot be
function M.again(folder, manifest)
  local before = named_files.keep_to(M.named_files(folder, manifest))
  local ok, kept, message = pcall(again, folder, manifest)
  named_files.keep_to(before)
  if not ok then
    error(kept, 0)
  end
  return kept, message
end

--- A threshold of the manifest: a number, or an object that has it as its value.
---@param manifest table
---@param key "rmt"|"amt"
---@return number?
function M.threshold(manifest, key)
  local value = read.get(manifest, "thresholds." .. key)
  value = type(value) == "table" and value.value or value
  return type(value) == "number" and value or nil
end

--- Does resolved.plan say what the kept text, parameters and seed make?
---@param folder string
---@param manifest table
---@param made moonpulse.MadeAgain
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, made, findings)
  local path, what = folder .. "/" .. name, "resolved.plan against the protocol's text"
  if not lfs.symlinkattributes(path, "mode") then
    return findings:leave("the plan", "the folder has no resolved.plan",
      "compare the rows with a copy that was kept elsewhere")
  elseif made.why or made.plan_why then
    return findings:leave(what, made.why or made.plan_why, made.remedy)
  end
  local text, message = core.read_file(path, most_bytes)
  if not text then
    return findings:differ(name, nil, "%s", message)
  end
  local like
  like, message = core.read_file(made.path .. "/" .. name, most_bytes)
  if not like then
    return findings:leave(what, message, made.remedy)
  end
  local other = versions.other(manifest)
  local found = other and findings_of.new() or findings
  if found:compare(name, text, like, "the kept text, parameters and seed make") then
    findings:check("resolved.plan is what the kept text, parameters and seed make")
  elseif other then
    versions.leave(findings, what, other, found.differs)
  end
end

return M
