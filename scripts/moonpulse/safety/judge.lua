--- A plan against the published limits and the lab's own: a report as data, and as lines.
local givens = require "moonpulse.safety.given"
local rules = require "moonpulse.safety.rules"
local tables = require "moonpulse.safety.tables"
local walk = require "moonpulse.safety.walk"

local M = {}

--- An intensity in % of the resting motor threshold; nil where no threshold is known.
-- AMT lies below RMT, so a percentage of AMT taken as one of RMT errs to the safe side.
local function percent_of(action, thresholds)
  local value, rmt, amt = action.intensity, thresholds.rmt, thresholds.amt
  if action.reference == "RMT" then
    return value
  elseif action.reference == "AMT" then
    return rmt and amt and value * amt / rmt or value
  end
  local threshold = rmt or amt
  return threshold and 100 * value / threshold
end

local function strongest_percent(train, thresholds)
  local most = 0
  for action in pairs(train.actions) do
    local percent = percent_of(action, thresholds)
    if not percent then
      return nil
    end
    most = math.max(most, percent)
  end
  return most
end

--- The strongest pulse in the unit that theta burst rules are written in.
local function strongest(train, thresholds)
  local most, unit
  for action in pairs(train.actions) do
    local value, reference = action.intensity, action.reference
    if reference == "MSO" then
      local threshold = thresholds.amt or thresholds.rmt
      if not threshold then
        return nil
      end
      value, reference = 100 * value / threshold, thresholds.amt and "AMT" or "RMT"
    end
    if not most or value > most then
      most, unit = value, reference
    end
  end
  return most, unit
end

local function key_of(finding)
  local value = finding.verdict == "within" and "" or ("%.9g"):format(finding.value)
  return table.concat({ finding.rule, finding.row, value, finding.verdict, finding.origin or "",
    finding.channel or "" }, "\0")
end

--- Of what is within, the one that is nearest to the limit is told.
local function is_nearer(finding, old)
  return finding.verdict == "within" and finding.limit
    and math.abs(finding.limit - finding.value) < math.abs(old.limit - old.value) - 1e-9
end

--- Equal findings are one, with how often; the first place counts.
local function collector()
  local list, known = {}, {}
  return list, function(finding)
    local key = key_of(finding)
    local old = known[key]
    if old then
      local times = old.times + 1
      if is_nearer(finding, old) then
        for field, value in pairs(finding) do
          old[field] = value
        end
      end
      old.times = times
    else
      finding.times = 1
      known[key], list[#list + 1] = finding, finding
    end
  end
end

local function worst_of(findings)
  local worst = "within"
  for _, finding in ipairs(findings) do
    if rules.order[finding.verdict] > rules.order[worst] then
      worst = finding.verdict
    end
  end
  return worst
end

---@class moonpulse.Judgement what judge needs
---@field plan moonpulse.Plan
---@field seed integer
---@field thresholds { rmt: number?, amt: number? } in %MSO
---@field profile "rossi2009"|"chen1997"|nil
---@field lab table? from moonpulse.safety.lab
---@field history table? from moonpulse.safety.history
---@field progress fun(walked: integer, total: integer)?
---@field schedule table? from moonpulse.safety.sessions
---@field earlier moonpulse.Given? what its run gave before
---@field at_s number? when the plan starts, in seconds from the run's start

--- What is done with each train: it is judged, with the one before it on its channel.
---@param given moonpulse.Judgement
---@param before table<string, table> what rules.train keeps, by channel
---@param add fun(finding: moonpulse.Finding)
local function train_judge(given, before, add)
  local context = { profile = given.profile or tables.default_profile,
    percent = function(train) return strongest_percent(train, given.thresholds) end,
    strongest = function(train) return strongest(train, given.thresholds) end }
  return function(train)
    local channel = train.channel
    context.before = before[channel]
    local function placed(finding)
      finding.train, finding.pulse = train.number, train.pulse
      finding.origin, finding.channel = train.origin, channel
      finding.at_s = train.start
      add(finding)
    end
    before[channel] = rules.train(context, train, placed)
    if given.lab then
      given.lab:train(train, context.percent(train), placed)
    end
  end
end

--- Judge a plan, with what its run gave before.
---@param given moonpulse.Judgement
---@return table report { verdict, profile, pulses, trains, findings, structural, table, lab_over }
function M.plan(given)
  local profile = given.profile or tables.default_profile
  local findings, add = collector()
  local state = given.earlier and given.earlier:copy() or givens.new()
  local judge = train_judge(given, state.before, add)
  local walked = walk.trains(given.plan, given.seed, judge, given.progress, nil,
    { given = state, at_s = given.at_s or 0 })
  local counts = walked.counts
  counts.session = walked.pulses
  rules.totals(counts, given.history, add, given.schedule and given.schedule.day)
  if given.schedule then
    given.schedule:judge(add)
  end
  if given.lab then
    given.lab:totals(counts, given.history, walked.actions, given.thresholds, add)
  end
  local lab_over
  for _, finding in ipairs(findings) do
    lab_over = lab_over or finding.lab and finding.verdict == "OVER" and finding or nil
  end
  return { verdict = worst_of(findings), profile = profile, pulses = counts.session, findings = findings,
    trains = walked.trains, structural = walked.structural, lab_over = lab_over,
    table = tables.train_duration[profile].table }
end

local function ignore() end

--- A plan was played: what of it was given is added to what its run gave before.
---@param state moonpulse.Given
---@param given table plan, seed, at_s, thresholds, profile as for plan, and until_s: number? nothing that
---   was due later was given
function M.follow(state, given)
  walk.trains(given.plan, given.seed, train_judge(given, state.before, ignore), nil, nil,
    { given = state, at_s = given.at_s, until_s = given.until_s, open = true })
end

local function number(value, unit)
  return unit == "pulses" and ("%d pulses"):format(value) or ("%.6g %s"):format(value, unit)
end

--- A finding in one sentence: row, value, place, script line, nearest value that passes.
---@param finding moonpulse.Finding
---@return string
function M.sentence(finding)
  if finding.words then
    return finding.rule .. ": " .. finding.words
  end
  local parts = { ("%s: %s, %s: %s"):format(finding.rule, number(finding.value, finding.unit),
    finding.table, finding.row) }
  if finding.train then
    parts[#parts + 1] = ("train %d%s, from pulse %d at %.6g s%s"):format(finding.train,
      finding.channel ~= "1" and " on channel " .. finding.channel or "", finding.pulse, finding.at_s,
      finding.times > 1 and " (and others like it)" or "")
  end
  if finding.origin and finding.origin ~= "" then
    parts[#parts + 1] = finding.origin
  end
  if finding.nearest then
    parts[#parts + 1] = "passes: " .. finding.nearest
  end
  return table.concat(parts, "; ")
end

--- The findings that are not within, the gravest first.
---@param report table
---@return moonpulse.Finding[]
function M.concerns(report)
  local list = {}
  for _, verdict in ipairs { "OVER", "beyond tested" } do
    for _, finding in ipairs(report.findings) do
      if finding.verdict == verdict then
        list[#list + 1] = finding
      end
    end
  end
  return list
end

return M
