--- What verify finds, gathered: what differs, what was checked, what cannot be, and what else should be
--- known.
local cells_of = require("moonpulse.text.cells").of

local M = {}

---@class moonpulse.Difference
---@field file string
---@field line integer? of the file
---@field text string what is wrong with it

---@class moonpulse.VerifyFindings
---@field differs moonpulse.Difference[]
---@field checked string[] a sentence each
---@field unchecked string[] what cannot be checked, why, and what to do: a sentence each
---@field notes string[]
---@field events { folder: string, text: string }? what was read of events.tsv (moonpulse.verify.rows)
---@field sealed_again true? the seal is another one than the run's own
local Findings = {}
Findings.__index = Findings

local most_of_a_file = 20 -- differences that are named
local most_shown = 500 -- bytes of a value that are shown: a foreign line may be as long as its file

--- Nothing was found yet.
---@return moonpulse.VerifyFindings
function M.new()
  return setmetatable({ differs = {}, checked = {}, unchecked = {}, notes = {}, counts = {} }, Findings)
end

--- A text as it is shown: its beginning, where it is long.
local function cut(text)
  if type(text) ~= "string" or #text <= most_shown then
    return text
  end
  return ("%s... (%d bytes)"):format(text:sub(1, most_shown):gsub("[\xC2-\xF4][\x80-\xBF]*$", ""), #text)
end

--- A format with its values, each as it is shown.
local function filled(text, ...)
  if select("#", ...) == 0 then
    return text
  end
  local values = table.pack(...)
  for i = 1, values.n do
    values[i] = cut(values[i])
  end
  return text:format(table.unpack(values, 1, values.n))
end

--- A file is not as it was.
---@param file string
---@param line integer? of it
---@param text string a format if values follow
function Findings:differ(file, line, text, ...)
  local count = (self.counts[file] or 0) + 1
  self.counts[file] = count
  if count <= most_of_a_file then
    table.insert(self.differs, { file = cut(file), line = line, text = filled(text, ...) })
  end
end

--- Something was checked and is as it was.
---@param text string a format if values follow
function Findings:check(text, ...)
  table.insert(self.checked, filled(text, ...))
end

--- Something cannot be checked: the record is not whole then, whatever else was.
---@param what string that was to be checked
---@param why string
---@param remedy string what somebody can do about it
function Findings:leave(what, why, remedy)
  table.insert(self.unchecked, filled("%s: %s; %s", what, why, remedy))
end

--- What all that was found comes to.
---@return "whole"|"differs"|"not all checked"
function Findings:verdict()
  return self.differs[1] and "differs" or self.unchecked[1] and "not all checked" or "whole"
end

--- Something that should be known.
---@param text string a format if values follow
function Findings:note(text, ...)
  table.insert(self.notes, filled(text, ...))
end

--- Is a file among those that differ?
---@param file string
---@return boolean
function Findings:has(file)
  return self.counts[file] ~= nil
end

--- A line as it is shown: a row's cells with blanks between.
local function shown(line)
  return '"' .. cut(line):gsub("\t", "  ") .. '"'
end

--- How two lines differ, in words; of two rows of a table which cells do.
---@param columns string[] of the table; empty: it is none
local function difference(line, against, what, columns)
  if not line or line == "" then
    return ("it is missing, and %s %s"):format(what, shown(against or ""))
  elseif not against or against == "" then
    return ("it is %s, and %s nothing"):format(shown(line), what)
  end
  local cells, others = cells_of(line), cells_of(against)
  if #columns < 2 or #cells ~= #columns or #others ~= #columns then
    return ("it is %s, and %s %s"):format(shown(line), what, shown(against))
  end
  local parts = {}
  for i, name in ipairs(columns) do
    if cells[i] ~= others[i] then
      parts[#parts + 1] = filled("%s is %s, and %s %s", name, cells[i], what, others[i])
    end
  end
  return table.concat(parts, "; ")
end

--- Two texts line by line: the lines that differ are named, up to some.
---@param file string the first one's
---@param text string
---@param other string
---@param what string what the other one is: "flight.bin says"
---@param alike (fun(line: string): string)? what of a line is compared; nil: all
---@param upto integer? so many lines only
---@param numbers table<integer, integer>? of the lines in the file, where text leaves some out
---@return boolean same
function Findings:compare(file, text, other, what, alike, upto, numbers)
  if text == other then
    return true
  end
  local next_line, next_other = text:gmatch("([^\n]*)\n?"), other:gmatch("([^\n]*)\n?")
  local line, against, number, found = next_line(), next_other(), 0, 0
  local columns = cells_of(line or "")
  while (line or against) and found < most_of_a_file and number < (upto or math.huge) do
    number = number + 1
    if line ~= against and not (alike and line and against and alike(line) == alike(against)) then
      found = found + 1
      self:differ(file, numbers and numbers[number] or number, difference(line, against, what, columns))
    end
    line, against = next_line(), next_other()
  end
  return found == 0
end

return M
