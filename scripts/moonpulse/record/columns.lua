--- The table of a run as columns, read part by part: of a million rows neither the text nor a table for each
--- is in memory. What record/read.lua has as rows is here a number in each list.
local core = require "moonpulse.core"
local read = require "moonpulse.record.read"

local M = {}

local part_bytes = 1 << 20 -- longer than any header
-- Percent: what was read and is not needed is given back before it takes as much as the columns; behind a
-- large table, too.
local pause, large = 120, 100000

---@class moonpulse.PulseColumns the rows of pulses, in planned order
---@field count integer
---@field at_us number[] as planned; of a row that does not say it its onset, or 0
---@field time (number|false)[]? seconds from onset 0: the onset, else as sent, else as planned
---@field pulse (integer|false)[]? its number
---@field trial (integer|false)[]?
---@field lateness (number|false)[]? microseconds
---@field kind integer[] of which of the kinds each is
---@field kinds table[] what rows of a kind have in common, as rows of record/read.lua have it
---@field has table<string, boolean>[] by the kind, and by the keys of numbers: each of its rows has it

---@class moonpulse.EventColumns
---@field pulses moonpulse.PulseColumns
---@field unasked table[] rows, as of read.events but for when they were confirmed; marks, codes likewise
---@field marks table[]
---@field codes table[]
---@field incomplete integer rows that are not whole

local function fill(list, at, count, value)
  for i = at + 1, at + count do
    list[i] = value
  end
end

--- From the n-th on a part's rows first to last, of a number that each row may have.
local function move(list, n, from, first, last)
  if from then
    table.move(from, first, last, n + 1, list)
  else
    fill(list, n, last - first + 1, false)
  end
end

local function seconds(list, n, from, first, last)
  for i = first, last do
    list[n + i - first + 1] = from[i] / 1e6
  end
end

local function put_times(list, n, lists, has, first, last)
  if has.onset then
    table.move(lists.onset, first, last, n + 1, list)
  elseif has.sent then
    seconds(list, n, lists.sent, first, last)
  elseif has.planned then
    seconds(list, n, lists.planned, first, last)
  else
    fill(list, n, last - first + 1, false)
  end
end

local function put_planned(list, n, lists, has, first, last)
  if has.planned then
    table.move(lists.planned, first, last, n + 1, list)
  elseif has.onset then
    for i = first, last do
      list[n + i - first + 1] = lists.onset[i] * 1e6
    end
  else
    fill(list, n, last - first + 1, 0)
  end
end

local function put_lateness(list, n, lists, kind, first, last)
  if not kind.of_times then
    return move(list, n, lists.lateness, first, last)
  end
  local sent, planned = lists.sent, lists.planned
  for i = first, last do
    list[n + i - first + 1] = sent[i] - planned[i]
  end
end

--- Rows of pulses that are of one kind, to the columns.
local function put_pulses(pulses, lists, number, first, last)
  local n, kind, has = pulses.count, pulses.kinds[number], pulses.has[number]
  put_planned(pulses.at_us, n, lists, has, first, last)
  if pulses.time then
    put_times(pulses.time, n, lists, has, first, last)
  end
  if pulses.lateness then
    put_lateness(pulses.lateness, n, lists, kind, first, last)
  end
  for _, key in ipairs { "pulse", "trial" } do
    if pulses[key] then
      move(pulses[key], n, lists[key], first, last)
    end
  end
  fill(pulses.kind, n, last - first + 1, number)
  pulses.count = n + last - first + 1
end

--- Rows of anything else, each as a row.
local function put_rows(list, lists, kind, first, last)
  for i = first, last do
    local row = {}
    for key, values in pairs(lists) do
      row[key] = values[i] or nil
    end
    read.add(list, row, kind)
  end
end

--- The number of a kind; kinds of pulses, which others share, have each their own.
local function known(self, rest, found)
  local alike = self.known[found] or {}
  self.known[found] = alike
  if not alike[rest] then
    local pulses, number = self.pulses, #self.pulses.kinds + 1
    pulses.kinds[number], pulses.has[number] = read.kind(rest, found, self.columns, self.shared)
    alike[rest] = number
  end
  return alike[rest]
end

--- The rows of a part of the table.
local function put_part(self, text, at)
  local lists, kinds, rests, found, bad = core.row_lists(text, at, self.columns)
  self.incomplete = self.incomplete + bad
  local numbers, first = {}, 1
  for i, rest in ipairs(rests) do
    numbers[i] = known(self, rest, found[i])
  end
  for i = 1, #kinds do
    if kinds[i + 1] ~= kinds[i] then -- the last of its stretch
      local number = numbers[kinds[i]]
      local kind = self.pulses.kinds[number]
      if kind.event == "pulse" then
        put_pulses(self.pulses, lists, number, first, i)
      elseif self.rows[kind.event] then
        put_rows(self.rows[kind.event], lists, kind, first, i)
      end
      first = i + 1
    end
  end
end

local in_columns = { "at_us", "time", "pulse", "trial", "lateness", "kind" }

--- In planned order, as read.events has them: of those at one time, by their numbers.
local function sort(pulses)
  local at_us, numbers = pulses.at_us, pulses.pulse
  local function sooner(a, b)
    if at_us[a] ~= at_us[b] then
      return at_us[a] < at_us[b]
    end
    return (numbers[a] or 0) < (numbers[b] or 0)
  end
  local sorted = true
  for i = 2, pulses.count do
    if at_us[i] <= at_us[i - 1] and sooner(i, i - 1) then
      sorted = false
      break
    end
  end
  if sorted then
    return
  end
  local order = {}
  for i = 1, pulses.count do
    order[i] = i
  end
  table.sort(order, sooner)
  for _, key in ipairs(in_columns) do
    local list, other = pulses[key], {}
    for i = 1, list and pulses.count or 0 do
      other[i] = list[order[i]]
    end
    pulses[key] = list and other
  end
end

--- The next whole lines; nil: there are no more, or why they cannot be read.
local function next_lines(file)
  local part, why = file:read(part_bytes)
  return part and part .. (file:read "L" or ""), why
end

--- Read an events table.
---@param path string
---@param asked table<"time"|"trial"|"pulse"|"lateness", boolean> what is wanted of the pulses beside at_us
---   and kind
---@return moonpulse.EventColumns?
---@return string? message as of read.events
function M.of(path, asked)
  local file, message = core.open_file(path, read.most_events)
  if not file then
    return nil, message
  end
  local closed <close> = file -- luacheck: ignore 211
  local part, why = next_lines(file)
  local columns, shared, at = read.header(part or "", path,
    { confirmed = true, lateness = not asked.lateness })
  if why or not columns then
    return nil, why and ("%s: %s"):format(path, why) or shared
  end
  local pulses = { count = 0, at_us = {}, pulse = {}, kind = {}, kinds = {}, has = {},
    time = asked.time and {} or nil, trial = asked.trial and {} or nil,
    lateness = asked.lateness and {} or nil }
  local self = { columns = columns, shared = shared, pulses = pulses, incomplete = 0, known = {},
    rows = { unasked_pulse = {}, mark = {}, code = {} } }
  local before = collectgarbage("setpause", pause)
  while part do
    put_part(self, part, at)
    part, why = next_lines(file)
    at = 1
  end
  sort(pulses)
  collectgarbage("setpause", pulses.count > large and pause or before)
  if why then
    return nil, ("%s: %s"):format(path, why)
  end
  pulses.pulse = asked.pulse and pulses.pulse or nil
  local rows = self.rows
  return { pulses = pulses, unasked = rows.unasked_pulse, marks = rows.mark, codes = rows.code,
    incomplete = self.incomplete }
end

--- The same of rows, all of it.
---@param events table of read.events
---@return moonpulse.EventColumns
function M.of_rows(events)
  local pulses = { count = #events.pulses, at_us = {}, time = {}, pulse = {}, trial = {}, lateness = {},
    kind = {}, kinds = {}, has = {} }
  local numbers = {}
  for i, row in ipairs(events.pulses) do
    local kind = getmetatable(row) or row
    if not numbers[kind] then
      local number = #pulses.kinds + 1
      numbers[kind], pulses.kinds[number] = number, kind
      pulses.has[number] = { planned = row.planned ~= nil, onset = row.onset ~= nil,
        sent = row.sent ~= nil, trial = row.trial ~= nil, pulse = row.pulse ~= nil }
    end
    pulses.kind[i] = numbers[kind]
    pulses.at_us[i] = row.planned or (row.onset or 0) * 1e6
    for _, key in ipairs { "time", "pulse", "trial", "lateness" } do
      pulses[key][i] = row[key] or false
    end
  end
  return { pulses = pulses, unasked = events.unasked, marks = events.marks, codes = events.codes,
    incomplete = events.incomplete }
end

---@class moonpulse.KindCount
---@field kind table
---@field number integer
---@field count integer of its pulses

--- The kinds that there are pulses of, by the first of them, each with how many there are.
---@param pulses moonpulse.PulseColumns
---@return moonpulse.KindCount[]
function M.counts(pulses)
  local list, by_number, kinds = {}, {}, pulses.kind
  for i = 1, pulses.count do
    local number = kinds[i]
    local each = by_number[number]
    if not each then
      each = { kind = pulses.kinds[number], number = number, count = 0 }
      by_number[number], list[#list + 1] = each, each
    end
    each.count = each.count + 1
  end
  return list
end

--- How many distinct trials pulses have, by what their kinds are asked for.
---@param pulses moonpulse.PulseColumns with trial
---@param name_of table<integer, any> by the kind's number; nil or false: not of its pulses
---@return table<any, integer>
function M.trials(pulses, name_of)
  local count, highest, seen_of = {}, {}, nil
  for i = 1, pulses.count do
    local name, trial = name_of[pulses.kind[i]], pulses.trial[i]
    local last = name and trial and (highest[name] or math.mininteger)
    if last and trial > last then -- as in nearly every record: nobody need keep which there were
      count[name], highest[name] = (count[name] or 0) + 1, trial
    elseif last and trial < last then
      seen_of = {}
      break
    end
  end
  if not seen_of then
    return count
  end
  count = {}
  for i = 1, pulses.count do
    local name, trial = name_of[pulses.kind[i]], pulses.trial[i]
    if name and trial then
      local seen = seen_of[name] or {}
      seen_of[name] = seen
      if not seen[trial] then
        seen[trial], count[name] = true, (count[name] or 0) + 1
      end
    end
  end
  return count
end

return M
