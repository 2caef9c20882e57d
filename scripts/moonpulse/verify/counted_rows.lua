--- How many pulses a table of events says were given, confirmed and not sent. It is read in parts: a million
--- rows are 100 MB, and of a row only its kind is asked.
local read = require "moonpulse.record.read"

local M = {}

local confirmed = { delivered = true, otherwise = true, external = true }
local part_bytes = 1 << 17
-- whether a pulse was sent is told by its status and its send time, whether it was confirmed by its status
local unread = { sent = true, onset = "unasked", pulse = "unasked", planned = "unasked",
  confirmed = "unasked", lateness = "unasked", trial = "unasked" }

--- The whole lines of some part of the file; nil: there are no more.
local function next_lines(file)
  local part = file:read(part_bytes)
  return part, part and file:read("L") or ""
end

local function add(counts, kind, count)
  if kind.event == "pulse" then
    local given = kind.was_sent or kind.status == "perhaps_sent"
    local key = given and "sent" or "skipped"
    counts[key] = counts[key] + count
    counts.confirmed = counts.confirmed
      + (confirmed[kind.status] and count or 0)
  end
end

--- How many rows there are of each kind.
local function count_kinds(kinds)
  local alike = {}
  for i = 1, #kinds do
    local place = kinds[i]
    alike[place] = (alike[place] or 0) + 1
  end
  return alike
end

--- The pulses of a table of events that count as given, those that are confirmed, and all others.
---@param path string
---@return { sent: integer, confirmed: integer, skipped: integer }? nil: it is no such table, or a row of it
---   is not whole
function M.of(path)
  local file <close> = io.open(path, "rb")
  if not file then
    return nil
  end
  local counts, header = { sent = 0, confirmed = 0, skipped = 0 }, ""
  local part, rest = next_lines(file)
  while part do
    local rows = read.lists(header .. part .. rest, "events.tsv", unread)
    if not rows or rows.incomplete > 0 then
      return nil
    end
    header = header ~= "" and header or (part .. rest):match("[^\r\n]+") .. "\n"
    for place, count in pairs(count_kinds(rows.kind)) do
      add(counts, rows.kinds[place], count)
    end
    part, rest = next_lines(file)
  end
  return header ~= "" and counts or nil
end

return M
