--- The table of conditions: of each what was planned and what was given, also of those that were not reached.
local checks = require "moonpulse.compose.check"
local html = require "moonpulse.report.html"
local intensity = require "moonpulse.report.intensity"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local most_listed = 20

local function name_of(condition)
  local name = condition.name
  return name and checks.is_kind(name) and name .. "s without a label" or name or "–"
end

--- What is planned by condition, as the manifest has it.
local function planned(manifest, key)
  local of = record.get(manifest, key)
  local list = {}
  for name, count in pairs(type(of) == "table" and of or {}) do
    list[name] = type(name) == "string" and text.number(count) or nil
  end
  return list
end

--- The conditions with their plan: those with rows in the order of these, then those that were not reached,
--- by name.
---@param manifest table
---@param s table from `summary.compute`
---@return table[]
local function list_of(manifest, s)
  local pulses, trials = planned(manifest, "conditions"), planned(manifest, "trials")
  local list, known, rest = {}, {}, {}
  local is_whole = s.planned and s.planned == s.recorded
  for i, condition in ipairs(s.conditions) do
    local name = condition.name
    known[name or false] = true
    list[i] = { of = condition, pulses = name and pulses[name] or is_whole and condition.recorded or nil,
      trials = name and trials[name] or is_whole and condition.trials or nil }
  end
  for name in pairs(pulses) do
    rest[#rest + 1] = not known[name] and name or nil
  end
  table.sort(rest)
  for _, name in ipairs(rest) do
    list[#list + 1] = { pulses = pulses[name], trials = trials[name],
      of = { name = name, n = 0, confirmed = 0, trials_given = 0, doses = {}, intervals = {} } }
  end
  return list
end

local function share(given, of)
  return of and ("%s\u{A0}of\u{A0}%s"):format(text.count(given), text.count(of)) or text.count(given)
end

local function milliseconds(us)
  return us >= 1e6 and text.plain(us / 1e6, 3) .. "\u{A0}s" or text.plain(us / 1e3, 3) .. "\u{A0}ms"
end

--- The planned intervals inside a trial, onset to onset.
local function intervals(list)
  local words = {}
  for i, us in ipairs(list) do
    words[i] = milliseconds(us)
  end
  if #words > 3 then
    return ("%s%s (%d intervals)"):format(words[1], words[#words] ~= words[1] and " to " .. words[#words]
      or "", #words)
  end
  return #words > 0 and table.concat(words, ", ") or "–"
end

local function intensities(condition)
  local brain, nerve = intensity.apart(condition.doses)
  local of_nerve = intensity.spread(intensity.distinct(nerve, "mso"), " % of output")
  local words = { intensity.spread(intensity.distinct(brain, "mso"), " %MSO") }
  words[#words + 1] = of_nerve and ("nerve (%s) %s"):format(intensity.channels(nerve), of_nerve)
  return #words > 0 and table.concat(words, "; ") or "–"
end

--- Trials, pulses, intervals and intensities by condition; nil where there are but pulses without a name.
---@param manifest table
---@param s table from `summary.compute`
---@return string? html
---@return integer count of the conditions that have rows
function M.table(manifest, s)
  local list = list_of(manifest, s)
  if #list == 0 or #list == 1 and (list[1].of.name or "pulse") == "pulse" then
    return nil, 1
  end
  local rows = {}
  for i = 1, math.min(most_listed, #list) do
    local each, condition = list[i], list[i].of
    local trials = condition.trials_given and share(condition.trials_given, each.trials)
    rows[i] = { name_of(condition), trials or "–", share(condition.n, each.pulses),
      s.cannot_confirm and "cannot" or text.count(condition.confirmed), intervals(condition.intervals),
      intensities(condition), intensity.percentages(manifest, condition.doses) }
  end
  local out = html.grid("By condition: what was given of what was " .. s.wanted, { "Condition", "#Trials",
    "#Pulses", "#Confirmed", "ISI or IPI", "Intensity", "% of threshold" }, rows)
  local more = #list - #rows
  out = out .. (more > 0 and html.p("and " .. text.count(more) .. " more.") or "")
    .. html.p("A trial counts as given from its first pulse on. ISI or IPI: the planned interval from pulse "
    .. "to pulse inside a trial, onset to onset.", "small")
  return out, #s.conditions
end

return M
