--- journal.jsonl: what an experiment decided, a line each, written before it is done. With the flight
--- record it is all that moonpulse recover needs after a kill.
local cjson = require "cjson"

local M = {}

local Journal = {}
Journal.__index = Journal

---@param folder string of the run
---@return table? journal to be closed
---@return string? message
function M.new(folder)
  local file, message = io.open(folder .. "/journal.jsonl", "w")
  if not file then
    return nil, message
  end
  return setmetatable({ file = file, path = folder .. "/journal.jsonl" }, Journal)
end

--- Times go as text: a monotonic clock in nanoseconds may be beyond what a JSON number holds.
--- Raises { code, message } where the disk does not take it: what is not in the journal is not done.
---@param kind "play"|"mark"
---@param entry table; keys that end in _ns are integers
function Journal:write(kind, entry)
  local line = { kind = kind }
  for key, value in pairs(entry) do
    line[key] = key:match("_ns$") and math.type(value) == "integer" and tostring(value) or value
  end
  if not self.lost then
    local ok, message = self.file:write(cjson.encode(line), "\n")
    if ok then
      ok, message = self.file:flush()
    end
    self.lost = not ok and message or nil -- part of a line may be there: nothing is written behind it
  end
  if self.lost then
    error({ code = "stopped", message = ("the journal cannot be written, so nothing more is played: %s: %s")
      :format(self.path, self.lost) }, 0)
  end
end

function Journal:close()
  self.file:close()
end

Journal.__close = Journal.close

--- Read a journal back; a last line that was cut off is left out.
---@param folder string
---@return table[]? entries in the order in which they were written
---@return string? message
function M.read(folder)
  local file, message = io.open(folder .. "/journal.jsonl")
  if not file then
    return nil, message
  end
  local entries = {}
  for text in file:lines() do
    local ok, entry = pcall(cjson.decode, text)
    if ok and type(entry) == "table" then
      for key, value in pairs(entry) do
        entry[key] = key:match("_ns$") and math.tointeger(tonumber(value)) or value
      end
      entries[#entries + 1] = entry
    end
  end
  file:close()
  return entries
end

return M
