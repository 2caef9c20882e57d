--- The goals: each a ratio inside one run, judged with a null run of the engine against itself.
---
--- A verdict is PASS, FAIL, INCONCLUSIVE (the host was too noisy to tell: see M.judge),
--- VOID (the run was not correct, so its times mean nothing) or "not measured".
local costs = require "moonpulse.bench.cost_goals"
local stats = require "moonpulse.bench.stats"

local M = {}

local null_low, null_high = 0.5, 2  -- what two runs of the same thing may differ by
local reference_limit_us = 500      -- p99 of cyclictest, idle: above, the host is no reference
local few_events = 5                -- fewer late events of a peer than this prove nothing
local pool_pulses = 10000

--- Why a goal is missed where that is known and lies in us, not in the host.
M.reasons = {
  ["G1"] = "the engine's p50 grows with the sleep before it (compare 1 ms with 20 ms): most likely "
    .. "the code and data between the deadline and the stamp must be fetched into the caches again",
  ["G5"] = "as for G1",
  ["G14 virtual"] = "what is not like the pulse before goes through the simulator and its "
    .. "driver in Lua",
  ["G21"] = "as for G14",
  ["G14 text"] = "formatting is one pass with the stream; what is over is the write of the file",
  ["G17"] = "the time includes drawing the events and writing the file, not formatting alone",
  ["G20"] = "most of it are replies that are waited for: the simulator takes 20 ms for each of "
    .. "five, as fast as the real one is known to be, one after another; the figures say how much is ours",
  ["G20 ours"] = "it is the start of two programs, ours and the simulator's; sources that were "
    .. "changed after the build are compiled at each start",
}

for key, reason in pairs(costs.reasons) do
  M.reasons[key] = reason
end

local function find(data, condition, shape, method)
  local found = {}
  for _, block in ipairs(data.blocks or {}) do
    if block.method == method and block.shape == shape and block.condition == condition then
      found[block.block] = block
    end
  end
  return found
end

--- The median over the idle blocks of cyclictest's p99 at a period.
local function reference_p99(data, shape)
  local p99 = {}
  for _, block in pairs(find(data, "idle", shape, "cyclictest")) do
    p99[#p99 + 1] = block.p99
  end
  return stats.median(p99)
end

--- Does a verdict on times stand at all? Else a verdict and why.
local function precondition(data, blocks, shape)
  local present = false
  for _, block in pairs(blocks) do
    present = true
    if block.void then
      return "VOID", block.void
    elseif block.fifo == false then
      return "not measured", "SCHED_FIFO was refused"
    end
  end
  if not present then
    return "not measured", "no blocks"
  end
  local reference = reference_p99(data, shape)
  if reference and reference > reference_limit_us then
    return "INCONCLUSIVE", ("cyclictest's own p99 is %.0f us, idle, %s: the host is too busy"):format(
      reference, shape)
  end
end

--- Values (one a block) against a limit; nulls are the same ratio of the engine to itself.
---@param row table { id, what, limit, at_least? }
---@param values number[]
---@param nulls number[]?
function M.judge(row, values, nulls)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  row.min, row.median, row.max = sorted[1], stats.median(sorted), sorted[#sorted]
  local null = nulls and stats.median(nulls)
  row.null = null
  if row.verdict then
    return row
  elseif not row.median then
    row.verdict, row.note = "not measured", row.note or "no values"
  elseif null and (null < null_low or null > null_high) then
    row.verdict = "INCONCLUSIVE"
    row.note = ("the engine differs from itself by a factor of %.2g"):format(null)
  else
    local met = row.median <= row.limit
    if row.at_least then
      met = row.median >= row.limit
    end
    row.verdict = met and "PASS" or "FAIL"
  end
  return row
end

--- One row: a quantile of the engine over that of a peer, block by block.
local function quantile_row(data, id, name, condition, shape, peer, limit, inverse)
  local a, b = find(data, condition, shape, "engine"), find(data, condition, shape, peer)
  local null = find(data, condition, shape, "null")
  local row = { id = id, limit = limit, at_least = inverse,
    what = inverse and ("%s / engine, %s, %s, %s"):format(peer, name, condition, shape)
      or ("engine / %s, %s, %s, %s"):format(peer, name, condition, shape) }
  local values, nulls = {}, {}
  for number, block in pairs(a) do
    local other, same = b[number], null[number]
    if other and block[name] and block[name] > 0 and other[name] > 0 then
      values[#values + 1] = inverse and other[name] / block[name] or block[name] / other[name]
    end
    if same and same[name] and block[name] and same[name] > 0 then
      nulls[#nulls + 1] = block[name] / same[name]
    end
  end
  row.verdict, row.note = precondition(data, a, shape)
  if not row.verdict and not next(b) then
    row.verdict, row.note = "not measured", peer .. " is not installed or not permitted"
  end
  return M.judge(row, values, nulls)
end

local function pool(data, condition, method, key, shapes)
  local late, n = 0, 0
  for _, shape in ipairs(shapes) do
    for _, block in pairs(find(data, condition, shape, method)) do
      late, n = late + (block[key] or 0), n + block.n
    end
  end
  return late, n
end

--- One row: shares of late events, pooled over both periods.
local function share_row(data, id, key, condition, method, peer, limit, floor)
  local shapes = { "1 ms", "20 ms" }
  local late, n = pool(data, condition, method, key, shapes)
  local other, m = pool(data, condition, peer, key, shapes)
  local row = { id = id, limit = limit, what = ("%s / %s, share %s, %s"):format(method, peer,
    key == "over_1ms" and "> 1 ms" or "> 100 us", condition) }
  row.note = ("%d of %d against %d of %d"):format(late, n, other, m)
  local counts = row.note
  local verdict, problem = precondition(data, find(data, condition, "1 ms", method), "1 ms")
  row.verdict = verdict
  if not row.verdict then
    if m == 0 then
      row.verdict, problem = "not measured", peer .. " is not installed or not permitted"
    elseif n < pool_pulses then
      row.verdict, problem = "INCONCLUSIVE", counts .. (": needs %d"):format(pool_pulses)
    elseif not floor and other < few_events then
      row.verdict, problem = "INCONCLUSIVE", counts .. ": too few late to compare"
    end
  end
  row.note = problem or counts
  if n == 0 or m == 0 then
    return M.judge(row, {})
  end
  local least = floor or 0
  local values = { (math.max(late, least) / n) / (math.max(other, least, 1) / m) }
  local nulls
  if method == "engine" then
    local again = pool(data, condition, "null", key, shapes)
    nulls = { math.max(late, 3) / math.max(again, 3) }
  end
  return M.judge(row, values, nulls)
end

local function onset_rows(data, add)
  for _, condition in ipairs { "idle", "load" } do
    for _, shape in ipairs { "1 ms", "20 ms" } do
      add(quantile_row(data, "G1", "p50", condition, shape, "cyclictest", 0.02))
      add(quantile_row(data, "G1", "p90", condition, shape, "cyclictest", 0.02))
      add(quantile_row(data, "G2", "p99", condition, shape, "cyclictest",
        condition == "idle" and 0.25 or 1.0))
    end
    add(share_row(data, "G3", "over_100us", condition, "engine", "cyclictest", 0.5))
    add(share_row(data, "G3", "over_100us", condition, "engine", "FIFO loop", 0.5))
  end
  add(share_row(data, "G4", "over_1ms", "load", "engine", "pyserial", 0.2))
  for _, condition in ipairs { "idle", "load" } do
    for _, shape in ipairs { "1 ms", "20 ms" } do
      add(quantile_row(data, "G5", "p50", condition, shape, "pyserial", 200, true))
    end
  end
end

local function drift_rows(drift, add)
  local engine, relative = drift.engine, drift.relative
  local row = { id = "G6", limit = 1e-5, what = "error after 10,000 events: engine / relative pyserial" }
  local values = {}
  if drift.void then
    row.verdict, row.note = "VOID", drift.void
  elseif not relative then
    row.verdict, row.note = "not measured", "pyserial is not installed"
  elseif not drift.fifo then
    row.verdict, row.note = "not measured", "SCHED_FIFO was refused: a constant latency is no drift"
  end
  if engine and relative then
    values[1] = math.abs(engine.last_ns) / math.abs(relative.last_ns)
    row.note = row.note or ("%.2f us against %.3f s"):format(engine.last_ns / 1e3,
      relative.last_ns / 1e9)
  end
  add(M.judge(row, values))
  row = { id = "G6", limit = 1, what = "trend of the engine's error, ns an event" }
  if drift.void then
    row.verdict, row.note = "VOID", drift.void
  end
  add(M.judge(row, engine and { math.abs(engine.slope_ns) } or {}))
end

local function stop_rows(data, add)
  local close, noticed = 0, {}
  local void
  for _, round in ipairs(data.single.stops.rounds) do
    close = close + round.close
    if round.void ~= "" and round.close == 0 then
      void = round.void
    end
    if round.noticed_ns >= 0 then
      noticed[#noticed + 1] = round.noticed_ns / 1000
    end
  end
  local row = { id = "G9", limit = 0, hard = true,
    what = "intervals under the minimum after SIGSTOP of 500 ms",
    note = ("%d stops"):format(#data.single.stops.rounds) }
  if void then
    row.verdict, row.note = "VOID", void
  end
  add(M.judge(row, { close }))
  if not data.blocks then
    return
  end
  local reference, values = reference_p99(data, "20 ms"), {}
  row = { id = "G10", limit = 5,
    what = "fault noticed after resume / cyclictest p99, idle, 20 ms" }
  row.verdict, row.note = precondition(data, find(data, "idle", "20 ms", "engine"), "20 ms")
  for i, us in ipairs(noticed) do
    values[i] = reference and us / reference
  end
  row.note = row.note or ("noticed after %.0f us"):format(stats.median(noticed) or 0)
  add(M.judge(row, values))
end

--- Ratios of two columns of the repetitions of bench stream.
local function stream_ratios(stream, over, under)
  local values = {}
  for i, rep in ipairs(stream.reps) do
    values[i] = rep[over] / rep[under]
  end
  return values
end

local function stream_rows(single, add)
  local stream = single.stream
  add(M.judge({ id = "G11", limit = 30, at_least = true,
    what = "schedule / plain Lua 5.4 arrays, depth 3" }, stream_ratios(stream, "lua", "schedule")))
  add(M.judge({ id = "G11", limit = 15, at_least = true,
    what = "schedule / plain Lua 5.4 arrays, depth 12" },
    stream_ratios(stream, "lua_deep", "schedule_deep")))
  add(M.judge({ id = "G12", limit = 1.5, at_least = true,
    what = "schedule / memset of a fresh array" }, stream_ratios(stream, "memset_fresh", "schedule")))
  add({ id = "G13", what = "copy of an expanded array / memset", verdict = "does not apply",
    note = "no expanded array is offered: plans flow" })
  add(M.judge({ id = "G14", limit = 0.15, at_least = true,
    what = "walk of every frame with its checks / schedule of the same plan" },
    stream_ratios(stream, "walk", "check")))
end

local function text_rows(single, add)
  local stream, text = single.stream, single.text
  local line_s, row_s = {}, {}
  for i, rep in ipairs(stream.reps) do
    line_s[i] = rep.snprintf / 1e9 / stream.lines
    row_s[i] = rep.snprintf_rows / 1e9 / stream.lines
  end
  local formatted, rows = 1 / stats.median(line_s), 1 / stats.median(row_s)
  local virtual, events = {}, {}
  for i, rate in ipairs(text.virtual) do
    virtual[i] = rate / rows
  end
  for i, rate in ipairs(text.events) do
    events[i] = rate / formatted
  end
  add(M.judge({ id = "G14", reason = "G14 virtual", limit = 0.5, at_least = true,
    what = "moonpulse run --speed max, simulator and record / snprintf of its rows to a file" }, virtual))
  add(M.judge({ id = "G14", reason = "G14 text", limit = 0.5, at_least = true,
    what = "moonpulse events to a file / snprintf to a file" }, events))
  add(M.judge({ id = "G17", limit = 2, at_least = true,
    what = "lines of moonpulse events / snprintf of the same line" },
    table.move(events, 1, #events, 1, {})))
  add(M.judge({ id = "G21", limit = 1e6, at_least = true,
    what = "virtual time / real time, 3,000 pulses at 10 Hz" }, text.session))
end

local function log_rows(single, add)
  local log = single.log
  for _, name in ipairs { "ring", "flight" } do
    local values = {}
    for i, clock in ipairs(log.clock_ns) do
      values[i] = math.max(0, log[name .. "_ns"][i] - clock) / clock
    end
    add(M.judge({ id = "G16", limit = 2,
      what = (name == "ring" and "outcome ring" or "flight record") .. ": push / one clock_gettime",
      note = log.refused > 0 and log.refused .. " lost" or nil }, values))
  end
end

local function hard_rows(single, add)
  add(M.judge({ id = "G15", limit = 64, hard = true,
    what = "memory of 10,000,000 pulses less that of 1,000, KiB" },
    { math.abs(single.memory.many_kib - single.memory.few_kib) }))
  local drops = single.drops
  add(M.judge({ id = "G18", limit = 0, hard = true,
    what = "events missing in the log, 10,000 at 1 kHz, load", verdict = drops.void and "VOID",
    note = drops.void or ("%d sent, %d left out as late"):format(drops.sent, drops.skipped) },
    { drops.dropped }))
end

local function processor_rows(data, add)
  local cpu, largest = {}, nil
  local function duty(block)
    return block.cpu_ns and block.cpu_ns > 0 and 100 * block.cpu_ns / block.wall_ns or nil
  end
  for _, block in pairs(find(data, "idle", "20 ms", "engine")) do
    cpu[#cpu + 1] = duty(block)
  end
  for _, block in ipairs(data.blocks) do
    largest = math.max(largest or 0, duty(block) or 0)
  end
  add(M.judge({ id = "G19", limit = 3,
    what = "the dispatcher's processor time at 50 Hz, % of a core" }, cpu))
  add(M.judge({ id = "G19", limit = 90, what = "its largest duty in any block, % of a core" },
    { largest }))
end

local function start_rows(start, add)
  local values, lua = {}, stats.median(start.lua)
  for i, armed in ipairs(start.armed) do
    values[i] = lua and armed / lua
  end
  add(M.judge({ id = "G20", limit = 3, what = "moonpulse run itbs600 until armed / lua5.4 -e ''" },
    values))
  local ours_ms = {}
  for i, ours in ipairs(start.ours or {}) do
    ours_ms[i] = 1000 * ours
  end
  add(M.judge({ id = "G20", reason = "G20 ours", limit = 40,
    what = "the same without the replies that were waited for, ms" }, ours_ms))
end

--- By number, and as they were added where that is the same.
local function sort_rows(rows)
  local order = {}
  for i, row in ipairs(rows) do
    order[row] = 1000 * tonumber(row.id:match("%d+")) + i
  end
  table.sort(rows, function(a, b) return order[a] < order[b] end)
end

--- Judge everything that was measured.
---@param data table { blocks = table[]?, single = table }
---@return table[] rows
function M.rows(data)
  local rows, single = {}, data.single
  local function add(row)
    rows[#rows + 1] = row
  end
  if data.blocks then
    onset_rows(data, add)
    add(share_row(data, "G7", "over_1ms", "idle", "engine, Lua heap", "engine, no Lua", 3, 3))
    processor_rows(data, add)
  end
  drift_rows(single.drift, add)
  add(M.judge({ id = "G8", limit = 1.35, what = "write step / write(2), pseudo-terminal, p50" },
    single.write_step))
  stop_rows(data, add)
  stream_rows(single, add)
  text_rows(single, add)
  hard_rows(single, add)
  log_rows(single, add)
  if single.start then
    start_rows(single.start, add)
  end
  costs.rows(single.cost, add, M.judge)
  sort_rows(rows)
  return rows
end

--- Does a row break something that must hold on any host?
---@param row table
---@return boolean
function M.broken(row)
  return row.verdict == "VOID" or (row.hard and row.verdict == "FAIL") or false
end

return M
