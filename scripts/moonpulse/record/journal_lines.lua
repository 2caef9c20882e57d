--- The lines of a journal as they lie there, whatever was done to it: for all who check it, count from it or
--- do again what it tells.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"

local M = {}

--- What is longer was not written by a run: bytes of a journal, and of a line.
M.most_bytes, M.most_line = 256000000, 16000000

---@class moonpulse.JournalLine
---@field text string without its end
---@field entry table? what it says, where it can be read
---@field whole boolean it can be read, and its own checksum holds (an older version wrote none)

--- Those of a text.
---@param text string
---@return moonpulse.JournalLine[]
---@return boolean torn the last one has no end
function M.of(text)
  local torn = text ~= "" and text:sub(-1) ~= "\n"
  local lines = {}
  for line in (torn and text .. "\n" or text):gmatch("([^\n]*)\n") do
    local before, check = line:match('^(.*),"check":"(%x+)"}$')
    local entry = #line <= M.most_line and cjson.decode(line) or nil
    entry = type(entry) == "table" and entry or nil
    lines[#lines + 1] = { text = line, entry = entry,
      whole = entry ~= nil and before ~= nil and core.checksum(before) == check }
  end
  return lines, torn
end

--- What the lines of a journal say that are as they were written; false: that one is not.
---@param lines moonpulse.JournalLine[]
---@return (table|false)[] entries by the number of the line
function M.whole(lines)
  local entries = {}
  for number, line in ipairs(lines) do
    entries[number] = line.whole and line.entry or false
  end
  return entries
end

--- What those of a folder's journal say that can be read.
---@param folder string
---@return table[]? entries nil: there is none that can be read
---@return string? message
function M.entries(folder)
  local text, message = core.read_file(folder .. "/journal.jsonl", M.most_bytes)
  if not text then
    return nil, message
  end
  local entries = {}
  for _, line in ipairs((M.of(text))) do
    entries[#entries + 1] = line.entry
  end
  return entries
end

return M
