--- The seal of a folder: is every file as SHA256SUMS says, is none missing, was none added?
local core = require "moonpulse.core"
local lfs = require "lfs"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"

local M = {}

local most_list = 4000000 -- bytes: what is longer was not written by a run

--- What SHA256SUMS says, by name.
local function sealed_by(text)
  local sums, number = {}, 0
  for line in text:gmatch("[^\n]+") do
    number = number + 1
    local escaped, digits, name = line:match("^(\\?)(%x+)  (.*)$")
    if name and escaped ~= "" then
      name = name:gsub("\\(.)", { n = "\n", r = "\r", ["\\"] = "\\" })
    end
    if name then
      sums[name] = { digits = digits, line = number }
    end
  end
  return sums
end

--- The hashes of all files, and the list as it would be written today.
local function hash_all(folder, list, progress)
  local sums, lines, done, total = {}, {}, 0, 0
  for _, each in ipairs(list) do
    total = total + (lfs.symlinkattributes(folder .. "/" .. each.name, "size") or 0)
  end
  for i, each in ipairs(list) do
    local digits = each.is_file and sha256.of_file(folder .. "/" .. each.name, function(bytes)
      done = done + bytes
      progress("hashing", done, total, "bytes")
    end) or nil
    sums[each.name] = digits or "none"
    lines[i] = seals.line(sums[each.name], each.name)
  end
  return sums, table.concat(lines)
end

local function name_differences(findings, list, sums, sealed)
  for _, each in ipairs(list) do
    local was = sealed[each.name]
    if not was then
      findings:differ(each.name, nil, "it was not in the folder when it was sealed")
    elseif not each.is_file then
      findings:differ(each.name, nil, "it is no file any more")
    elseif was.digits ~= sums[each.name] then
      findings:differ(each.name, nil, "it was changed: its SHA-256 is not that of line %d of SHA256SUMS",
        was.line)
    end
  end
  local missing = {}
  for name in pairs(sealed) do
    missing[#missing + 1] = sums[name] == nil and name or nil
  end
  table.sort(missing)
  for _, name in ipairs(missing) do
    findings:differ(name, nil, "it is missing")
  end
end

--- The seal and its signature, which no list has.
local function check_own(folder, findings)
  for _, name in ipairs { seals.name, seals.signature } do
    local mode = lfs.symlinkattributes(folder .. "/" .. name, "mode")
    if mode and mode ~= "file" then
      findings:differ(name, nil, "it is a %s, and no file", mode)
    end
  end
end

--- Check every file.
---@param folder string
---@param findings moonpulse.VerifyFindings
---@param progress fun(what: string, done: integer, total: integer, of: string)
---@return table<string, string> sums SHA-256 of each file by its name
---@return string? seal SHA-256 of SHA256SUMS; nil: the folder is not sealed
function M.check(folder, findings, progress)
  local list, message = seals.list(folder)
  if not list then
    findings:differ(seals.name, nil, "%s", message)
    return {}
  end
  check_own(folder, findings)
  local sums, text = hash_all(folder, list, progress)
  local path = folder .. "/" .. seals.name
  if not lfs.symlinkattributes(path, "mode") then
    return sums
  end
  local sealed
  sealed, message = core.read_file(path, most_list)
  if not sealed then
    findings:differ(seals.name, nil, "%s", message)
    return sums
  elseif sealed == text then
    findings:check("%d files are as they were sealed", #list)
    return sums, sha256.of(sealed)
  end
  local before = #findings.differs
  name_differences(findings, list, sums, sealed_by(sealed))
  if #findings.differs == before then
    findings:compare(seals.name, sealed, text, "moonpulse writes")
    if #findings.differs == before then
      findings:differ(seals.name, nil, "it is not as moonpulse writes it")
    end
  end
  return sums, sha256.of(sealed)
end

return M
