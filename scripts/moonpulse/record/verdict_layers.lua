--- A run's safety verdict, apart: the published tables', the lab's own limits', the schedule of sessions'.
local read = require "moonpulse.record.read"

local M = {}

M.others = { "lab", "sessions" } -- what judges beside the published tables, in the order that it is told

---@class moonpulse.VerdictLayers
---@field guidelines string the verdict by the published tables
---@field lab string? by the lab's own limits, where it is not within
---@field sessions string? by the schedule of sessions, likewise

local function layer_of(finding)
  for _, layer in ipairs(M.others) do
    if finding.layer == layer then
      return layer
    end
  end
  return "guidelines"
end

--- What each layer says. A record keeps what is not within, the gravest first; a verdict that no finding of
--- another layer explains is of the tables.
---@param manifest table
---@return moonpulse.VerdictLayers? nil: no verdict is on record
---@return table<string, table[]> findings of each layer
function M.of(manifest)
  local verdict, list = read.get(manifest, "safety.verdict"), read.get(manifest, "safety.findings")
  local findings, of = { guidelines = {}, lab = {}, sessions = {} }, {}
  if type(verdict) ~= "string" then
    return nil, findings
  end
  local explained = false
  for _, finding in ipairs(type(list) == "table" and list or {}) do
    if type(finding) == "table" and type(finding.verdict) == "string" and finding.verdict ~= "within" then
      local layer = layer_of(finding)
      table.insert(findings[layer], finding)
      of[layer] = of[layer] or finding.verdict
      explained = explained or finding.verdict == verdict
    end
  end
  of.guidelines = of.guidelines or explained and "within" or verdict
  return of, findings
end

return M
