--- Sections on how well the run kept its plan: onset errors, intervals, replies, exceptions.
local facts = require "moonpulse.report.facts"
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local stats = require "moonpulse.drawing.stats"
local svg = require "moonpulse.drawing.svg"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get
local most_listed = 50
local fewest_drawn = 20 -- of less a histogram shows nothing that the table does not

local function percentile_row(name, d)
  return { name, text.count(d.n), text.cell_us(d.min), text.cell_us(d.p50), text.cell_us(d.p95),
    text.cell_us(d.p99), text.cell_us(d.max) }
end

local percentile_columns = { "", "#n", "#min (µs)", "#p50 (µs)", "#p95 (µs)", "#p99 (µs)",
  "#max (µs)" }

local function sample_warning(n)
  if n == 0 or n >= stats.enough_for_p99 then
    return nil
  end
  local words = string.format("Caution: n = %d is too small for p99. With fewer than %d "
    .. "independent pulses there is less than 95 %% confidence that even the largest error seen "
    .. "reaches the true 99th percentile.", n, stats.enough_for_p99)
  if n < 100 then
    words = words .. " Here p99 is simply the maximum."
  end
  if n < stats.enough_for_p95 then
    words = words .. string.format(" The same holds for p95 (fewer than %d).",
      stats.enough_for_p95)
  end
  return html.p(words, "warning")
end

local function histogram(d)
  local h = stats.histogram(d)
  local shown = h.log and d.magnitude or d
  local lines = {}
  for _, name in ipairs { "p50", "p95", "p99", "max" } do
    lines[#lines + 1] = { name = name, value = shown[name] }
  end
  local words = string.format("Onset errors of %s%s: p50 %s µs, p95 %s µs, p99 %s µs, "
    .. "max %s µs.", text.counted(d.n, "pulse"), h.log and " (size, without sign)" or "",
    text.cell_us(shown.p50), text.cell_us(shown.p95), text.cell_us(shown.p99),
    text.cell_us(shown.max))
  local note = h.log and h.lo <= 0.1 and " Errors of 0.1 µs or less are in the first bar." or ""
  return html.figure(svg.histogram("hist", h, lines, "Histogram of onset errors", words),
    words .. note .. " A bar with very few pulses is drawn just tall enough to be seen.", "measured")
end

--- How many pulses have no figure here, as the stimulator timed them; nil: none.
local function by_device(s)
  return s.by_device > 0 and html.p(text.unmeasured(s.by_device) .. ". Of what the stimulator times itself, "
    .. "only the start is ours; where such a pulse is drawn, its program says.") or nil
end

--- Onset errors.
---@param s table
---@return string
function M.onset(s)
  local d = s.onset_error
  local parts = {}
  if s.time == "virtual" then
    parts[1] = html.p("Not measured. In virtual time no clock runs between pulses; sent times in "
      .. "the record are computed, so they say nothing about timing on hardware.")
  elseif d.n == 0 then
    parts[1] = html.p("No sent pulse has a recorded onset error.")
    parts[2] = by_device(s)
  elseif d.n == 1 then -- one has no percentiles
    parts[1] = html.p(("Of 1 pulse: %s µs (positive is late)."):format(text.cell_us(d.max)))
    parts[2] = by_device(s)
  else
    local rows = { percentile_row("Onset error", d) }
    if d.min < 0 then
      rows[2] = percentile_row("Its size (no sign)", d.magnitude)
    end
    parts = { html.p("Onset error = time at which the whole command was at the stimulator, minus "
      .. "the planned onset. Positive is late. Measured by the computer that sent it."),
      d.n >= fewest_drawn and histogram(d) or "", html.grid("Onset error", percentile_columns, rows) }
    parts[#parts + 1] = by_device(s)
    parts[#parts + 1] = sample_warning(d.n)
  end
  return html.section("onset", "Onset error", parts)
end

local function planned_words(us)
  if us >= 1e6 then
    return text.plain(us / 1e6) .. " s"
  end
  return text.plain(us / 1e3) .. " ms"
end

local function class_rows(classes)
  local shown = {}
  for i, class in ipairs(classes) do
    shown[i] = class
  end
  table.sort(shown, function(a, b)
    return a.n > b.n or a.n == b.n and a.planned < b.planned
  end)
  local rest = math.max(0, #shown - 8)
  for i = #shown, 9, -1 do
    shown[i] = nil
  end
  table.sort(shown, function(a, b) return a.planned < b.planned end)
  local rows = {}
  for i, c in ipairs(shown) do
    rows[i] = { planned_words(c.planned), text.count(c.n),
      string.format("%.4f", c.sum / c.n / 1e3), string.format("%.4f", c.shortest / 1e3),
      string.format("%.4f", c.longest / 1e3), text.cell_us(c.worst) }
  end
  return rows, rest
end

--- Errors of the intervals between pulses.
---@param s table
---@return string
function M.intervals(s)
  local d = s.intervals
  local parts = {}
  if s.time == "virtual" then
    parts[1] = html.p("Not measured, for the same reason.")
  elseif d.n == 0 then
    parts[1] = html.p("No two neighbouring pulses both have a planned and a sent time of this computer's.")
    parts[2] = by_device(s)
  else
    local rows, rest = class_rows(d.classes)
    parts = { html.p("Interval error = size of (sent interval − planned interval), for pulses that"
      .. " are neighbours in the plan and were both sent."
      .. (s.by_device > 0 and " Pulses that the stimulator timed are passed over: an interval goes on to the "
      .. "next pulse that this computer timed." or "")),
      d.n > 1 and html.grid("Size of interval error", percentile_columns,
        { percentile_row("Interval error", d) }) or "",
      html.grid("By planned interval", { "#Planned", "#n", "#Mean sent (ms)", "#Shortest (ms)",
        "#Longest (ms)", "#Largest error (µs)" }, rows) }
    if rest > 0 then
      parts[#parts + 1] = html.p("The eight most frequent planned intervals are shown; there are "
        .. text.count(rest) .. " more.", "small")
    end
    parts[#parts + 1] = html.p(string.format("First to last sent pulse%s: planned %.6f s, "
      .. "sent %.6f s, difference %s.", s.by_device > 0 and " that this computer timed" or "",
      d.span_planned / 1e6, d.span_sent / 1e6,
      text.duration_us(d.span_sent - d.span_planned)))
  end
  return html.section("intervals", "Interval error", parts)
end

local function reply_table(replies)
  local rows = {}
  for i = 1, math.min(5, #replies.texts) do
    rows[i] = { replies.texts[i].reply, text.count(replies.texts[i].n) }
  end
  local out = html.grid("Replies on record, most frequent first", { "Reply", "#Pulses" }, rows)
  local more = #replies.texts - #rows
  return more > 0 and out .. html.p("and " .. text.count(more) .. " more kinds.", "small") or out
end

--- What the device answered.
---@param s table
---@return string
function M.replies(s)
  local latency = s.replies.latency
  local function reply_time(value)
    return s.time == "virtual" and "not measured (virtual time)"
      or value and text.duration_us(value) or text.missing
  end
  local parts = { html.facts("Device replies", {
    { "Sent pulses confirmed", facts.confirmed(s) },
    { "Sent pulses without a confirmation", text.count(s.sent - s.confirmed) .. (s.unconfirmable > 0
      and (" (%s of %s, which cannot confirm any)"):format(text.count(s.unconfirmable),
        table.concat(s.silent_names, ", ")) or "") },
    { "Reply latency, p50", reply_time(latency.p50) },
    { "Reply latency, max", reply_time(latency.max) },
    { "Replies with a time (n)", text.count(latency.n) },
  }), html.p("Reply latency = arrival of the reply, minus arrival of the command at the "
    .. "stimulator. A reply tells that the device accepted the command; it does not measure the "
    .. "magnetic pulse.", "small") }
  if s.cannot_confirm then
    parts[#parts + 1] = html.p("This device cannot confirm pulses: the record proves what was sent to it, "
      .. "and not that a pulse came.", "warning")
  elseif s.sent > 0 and s.confirmed == 0 then
    parts[#parts + 1] = html.p("No confirmation is on record: either the device sends none, or "
      .. "none arrived.", "warning")
  end
  if #s.replies.texts > 0 then
    parts[#parts + 1] = reply_table(s.replies)
  end
  return html.section("replies", "Device replies", parts)
end

local function status_words(row)
  if not row.was_sent then
    return (row.status or "status not recorded") .. " (not sent)"
  elseif row.delivered and row.status ~= "late" then
    return "sent, not confirmed"
  end
  return (row.status or "status not recorded")
    .. (row.is_confirmed and " (sent)" or " (sent, not confirmed)")
end

local function error_words(row, is_virtual)
  return not row.was_sent and "–" or (row.unmeasured or is_virtual) and "not measured"
    or text.cell_us(row.lateness)
end

local function exception_table(list, is_virtual)
  local rows = {}
  for i = 1, math.min(most_listed, #list) do
    local row = list[i]
    rows[i] = { row.pulse and text.count(row.pulse) or text.missing,
      row.planned and string.format("%.6f", row.planned / 1e6) or text.missing,
      status_words(row), error_words(row, is_virtual), row.reply or "–" }
  end
  local out = html.grid("Pulses that did not go as planned", { "#Pulse", "#Planned onset (s)",
    "What happened", "#Onset error (µs)", "Reply" }, rows)
  local more = #list - #rows
  return more > 0 and out .. html.p("and " .. text.count(more) .. " more.") or out
end

local function unasked_table(list)
  local rows = {}
  for i = 1, math.min(most_listed, #list) do
    rows[i] = { list[i].time and string.format("%.6f", list[i].time) or text.missing, list[i].reply or "–" }
  end
  local out = html.grid("Pulses that the device reported and nobody sent", { "#Report's time (s)", "Reply" },
    rows)
  local more = #list - #rows
  return more > 0 and out .. html.p("and " .. text.count(more) .. " more.") or out
end

local function missing_words(missing, wanted)
  local ranges = {}
  for i = 1, math.min(most_listed, #missing) do
    local range = missing[i]
    ranges[i] = range.first == range.last and text.plain(range.first)
      or text.plain(range.first) .. "–" .. text.plain(range.last)
  end
  local more = #missing > most_listed
    and string.format(", and %d more ranges", #missing - most_listed) or ""
  return string.format("%s never reached, or without a row in events.tsv: %s%s.", wanted == "planned"
    and text.counted(missing.total, "planned pulse") or text.counted(missing.total, "pulse") .. " asked for",
    table.concat(ranges, ", "), more)
end

--- Every pulse that was not delivered as planned.
---@param s table
---@return string
function M.exceptions(s)
  local parts = {}
  if #s.exceptions > 0 then
    parts[#parts + 1] = exception_table(s.exceptions, s.time == "virtual")
  end
  if #s.unasked > 0 then
    parts[#parts + 1] = unasked_table(s.unasked)
  end
  if s.missing.total > 0 then
    parts[#parts + 1] = html.p(missing_words(s.missing, s.wanted))
  end
  if #parts == 0 then
    local words = s.recorded == 0 and "No pulse is on record." or s.confirmed > 0
      and (s.unconfirmable > 0 and "None: every pulse on record was sent, and confirmed where "
        .. "the device can; none is marked late."
        or "None: every pulse on record was sent and confirmed, and none is marked late.")
      or s.cannot_confirm and "None: every pulse on record was sent; this device cannot confirm any."
      or "None: every pulse on record was sent; confirmations are not on record for any."
    parts[1] = html.p(words)
  end
  return html.section("exceptions", "Pulses not delivered as planned", parts)
end

local function check_row(name, manifest_value, counted, slack)
  local said = text.number(manifest_value)
  local verdict = "cannot be compared"
  if said and counted then
    verdict = math.abs(said - counted) <= slack and "agree" or "DISAGREE"
  end
  local function show(value)
    if slack > 0 then
      return text.cell_us(value)
    end
    return value and text.count(value) or text.missing
  end
  return { name, show(said), show(counted), verdict }, verdict == "DISAGREE"
end

--- Compare the manifest's summary with the rows.
---@param manifest table
---@param s table
---@param events table
---@return string html
---@return boolean sound whether nothing disagrees
function M.checks(manifest, s, events)
  local rows, sound = {}, true
  local function compare(name, key, counted, slack)
    local row, bad = check_row(name, get(manifest, "result." .. key), counted, slack)
    rows[#rows + 1] = row
    sound = sound and not bad
  end
  compare("Pulses sent", "pulses_sent", s.sent, 0)
  compare("Pulses confirmed", "pulses_confirmed", s.confirmed, 0)
  if s.time ~= "virtual" then
    for _, key in ipairs(s.onset_error.n == 1 and { "max" } or { "p50", "p95", "p99", "max" }) do
      compare("Onset error " .. key .. " (µs)", "lateness_us." .. key, s.onset_error[key], 0.5)
    end
  end
  local parts = { html.grid("Manifest against rows", { "Figure", "#manifest.json", "#events.tsv",
    "Verdict" }, rows) }
  local function complain(n, words)
    if n > 0 then
      sound = false
      parts[#parts + 1] = html.p(text.counted(n, "row") .. " of events.tsv " .. words, "warning")
    end
  end
  complain(events.incomplete, "with the wrong number of columns: left out of every figure.")
  complain(s.missing.repeated, "with a pulse number that an earlier row has.")
  complain(s.onset_error.disagree, "with an onset error that differs from sent minus planned by "
    .. "over 0.01 µs.")
  return html.section("checks", "Record checks", parts), sound
end

return M
