--- Reads what a run left: manifest.json and events.tsv.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local schema = require "moonpulse.record.schema"

local M = {}

-- what is longer was not written by a run, or is more than can be read into a report
local most_manifest, most_events = 16000000, 400000000

local numeric = {
  onset = "onset", pulse = "pulse", onset_planned_us = "planned", onset_sent_us = "sent",
  onset_confirmed_us = "confirmed", lateness_us = "lateness", intensity_mso = "mso",
  intensity = "intensity",
}
-- What a value may be; what is beyond was not written by a run, and is as if it were missing. No run lasts
-- longer than 30 years.
local bounds = { onset = 1e9, planned = 1e15, sent = 1e15, confirmed = 1e15, lateness = 1e15, pulse = 1e9,
  mso = 1e6, intensity = 1e6 }
local textual = {
  trial_type = "trial_type", event = "event", channel = "channel", intensity_ref = "ref",
  status = "status", reply = "reply", timed_by = "timed_by",
}

-- Statuses that mean "the pulse left as the plan wanted"; "late" left, but not on time.
local left = { delivered = true, sent = true, simulated = true, otherwise = true }

local function split(line, into)
  local n, from = 0, 1
  while true do
    local tab = line:find("\t", from, true)
    n = n + 1
    into[n] = line:sub(from, tab and tab - 1)
    if not tab then
      return n
    end
    from = tab + 1
  end
end

local function number_of(text, key)
  local value = text:find("^[%d%.eE+-]+$") and tonumber(text)
  if not value or value ~= value or math.abs(value) > bounds[key] then
    return nil
  end
  return key ~= "pulse" and value or math.tointeger(value)
end

-- Whether a pulse left is told by its send time first: a status of "late" alone says either.
local function classify(row)
  local status = row.status
  row.was_sent = row.sent ~= nil or left[status] or false
  row.delivered = row.was_sent and (status == nil or left[status] or status == "late") or false
  row.is_confirmed = row.delivered and (row.confirmed ~= nil or status == "delivered")
  -- what the stimulator timed itself has no lateness but its start's: its sent time is computed, not measured
  row.unmeasured = row.timed_by == "device" and row.lateness == nil
  if row.lateness == nil and row.sent and row.planned and not row.unmeasured then
    row.lateness = row.sent - row.planned
  end
  row.time = row.onset or row.sent and row.sent / 1e6 or row.planned and row.planned / 1e6
end

local function header_of(line, path)
  local names = {}
  local width = split(line, names)
  local columns, seen = {}, {}
  for i = 1, width do
    local name = names[i]
    seen[name] = true
    if numeric[name] then
      columns[#columns + 1] = { at = i, key = numeric[name], number = true }
    elseif textual[name] then
      columns[#columns + 1] = { at = i, key = textual[name] }
    end
  end
  for _, name in ipairs { "event", "onset_planned_us" } do
    if not seen[name] then
      return nil, string.format("%s: line 1 has no column '%s'; a tab-separated header line with"
        .. " the columns of a run record is expected", path, name)
    end
  end
  return columns, width
end

local function parse_row(fields, columns)
  local row = {}
  for i = 1, #columns do
    local column = columns[i]
    local text = fields[column.at]
    if text ~= "n/a" and text ~= "" then
      row[column.key] = not column.number and escapes.shown(text) or number_of(text, column.key)
    end
  end
  return row
end

local function by_plan(a, b)
  local x, y = a.planned or (a.onset or 0) * 1e6, b.planned or (b.onset or 0) * 1e6
  if x ~= y then
    return x < y
  end
  return (a.pulse or 0) < (b.pulse or 0)
end

local function sort_by_plan(rows)
  for i = 2, #rows do
    if by_plan(rows[i], rows[i - 1]) then
      table.sort(rows, by_plan)
      return
    end
  end
end

--- Read an events table.
---@param path string
---@return table? events { pulses, unasked, marks, incomplete }: rows in planned order; unasked: pulses that
---   the device reported and nobody sent
---@return string? message
function M.events(path)
  local text, err = core.read_file(path, most_events)
  if not text then
    return nil, err
  end
  return M.parse(text, path)
end

--- The same of its text.
---@param text string
---@param path string for messages
function M.parse(text, path)
  local lines = text:gmatch("[^\r\n]+")
  local columns, width = header_of(lines() or "", path)
  if not columns then
    return nil, width
  end
  local events = { pulses = {}, unasked = {}, marks = {}, incomplete = 0 }
  local fields = {}
  for line in lines do
    if split(line, fields) ~= width then
      events.incomplete = events.incomplete + 1
    else
      local row = parse_row(fields, columns)
      if row.event == "pulse" then
        classify(row)
        events.pulses[#events.pulses + 1] = row
      elseif row.event == "unasked_pulse" then
        row.time = row.onset or row.planned and row.planned / 1e6
        events.unasked[#events.unasked + 1] = row
      elseif row.event == "mark" then
        row.time = row.onset or row.planned and row.planned / 1e6
        events.marks[#events.marks + 1] = row
      end
    end
  end
  sort_by_plan(events.pulses)
  return events
end

--- Follow a dotted path through the manifest; nil where anything is missing or null.
---@param manifest table
---@param path string such as "result.lateness_us.p99"
---@return any
function M.get(manifest, path)
  local value = manifest
  for key in path:gmatch("[^%.]+") do
    if type(value) ~= "table" then
      return nil
    end
    value = value[key]
  end
  if value == cjson.null then
    return nil
  end
  return value
end

-- A JSON reader turns whole numbers above 2^53 into their neighbours; a seed must stay exact.
local function exact_seed(manifest, text)
  local seed = manifest.seed
  if type(seed) == "number" and math.abs(seed) >= 2 ^ 53 then
    local digits, again = nil, false
    for found in text:gmatch('"seed"%s*:%s*(%-?%d+)') do
      again = digits ~= nil
      digits = found
    end
    manifest.seed = not again and digits or string.format("about %.16g", seed)
  end
end

--- Read a manifest.
---@param path string
---@return table? manifest
---@return string[]|string? said what of it was left out because it cannot be, a sentence each; message
function M.manifest(path)
  local text, err = core.read_file(path, most_manifest)
  if not text then
    return nil, err
  end
  local manifest, why = cjson.decode(text)
  if type(manifest) ~= "table" then
    return nil, string.format("%s: not a JSON object: %s", path,
      why or "a " .. type(manifest) .. " was found")
  end
  exact_seed(manifest, text)
  return manifest, schema.manifest(manifest)
end

return M
