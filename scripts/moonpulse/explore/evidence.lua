--- What a run left, read into lists: by a reader of its own (core.left_rows, core.left_given), which shares
--- nothing with the one that the product has.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local outside = require "moonpulse.explore.outside"
local plans = require "moonpulse.explore.plan"
local several = require "moonpulse.explore.several"
local triggered = require "moonpulse.explore.triggered"
local troubles = require "moonpulse.explore.trouble"

local M = {}

local abs, floor, max = math.abs, math.floor, math.max

M.rows = core.left_rows

--- Sort rows by one of their times; most lists are.
local function in_order(list, key)
  for i = 2, #list do
    if list[i][key] < list[i - 1][key] then
      table.sort(list, function(a, b)
        if a[key] ~= b[key] then
          return a[key] < b[key]
        end
        return (a.index or 0) < (b.index or 0)
      end)
      return
    end
  end
end

--- journal.jsonl: its lines, and the plans in it by their number.
local function journal(text)
  local lines, plays = {}, {}
  for line in (text or ""):gmatch("([^\n]*)\n") do
    local entry = cjson.decode(line) or { damaged = line }
    lines[#lines + 1] = entry
    if entry.kind == "play" then
      plays[entry.play or 0] = entry
    end
  end
  return lines, plays
end

--- What the plans of a run must give, in nanoseconds from its start; and what the engine lists of them.
local function add_wanted(run, plan, seed, start_ns)
  local listed = plans.listed(plans.build(plan), seed)
  local rows, why = plans.expected(plan, listed)
  run.drawn_wrong = run.drawn_wrong or why
  local from, wanted, all_listed, pulses = #run.wanted, run.wanted, run.listed, {}
  for i, row in ipairs(rows or {}) do
    row.ns = row.ns + start_ns
    wanted[from + i] = row
    if not row.mark then
      pulses[#pulses + 1] = row
    end
  end
  for i, row in ipairs(listed) do
    row.ns = row.ns + start_ns
    all_listed[from + i] = row
  end
  return pulses
end

local function fill_wanted(run)
  local scenario = run.scenario
  if scenario.plan then
    add_wanted(run, scenario.plan, scenario.seed, 0)
    return
  end
  local number = 1
  while run.plays[number] or (run.journal_plays[number] or {}).external do
    local entry = run.journal_plays[number]
    local each = run.plays[number] or { outside = true }
    run.plays[number] = each
    if entry and run.start_ns and not each.outside then
      each.start_ns = math.tointeger(entry.start_ns) - run.start_ns
      each.wanted = add_wanted(run, each.plan, math.tointeger(entry.seed), each.start_ns)
    end
    number = number + 1
  end
end

--- The plan, from number k on, that has a pulse for the row, and that pulse. If a plan was stopped before its
--- first pulse the next may begin at the same instant: then the later one is meant, as the earlier gave none.
local function own_of(plays, k, row, base, last)
  local found, pulse
  for j = k, #plays do
    local own = plays[j].wanted and plays[j].wanted[(row.number or 0) - (j == k and base or last)]
    if own and row.planned and abs(own.ns - row.planned) <= 3 then
      found, pulse = j, own
    end
  end
  return found, pulse
end

--- Which written pulse each row is about: a plan that was stopped leaves numbers to the next one, so that a
--- row is the next of its plan, or the first of a later one.
local function fill_numbers(run)
  local plays, k, base, last = run.plays, 1, 0, 0
  if run.scenario.plan then
    plays = { { wanted = run.wanted_pulses } }
  end
  in_order(run.pulses, "number")
  for _, row in ipairs(run.pulses) do
    local j, own = own_of(plays, k, row, base, last)
    if j then
      row.wanted, base = own, j == k and base or last
      k = j
    end
    last = row.number or last
  end
end

--- Until when, on the record's clock, the pulse of a row may be given: of a train that was cut its plan is
--- known, not its start.
local function latest_of(row, within, tolerance_ns)
  return row.onset + within + (row.timed_by == "device" and not row.sent and tolerance_ns or 0)
end

--- Is there a row after this one that was sent for this very instant? Then it tells of the pulse, and not a
--- row of a cut train, which is met by the tolerance only.
local function is_of_later(rows, at, given_at, within)
  local behind = at + 1
  if given_at <= rows[at].onset + within then
    return false
  end
  while rows[behind] and rows[behind].onset <= given_at + within do
    if rows[behind].sent and rows[behind].onset >= given_at - within then
      return true
    end
    behind = behind + 1
  end
  return false
end

--- Give each pulse the row that tells of it at its time, as far as there is one.
local function match_times(run, rows, within)
  local at, tolerance_ns = 1, floor(run.scenario.tolerance_ms * 1e6)
  local row = rows[1]
  for _, pulse in ipairs(run.given) do
    local given_at = pulse.at
    while row and (latest_of(row, within, tolerance_ns) < given_at
      or is_of_later(rows, at, given_at, within)) do
      at = at + 1
      row = rows[at]
    end
    if row and given_at >= row.onset - within then
      pulse.row, row.pulse = row, pulse
      at = at + 1
      row = rows[at]
    end
  end
end

--- A write that stalls has begun at any time until its end, and the simulator, which has no turn meanwhile
--- either, may be that much late: the pulses that are left over get the rows as sent that are.
local function match_stalled(run, rows, within, stall_ns)
  for _, pulse in ipairs(run.given) do
    local place = 1
    while not pulse.row and rows[place] do
      local row = rows[place]
      if not row.pulse and row.sent and pulse.at >= row.planned - within
        and pulse.at <= row.onset + stall_ns then
        pulse.row, row.pulse = row, pulse
      end
      place = place + 1
    end
  end
end

--- As many rows as sent as there are pulses, and each in its place could tell of it, for all that the write
--- stalled: then they are each other's. (By their times alone a train that began so many of its intervals
--- late would be taken for the one that was given.)
---@return boolean
local function match_in_order(run, rows, within, stall_ns)
  local sent = {}
  for _, row in ipairs(rows) do
    sent[#sent + 1] = row.sent and row or nil
  end
  for i, pulse in ipairs(run.given) do
    local row = sent[i]
    if not row or pulse.at < row.planned - within or pulse.at > row.onset + stall_ns then
      return false
    end
  end
  if #sent ~= #run.given then
    return false
  end
  for i, pulse in ipairs(run.given) do
    pulse.row, sent[i].pulse = sent[i], pulse
  end
  return true
end

--- Those of a list that are pulses.
local function pulses_of(list, is_pulse)
  local pulses, count = {}, 0
  for _, each in ipairs(list) do
    if is_pulse(each) then
      count = count + 1
      pulses[count] = each
    end
  end
  return pulses
end

local function is_pulse(row)
  return row.event == "pulse"
end

local function is_ours(row)
  return row.event == "pulse" and row.timed_by ~= "external"
end

--- Which row tells of which pulse: by their time alone.
local function match(run)
  local within = max(2000, run.facts.clock_ns)
  local stalls = troubles.longest_stall_ns(run.scenario)
  local sent = pulses_of(run.rows, is_ours)
  in_order(sent, "onset")
  local stall_ns = stalls and within + stalls
  if not (stalls and match_in_order(run, sent, within, stall_ns)) then
    match_times(run, sent, within)
  end
  if stalls then
    match_stalled(run, sent, within, stall_ns)
  end
  run.sent = sent -- and those that were to be
end

--- What the simulator of a run, or of one of several devices, gave and logged.
local function read_given(run)
  run.given, run.log = core.left_given(run.simulator_text or "")
  local latency_ns = floor((run.scenario.trigger and run.facts.edge_s or run.facts.latency_s) * 1e9 + 0.5)
  for _, pulse in ipairs(run.given) do
    pulse.at = pulse.ns + latency_ns - (run.start_ns or pulse.ns)
  end
  in_order(run.given, "at")
end

--- What all of several simulators gave and logged.
local function gather(run)
  run.given, run.log = {}, {}
  for _, part in ipairs(run.parts) do
    read_given(part)
    table.move(part.given, 1, #part.given, #run.given + 1, run.given)
    table.move(part.log, 1, #part.log, #run.log + 1, run.log)
  end
  in_order(run.given, "at")
  in_order(run.log, "ns")
end

--- Read what the run left into lists, in run: rows as core.left_rows has them, with wanted (the pulse that is
--- written) and pulse (the one that was given); given { ns, channel, mso, at, row }; log { ns, event, bytes,
--- note }. Times in nanoseconds, of rows and at from the run's start.
---@param run table of moonpulse.explore.play
---@return table run
function M.read(run)
  run.rows, run.odd_row = M.rows(run.events_text or "");
  (run.parts and gather or read_given)(run)
  run.journal, run.journal_plays = journal(run.journal_text)
  run.wanted, run.listed = {}, {}
  fill_wanted(run)
  run.pulses = pulses_of(run.rows, is_pulse)
  run.wanted_pulses = pulses_of(run.wanted, function(row) return not row.mark end)
  fill_numbers(run)
  outside.part(run)
  if run.parts then
    several.tell_channels(run.rows, run.events_text or "")
  else
    match(run)
  end
  for _, part in ipairs(run.parts or {}) do
    several.divide(run, part)
    match(part)
  end
  triggered.read(run)
  local result = run.manifest and run.manifest.result
  run.result = type(result) == "table" and result or {}
  return run
end

return M
