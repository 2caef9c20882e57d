--- Several reports of the gate as one: each kind of finding once, as grave as it was met. A report is of one
--- plan (or of one device), and says nothing of what those before it had: the last one is not the gravest.
local rules = require "moonpulse.safety.rules"

local M = {}

-- a row names the value of the train that it has no cell for: the kind is the missing cell
local OF_TRAIN = " %(the train has [^()]*%)"

--- What makes two findings one kind: rule and row, how grave, where in the script, on which channel.
---@param finding moonpulse.Finding
---@return string
function M.kind(finding)
  return table.concat({ finding.rule, finding.table or "", (finding.row:gsub(OF_TRAIN, "")), finding.verdict,
    finding.unit or "", finding.origin or "", finding.channel or "", finding.may and "may" or "" }, "\0")
end

--- Is a the graver of two findings of one kind: further beyond its limit, or nearer to it where within? Where
--- there is no limit the larger value is.
---@param a moonpulse.Finding
---@param b moonpulse.Finding
---@return boolean
function M.is_graver(a, b)
  if not (a.value and b.value) then
    return false
  elseif not (a.limit and b.limit) then
    return a.value > b.value + 1e-9
  end
  local x, y = math.abs(a.value - a.limit), math.abs(b.value - b.limit)
  if a.verdict == "within" then
    return x < y - 1e-9
  end
  return x > y + 1e-9
end

local Gravest = {}
Gravest.__index = Gravest

--- Nothing was met so far.
---@return table
function M.new()
  return setmetatable({ known = {} }, Gravest)
end

local function put(self, finding)
  local kind = M.kind(finding)
  local old = self.known[kind]
  if not old then
    table.insert(self.report.findings, finding)
    self.known[kind] = #self.report.findings
  elseif M.is_graver(finding, self.report.findings[old]) then
    self.report.findings[old] = finding
  else
    return false
  end
  return true
end

--- What a further report says counts as well.
---@param report moonpulse.Report is left as it is
---@return moonpulse.Finding[] met what was not met before, or not as grave; in the report's order
function Gravest:add(report)
  local whole, met = self.report, {}
  if not whole then
    whole = { verdict = "within", findings = {} }
    self.report = whole
  end
  for field, value in pairs(report) do -- counts of a run grow: the last plan has the most
    if field ~= "findings" and field ~= "verdict" and field ~= "lab_over" then
      whole[field] = value
    end
  end
  if rules.order[report.verdict] > rules.order[whole.verdict] then
    whole.verdict = report.verdict
  end
  whole.lab_over = whole.lab_over or report.lab_over
  for _, finding in ipairs(report.findings) do
    met[#met + 1] = put(self, finding) and finding or nil
  end
  return met
end

--- Reports of one plan, of each device that has pulses of it, as one. A plan's report tells of each value; of
--- the others is added what the gravest of them does not say as grave.
---@param reports moonpulse.Report[]
---@return moonpulse.Report
function M.of(reports)
  local first
  for _, report in ipairs(reports) do
    if not first or rules.order[report.verdict] > rules.order[first.verdict] then
      first = report
    end
  end
  local whole, one = M.new(), {}
  whole:add(first)
  for field, value in pairs(first) do
    one[field] = value
  end
  one.findings = table.move(first.findings, 1, #first.findings, 1, {})
  for _, report in ipairs(reports) do
    local met = report ~= first and whole:add(report) or {}
    table.move(met, 1, #met, #one.findings + 1, one.findings)
    one.lab_over = one.lab_over or report.lab_over
  end
  return one
end

return M
