--- How a run ended, as manifest.json has it, against the journal's lines that say the same: the end, the last
--- disarming, and who did it.
local escapes = require "moonpulse.text.escapes"
local read = require "moonpulse.record.read"
local recover_manifest = require "moonpulse.record.recover_manifest"

local M = {}

local nobody = "n/a"

--- A value as a reader of the manifest has it: text of somebody else with its control characters written out.
local function as_read(value)
  return type(value) == "string" and escapes.shown(value) or value
end

--- What of the manifest is otherwise than the journal has it.
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param entry table its line of the end
---@param number integer of that line
---@param is_last boolean nobody recovered the run after that
---@return { field: string, now: any, before: any, line: integer }[]
function M.otherwise(manifest, lines, entry, number, is_last)
  local found = {}
  local function compare(field, now, before, line)
    if before ~= nil and as_read(now) ~= as_read(before) then
      found[#found + 1] = { field = field, now = now, before = before, line = line }
    end
  end
  if is_last and entry.kind == "end" and manifest.result then
    compare("result.stop", read.get(manifest, "result.stop"), entry.stop, number)
    compare("result.reason", read.get(manifest, "result.reason"), entry.reason, number)
    if entry.status == "completed" then
      compare("status (completed) with result.stop", read.get(manifest, "result.stop"), "finished", number)
    end
  end
  local entries = {}
  for i, each in ipairs(lines) do
    entries[i] = each.entry or {}
  end
  local disarmed, line = recover_manifest.was_disarmed(entries)
  if is_last and line and read.get(manifest, "result.disarmed") ~= nil then
    compare("result.disarmed", read.get(manifest, "result.disarmed"), disarmed, line)
  end
  local first = entries[1] or {}
  if first.kind == "begin" and first.who ~= nil then
    compare("operator", manifest.operator == nil and nobody or manifest.operator, first.who, 1)
  end
  return found
end

return M
