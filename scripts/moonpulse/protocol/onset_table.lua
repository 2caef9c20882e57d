--- A table of onsets as its author wrote it: tab- or comma-separated text with a header. What is wrong is
--- told with the file, the line and the column, and what to do.
local escapes = require "moonpulse.text.escapes"
local numbers = require "moonpulse.text.numbers"
local row_cells = require "moonpulse.text.cells"

local M = {}

---@class moonpulse.OnsetRow
---@field line integer of the file
---@field onset_ns integer
---@field isi_ns integer?
---@field code integer? event code
---@field cells table<string, string> by column, without what is missing

M.columns = { "onset", "intensity", "trial_type", "channel", "isi", "code" }

local LONGEST = 1 << 62 -- nanoseconds, as of any plan
local MOST_ROWS = 20000 -- some 0.8 s of the 2 s that a protocol has; as many in one session nobody gives
local MOST_SHOWN = 40
M.MOST_SHOWN = MOST_SHOWN -- bytes of a cell in a message

local known = {}
for _, name in ipairs(M.columns) do
  known[name] = true
end

--- Raised to M.rows, which gives it back as a message.
local function bad(self, text, ...)
  local place = self.line and ("%s:%d"):format(self.name, self.line) or self.name
  error({ table_problem = place .. ": " .. text:format(...) }, 0)
end

--- A cell as a message has it: in quotes, cut where it is long.
---@param text string
---@return string
function M.shown(text)
  local cut = #text > MOST_SHOWN
    and text:sub(1, (utf8.offset(text, 0, MOST_SHOWN) or MOST_SHOWN) - 1) .. "..."
  return '"' .. escapes.shown(cut or text) .. '"'
end

local shown = M.shown

local function trimmed(text)
  return text:match("^%s*(.-)%s*$")
end

--- Cells with quotes around them, which spreadsheets write where a cell has a separator: "a, b", "say ""a""".
local function quoted_cells(self, line, separator)
  local cells, at = {}, 1
  while true do
    local cell, after
    if line:sub(at, at) == '"' then
      local parts, from = {}, at + 1
      repeat
        local quote = line:find('"', from, true)
          or bad(self, "a quote is not closed: write the cell on one line")
        parts[#parts + 1] = line:sub(from, quote - 1)
        from = quote + 2
      until line:sub(quote + 1, quote + 1) ~= '"'
      cell, after = table.concat(parts, '"'), from - 1
      if after <= #line and line:sub(after, after) ~= separator then
        bad(self, "there is text behind a cell in quotes: %s", shown(line:sub(after)))
      end
    else
      after = line:find(separator, at, true) or #line + 1
      cell = line:sub(at, after - 1)
    end
    cells[#cells + 1] = cell
    if after > #line then
      return cells
    end
    at = after + 1
  end
end

local function cells_of(self, line)
  local cells = self.separator == "\t" and not line:find('"', 1, true) and row_cells.of(line)
    or quoted_cells(self, line, self.separator)
  for i, cell in ipairs(cells) do
    cells[i] = trimmed(cell)
  end
  return cells
end

--- The separator that a header has.
local function separator_of(self, header)
  if header:find("\t", 1, true) then
    return "\t"
  elseif header:find(",", 1, true) then
    return ","
  elseif header:find(";", 1, true) then
    bad(self, "the columns are separated by semicolons: save the table with tabs or commas between them, and "
      .. "with decimal points")
  elseif header:find("%S%s+%S") then
    bad(self, "the columns are separated by blanks: save the table with tabs or commas between them")
  end
  return "\t"
end

local function has_number(cells)
  for _, cell in ipairs(cells) do
    if tonumber(cell) then
      return true
    end
  end
  return false
end

--- The names of the header; those of columns that are not read into self.others.
local function read_header(self, line)
  self.separator = separator_of(self, line)
  local cells, seen, index = cells_of(self, line), {}, {}
  for i, cell in ipairs(cells) do
    local name = cell == "label" and "trial_type" or cell
    if seen[name] and known[name] then
      bad(self, "two columns are %s: leave out one", name == "trial_type" and "trial_type or label" or name)
    end
    seen[name] = true
    index[i] = name
  end
  if not seen.onset and has_number(cells) then
    bad(self, "the first line has numbers: it is the header, with the columns' names, one of them onset")
  end
  local meant = require "moonpulse.text.meant"
  for _, name in ipairs(index) do
    local near = not known[name] and name ~= "" and meant.near(name, M.columns, #name > 5 and 2 or 1)[1]
    if near and not seen[near] then
      bad(self, "the column %s is not known: is it %s? Then name it so", shown(name), near)
    elseif not known[name] then
      self.others[#self.others + 1] = escapes.shown(name)
    end
  end
  if not seen.onset then
    bad(self, "there is no column onset (in seconds from the plan's start); there are: %s", #self.others > 0
      and table.concat(self.others, ", ") or shown(line))
  end
  self.index, self.count, self.seen = index, #index, seen
end

--- Seconds as whole nanoseconds, digit by digit; nil: it is no number. What is below a nanosecond is rounded,
--- as the onsets of all plans are.
---@param text string
---@return integer? ns
---@return boolean? negative
function M.nanoseconds(text)
  local sign, whole, part, power = text:match("^([+-]?)(%d*)%.?(%d*)[eE]([+-]?%d+)$")
  if not whole then
    sign, whole, part = text:match("^([+-]?)(%d*)%.?(%d*)$")
  end
  power = tonumber(power or 0)
  if not whole or #whole + #part == 0 or #text > 60 or math.abs(power) > 30 then
    return nil
  end
  local digits, places = whole .. part, #whole + power + 9 -- so many digits are nanoseconds
  if places > #digits then
    digits = digits .. ("0"):rep(places - #digits)
  elseif places < 0 then
    digits, places = ("0"):rep(-places) .. digits, 0
  end
  local before, after = digits:sub(1, places):gsub("^0+", ""), digits:sub(places + 1)
  if #before > 18 then
    return LONGEST, sign == "-"
  end
  local ns = math.tointeger(tonumber(before == "" and "0" or before))
  ns = ns + (after:find("^[5-9]") and 1 or 0)
  return ns, sign == "-" and ns > 0
end

--- What is said of a cell that should be seconds, and is none.
local function no_number(self, column, cell)
  if cell == "" or cell == "n/a" then
    bad(self, "%s is missing: write the seconds, or leave the row out", column)
  elseif cell:find("^[+-]?%d*,%d+$") then
    bad(self, "%s is %s, with a decimal comma: write %s (in all rows)", column, shown(cell),
      (cell:gsub(",", ".")))
  elseif cell:find("%d%s*m?s$") then
    bad(self, "%s is %s: write the number alone, in seconds", column, shown(cell))
  end
  bad(self, "%s is %s, which is no number of seconds, like 4.1", column, shown(cell))
end

--- A cell that is seconds, in nanoseconds.
local function seconds(self, column, cell)
  local ns, negative = M.nanoseconds(cell)
  if not ns then
    no_number(self, column, cell)
  elseif negative then
    bad(self, "%s is %s, before the plan's start: %s", column, shown(cell), column == "onset"
      and "add the same number to all onsets, so that the first is 0 or more" or "it is above 0")
  elseif ns >= LONGEST then
    bad(self, "%s is %s s, longer than a plan can last (146 years): it is in seconds", column, shown(cell))
  end
  return ns
end

--- A cell that is an event code.
local function code_of(self, cell)
  local code = cell:find("^%d+$") and #cell < 9 and math.tointeger(tonumber(cell))
  if not code or code < 1 or code > 255 then
    bad(self, "code is %s: an event code is a whole number from 1 to 255 (0 is the box at rest), or n/a",
      shown(cell))
  end
  return code
end

--- The cells of a row by their columns; nil: all of them are empty.
local function row_of(self, line)
  local cells = cells_of(self, line)
  if not line:find("[^%s" .. self.separator .. "]") then
    return nil
  elseif #cells ~= self.count then
    local is_comma = self.separator == "," and #cells > self.count
    bad(self, "%s, and the header has %d: %s", numbers.counted(#cells, "cell"), self.count, is_comma
      and "has a number a decimal comma? Write it with a point, 4.1, or the cell in quotes"
      or "each row has a cell for each column, n/a where there is nothing")
  end
  local row = {}
  for i, name in ipairs(self.index) do
    if known[name] and cells[i] ~= "" and cells[i] ~= "n/a" then
      row[name] = cells[i]
    end
  end
  row.onset = row.onset or no_number(self, "onset", "")
  return row
end

--- The text as lines that end alike; what is no text is refused.
local function plain_lines(self, text)
  if text:find("^\xFF\xFE") or text:find("^\xFE\xFF") or text:find("\0", 1, true) then
    bad(self, "it is no UTF-8 text (UTF-16, or a spreadsheet's own file?): save it as tab-separated text in "
      .. "UTF-8")
  elseif text:find("^PK\3\4") then
    bad(self, "it is a spreadsheet's own file: save it as tab-separated text in UTF-8")
  end
  text = text:gsub("^\xEF\xBB\xBF", ""):gsub("\r\n?", "\n")
  if not utf8.len(text) then
    bad(self, "it has bytes that are no UTF-8: save it as UTF-8")
  elseif not text:find("%S") then
    bad(self, "it is empty: it has a header with a column onset, and a row for each stimulus")
  end
  return text:gsub("\n?$", "\n")
end

local function read(self, text)
  local rows, number = {}, 0
  for line in plain_lines(self, text):gmatch("([^\n]*)\n") do
    number = number + 1
    self.line = number
    if not self.index then
      if line:find("%S") then
        read_header(self, line)
      end
    else
      local cells = row_of(self, line)
      if cells then
        rows[#rows + 1] = { line = number, cells = cells, onset_ns = seconds(self, "onset", cells.onset) }
        rows[#rows].isi_ns = cells.isi and seconds(self, "isi", cells.isi)
        rows[#rows].code = cells.code and code_of(self, cells.code)
      end
      if #rows > MOST_ROWS then
        bad(self, "more than %s rows: divide the table", numbers.count(MOST_ROWS))
      end
    end
  end
  self.line = nil
  if #rows == 0 then
    bad(self, "it has a header and no row: write a row for each stimulus")
  end
  return rows
end

--- To how many nanoseconds the onsets were written: by the most digits behind a point that one of them has.
---@param rows moonpulse.OnsetRow[]
---@return integer unit_ns a power of ten, 1 to 10^9
function M.rounded_to(rows)
  local most = 0
  for _, row in ipairs(rows) do
    local part, power = row.cells.onset:match("%.(%d*)") or "", row.cells.onset:match("[eE](.+)$")
    most = math.max(most, #part - math.tointeger(tonumber(power or 0)))
  end
  return math.tointeger(10 ^ (9 - math.min(most, 9)))
end

--- The rows of a table, in its order; their onsets are not compared.
---@param text string
---@param name string of the file, for messages
---@return moonpulse.OnsetRow[]? rows with isi_ns where there is an isi, code where there is one
---@return string|table problem a message, or { seen = which columns there are, others = those not read }
function M.rows(text, name)
  local self = { name = name, others = {} }
  local ok, rows = pcall(read, self, text)
  if not ok then
    if type(rows) == "table" and rows.table_problem then
      return nil, rows.table_problem
    end
    error(rows, 0)
  end
  return rows, { seen = self.seen, others = self.others }
end

return M
