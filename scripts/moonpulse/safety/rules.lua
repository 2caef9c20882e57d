--- What the published limits say of one train: findings, each with its row, value and remedy.
---
--- Lookup is our own rule, and conservative: the next higher rate's row and the next higher intensity's
--- column; below the lowest column that one, whose limit then only says how far was tested. Three
--- verdicts: within, beyond tested (longer or stronger than what was tested: a warning), OVER (a limit, or
--- more than twice what was tested).
local tables = require "moonpulse.safety.tables"

local M = {}

M.order = { within = 1, ["beyond tested"] = 2, OVER = 3 }

---@class moonpulse.Finding
---@field rule string
---@field table string
---@field row string the row and column, as the table names them
---@field value number
---@field unit string
---@field limit number?
---@field verdict "within"|"beyond tested"|"OVER"
---@field nearest string? the nearest value that passes
---@field source string
---@field confidence string
---@field train integer? number on its channel; pulse integer? its first; origin string?

-- %MSO without a threshold could be anything: it is judged as the strongest column
local UNKNOWN_PERCENT = 130

local edge = 1e-9 -- a limit is within; floats must not decide otherwise
local rate_edge = 1e-6 -- of a rate: it comes from onsets, which late in a long plan are whole nanoseconds

--- The cell for a rate and an intensity; nil and what is missing where the table has none.
---@param profile "rossi2009"|"chen1997"
---@param hz number
---@param percent number % of the resting motor threshold
function M.cell(profile, hz, percent)
  local best, lowest
  for _, row in ipairs(tables.train_duration[profile].rows) do
    if row.hz >= hz * (1 - rate_edge) and (not best or row.hz < best.hz or row.hz == best.hz
      and best.percent < percent - edge and row.percent > best.percent
      or row.hz == best.hz and row.percent >= percent - edge and row.percent < best.percent) then
      best = row
    end
    lowest = math.min(lowest or row.percent, row.percent)
  end
  if not best then
    return nil, "rate"
  elseif best.percent < percent - edge then
    return nil, "intensity"
  end
  return best, nil, percent < lowest - edge
end

local function percent_text(percent)
  return ("%g %%"):format(math.floor(percent * 100 + 0.5) / 100)
end

--- How a duration stands to a cell.
---@return "within"|"beyond tested"|"OVER"
function M.compare(cell, below_lowest, duration)
  if duration <= cell.limit_s + edge then
    return "within"
  end
  local beyond = tables.beyond
  local ends = cell.hz >= beyond.from_hz or cell.percent > beyond.slow_percent
  local is_limit = cell.kind ~= "tested_to" and not below_lowest
  if is_limit or ends and duration > beyond.factor * cell.limit_s + edge then
    return "OVER"
  end
  return "beyond tested"
end

local function nearest_train(profile, train, cell)
  local hz = train.hz
  local pulses = math.floor(cell.limit_s * hz + 1e-6)
  local text = ("at most %d pulses (%.4g s) at %.4g Hz"):format(pulses, pulses / hz, hz)
  local other
  for _, row in ipairs(tables.train_duration[profile].rows) do
    if row.hz == cell.hz and row.percent < cell.percent and train.duration <= row.limit_s + edge
      and (not other or row.percent > other) then
      other = row.percent
    end
  end
  return other and ("%s, or at most %d %%"):format(text, other) or text
end

--- What passes where there is no cell: the last rate and column, and as many pulses as they allow.
local function nearest_cell(profile, train, percent)
  local hz, column = math.min(train.hz, 25), math.min(percent, 130)
  local limits = {}
  if train.hz > 25 * (1 + rate_edge) then
    limits[1] = "at most 25 Hz"
  end
  if percent > 130 + edge then
    limits[#limits + 1] = "at most 130 %"
  end
  local cell = M.cell(profile, hz, column)
  if train.pulses / hz > cell.limit_s + edge then
    limits[#limits + 1] = ("at most %d pulses (%g s at %.4g Hz and %s)"):format(
      math.floor(cell.limit_s * hz + 1e-6), cell.limit_s, hz, percent_text(column))
  end
  return table.concat(limits, ", ")
end

local function without_cell(profile, train, percent, missing)
  local what = missing == "rate" and ("no row above 25 Hz (the train has %.4g Hz)"):format(train.hz)
    or ("no column above 130 %% (the train has %s)"):format(percent_text(percent))
  return { row = what, value = missing == "rate" and train.hz or percent,
    unit = missing == "rate" and "Hz" or "% of the resting motor threshold",
    limit = missing == "rate" and 25 or 130, verdict = "OVER",
    nearest = nearest_cell(profile, train, percent),
    confidence = "H", profile = profile }
end

local function finding(rule, source, fields)
  fields.rule, fields.table, fields.source = rule, source.table, source.source
  fields.confidence = fields.confidence or source.confidence
  return fields
end

--- The strict profile is never the milder one: the graver verdict of both tables counts.
local function graver_profile(profile, train, percent)
  local own, _, below = M.cell(profile, train.hz, percent)
  local other, _, other_below = M.cell("rossi2009", train.hz, percent)
  if profile == "rossi2009" or not own or not other then
    return profile
  end
  local verdict = M.compare(own, below, train.duration)
  local other_verdict = M.compare(other, other_below, train.duration)
  return M.order[other_verdict] > M.order[verdict] and "rossi2009" or profile
end

local function judge_duration(context, train, add)
  local known = context.percent(train)
  local percent = known or UNKNOWN_PERCENT
  local profile = graver_profile(context.profile, train, percent)
  local source = tables.train_duration[profile]
  local cell, missing, below = M.cell(profile, train.hz, percent)
  if not cell then
    return add(finding("train duration", source, without_cell(profile, train, percent, missing)))
  end
  local verdict = M.compare(cell, below, train.duration)
  add(finding("train duration", source, {
    row = ("%s%g s (%g Hz,%g %%)%s"):format(cell.kind == "tested_to" and ">" or "", cell.limit_s, cell.hz,
      cell.percent, known and "" or ", the strongest column: no threshold is known"),
    value = train.duration, unit = "s", limit = cell.limit_s, verdict = verdict,
    confidence = cell.confidence, hz = train.hz, percent = percent,
    nearest = verdict ~= "within" and nearest_train(profile, train, cell)
      .. (known and "" or ", or the participant's threshold (--rmt N)") or nil,
  }))
end

--- Is it a train for the gap rule? Two pulses on their own are a pair of trials; where they follow what was
--- before within a second they are none.
local function is_fast(train)
  return train.kind == "train" and train.hz > 1 + 1e-6
    and (train.pulses >= 3 or train.gap ~= nil and train.gap <= tables.train_gap.unsafe_s + edge)
end

--- The last fast train's rate, and the time since its end: what comes between two trains does not part them.
local function state_after(train, before)
  if is_fast(train) then
    return { hz = train.hz, silence = 0 }
  elseif not before or not train.gap then
    return { silence = 0 }
  end
  return { hz = before.hz, silence = before.silence + train.gap
    + (train.kind == "train" and train.duration or train.last - train.start) }
end

local function judge_gap(context, train, add)
  local rule, before = tables.train_gap, context.before
  if not (is_fast(train) and before and before.hz and train.gap) then
    return
  end
  local gap = before.silence + train.gap
  local percent = context.percent(train) or math.huge
  local verdict = "within"
  if gap < rule.limit_s - edge then
    local unsafe = gap <= rule.unsafe_s + edge and percent > rule.unsafe_percent + edge
      and math.max(train.hz, before.hz) > rule.above_hz * (1 + rate_edge)
    verdict = unsafe and "OVER" or "beyond tested"
  end
  add(finding("gap between trains", rule, { row = "5 s between trains", value = gap, unit = "s",
    limit = rule.limit_s, verdict = verdict,
    nearest = verdict ~= "within" and "at least 5 s of silence between trains" or nil }))
end

local function judge_burst_intensity(context, train, add)
  local rule = tables.theta_burst
  local percent, reference = context.strongest(train)
  local limit = reference == "AMT" and rule.amt_percent or rule.rmt_percent
  if not percent then
    return add(finding("theta burst intensity", rule, { row = "80 %AMT", value = 0, unit = "%MSO",
      verdict = "beyond tested", nearest = "give --amt N or --rmt N: intensities in %MSO cannot be compared "
        .. "without a threshold" }))
  end
  local ceiling = (context.percent(train) or 0) > rule.ceiling_percent + edge
  add(finding("theta burst intensity", rule, {
    row = ("%d %%%s usual%s"):format(limit, reference, ceiling and ", 120 %RMT at most in use" or ""),
    value = percent, unit = "%" .. reference, limit = limit,
    verdict = ceiling and "OVER" or percent > limit + edge and "beyond tested" or "within",
    nearest = percent > limit + edge and ("at most %d %%%s"):format(limit, reference) or nil }))
end

local function judge_theta(context, train, add)
  local rule = tables.theta_burst
  judge_burst_intensity(context, train, add)
  local many = train.burst_pulses > rule.burst_pulses
  add(finding("pulses in a burst", rule, { row = "4 pulses a burst", value = train.burst_pulses,
    unit = "pulses", limit = rule.burst_pulses, verdict = many and "beyond tested" or "within",
    nearest = many and "at most 4 pulses a burst" or nil }))
end

local function judge_pair(context, train, add)
  local percent = context.percent(train)
  local over = percent and percent > 130 + edge
  if over then
    return add(finding("pairs", tables.pairs, { row = "no table; strongest column 130 %", value = percent,
      unit = "% of the resting motor threshold", limit = 130, verdict = "beyond tested",
      nearest = "at most 130 %" }))
  end
  add(finding("pairs", tables.pairs, { row = "not covered by a table", value = train.pulses,
    unit = "pulses", verdict = "within" }))
end

--- Judge one train.
---@param context { profile: string, percent: fun(train): number?, strongest: fun(train): number?, string,
---   before: table? } before is what this function returned for the train before on the channel
---@param train moonpulse.Train
---@param add fun(finding: moonpulse.Finding)
---@return { hz: number?, silence: number } for the next call
function M.train(context, train, add)
  if train.kind == "theta burst" then
    judge_theta(context, train, add)
  elseif train.kind == "pair" then
    judge_pair(context, train, add)
  elseif train.kind == "train" then
    judge_duration(context, train, add)
    judge_gap(context, train, add)
  end
  return state_after(train, context.before)
end

local function judge_count(rule, name, row, count, limit, add)
  add(finding(name, rule, { row = row, value = count, unit = "pulses", limit = limit,
    verdict = count > limit and "beyond tested" or "within",
    nearest = count > limit and ("at most %d pulses"):format(limit) or nil }))
end

--- Judge the totals of a session, with what the participant had before.
---@param counts { ["theta burst"]: integer?, single: integer?, session: integer }
---@param history { day: integer, week: integer, last_end_s: number? }? pulses earlier today and in the 7 days
---   up to now; seconds since the last session's end
---@param add fun(finding: moonpulse.Finding)
---@param own table? instead of the usual dose of a day, the protocol's published one: as tables.day
function M.totals(counts, history, add, own)
  local theta, single = tables.theta_burst, tables.single
  local bursts = counts["theta burst"]
  if bursts then
    judge_count(theta, "theta burst pulses a session", "1800 a session", bursts, theta.session_pulses, add)
  end
  if counts.single then
    judge_count(single, "single pulses a session", "about 1800 a session, at 100 % of MT", counts.single,
      single.session_pulses, add)
  end
  local day = own or tables.day
  judge_count(day, "pulses a day", ("%d a day"):format(day.pulses), counts.session + (history and history.day or 0),
    day.pulses, add)
  if history and history.last_end_s and bursts
    and history.last_end_s < theta.session_gap_s then
    add(finding("gap between sessions", theta, { row = "10 min between sessions",
      value = history.last_end_s, unit = "s", limit = theta.session_gap_s, verdict = "beyond tested",
      nearest = ("wait %d s more"):format(math.ceil(theta.session_gap_s - history.last_end_s)) }))
  end
end

return M
