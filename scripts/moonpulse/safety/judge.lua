--- A plan against the published limits and the lab's own: a report as data, and as lines.
local coverages = require "moonpulse.safety.coverage"
local givens = require "moonpulse.safety.given"
local intensities = require "moonpulse.compose.intensity"
local rules = require "moonpulse.safety.rules"
local tables = require "moonpulse.safety.tables"
local walk = require "moonpulse.safety.walk"

local M = {}

--- The thresholds of an action: of several devices each may have its own.
local function thresholds_of(action, given)
  return intensities.thresholds_of(given.thresholds, action.channel)
end

--- What will be delivered, in %MSO: rounded to the device's step. nil where no threshold is known.
local function delivered(action, given)
  local threshold = action.reference == "MSO" and 100
    or thresholds_of(action, given)[action.reference:lower()]
  local mso = threshold and action.intensity * threshold / 100
  return mso and given.step and intensities.round(mso, given.step, given.highest) or mso
end

--- What passes, in words: loaded where something does not.
local function at_most(...)
  return require("moonpulse.safety.settable").at_most(...)
end

--- An intensity in % of the resting motor threshold; nil where no threshold is known.
-- AMT lies below RMT, so a percentage of AMT taken as one of RMT errs to the safe side.
local function percent_of(action, given)
  local mso, thresholds = delivered(action, given), thresholds_of(action, given)
  local threshold = thresholds.rmt or thresholds.amt
  if mso and threshold then
    return 100 * mso / threshold
  end
  return action.reference ~= "MSO" and action.intensity or nil
end

--- The strongest pulse of a train, of those whose percentage is known; and is that all of them? What is
--- returned remembers actions and the last train: rules ask several times for each, and trains are thousands.
---@return fun(train: moonpulse.Train): number?, boolean
local function strongest_percent(given)
  local known, last, most, all = {}, nil, nil, nil
  return function(train)
    if train == last then
      return most, all
    end
    last, most, all = train, nil, true
    for action in pairs(train.actions) do
      local percent = known[action]
      if percent == nil then
        percent = percent_of(action, given) or false
        known[action] = percent
      end
      all = all and percent ~= false
      most = percent and math.max(most or 0, percent) or most
    end
    return most, all
  end
end

--- An intensity in the unit that rules for bursts are written in: its own, %MSO in %AMT where that is known.
local function in_own_unit(action, given)
  local thresholds, unit = thresholds_of(action, given), action.reference
  if unit == "MSO" then
    unit = thresholds.amt and "AMT" or "RMT"
  end
  local mso, threshold = delivered(action, given), thresholds[unit:lower()]
  if mso and threshold then
    return 100 * mso / threshold, unit
  end
  return action.reference ~= "MSO" and action.intensity or nil, unit
end

--- The strongest pulse in that unit: the one that is nearest to its unit's limit, or beyond it most. nil
--- where one cannot be told.
local function strongest(train, given, limits)
  local most, unit
  for action in pairs(train.actions) do
    local value, its_unit = in_own_unit(action, given)
    if not value then
      return nil
    end
    local part, most_part = value / limits[its_unit], most and most / limits[unit]
    if not most or part > most_part or part == most_part and its_unit < unit then
      most, unit = value, its_unit
    end
  end
  return most, unit
end

--- The strongest pulse in %MSO, of those whose %MSO is known.
local function strongest_mso(train, given)
  local most
  for action in pairs(train.actions) do
    local mso = delivered(action, given)
    most = mso and math.max(most or 0, mso) or most
  end
  return most
end

local function list_of(actions)
  local list = {}
  for action in pairs(actions) do
    list[#list + 1] = action
  end
  return list
end

--- Why a value is more than what was written: the device's step made the intensity that it comes from more.
--- nil where it did not.
local function set_higher(finding, actions, given)
  local texts = {}
  for _, action in ipairs(actions) do
    local threshold = action.reference ~= "MSO" and thresholds_of(action, given)[action.reference:lower()]
    local mso, exact = delivered(action, given), action.intensity * (threshold or 100) / 100
    local is_higher = mso and mso > exact + 1e-9 -- seldom: only then it is compared
    local own = is_higher and in_own_unit(action, given)
    local percent = is_higher and percent_of(action, given)
    if is_higher and (finding.value == own or finding.value == percent or finding.value == mso
      or finding.percent and finding.percent == percent) then
      texts[#texts + 1] = ("%s%.6g %%MSO, set to %g %%MSO (the device's step)"):format(
        threshold and ("%g %%%s of %g %%MSO = "):format(action.intensity, action.reference, threshold) or "",
        exact, mso)
    end
  end
  table.sort(texts)
  return texts[1]
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
  local worst = 1
  for _, finding in ipairs(findings) do
    worst = math.max(worst, rules.order[finding.verdict])
  end
  return rules.verdicts[worst]
end

---@class moonpulse.Judgement what judge needs
---@field plan moonpulse.Plan
---@field seed integer
---@field thresholds { rmt: number?, amt: number? } in %MSO
---@field step number? of the device, in %MSO: judged is what will be delivered; nil: nothing is rounded
---@field highest number? as of limits().intensity
---@field coverage moonpulse.Coverage? nil: the tables cover it
---@field profile "rossi2009"|"chen1997"|nil
---@field lab table? from moonpulse.safety.lab
---@field history table? from moonpulse.safety.history
---@field progress fun(walked: integer, total: integer, of: string?)?
---@field schedule table? from moonpulse.safety.sessions
---@field earlier moonpulse.Given? what its run gave before
---@field may boolean? it is of starts that may come, as close as they may: each finding says so
---@field at_s number? when the plan starts, in seconds from the run's start

local TOGETHER = "; all channels together: our own caution, the tables are for one coil"

--- What a remedy for a channel is named by. Where channels have thresholds of their own, none holds for all.
local function settings_of(given, channel)
  local of = given.thresholds.of
  return of and { thresholds = of[channel] or {}, step = given.step, highest = given.highest } or given
end

--- A remedy names the threshold's option as it is given: of several devices with thresholds of their own for
--- each that has none.
local function named_option(text, given, channel)
  local of = given.thresholds.of
  return of and text and (text:gsub("%-%-([ar]mt) N", function(name)
    local words, seen = {}, {}
    for key, own in pairs(of) do
      if own.place and not own[name] and not seen[own.place] and (channel == key or not of[channel]) then
        words[#words + 1], seen[own.place] = ("--%s %s=N"):format(name, own.place), true
      end
    end
    table.sort(words)
    return words[1] and table.concat(words, " ") or nil
  end)) or text
end

--- What is done with each train: it is judged. What several channels give together is judged as well, as if
--- one coil gave it: the tables say nothing of several, and a train dealt over two is one to the brain.
---@param given moonpulse.Judgement
---@param coverage moonpulse.Coverage
---@param add fun(finding: moonpulse.Finding)
local function train_judge(given, coverage, add)
  local named = given -- with the thresholds that a remedy is named by
  local context = { profile = given.profile or tables.default_profile,
    percent = strongest_percent(given),
    mso = function(train) return strongest_mso(train, given) end,
    strongest = function(train, limits) return strongest(train, given, limits) end,
    at_most = function(percent, reference)
      local of_amt = reference == "RMT" and not named.thresholds.rmt and named.thresholds.amt -- as percent_of
      return at_most(percent, of_amt and "AMT" or reference, named)
    end,
    at_most_burst = function(percent, reference)
      -- in %MSO it would be judged by the active threshold (in_own_unit), and not pass
      local other_unit = reference == "RMT" and named.thresholds.amt ~= nil
      return at_most(percent, reference, named, other_unit)
    end }
  return function(train)
    local channel = train.channel
    named = settings_of(given, channel)
    -- no table is for bursts of several coils
    local milder = train.together and train.kind ~= "train" and train.kind ~= "stretch"
    local function placed(finding)
      if train.together and finding.verdict == "within" then
        return -- each channel has its own
      elseif train.together and not finding.lab then
        finding.source = finding.source .. TOGETHER
        finding.verdict = milder and "not covered" or finding.verdict
      end
      finding.train, finding.pulse = train.number, train.pulse
      finding.origin, finding.channel = train.origin, channel
      finding.at_s, finding.nearest = train.start, named_option(finding.nearest, given, channel)
      finding.set = finding.verdict ~= "within" and set_higher(finding, list_of(train.actions), given) or nil
      add(finding)
    end
    if not coverage.nerve[channel] then
      rules.train(context, train, function(finding)
        if coverage.why and finding.verdict == "within" then
          finding.verdict = "not covered"
        end
        placed(finding)
      end)
    end
    if given.lab then
      local percent, all = context.percent(train)
      given.lab:train(train, all and percent or nil, placed)
    end
  end
end

--- Judge a plan, with what its run gave before.
---@param given moonpulse.Judgement
---@return moonpulse.Report report
function M.plan(given)
  local profile = given.profile or tables.default_profile
  local findings, add = collector()
  local state = given.earlier and given.earlier:copy() or givens.new()
  local coverage = given.coverage or coverages.of {}
  coverages.judge(coverage, add)
  local judge = train_judge(given, coverage, add)
  local walked = walk.trains(given.plan, given.seed, judge, given.progress, nil,
    { given = state, at_s = given.at_s or 0, nerve = coverage.nerve, pool = true })
  if walked.not_pooled then
    add { rule = "channels together", table = "none", row = "too many pulses", value = walked.pulses,
      unit = "pulses", verdict = "not covered", source = "our own caution", confidence = "H",
      words = "too many pulses on several channels at once to be judged together: each channel was judged "
        .. "for itself" }
  end
  local counts = walked.counts
  counts.session, counts.nerve = walked.pulses, walked.nerve_pulses
  rules.totals(counts, given.history, add, given.schedule and given.schedule.day)
  if given.schedule then
    given.schedule:judge(add)
  end
  if given.lab then
    given.lab:totals(counts, given.history, walked.actions, function(action, reference)
      local mso = delivered(action, given)
      local threshold = reference == "MSO" and 100 or thresholds_of(action, given)[reference:lower()]
      return mso and threshold and 100 * mso / threshold
        or action.reference == reference and action.intensity or nil
    end, function(percent, reference)
      return at_most(percent, reference, settings_of(given))
    end, function(finding)
      local is_more = finding.verdict ~= "within" and not finding.unknown
      finding.set = is_more and set_higher(finding, walked.actions, given) or nil
      add(finding)
    end)
  end
  local lab_over
  for _, finding in ipairs(findings) do
    finding.may = given.may
    lab_over = lab_over or finding.lab and finding.verdict == "OVER" and finding or nil
  end
  return { verdict = worst_of(findings), profile = profile, pulses = counts.session,
    nerve_pulses = counts.nerve, findings = findings, trains = walked.trains,
    structural = walked.structural, lab_over = lab_over, nerve = coverage.nerve,
    table = tables.train_duration[profile].table }
end

local function ignore() end

--- A plan was played: what of it was given is added to what its run gave before.
---@param state moonpulse.Given
---@param given table plan, seed, at_s as for plan, nerve: as in its report, and until_s: number? nothing that
---   was due later was given
function M.follow(state, given)
  walk.trains(given.plan, given.seed, ignore, nil, nil,
    { given = state, at_s = given.at_s, until_s = given.until_s, open = true, pool = true,
      nerve = given.nerve })
end

local function number(value, unit)
  if unit == "pulses" then
    return ("%d pulse%s"):format(value, value == 1 and "" or "s")
  end
  return ("%.6g %s"):format(value, unit)
end

--- A finding in one sentence: row, value, place, script line, nearest value that passes.
---@param finding moonpulse.Finding
---@return string
function M.sentence(finding)
  local may = finding.may and " if all starts come, as close as they may" or ""
  if finding.words then
    return finding.rule .. ": " .. finding.words .. may
  end
  local parts = { ("%s: %s%s, %s: %s%s"):format(finding.rule, number(finding.value, finding.unit), may,
    finding.table, finding.row, finding.why or "") }
  if finding.train then
    parts[#parts + 1] = ("train %d%s, from pulse %d at %.6g s%s"):format(finding.train,
      finding.channel ~= "1" and " on channel " .. finding.channel or "", finding.pulse, finding.at_s,
      finding.times > 1 and " (and others like it)" or "")
  end
  if finding.origin and finding.origin ~= "" then
    parts[#parts + 1] = finding.origin
  end
  parts[#parts + 1] = finding.set
  if finding.nearest then
    parts[#parts + 1] = "passes: " .. finding.nearest
  end
  return table.concat(parts, "; ")
end

--- The findings that are not within, the gravest first.
---@param report moonpulse.Report
---@return moonpulse.Finding[]
function M.concerns(report)
  local list = {}
  for _, verdict in ipairs { "OVER", "beyond tested", "not covered" } do
    for _, finding in ipairs(report.findings) do
      if finding.verdict == verdict then
        list[#list + 1] = finding
      end
    end
  end
  return list
end

return M
