--- The order of the rows of events.tsv: by onset, marks before what comes at the same instant.
--
-- Rows are told in the order in which things are known: a train that the device times has its rows
-- at its start, a mark its onset before it comes. So they wait here, in their order, until nothing
-- with a sooner onset can follow. What follows nevertheless (a trigger that a script looked at late)
-- is written where it comes, and put in its place when the record is closed.
local files = require "moonpulse.record.file"

local M = {}

--- Where row belongs among queue[first] to queue[last], which are in order: after its equals.
local function place_of(queue, first, last, row)
  local key, rank = row.key_ns, row.rank
  while first <= last do
    local middle = (first + last) // 2
    local other = queue[middle]
    if key < other.key_ns or key == other.key_ns and rank < other.rank then
      last = middle - 1
    else
      first = middle + 1
    end
  end
  return first
end

--- Put row into the record's queue by key_ns, the soonest onset that it may get.
---@param record moonpulse.Record with queue, first, last
---@param row moonpulse.Row
---@param key_ns integer
function M.insert(record, row, key_ns)
  local queue, last = record.queue, record.last
  row.key_ns, row.rank = key_ns, row.event == "mark" and 0 or 1
  local before = last >= record.first and queue[last]
  local at = last + 1
  if before and (key_ns < before.key_ns or key_ns == before.key_ns and row.rank < before.rank) then
    at = place_of(queue, record.first, last, row)
    table.move(queue, at, last, at + 1)
  end
  queue[at] = row
  record.last = last + 1
end

--- Write what nothing can come before any more.
---@param record moonpulse.Record with until_ns: no row with a sooner onset follows
---@param write fun(record: moonpulse.Record, row: moonpulse.Row, onset_ns: integer)
function M.flush(record, write)
  local queue, until_ns = record.queue, record.until_ns
  while record.first <= record.last do
    local row = queue[record.first]
    if row.open or row.key_ns >= until_ns then
      return
    end
    queue[record.first] = nil
    record.first = record.first + 1
    local onset_ns = row.sent_ns or row.planned_ns or row.confirmed_ns
    if onset_ns > row.key_ns then -- it was not known yet
      M.insert(record, row, onset_ns)
    else
      write(record, row, onset_ns)
    end
  end
end

--- The columns of a row that count here, and what is before and after its number.
local function parse(line)
  local onset, head, number, tail, event = line:match("^([^\t]*)\t[^\t]*\t[^\t]*()\t(%d+)()\t([^\t]*)")
  if not onset then
    return nil
  end
  return { onset = tonumber(onset) or math.huge, rank = event == "mark" and 0 or 1,
    head = line:sub(1, head), tail = line:sub(tail), number = number }
end

local function sooner(a, b)
  if a.onset ~= b.onset then
    return a.onset < b.onset
  elseif a.rank ~= b.rank then
    return a.rank < b.rank
  end
  return a.place < b.place
end

--- The rows that come after one with a later onset, in order. Only these are held in memory.
---@param lines fun(): fun(): string? goes through the lines from the first on
local function strays(lines)
  local found, latest, place = {}, { onset = -math.huge, rank = 0, place = 0 }, 0
  for line in lines() do
    local row = parse(line)
    if row then
      place = place + 1
      row.place = place
      if sooner(row, latest) then
        found[#found + 1] = row
      else
        latest = row
      end
    end
  end
  table.sort(found, sooner)
  return found
end

local function merge(lines, out)
  local stray, taken, number, latest = strays(lines), 1, 0, { onset = -math.huge, rank = 0, place = 0 }
  local ok, message = true, nil
  local function put(text)
    if ok then
      ok, message = out:write(text, "\n")
    end
  end
  local function put_row(row)
    number = number + 1
    put(row.head .. number .. row.tail)
  end
  local place = 0
  for line in lines() do
    local row = parse(line)
    if not row then
      put(line) -- the header
    else
      place = place + 1
      row.place = place
      if not sooner(row, latest) then
        while stray[taken] and sooner(stray[taken], row) do
          put_row(stray[taken])
          taken = taken + 1
        end
        put_row(row)
        latest = row
      end
    end
  end
  for i = taken, #stray do
    put_row(stray[i])
  end
  return ok, message
end

--- Put the rows of a finished file in order and number them anew; the file changes whole or not at all.
---@param path string
---@return boolean? ok
---@return string? message
function M.settle(path)
  return files.rewrite(path, function(out)
    return merge(function() return io.lines(path) end, out)
  end)
end

--- The same of a table that is no file.
---@param text string
---@return string
function M.settled(text)
  local parts = {}
  merge(function() return require("moonpulse.text.ended_lines").of(text) end, { write = function(_, ...)
    table.move({ ... }, 1, select("#", ...), #parts + 1, parts)
    return true
  end })
  return table.concat(parts)
end

return M
