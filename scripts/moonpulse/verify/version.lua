--- A record that says that another version of Moonpulse made it: what is made again from it may come out
--- otherwise, and that needs be no damage. But only the record says so, so that it is not whole then; hashes,
--- chain and rows judge all the same.
local core = require "moonpulse.core"
local read = require "moonpulse.record.read"

local M = {}

--- The version that made a record, where it is not this one. A commit with a + had changes of its own.
---@param manifest table
---@return string? other as "0.2.0 (12ab34cd56ef)"; nil: this one
function M.other(manifest)
  local version, commit = read.get(manifest, "moonpulse.version"), read.get(manifest, "moonpulse.commit")
  version = type(version) == "string" and version or "that does not say its number"
  commit = type(commit) == "string" and commit or ""
  if version == core.version and (commit == core.commit or commit == "" or core.commit == "") then
    return nil
  end
  return version .. (commit ~= "" and (" (%s)"):format(commit) or "")
end

--- What is made again differs: told as what another version may have done.
---@param findings moonpulse.VerifyFindings
---@param what string that was compared
---@param other string the version
---@param differs moonpulse.Difference[]
function M.leave(findings, what, other, differs)
  local first = differs[1]
  local here = core.version .. (core.commit ~= "" and (" (%s)"):format(core.commit) or "")
  findings:leave(what, ("the record says that it was made by version %s; replay here (%s) differs: "
    .. "%s%s: %s%s"):format(other, here, first.file, first.line and ":" .. first.line or "", first.text,
    #differs > 1 and ("; and %d more"):format(#differs - 1) or ""),
    ("verify it with version %s"):format(other))
end

return M
