--- A lab's own limits, from a file; they can only be stricter than the published ones, which are
--- checked as well, and nothing but the file itself lifts them.
local in_order = require "moonpulse.text.in_order"
local cells = require "moonpulse.safety.cells"
local known_names = require "moonpulse.text.known_names"
local lists = require "moonpulse.text.lists"
local rules = require "moonpulse.safety.rules"
local sandbox = require "moonpulse.protocol.sandbox"
local text_files = require "moonpulse.text.text_file"

local M = {}

local most_bytes = 1 << 20 -- of a lab's file; people write a few hundred

local Lab = {}
Lab.__index = Lab

local known = {
  name = "string", max_percent_rmt = "number", max_percent_mso = "number",
  pulses_per_session = "number", pulses_per_day = "number", pulses_per_week = "number",
  min_gap_s = "number", max_hz = "number", train_duration = "table",
  real_pseudo_terminals = "boolean",
}
local whole = { pulses_per_session = true, pulses_per_day = true, pulses_per_week = true }
local row_known = { hz = true, percent = true, s = true }

local function check_rows(rows)
  local problem = lists.problem(rows)
  if problem then
    return ("train_duration %s; it must be a list: { { hz = 10, percent = 120, s = 4 } }"):format(problem),
      "train_duration"
  end
  for i, row in ipairs(rows) do
    for _, key in ipairs(type(row) == "table" and in_order.keys(row) or { "" }) do
      if not row_known[key] then
        return ("train_duration[%d]: write { hz = 10, percent = 120, s = 4 }"):format(i), "train_duration"
      end
    end
    for key in in_order.pairs(row_known) do
      local value = row[key]
      if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then
        return ("train_duration[%d]: %s must be a finite number"):format(i, key), key, i
      end
    end
  end
end

--- The line on which key gets its value: the first, or in a table of rows that of row number n.
local function line_of(text, key, n)
  -- a comment or a text may speak of it
  local code = text:gsub("%-%-[^\n]*", ""):gsub("(%[?)([\"'])([^\n]-)%2", function(bracket)
    return bracket == "" and "\"\"" or nil
  end)
  local at = 1
  for _ = 1, n or 1 do
    local _, last = code:find("%f[%w_]" .. key .. "%f[^%w_][%s%]\"']*=%f[^=]", at)
    if not last then
      return nil
    end
    at = last
  end
  return select(2, code:sub(1, at):gsub("\n", "")) + 1
end

--- What is wrong, the key, and the row that it is in.
local function check(spec)
  if type(spec) ~= "table" then
    return "the file must return a table"
  end
  for key, value in in_order.pairs(spec) do
    if not known[key] then
      local names = in_order.keys(known)
      return ("there is no limit %s; known: %s"):format(tostring(key), table.concat(names, ", ")), key
    elseif type(value) ~= known[key] or value ~= value then
      return ("%s must be a %s"):format(key, known[key]), key
    elseif type(value) == "number" and (value < 0 or value == math.huge) then
      return ("%s = %g is no limit: a number from 0 up%s"):format(key, value, value < 0 and ""
        or ", or leave it out where there is no limit"), key
    elseif whole[key] and not math.tointeger(value) then
      return ("%s = %.10g counts pulses: a whole number from 0 up"):format(key, value), key
    end
  end
  if spec.train_duration then
    return check_rows(spec.train_duration)
  end
end

--- Limits of a lab from a table.
---@param spec table the keys of `known` above; docs/safety.md says what each means
---@param place string for messages
---@param text string? of the file that they are from, so that messages can say the line
---@return table? lab
---@return string? message
function M.new(spec, place, text)
  local problem, key, row = check(spec)
  if problem then
    local line = text and type(key) == "string" and key:match("^[%w_]+$")
      and (line_of(text, key, row) or row and line_of(text, "train_duration"))
    return nil, ("%s%s: %s"):format(place, line and ":" .. line or "", problem)
  end
  return setmetatable({ spec = spec, place = place, name = spec.name or place }, Lab)
end

--- Read a lab's file. It sees no library and no system: it is data.
---@param path string
function M.load(path)
  local text, message = text_files.read(path, { bytes = most_bytes, name = "lab's file" })
  if not text then
    return nil, message
  end
  local chunk
  chunk, message = load(text:gsub("^#[^\n]*", "--"), "@" .. path, "t", known_names.guard({}, text))
  if not chunk then
    return nil, require("moonpulse.text.lookalikes").explained(message, text)
  end
  local ok, spec = sandbox.call(sandbox.only, chunk)
  if not ok then
    return nil, tostring(spec)
  end
  return M.new(spec, path, text)
end

local function finding(self, rule, value, unit, limit, over, nearest)
  return { rule = rule, table = "the lab's limits (" .. self.name .. ")",
    row = ("%g %s"):format(limit, unit), value = value, unit = unit, limit = limit, lab = true,
    verdict = over and "OVER" or "within", nearest = over and nearest or nil, source = self.place,
    confidence = "S" }
end

--- The nearest of rows' values of key below and above value; the value's own, if a row has it, is both.
local function neighbours(rows, key, value, tolerance)
  local below, above = -math.huge, math.huge
  for _, row in ipairs(rows) do
    below = row[key] <= value + tolerance and math.max(below, row[key]) or below
    above = row[key] >= value - tolerance and math.min(above, row[key]) or above
  end
  return math.abs(above - value) <= tolerance and above or below, above
end

--- Of rows of one rate: the strictest of those of the intensities next to percent.
local function strictest_at(rows, percent)
  local below, above = neighbours(rows, "percent", percent, 1e-9)
  local best
  for _, row in ipairs(rows) do
    if row.percent >= below and row.percent <= above and (not best or row.s < best.s) then
      best = row
    end
  end
  return best
end

--- Rows by rate; the rates.
local function by_rate(rows)
  local rates, list = {}, {}
  for _, row in ipairs(rows) do
    if not rates[row.hz] then
      rates[row.hz] = {}
      list[#list + 1] = row.hz
    end
    table.insert(rates[row.hz], row)
  end
  return rates, list
end

--- The row that holds. There must be one of this rate or a higher one, for this intensity or a stronger one.
--- Between two rates, and between two intensities of a rate, it is the stricter: a train is judged no milder
--- than the rows next to it, whatever the lab wrote first and whichever is longer.
local function row_for(rows, hz, percent)
  local tolerance, covering = hz * cells.rate_edge, {}
  for _, row in ipairs(rows) do
    if row.hz >= hz - tolerance and row.percent >= percent - cells.edge then
      covering[#covering + 1] = row
    end
  end
  if #covering == 0 then
    return nil
  end
  local _, to = neighbours(covering, "hz", hz, tolerance)
  local from = neighbours(rows, "hz", hz, tolerance)
  local rates, list = by_rate(rows)
  local best
  for _, rate in ipairs(list) do
    local row = rate >= from and rate <= to and strictest_at(rates[rate], percent)
    if row and (not best or row.s < best.s or row.s == best.s and row.hz < best.hz) then
      best = row
    end
  end
  return best
end

local slow_hz = 1 -- and slower: what a lab's rows for trains rarely mean

--- What is written into the lab's file for a train that is none to the lab.
local function own_row(rate, percent)
  local slow = rate <= slow_hz
  return ("in the lab's file a row of its own%s, like { hz = %.10g, percent = %d, s = its longest }"):format(
    slow and " for slow rates (pulses less than 4.5 s apart are a train)" or "",
    slow and slow_hz or math.ceil(rate * 1000 - 1e-6) / 1000, math.ceil(percent - cells.edge))
end

--- Judge one train: a train, a group or theta burst. Pairs and single pulses are trials.
---@param train moonpulse.Train
---@param percent number? % of the resting motor threshold; nil: not known
---@param add fun(finding: moonpulse.Finding)
function Lab:train(train, percent, add)
  local spec, rate = self.spec, train.hz
  if train.kind == "single" or train.kind == "pair" or not rate then -- a stretch has been seen, in trains
    return
  end
  if spec.max_hz and rate > spec.max_hz * (1 + cells.rate_edge) then
    add(finding(self, "rate", rate, "Hz", spec.max_hz, true, ("at most %g Hz"):format(spec.max_hz)))
  end
  local row = spec.train_duration and percent and row_for(spec.train_duration, rate, percent)
  if row then
    local is_below = row.hz < rate * (1 - cells.rate_edge) or row.percent < percent - cells.edge
    local wide = rate <= slow_hz and row.hz > slow_hz and ", or " .. own_row(rate, percent)
      or is_below and (" (the lab's row of %g Hz and %g %%: between two rows the stricter holds)"):format(
        row.hz, row.percent) or ""
    add(finding(self, "train duration", train.duration, "s", row.s, train.duration > row.s + cells.time_edge,
      ("at most %g s%s"):format(row.s, wide)))
  elseif spec.train_duration then
    local missing = finding(self, "train duration", train.duration, "s", 0, true,
      "a rate and an intensity that the lab's table has" .. (percent and ", or " .. own_row(rate, percent)
        or ", with --rmt N"))
    missing.row = percent and ("no row for %.4g Hz at %.4g %%"):format(rate, percent)
      or ("no threshold is known, so no row for %.4g Hz"):format(rate)
    add(missing)
  end
  for _, gap in ipairs(spec.min_gap_s and rate > rules.fast_hz and { train.gap or math.huge,
    train.inner_gap or math.huge } or {}) do
    if gap < math.huge then
      local value = math.abs(gap) > cells.time_edge and gap or 0
      add(finding(self, "gap between trains", value, "s", spec.min_gap_s,
        gap < spec.min_gap_s - cells.time_edge, ("at least %g s"):format(spec.min_gap_s)))
    end
  end
end

--- An intensity that cannot be compared with the lab's: no value, and what to give.
local function unknown(found, action, threshold)
  found.unknown, found.nearest = true, ("give the threshold (--%s N)"):format(threshold)
  found.words = ("%g %%%s cannot be compared with %s of %s: no threshold is known%s; passes: %s"):format(
    action.intensity, action.reference, found.row, found.table,
    (action.origin or "") ~= "" and "; " .. action.origin or "", found.nearest)
end

--- Judge intensities and totals: of every channel, whatever a protocol says of it.
---@param counts { session: integer, nerve: integer? } nerve: pulses that a nerve got; not in session
---@param history moonpulse.History?
---@param actions table[]
---@param in_percent fun(action: table, reference: string): number? what will be delivered, in % of reference
---@param at_most fun(percent: number, reference: string): string an intensity that passes, in words
---@param add fun(finding: moonpulse.Finding)
function Lab:totals(counts, history, actions, in_percent, at_most, add)
  local spec = self.spec
  local session, before = counts.session + (counts.nerve or 0), history or {}
  local function count(rule, earlier, since, limit)
    if limit then
      local value = session + earlier
      add(finding(self, rule, value, "pulses", limit, value > limit, rules.room(limit, earlier, since)))
    end
  end
  count("pulses a session", 0, "", spec.pulses_per_session)
  count("pulses a day", (before.day or 0) + (before.nerve_day or 0), "today", spec.pulses_per_day)
  count("pulses a week", (before.week or 0) + (before.nerve_week or 0), "within 7 days", spec.pulses_per_week)
  for _, limit in ipairs { { "RMT", spec.max_percent_rmt }, { "MSO", spec.max_percent_mso } } do
    for _, action in ipairs(limit[2] and actions or {}) do
      local percent = in_percent(action, limit[1])
      local found = finding(self, "intensity", percent or 0, "%" .. limit[1], limit[2],
        not percent or percent > limit[2] + 1e-9, at_most(limit[2], limit[1]))
      if not percent then
        unknown(found, action, limit[1] == "RMT" and "rmt" or action.reference:lower())
      end
      found.origin, found.channel = action.origin, action.channel
      add(found)
    end
  end
end

return M
