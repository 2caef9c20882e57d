--- streams.xdf, which a run with --xdf leaves, against the file that the record makes.
local beside = require "moonpulse.xdf.beside"
local core = require "moonpulse.core"
local lfs = require "lfs"
local streams_of = require "moonpulse.xdf.of_run"
local versions = require "moonpulse.verify.version"
local xdf = require "moonpulse.xdf.file"

local M = {}

local most_compared = 16000000 -- bytes, as of a report's table: a longer file takes longer than all the rest
local before_name, behind_name = "<run>", "</run>"

--- The run's name as the file has it: a folder may be renamed.
local function name_in(file)
  local head = file:sub(1, 65536)
  local name = head:match(before_name .. "([^<]*)" .. behind_name)
  return name and (name:gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&amp;", "&"))
end

--- Is the file what the record makes?
---@return boolean? same
---@return string? message nil and why it cannot be made
local function is_made(folder, manifest, file)
  local streams, message = streams_of.streams(folder, manifest, name_in(file))
  if not streams then
    return nil, message
  end
  local at = 1
  for part in xdf.parts(streams) do
    if file:sub(at, at + #part - 1) ~= part then
      return false
    end
    at = at + #part
  end
  return at == #file + 1
end

--- Check it, where there is one.
---@param folder string
---@param manifest table
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, findings)
  local path, what = folder .. "/" .. beside.name, "streams.xdf against the record"
  local found = lfs.symlinkattributes(path)
  if not found or found.mode ~= "file" then
    return
  elseif found.size > most_compared then
    return findings:note("streams.xdf was not compared with the file that the record makes: it is too long "
      .. "for that")
  end
  local file, message = core.read_file(path, most_compared)
  if not file then
    return findings:leave(what, message, "make it anew: moonpulse export xdf")
  end
  local other = versions.other(manifest)
  local done, same, why = pcall(is_made, folder, manifest, file)
  if not done or same == nil then
    findings:leave(what, "the file cannot be made: " .. tostring(done and why or same),
      "look into the record yourself")
  elseif same then
    findings:check("streams.xdf is the file that the record makes")
  elseif other then
    versions.leave(findings, what, other, { { file = beside.name,
      text = "it is not the file that the record makes" } })
  else
    findings:differ(beside.name, nil, "it is not the file that the record makes")
  end
end

return M
