--- The tables, as plain text and as Markdown: the same rows in both.
local deadlines = require "moonpulse.bench.deadlines"
local goals = require "moonpulse.bench.goals"
local stats = require "moonpulse.bench.stats"

local M = {}

local function number(value)
  if not value then
    return "-"
  end
  local size = math.abs(value)
  if size >= 1000 then
    return ("%.0f"):format(value)
  elseif size > 0 and size < 0.001 then
    return ("%.1e"):format(value)
  end
  return (("%.3g"):format(value))
end

local function plain(header, rows)
  local widths, lines = {}, {}
  for _, row in ipairs { header, table.unpack(rows) } do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell)
    end
  end
  for _, row in ipairs { header, table.unpack(rows) } do
    local cells = {}
    for i, cell in ipairs(row) do
      cells[i] = cell .. (" "):rep(widths[i] - (utf8.len(cell) or #cell))
    end
    lines[#lines + 1] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end

local function markdown(header, rows)
  local lines = { "| " .. table.concat(header, " | ") .. " |", "|" .. ("---|"):rep(#header) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

--- The blocks, and beside those of cyclictest what it counts itself: its wakes, not the deadlines.
local function with_own_counts(blocks)
  local list = {}
  for _, block in ipairs(blocks) do
    list[#list + 1] = block
    if block.own then
      list[#list + 1] = setmetatable({ shape = block.shape, condition = block.condition,
        method = block.method .. ", its own count" }, { __index = block.own })
    end
  end
  return list
end

--- Medians over the blocks of one method; max is the largest of all.
local function onset_table(data)
  local groups, order = {}, {}
  for _, block in ipairs(with_own_counts(data.blocks or {})) do
    local key = ("%s, %s\0%s"):format(block.shape, block.condition, block.method)
    if not groups[key] then
      groups[key] = { label = ("%s, %s"):format(block.shape, block.condition),
        method = block.method, blocks = {} }
      order[#order + 1] = key
    end
    table.insert(groups[key].blocks, block)
  end
  table.sort(order)
  local rows = {}
  for _, key in ipairs(order) do
    local group = groups[key]
    local row = { group.label, group.method }
    for _, name in ipairs { "p50", "p95", "p99", "p999" } do
      local values = {}
      for _, block in ipairs(group.blocks) do
        values[#values + 1] = block[name]
      end
      row[#row + 1] = number(stats.median(values))
    end
    local max, late, n, skipped = 0, 0, 0, 0
    for _, block in ipairs(group.blocks) do
      max, late = math.max(max, block.max or 0), late + (block.over_1ms or 0)
      n, skipped = n + block.n, skipped + (block.skipped or 0)
    end
    row[#row + 1] = number(max)
    row[#row + 1] = ("%d of %d"):format(late, n)
    row[#row + 1] = group.blocks[1].skipped and ("%d"):format(skipped) or ""
    rows[#rows + 1] = row
  end
  return { "block", "method", "p50", "p95", "p99", "p99.9", "max", "> 1 ms", "left out" }, rows
end

local function goal_table(rows)
  local cells = {}
  for _, row in ipairs(rows) do
    cells[#cells + 1] = { row.id, row.what,
      row.limit and (row.at_least and ">= " or "<= ") .. number(row.limit) or "",
      row.median and ("%s .. %s .. %s"):format(number(row.min), number(row.median), number(row.max))
        or "", row.verdict, row.note or "" }
  end
  return { "goal", "ratio", "limit", "min .. median .. max", "verdict", "note" }, cells
end

--- The gaps that a loop found which waits for nothing, and what they cost whoever waits for anything.
local function stall_line(stall, condition)
  local stalls, share = {}, deadlines.host_share(stall)
  for i, cpu in ipairs(stall.cpus) do
    stalls[i] = ("%.0f us (%d over 100 us)"):format(cpu.worst_ns / 1000, cpu.over_100us)
  end
  return ("largest gap that a SCHED_FIFO loop found in %d ms on each processor, %s: %s; so %.2f %% of "
    .. "anybody's deadlines would be over 100 us late, %.2f %% over 1 ms"):format(stall.ms_each, condition,
    table.concat(stalls, ", "), 100 * share.over_100us, 100 * share.over_1ms)
end

local function host_lines(data)
  local host = data.host
  local facts
  for _, block in ipairs(data.blocks or {}) do
    facts = facts or (block.method == "engine" and block)
  end
  local granted = facts and ("SCHED_FIFO %s, spin %s, memory locked %s, cpu_dma_latency %s"):format(
    facts.fifo and "granted" or "refused", facts.spin and "yes" or "no",
    facts.locked and "yes" or "no", facts.dma and "held at 0" or "not held")
    or "SCHED_FIFO " .. (host.stall.fifo and "granted" or "refused")
  return {
    ("%s, moonpulse %s, bench --%s"):format(host.date, data.version, data.mode),
    ("%s; %d processors%s, %d MiB, %s, clock source %s"):format(host.cpu, host.cpus,
      host.hypervisor and " of a virtual machine" or "", host.memory_mib, host.kernel,
      host.clocksource),
    granted,
    ("load average %s before and %s after (the benchmark's own load included); others used %.0f %% of the "
      .. "processors in the second before; the hypervisor took %.2f %% during the run"):format(
      host.load_before or "?", host.load_after or "?", 100 * host.others_busy, 100 * host.steal),
    stall_line(host.stall, "idle"), host.stall_load and stall_line(host.stall_load, "load"),
  }
end

local function figures(data)
  local single, stream = data.single, data.single.stream
  local function rate(key, count)
    local values = {}
    for i, rep in ipairs(stream.reps) do
      values[i] = count / rep[key] * 1e3
    end
    return stats.median(values)
  end
  local function bandwidth(key)
    return rate(key, stream.pulses) * stream.array_item_bytes / 1000
  end
  local lines = {
    ("schedule: %s M pulses/s at depth 3, %s M at depth 12; 0 bytes a pulse, %d bytes in all"):format(
      number(rate("schedule", stream.pulses)), number(rate("schedule_deep", stream.pulses)),
      stream.schedule_bytes),
    ("expanded in plain Lua 5.4: %s M pulses/s"):format(number(rate("lua", stream.pulses))),
    ("memory: memset of %d bytes a pulse, fresh %s GB/s, warm %s GB/s"):format(
      stream.array_item_bytes, number(bandwidth("memset_fresh")), number(bandwidth("memset_warm"))),
    ("check of every frame before a run: %s M pulses/s"):format(number(rate("check", stream.pulses))),
    ("virtual time, with simulator and record: %s M pulses/s; a session of 3,000 pulses at 10 Hz at "
      .. "%s M times real time"):format(number((stats.median(single.text.virtual) or 0) / 1e6),
      number((stats.median(single.text.session) or 0) / 1e6)),
    ("moonpulse events: %s M lines/s; snprintf: %s M lines/s"):format(
      number((stats.median(single.text.events) or 0) / 1e6), number(rate("snprintf", stream.lines))),
    ("log: a clock reading %s ns; with a push to the outcome ring (%d bytes) %s ns, to the flight "
      .. "record (%d bytes) %s ns"):format(number(stats.median(single.log.clock_ns)),
      single.log.outcome_bytes, number(stats.median(single.log.ring_ns)), single.log.flight_bytes,
      number(stats.median(single.log.flight_ns))),
  }
  if single.start then
    local function ms(values)
      local median = stats.median(values)
      return median and number(median * 1000) .. " ms" or "not installed"
    end
    lines[#lines + 1] = ("start: armed on iTBS after %s: ours %s, waited for replies %s; lua5.4 -e '' %s; "
      .. "python3 -c 'import serial' %s"):format(ms(single.start.armed), ms(single.start.ours or {}),
      ms(single.start.waited or {}), ms(single.start.lua), ms(single.start.python))
  end
  return lines
end

--- What weakens this run as evidence.
local function cautions(data)
  local lines = {}
  if data.mode == "quick" or data.mode == "ci" then
    lines[1] = ("A --%s run has few and short blocks: it shows that the harness works, and decides little.")
      :format(data.mode)
  end
  if data.host.others_busy > 0.1 then
    lines[#lines + 1] = "Other programs were at work on the same processors: its times are worse than those "
      .. "of a quiet machine, for every method."
  end
  return lines
end

--- By how much each missed goal is missed, and why where we know.
local function missed(rows)
  local lines = {}
  for _, row in ipairs(rows) do
    if row.verdict == "FAIL" then
      local factor = row.limit ~= 0 and (row.at_least and row.limit / row.median
        or row.median / row.limit)
      local reason = goals.reasons[row.reason or row.id]
      lines[#lines + 1] = ("%s (%s): missed by %s%s"):format(row.id, row.what,
        factor and "a factor of " .. number(factor) or number(row.median),
        reason and "; " .. reason or "")
    end
  end
  return lines
end

local function counts(rows)
  local found = {}
  for _, row in ipairs(rows) do
    found[row.verdict] = (found[row.verdict] or 0) + 1
  end
  local parts = {}
  for _, verdict in ipairs { "PASS", "FAIL", "INCONCLUSIVE", "VOID", "not measured", "does not apply" } do
    if found[verdict] then
      parts[#parts + 1] = ("%d %s"):format(found[verdict], verdict)
    end
  end
  return table.concat(parts, ", ")
end

--- Everything for the terminal.
---@param data table
---@param rows table[] as goals.rows gives them
---@return string
function M.plain(data, rows)
  local parts = { table.concat(host_lines(data), "\n") }
  if data.blocks then
    parts[#parts + 1] = "Onset error in us, medians of the blocks (max: of all)\n"
      .. plain(onset_table(data))
  end
  parts[#parts + 1] = plain(goal_table(rows))
  parts[#parts + 1] = table.concat(figures(data), "\n")
  local lines = missed(rows)
  if #lines > 0 then
    parts[#parts + 1] = "Missed:\n" .. table.concat(lines, "\n")
  end
  parts[#parts + 1] = table.concat({ counts(rows), table.unpack(cautions(data)) }, "\n")
  return table.concat(parts, "\n\n") .. "\n"
end

--- Of moonpulse bench latency, for the terminal.
---@param header string[]
---@param cells table[]
---@param rows table[] goals that were judged
---@return string
function M.latency(header, cells, rows)
  return ("From a trigger to the command, in us, medians of the blocks\n%s\n\n%s\n\n%s\n"):format(
    plain(header, cells), plain(goal_table(rows)), counts(rows))
end

--- The same as Markdown.
---@param data table
---@param rows table[]
---@return string
function M.markdown(data, rows)
  local parts = { "- " .. table.concat(host_lines(data), "\n- "),
    table.concat({ "Goals: " .. counts(rows) .. ".", table.unpack(cautions(data)) }, " "),
    markdown(goal_table(rows)) }
  local lines = missed(rows)
  if #lines > 0 then
    parts[#parts + 1] = "Missed:\n\n- " .. table.concat(lines, "\n- ")
  end
  if data.blocks then
    parts[#parts + 1] = "Onset error in us, medians of the blocks (max: of all):"
    parts[#parts + 1] = markdown(onset_table(data))
  end
  parts[#parts + 1] = "Figures:\n\n- " .. table.concat(figures(data), "\n- ")
  return table.concat(parts, "\n\n")
end

return M
