--- What the published limits say of one train: findings, each with its row, value and remedy.
---
--- Lookup is our own rule, and conservative: the next higher rate's row and the next higher intensity's
--- column; below the lowest column that one, whose limit then only says how far was tested. Verdicts: within;
--- not covered (a coil or a threshold that no table is for: graver than within, because nothing was compared,
--- milder than beyond tested, because nothing was passed); beyond tested (longer or stronger than what was
--- tested: a warning); OVER (a limit, or more than twice what was tested).
local cells = require "moonpulse.safety.cells"
local numbers = require "moonpulse.text.numbers"
local tables = require "moonpulse.safety.tables"

local M = {}

M.verdicts = { "within", "not covered", "beyond tested", "OVER" } -- each graver than the one before
M.order = {}
for place, verdict in ipairs(M.verdicts) do
  M.order[verdict] = place
end

---@class moonpulse.Finding
---@field rule string
---@field table string
---@field row string the row and column, as the table names them
---@field value number
---@field unit string
---@field limit number?
---@field verdict "within"|"not covered"|"beyond tested"|"OVER"
---@field why string? after the row in a sentence: what its limit is, and what is more
---@field nearest string? the nearest value that passes
---@field unknown boolean? there is no value: what it would be compared by is not known
---@field set string? what is not within is more than was written, for the device's step: which intensity
---@field source string
---@field confidence string
---@field train integer? number on its channel
---@field pulse integer? its first one; if nothing was placed, the first pulse that it is of
---@field at_s number? when that is, in seconds from the plan's start: judge
---@field channel string? judge
---@field origin string? "file:line" of it
---@field hz number? of the train
---@field percent number? of the resting motor threshold
---@field times integer? how many are like it: judge
---@field may boolean? it is of starts that may come: judge

-- %MSO without a threshold could be anything: it is judged as the strongest column
local UNKNOWN_PERCENT = 130

local edge, time_edge, silence_edge, rate_edge = cells.edge, cells.time_edge, cells.silence_edge,
  cells.rate_edge

M.fast_hz = 1 + rate_edge -- the gap rule is for faster trains

local function percent_text(percent)
  return ("%g %%"):format(math.floor(percent * 100 + 0.5) / 100)
end

--- How a duration stands to a cell.
---@param cell table of cell()
---@param below_lowest boolean its intensity is below the table's lowest column
---@param duration number seconds
---@return "within"|"beyond tested"|"OVER"
function M.compare(cell, below_lowest, duration)
  if duration <= cell.limit_s + time_edge then
    return "within"
  end
  local beyond = tables.beyond
  local ends = cell.hz >= beyond.from_hz or cell.percent > beyond.slow_percent
  local is_limit = cell.kind ~= "tested_to" and not below_lowest
  if is_limit or ends and duration > beyond.factor * cell.limit_s + time_edge then
    return "OVER"
  end
  return "beyond tested"
end

--- How long a train may be to be within: in the strict profile, in both tables. nil: no cell.
local function longest_within(profile, hz, percent)
  local cell, other = cells.find(profile, hz, percent), cells.find("rossi2009", hz, percent)
  return cell and other and math.min(cell.limit_s, other.limit_s)
end

local COLUMNS = { 130, 120, 110, 100, 90 }

--- As many pulses as a duration has room for, also at the rate as it is told.
local function most_pulses(limit, hz)
  return math.floor((limit + time_edge) * math.min(hz, tonumber(("%.4g"):format(hz))))
end

--- What passes instead of a train that is too long. A train in pieces counts from first pulse to last, and
--- the silences in it must be long enough to part it.
local function nearest_train(context, train, percent)
  local hz = train.hz
  local pulses = most_pulses(longest_within(context.profile, hz, percent), hz)
  local text = ("at most %d pulses (%.4g s) at %.4g Hz%s"):format(pulses, pulses / hz, hz,
    train.pieces > 1 and ", then at least 5 s of silence" or "")
  for _, column in ipairs(train.pieces == 1 and COLUMNS or {}) do
    local limit = column < percent and longest_within(context.profile, hz, column)
    if limit and train.duration <= limit + time_edge then
      return ("%s, or %s"):format(text, context.at_most(column, "RMT"))
    end
  end
  return text
end

--- What passes where there is no cell: the last rate and column, and as many pulses as they allow.
local function nearest_cell(context, train, percent)
  local hz, column = math.min(train.hz, 25), math.min(percent, 130)
  local limits = {}
  if train.hz > 25 * (1 + rate_edge) then
    limits[1] = "at most 25 Hz"
  end
  if percent > 130 + edge then
    limits[#limits + 1] = context.at_most(130, "RMT")
  end
  local limit = longest_within(context.profile, hz, column)
  if train.pulses / hz > limit + time_edge or train.pieces > 1 then
    limits[#limits + 1] = ("at most %d pulses (%g s at %.4g Hz and %s)%s"):format(
      most_pulses(limit, hz), limit, hz,
      percent_text(column), train.pieces > 1 and ", then at least 5 s of silence" or "")
  end
  return table.concat(limits, ", ")
end

local function without_cell(context, train, percent, missing)
  local what = missing == "rate" and ("no row above 25 Hz (the train has %.4g Hz)"):format(train.hz)
    or ("no column above 130 %% (the train has %s)"):format(percent_text(percent))
  return { row = what, value = missing == "rate" and train.hz or percent,
    unit = missing == "rate" and "Hz" or "% of the resting motor threshold",
    limit = missing == "rate" and 25 or 130, verdict = "OVER",
    nearest = nearest_cell(context, train, percent), confidence = "H" }
end

local function finding(rule, source, fields)
  fields.rule, fields.table, fields.source = rule, source.table, source.source
  fields.confidence = fields.confidence or source.confidence
  return fields
end

--- The strict profile is never the milder one: the graver verdict of both tables counts.
local function graver_profile(profile, train, percent)
  if profile == "rossi2009" then
    return profile
  end
  local own, _, below = cells.find(profile, train.hz, percent)
  local other, _, other_below = cells.find("rossi2009", train.hz, percent)
  if not own or not other then
    return profile
  end
  local verdict = M.compare(own, below, train.duration)
  local other_verdict = M.compare(other, other_below, train.duration)
  return M.order[other_verdict] > M.order[verdict] and "rossi2009" or profile
end

--- Why a cell that is no limit refuses or warns: what it says, and how far beyond is OVER.
local function beyond_text(cell, below, verdict)
  if verdict == "within" or not below and cell.kind ~= "tested_to" then
    return ""
  end
  local what = below and ("the lowest column, for all below %g %%"):format(cell.percent) or "tested so far"
  return verdict == "OVER" and (", %s: more than %s that is OVER"):format(what,
    tables.beyond.factor == 2 and "twice" or ("%g times"):format(tables.beyond.factor)) or ", " .. what
end

local function judge_duration(context, train, add)
  local some, known = context.percent(train)
  local percent = known and some or math.max(some or 0, UNKNOWN_PERCENT)
  local profile = graver_profile(context.profile, train, percent)
  local source = tables.train_duration[profile]
  local cell, missing, below = cells.find(profile, train.hz, percent)
  if not cell then
    return add(finding("train duration", source, without_cell(context, train, percent, missing)))
  end
  local verdict = M.compare(cell, below, train.duration)
  add(finding("train duration", source, {
    row = ("%s%g s (%g Hz, %g %%)%s"):format(cell.kind == "tested_to" and ">" or "", cell.limit_s, cell.hz,
      cell.percent, known and "" or ", the strongest column: no threshold is known"),
    why = beyond_text(cell, below, verdict),
    value = train.duration, unit = "s", limit = cell.limit_s, verdict = verdict,
    confidence = cell.confidence, hz = train.hz, percent = percent,
    nearest = verdict ~= "within" and nearest_train(context, train, percent)
      .. (known and "" or ", or the participant's threshold (--rmt N)") or nil,
  }))
end

--- Silence before a fast train, and inside it where it is in pieces.
local function judge_silence(context, train, gap, hz, add)
  gap = math.abs(gap) > time_edge and gap or 0 -- not -0
  local rule, verdict = tables.train_gap, "within"
  local percent, known = context.percent(train)
  percent = known and percent or math.huge
  if gap < rule.limit_s - time_edge then
    local unsafe = gap <= rule.unsafe_s + silence_edge and percent > rule.unsafe_percent + edge
      and hz > rule.above_hz * (1 + rate_edge)
    verdict = unsafe and "OVER" or "beyond tested"
  end
  add(finding("gap between trains", rule, { row = "5 s between trains", value = gap, unit = "s",
    limit = rule.limit_s, verdict = verdict,
    nearest = verdict ~= "within" and "at least 5 s of silence between trains" or nil }))
end

--- The silence that the gap rule asks about before a train, and in it. nil: none.
local function gaps_of(train)
  if train.hz <= M.fast_hz then
    return nil, nil
  end
  local gap = train.after and train.after.gap
  local asked = gap and (train.pulses >= 3 or gap <= tables.train_gap.unsafe_s + silence_edge)
  return asked and gap or nil, train.pulses >= 3 and train.inner_gap or nil
end

local function judge_gap(context, train, add)
  local before, inside = gaps_of(train)
  if before then
    judge_silence(context, train, before, math.max(train.hz, train.after.hz), add)
  end
  if inside then
    judge_silence(context, train, inside, train.hz, add)
  end
end

--- Intensities in %MSO compare with nothing where no threshold is known.
local function without_threshold(context, train, rule, name, row, add)
  add(finding(name, rule, { row = row, value = context.mso(train), unit = "%MSO", verdict = "beyond tested",
    nearest = "give --amt N or --rmt N: intensities in %MSO cannot be compared without a threshold" }))
end

local function judge_burst_intensity(context, train, add)
  local rule = tables.theta_burst
  local percent, reference = context.strongest(train, { AMT = rule.amt_percent, RMT = rule.rmt_percent })
  local of_rmt, ceiling = context.percent(train) or 0, ""
  if not percent then
    without_threshold(context, train, rule, "theta burst intensity", "80 %AMT", add)
    if of_rmt <= rule.continuous_percent + edge then
      return
    end
    percent, reference = of_rmt, "RMT" -- of the pulses that can be compared
  end
  local limit = reference == "AMT" and rule.amt_percent or rule.rmt_percent
  if of_rmt > rule.ceiling_percent + edge then
    ceiling = (", %d %%RMT at most in use"):format(rule.ceiling_percent)
  elseif train.duration > rule.continuous_s + time_edge and of_rmt > rule.continuous_percent + edge then
    ceiling = (", %d %%RMT at most where it goes on for more than %g s"):format(rule.continuous_percent,
      rule.continuous_s)
  end
  add(finding("theta burst intensity", rule, {
    row = ("%d %%%s usual%s"):format(limit, reference, ceiling), value = percent, unit = "%" .. reference,
    limit = limit,
    verdict = ceiling ~= "" and "OVER" or percent > limit + edge and "beyond tested" or "within",
    nearest = percent > limit + edge and context.at_most_burst(limit, reference) or nil }))
end

--- Silence before theta burst; inside it there is none to judge.
local function judge_pause(train, add)
  local rule = tables.theta_pause
  local gap = train.after and train.after.gap
  if gap and gap < rule.limit_s - time_edge then
    add(finding("gap before theta burst", rule, { row = ("%g s"):format(rule.limit_s), value = gap,
      unit = "s", limit = rule.limit_s, verdict = "beyond tested",
      nearest = ("at least %g s of silence before theta burst"):format(rule.limit_s) }))
  end
end

local function judge_theta(context, train, add)
  local rule = tables.theta_burst
  judge_burst_intensity(context, train, add)
  local many = train.burst_pulses > rule.burst_pulses
  add(finding("pulses in a burst", rule, { row = "4 pulses a burst", value = train.burst_pulses,
    unit = "pulses", limit = rule.burst_pulses, verdict = many and "beyond tested" or "within",
    nearest = many and "at most 4 pulses a burst" or nil }))
  judge_pause(train, add)
end

local function judge_pair(context, train, add)
  local percent = context.percent(train)
  local over = percent and percent > tables.strongest_percent + edge
  if over then
    return add(finding("pairs", tables.pairs, { row = "no table; strongest column 130 %", value = percent,
      unit = "% of the resting motor threshold", limit = 130, verdict = "beyond tested",
      nearest = context.at_most(130, "RMT") }))
  end
  if percent then
    return add(finding("pairs", tables.pairs, { row = "no table; strongest column 130 %", value = percent,
      unit = "% of the resting motor threshold", limit = 130, verdict = "within" }))
  end
  add(finding("pairs", tables.pairs, { row = "no table, and no threshold is known: compared with nothing",
    value = train.pulses, unit = "pulses", verdict = "not covered", nearest = "--rmt N" }))
end

local function judge_group_intensity(context, train, add)
  local rule = tables.groups
  local percent, reference = context.strongest(train, { AMT = rule.amt_percent, RMT = rule.rmt_percent })
  local of_rmt = context.percent(train) or 0
  local limit = reference == "AMT" and rule.amt_percent or rule.rmt_percent
  if of_rmt <= rule.ceiling_percent + edge and not percent then
    return without_threshold(context, train, rule, "group intensity", "90 %AMT", add)
  elseif of_rmt > rule.ceiling_percent + edge then
    return add(finding("group intensity", rule, { row = ("%d %%RMT at most"):format(rule.ceiling_percent),
      value = of_rmt, unit = "% of the resting motor threshold", limit = rule.ceiling_percent,
      verdict = "OVER", nearest = percent and context.at_most_burst(limit, reference)
        or context.at_most(rule.ceiling_percent, "RMT") }))
  end
  local stronger = percent > limit + edge
  add(finding("group intensity", rule, { row = ("%d %%%s"):format(limit, reference), value = percent,
    unit = "%" .. reference, limit = limit, verdict = stronger and "beyond tested" or "within",
    nearest = stronger and context.at_most_burst(limit, reference) or nil }))
end

--- From onset to onset between groups, as published; after anything else the silence.
local function since_group(train)
  return train.after and (train.after.kind == "group" and train.after.onset or train.after.gap)
end

--- Three or four pulses above 25 Hz on their own: quadripulse and the like.
local function judge_group(context, train, add)
  local rule = tables.groups
  judge_group_intensity(context, train, add)
  local since = since_group(train)
  if since then
    local close = since < rule.every_s - time_edge
    add(finding("time between groups", rule, { row = ("one every %g s"):format(rule.every_s), value = since,
      unit = "s", limit = rule.every_s, verdict = close and "beyond tested" or "within",
      nearest = close and ("one every %g s"):format(rule.every_s) or nil }))
  end
end

--- Single pulses have no limit of intensity that was read, and were compared with nothing where they are
--- stronger than the tables' strongest column.
local function judge_single(context, train, add)
  local rule, percent = tables.single, context.percent(train)
  if percent and percent > tables.strongest_percent + edge and not train.together then
    add(finding("single pulse intensity", rule.intensity, { value = percent,
      row = ("no source read goes above %d %%RMT"):format(tables.strongest_percent),
      unit = "% of the resting motor threshold", limit = tables.strongest_percent, verdict = "not covered",
      nearest = context.at_most(tables.strongest_percent, "RMT") }))
  end
end

local function nearest_stretch(limit, rule)
  return ("at most %g s, the pause of %g s after it counted"):format(limit, rule.pause_s)
end

--- Pulses, pairs and trains with less than 4 s between them are no milder than single pulses as far apart:
--- a train of 1 Hz, from the first to the last.
local function judge_stretch(context, train, add)
  local rule = tables.stretch
  local percent, known = context.percent(train)
  percent = known and percent or math.max(percent or 0, UNKNOWN_PERCENT)
  local profile = graver_profile(context.profile, { hz = 1, duration = train.duration }, percent)
  local source = tables.train_duration[profile]
  rule = setmetatable({ table = source.table .. ", 1 Hz" }, { __index = rule })
  local cell, _, below = cells.find(profile, 1, percent)
  if not cell then
    local limit = longest_within(context.profile, 1, tables.strongest_percent)
    local shorter = train.duration > limit + time_edge and ", " .. nearest_stretch(limit, rule) or ""
    return add(finding("pulses without a pause", rule, {
      row = ("no column above %d %%"):format(tables.strongest_percent), value = percent,
      unit = "% of the resting motor threshold", limit = tables.strongest_percent, verdict = "OVER",
      nearest = context.at_most(tables.strongest_percent, "RMT") .. shorter }))
  end
  local verdict = M.compare(cell, below, train.duration)
  if verdict ~= "within" then
    add(finding("pulses without a pause", rule, {
      row = (">%g s (1 Hz, %g %%)%s"):format(cell.limit_s, cell.percent, known and ""
        or ", the strongest column: no threshold is known"), why = beyond_text(cell, below, verdict),
      value = train.duration, unit = "s", limit = cell.limit_s, verdict = verdict,
      nearest = nearest_stretch(longest_within(context.profile, 1, percent), rule) }))
  end
end

--- Theta bursts that no pause parts are one, for the ceiling of what is continuous.
local function judge_theta_stretch(context, train, add)
  local rule, percent = tables.theta_burst, context.percent(train)
  local goes_on = train.duration > rule.continuous_s + time_edge
  if goes_on and percent and percent > rule.continuous_percent + edge then
    add(finding("theta burst without a pause", rule, {
      row = ("%d %%RMT at most where it goes on for more than %g s; less than %g s of silence is no pause")
        :format(rule.continuous_percent, rule.continuous_s, tables.theta_pause.limit_s), value = percent,
      unit = "% of the resting motor threshold", limit = rule.continuous_percent, verdict = "OVER",
      nearest = ("at least %g s of silence before theta burst"):format(tables.theta_pause.limit_s) }))
  end
end

local judges = {
  ["theta burst"] = judge_theta, pair = judge_pair, group = judge_group, single = judge_single,
  stretch = judge_stretch, ["theta stretch"] = judge_theta_stretch,
  train = function(context, train, add)
    judge_duration(context, train, add)
    judge_gap(context, train, add)
  end,
}

--- The silences that rules ask about, of one train.
---@param train moonpulse.Train
---@return { rule: string, seconds: number }[]
function M.silences(train)
  local list = {}
  local function add(rule, seconds)
    list[#list + 1] = seconds and { rule = rule, seconds = seconds } or nil
  end
  if train.kind == "train" then
    local before, inside = gaps_of(train)
    add("gap between trains", before)
    add("gap between trains", inside)
  elseif train.kind == "theta burst" then
    add("gap before theta burst", train.after and train.after.gap)
  elseif train.kind == "group" then
    add("time between groups", since_group(train))
  end
  return list
end

--- Judge one train.
---@param context { profile: string, percent: fun(train): number?, boolean, strongest: fun(train, limits):
---   number?, string, mso: fun(train): number?, at_most: fun(percent: number, reference: string): string,
---   at_most_burst: fun(percent: number, reference: string): string }
---   percent: of the strongest pulse that can be compared, and whether all can; strongest: limits by unit,
---   of the pulse nearest to its own; mso: of the strongest, where it is known; at_most: an intensity that
---   passes, in words; at_most_burst: the same by the units of strongest
---@param train moonpulse.Train
---@param add fun(finding: moonpulse.Finding)
function M.train(context, train, add)
  local judge = judges[train.kind]
  if judge then
    judge(context, train, add)
  end
end

--- What this session may have where earlier ones count with it.
---@param limit number pulses in all
---@param earlier number? pulses that were given before
---@param since string when: "today"
---@return string
function M.room(limit, earlier, since)
  if not earlier or earlier == 0 then
    return ("at most %d pulses"):format(limit)
  end
  local left = limit - earlier
  return ("%s (%s %s given %s)"):format(left > 0 and ("at most %d pulses in this session"):format(left)
    or "no pulse in this session", numbers.count(earlier), earlier == 1 and "was" or "were", since)
end

local function judge_count(rule, name, row, count, limit, add, earlier)
  add(finding(name, rule, { row = row, value = count, unit = "pulses", limit = limit,
    verdict = count > limit and "beyond tested" or "within",
    nearest = count > limit and M.room(limit, earlier, "today") or nil }))
end

--- Judge the totals of a session, with what the participant had before.
---@param counts { ["theta burst"]: integer?, group: integer?, single: integer?, trials: integer?,
---   session: integer }
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
  if counts.group then
    -- with those of theta burst: a pulse more can make theta burst of groups, and they count as before
    local most = tables.groups.session_pulses
    judge_count(tables.groups, "pulses in groups a session", ("%d a session"):format(most),
      counts.group + (bursts or 0), most, add)
  end
  local trials = counts.trials or 0
  if counts.single or trials > single.session_pulses then
    -- a pulse more can make a pair of a single pulse, which is one trial as before
    judge_count(single, "single pulses a session", "about 1800 a session, at 100 % of MT"
      .. (trials > single.session_pulses and "; pairs and trains count as well" or ""),
      trials > single.session_pulses and trials or counts.single, single.session_pulses, add)
  end
  local day = own or tables.day
  judge_count(day, "pulses a day", ("%d a day"):format(day.pulses),
    counts.session + (history and history.day or 0), day.pulses, add, history and history.day)
  if history and history.last_end_s and bursts
    and history.last_end_s < theta.session_gap_s then
    add(finding("gap between sessions", theta, { row = "10 min between sessions",
      value = history.last_end_s, unit = "s", limit = theta.session_gap_s, verdict = "beyond tested",
      nearest = ("wait %d s more"):format(math.ceil(theta.session_gap_s - history.last_end_s)) }))
  end
end

return M
