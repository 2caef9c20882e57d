--- Reads what a run left: manifest.json and events.tsv.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local counted = require "moonpulse.record.counted"
local escapes = require "moonpulse.text.escapes"
local schema = require "moonpulse.record.schema"

local M = {}

-- what is longer was not written by a run, or is more than can be read into a report
local most_manifest, most_events = 16000000, 400000000
local most_columns, most_header = 64, 65536 -- as many as core.rows takes; bytes
M.most_events, M.most_header = most_events, most_header

-- Columns that are numbers. What is beyond most was not written by a run, and is as if it were missing: no
-- run lasts longer than 30 years.
local numeric = {
  onset = { key = "onset", most = 1e9 }, pulse = { key = "pulse", most = 1e9, whole = true },
  onset_planned_us = { key = "planned", most = 1e15 }, onset_sent_us = { key = "sent", most = 1e15 },
  onset_confirmed_us = { key = "confirmed", most = 1e15 },
  lateness_us = { key = "lateness", most = 1e15 }, trial = { key = "trial", most = 1e9, whole = true },
  -- the same in many rows: not part of each
  intensity_mso = { key = "mso", most = 1e6, shared = true },
  intensity = { key = "intensity", most = 1e6, shared = true },
  block = { key = "block", most = 1e9, shared = true },
}
local textual = {
  trial_type = "trial_type", event = "event", channel = "channel", intensity_ref = "ref",
  status = "status", reply = "reply", timed_by = "timed_by",
  setting_proof = "proof",
}

local function cells_of(line) -- a run's start does not wait for it
  return require("moonpulse.text.cells").of(line)
end

local function number_of(text, most)
  local value = text:find("^[%d%.eE+-]+$") and tonumber(text)
  return value and value == value and math.abs(value) <= most and value or nil
end

-- Whether a pulse left is told by its send time first: of "late" nothing else tells it.
---@param kind table what rows have in common
---@param has table<string, boolean> the numbers that each of them has
local function classify(kind, has)
  local status = kind.status
  kind.was_sent = has.sent or counted.has_left(status)
  kind.delivered = kind.was_sent and (status == nil or counted.has_left(status) or status == "late")
  kind.is_confirmed = kind.delivered and (has.confirmed or status == "delivered")
  kind.external = kind.timed_by == "external" -- something else fired it
  -- what the stimulator timed itself has no error but its start's: its sent time is computed, not measured
  kind.unmeasured = kind.timed_by == "device" and not has.lateness
  kind.of_times = not has.lateness and has.sent and has.planned and not kind.unmeasured -- its error
end

--- The columns by their names: of the ones that are in each row for itself, what core.rows is to know; what
--- the others are, in their order; where the rows begin. Or nil and a message: it may come from anywhere.
---@param text string a table, or what it begins with: at least M.most_header bytes and one, if there are
---@param path string for messages
---@param unread table<string, boolean|"unasked">? as of M.lists
---@return table[]? columns
---@return table[]|string shared
---@return integer? at
function M.header(text, path, unread)
  local line, at = text:sub(1, most_header + 1):match("([^\r\n]+)()")
  line, at = line or "", at or #text + 1
  local count = select(2, line:gsub("\t", "")) + 1
  if at > most_header + 1 then
    return nil, string.format("%s: line 1 has more than %d bytes: it is no header of a table", path,
      most_header)
  elseif count > most_columns then
    return nil, string.format("%s: line 1 has %d columns, and the table of a run has at most %d", path, count,
      most_columns)
  end
  local columns, shared, seen = {}, {}, {}
  for i, name in ipairs(cells_of(line)) do
    local number = numeric[name]
    seen[name] = true
    if number and not number.shared then
      local how = unread and unread[number.key]
      columns[i] = how == "unasked" or how and { key = number.key, most = number.most,
        whole = number.whole, only_found = true } or number
    else
      columns[i] = number == nil and textual[name] == nil -- of no interest
      shared[#shared + 1] = number or textual[name] and { key = textual[name] }
    end
  end
  for _, name in ipairs { "event", "onset_planned_us" } do
    if not seen[name] then
      return nil, string.format("%s: line 1 has no column '%s'; a tab-separated header line with"
        .. " the columns of a run record is expected", path, name)
    end
  end
  return columns, shared, at
end

--- What rows have in common: the cells in text, and which numbers each of them has.
---@param text string the cells of columns that are no numbers of each row
---@param found integer bit i - 1: the row has the number of column i
---@param columns table[] of M.header
---@param shared table[] likewise
---@return table kind
---@return table<string, boolean> has by the keys of the numbers
function M.kind(text, found, columns, shared)
  local kind, has, cells = {}, {}, cells_of(text)
  for i, column in ipairs(shared) do
    local cell = cells[i]
    if cell ~= "n/a" and cell ~= "" then
      if column.most then
        kind[column.key] = number_of(cell, column.most)
      else
        kind[column.key] = escapes.shown(cell)
      end
    end
  end
  for i, column in ipairs(columns) do
    if type(column) == "table" then
      has[column.key] = found >> (i - 1) & 1 == 1
    end
  end
  classify(kind, has)
  kind.__index = kind -- of the rows
  return kind, has
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

---@class moonpulse.RowStretch rows that follow one another and are of one kind
---@field kind table their metatable: all but their times and numbers (a row without one: itself)
---@field first integer
---@field last integer

--- Rows by their kinds: of a million, nearly all follow one of their own kind, so that what the kind says is
--- asked of it, and not of each row.
---@param rows table[]
---@return moonpulse.RowStretch[]
function M.stretches(rows)
  local list, kind, first = {}, nil, 1
  for i = 1, #rows do
    local this = getmetatable(rows[i]) or rows[i]
    if this ~= kind then
      list[#list + 1] = kind and { kind = kind, first = first, last = i - 1 }
      kind, first = this, i
    end
  end
  list[#list + 1] = kind and { kind = kind, first = first, last = #rows }
  return list
end

--- Read an events table.
---@param path string
---@return table? events { pulses, unasked, marks, codes, incomplete }: rows in planned order; unasked: pulses
---   that the device reported and nobody sent; codes: event codes, as the rows have them
---@return string? message
function M.events(path)
  local text, err = core.read_file(path, most_events)
  if not text then
    return nil, err
  end
  return M.parse(text, path)
end

--- One more row of its kind; what is not said is computed.
---@param list table[]
---@param row table its numbers
---@param kind table of M.kind
function M.add(list, row, kind)
  if kind.of_times then
    row.lateness = row.sent - row.planned
  end
  local sent = kind.event == "pulse" and row.sent
  row.time = row.onset or sent and sent / 1e6 or row.planned and row.planned / 1e6
  list[#list + 1] = setmetatable(row, kind)
end

--- The same of its text.
---@param text string
---@param path string for messages
---@return table? events
---@return string? message
function M.parse(text, path)
  local columns, shared, at = M.header(text, path)
  if not columns then
    return nil, shared
  end
  local events, kinds = { pulses = {}, unasked = {}, marks = {}, codes = {}, incomplete = 0 }, {}
  local lists = { pulse = events.pulses, unasked_pulse = events.unasked, mark = events.marks,
    code = events.codes }
  local before, has, kind, list -- of the last row
  for row, rest, found in core.rows(text, at, columns) do
    if not row then
      events.incomplete = events.incomplete + 1
    else
      if rest ~= before or found ~= has then
        local alike = kinds[found] or {}
        kinds[found] = alike
        kind = alike[rest] or M.kind(rest, found, columns, shared)
        alike[rest], before, has = kind, rest, found
        list = lists[kind.event]
      end
      if list then
        M.add(list, row, kind)
      end
    end
  end
  sort_by_plan(events.pulses)
  return events
end

--- The rows of a table of events as lists, without a table for each: there may be a million.
---@param text string
---@param path string for messages
---@param unread table<string, boolean|"unasked"> numbers that are not wanted: confirmed, trial, sent,
---   lateness; unasked: nor is it asked which rows have them, so that a kind may not say what depends on that
---@return { lists: table<string, (number|false)[]>, kind: integer[], kinds: table[], incomplete: integer }?
---   found by the number's name what each row says, false where it says nothing; of which of the kinds it is;
---   what rows of a kind have in common
---@return string? message
function M.lists(text, path, unread)
  local columns, shared, at = M.header(text, path, unread)
  if not columns then
    return nil, shared
  end
  local lists, kinds, rests, found, bad = core.row_lists(text, at, columns)
  local made = {}
  for i, rest in ipairs(rests) do
    made[i] = M.kind(rest, found[i], columns, shared)
  end
  return { lists = lists, kind = kinds, kinds = made, incomplete = bad }
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

--- What moonpulse recover needs beside flight.bin; of older versions the manifest has it.
---@param folder string
---@param manifest table
---@return moonpulse.Internals
function M.internals(folder, manifest)
  if manifest.record_version == nil then
    local device = type(manifest.device) == "table" and manifest.device or {}
    return { flight = manifest.flight, driver = device.driver }
  end
  local text = core.read_file(folder .. "/recover.json", most_manifest)
  local found = text and cjson.decode(text)
  found = type(found) == "table" and found or { missing = true }
  found.driver = type(found.driver) == "string" and escapes.shown(found.driver) or nil
  found.flight = found.flight ~= cjson.null and found.flight or nil
  return found
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
