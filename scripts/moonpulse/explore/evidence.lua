--- What a run left, read into lists: by patterns of its own, not by the reader that the product has.
local cjson = require "cjson.safe"
local plans = require "moonpulse.explore.plan"
local troubles = require "moonpulse.explore.trouble"

local M = {}

-- the columns of events.tsv in their order; those that no invariant asks for are passed over
local row_pattern = "(%-?%d+)%.(%d%d%d%d%d%d%d%d%d)\t[^\t\n]*\t([^\t\n]*)\t(%d+)\t([%a_]+)\t([^\t\n]*)\t"
  .. "([^\t\n]*)\t([^\t\n]*)\t([^\t\n]*)\t[^\t\n]*\t[^\t\n]*\t([^\t\n]*)\t[^\t\n]*\t[^\t\n]*\t"
  .. "([^\t\n]*)\t([^\t\n]*)\t([^\t\n]*)\t[^\t\n]*\t([^\t\n]*)\t([^\t\n]*)\n"

local floor, tointeger = math.floor, math.tointeger

--- Nanoseconds of "1234.567", microseconds; nil: "n/a".
local function us_of(text)
  local us = tonumber(text)
  return us and floor(us * 1000 + 0.5)
end

--- The first line of events.tsv that is no row; nil: all are.
local function odd_line(text)
  local whole, count = "^" .. row_pattern .. "$", 0
  for line in text:gmatch "([^\n]*)\n" do
    count = count + 1
    if count > 1 and not (line .. "\n"):find(whole) then
      return line
    end
  end
  return "the last line has no end"
end

--- events.tsv: { onset, condition, index, event, number, planned, sent, confirmed, mso, status, reply,
--- timed_by, trial, block }, times in nanoseconds from the run's start.
---@param text string
---@return table[] rows
---@return string? odd the first line that is no row
function M.rows(text)
  local rows, count = {}, 0
  local first = text:find("\n", 1, true) or #text
  for whole, part, condition, index, event, number, planned, sent, confirmed, mso, status, reply, by, trial,
    block in text:sub(first + 1):gmatch(row_pattern) do
    local ns = tointeger(part)
    count = count + 1
    rows[count] = { onset = tointeger(whole) * 1000000000 + (whole:byte() == 45 and -ns or ns),
      index = tointeger(index), event = event, number = tointeger(number), planned = us_of(planned),
      sent = us_of(sent), confirmed = us_of(confirmed), mso = tonumber(mso), status = status, reply = reply,
      timed_by = by, condition = condition, trial = tointeger(trial), block = tointeger(block) }
  end
  local _, ends = text:gsub("\n", "\n")
  local is_whole = text == "" or text:sub(-1) == "\n" and ends == count + 1
  return rows, not is_whole and odd_line(text) or nil
end

--- twin.tsv: the pulses that the simulator gave, and all else that it understood.
---@param text string
---@return table[] given { ns, channel, mso }
---@return table[] log { ns, event, bytes, note }
function M.simulator(text)
  local given, log = {}, {}
  for whole, part, event, bytes, note, channel, mso in
    text:gmatch("(%d+)%.(%d+)\t(%a+)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)[^\n]*\n") do
    local ns = tointeger(whole) * 1000000000 + tointeger(part)
    if event == "pulse" then
      given[#given + 1] = { ns = ns, channel = channel, mso = tonumber(mso), at = 0, row = nil }
    else
      log[#log + 1] = { ns = ns, event = event, bytes = bytes, note = note }
    end
  end
  return given, log
end

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
  local from, pulses = #run.wanted, {}
  for i, row in ipairs(rows or {}) do
    row.ns = row.ns + start_ns
    run.wanted[from + i] = row
    pulses[#pulses + 1] = not row.mark and row or nil
  end
  for i, row in ipairs(listed) do
    row.ns = row.ns + start_ns
    run.listed[from + i] = row
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
  while run.plays[number] do
    local each, entry = run.plays[number], run.journal_plays[number]
    if entry and run.start_ns then
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
    if own and row.planned and math.abs(own.ns - row.planned) <= 3 then
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

--- Give each pulse the row that tells of it at its time, as far as there is one.
local function match_times(run, rows, within)
  local at = 1
  for _, pulse in ipairs(run.given) do
    while rows[at] and rows[at].latest < pulse.at do
      at = at + 1
    end
    if rows[at] and pulse.at >= rows[at].onset - within then
      pulse.row, rows[at].pulse = rows[at], pulse
      at = at + 1
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

--- Which row tells of which pulse: by their time alone.
local function match(run)
  local within = math.max(2000, run.facts.clock_ns)
  local stalls = troubles.has(run.scenario, "port", "stalled")
  local sent, tolerance_ns = {}, floor(run.scenario.tolerance_ms * 1e6)
  for _, row in ipairs(run.rows) do
    if row.event == "pulse" and row.onset then
      sent[#sent + 1] = row
      -- of a train that was cut its plan is known, not its start
      row.latest = row.onset + within + (row.timed_by == "device" and not row.sent and tolerance_ns or 0)
    end
  end
  in_order(sent, "onset")
  match_times(run, sent, within)
  if stalls then
    match_stalled(run, sent, within, within + floor(stalls.stall_ms * 1e6))
  end
  run.sent = sent -- and those that were to be
end

--- Read what the run left into lists, in run.
---@param run table of moonpulse.explore.play
---@return table run
function M.read(run)
  local scenario = run.scenario
  run.rows, run.odd_row = M.rows(run.events_text or "")
  run.given, run.log = M.simulator(run.simulator_text or "")
  run.journal, run.journal_plays = journal(run.journal_text)
  run.wanted, run.listed = {}, {}
  local latency_s = scenario.trigger and run.facts.edge_s or run.facts.latency_s
  for _, pulse in ipairs(run.given) do
    pulse.at = pulse.ns + math.floor(latency_s * 1e9 + 0.5) - (run.start_ns or pulse.ns)
  end
  in_order(run.given, "at")
  fill_wanted(run)
  run.pulses, run.wanted_pulses = {}, {}
  for _, row in ipairs(run.rows) do
    run.pulses[#run.pulses + 1] = row.event == "pulse" and row or nil
  end
  for _, row in ipairs(run.wanted) do
    run.wanted_pulses[#run.wanted_pulses + 1] = not row.mark and row or nil
  end
  fill_numbers(run)
  match(run)
  local result = run.manifest and run.manifest.result
  run.result = type(result) == "table" and result or {}
  return run
end

return M
