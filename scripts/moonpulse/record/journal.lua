--- journal.jsonl: what a run played and what its operator did, a line each. What an experiment decides is
--- written before it is done: with the flight record it is all that moonpulse recover needs after a kill.
--
-- Lines are numbered and each ends with a checksum of what stands before it, so that one that is missing,
-- torn, zeroed or moved is seen. Each also holds the SHA-256 of the line before it (prev), so that the last
-- one's stands for all: docs/verify.md. Journals of older versions have not all of that.
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local files = require "moonpulse.record.file"
local journal_lines = require "moonpulse.record.journal_lines"
local json = require "moonpulse.text.sorted_json"
local lfs = require "lfs"
local schema = require "moonpulse.record.schema"
local sha256 = require "moonpulse.text.sha256"

local M = {}

--- What the first line has as the hash of the line before it.
M.none = ("0"):rep(64)
--- What is longer was not written by a run.
M.most_bytes = journal_lines.most_bytes

---@class moonpulse.Journal
---@field file file* of core.create_file
---@field folder string
---@field path string
---@field lines integer that were written
---@field sum moonpulse.core.Sum of them
---@field head string SHA-256 of the last of them
---@field by_kind table<string, integer> how many lines of each kind
---@field lost string? what the disk did not take
---@field kept { bytes: integer, lines: string[] } so many bytes it took; what it did not take since
---@field disturbed string? what another program did to it: close()
---@field before (fun())? of an experiment, called before each line: listen()
---@field feed moonpulse.Feed? who is told of each line
---@field part_of (fun(): integer?)? the same: which part of the script it is of
local Journal = {}
Journal.__index = Journal

--- Make the journal of a run, an empty one.
---@param folder string of the run
---@return table? journal to be closed
---@return string? message
function M.new(folder)
  local file, message = core.create_file(folder .. "/journal.jsonl")
  if not file then
    return nil, message
  end
  return setmetatable({ file = file, path = folder .. "/journal.jsonl", lines = 0, sum = core.sum(),
    head = M.none, by_kind = {}, folder = folder, kept = { bytes = 0, lines = {} } }, Journal)
end

--- A line of a journal, without its end.
---@param kind string
---@param entry table; keys that end in _ns are integers
---@param number integer of the line
---@param prev string SHA-256 of the line before it
---@return string
function M.line(kind, entry, number, prev)
  local line = { kind = kind, line = number, prev = prev }
  for key, value in pairs(entry) do
    if type(value) == "string" then
      value = utf8.len(value) and value or escapes.shown(value)
    elseif math.type(value) == "integer" and key:find("_ns$") then
      value = tostring(value) -- a monotonic clock in nanoseconds may be beyond what a JSON number holds
    end
    line[key] = value
  end
  local text = json.encode(line):sub(1, -2)
  return ('%s,"check":"%s"}'):format(text, core.checksum(text))
end

--- Of an experiment: what is to be written before each line, and of which part of the script it is.
---@param before fun() may write
---@param part_of fun(): integer? nil: of the script itself, or of none
function Journal:listen(before, part_of)
  self.before, self.part_of = before, part_of
end

--- What is to be written before a line of an experiment, and of which part of its script the line is.
local function prepare(self, kind, entry)
  local before = self.before
  if before then
    self.before = nil -- what it writes has nothing before it
    before()
    self.before = before
    entry.part = entry.part or kind ~= "read" and self.part_of() or nil
  end
end

--- Write a line, and tell nobody where the disk does not take it: then self.lost says why, and nothing is
--- written any more until close() tries again. For what is done whether or not it can be written down, as a
--- stop.
---@param kind string
---@param entry table; keys that end in _ns are integers
function Journal:tell(kind, entry)
  prepare(self, kind, entry)
  self.lines = self.lines + 1
  self.by_kind[kind] = (self.by_kind[kind] or 0) + 1
  local text = M.line(kind, entry, self.lines, self.head)
  self.head = sha256.of(text)
  text = text .. "\n"
  if self.lost then
    table.insert(self.kept.lines, text)
    return
  end
  core.disk "journal.jsonl"
  local ok, message = self.file:write(text)
  if ok then
    ok, message = self.file:flush()
  end
  core.disk()
  self.lost = not ok and message or nil -- part of a line may be there: nothing is written after it
  if ok then
    self.sum:add(text)
    self.kept.bytes = self.kept.bytes + #text
  else
    table.insert(self.kept.lines, text)
  end
  if self.feed then
    self.feed:act(kind, entry)
  end
end

local function refuse(self)
  error({ code = "stopped", message = ("the journal cannot be written, so nothing more is played: %s: %s; "
    .. "%s before the next run"):format(self.path, self.lost,
    require("moonpulse.text.room").remedy(self.lost)) }, 0)
end

--- The same; raises { code, message } where the disk does not take it: what is not in the journal is not
--- done.
---@param kind "play"|"ahead"|"mark"
---@param entry table; keys that end in _ns are integers
function Journal:write(kind, entry)
  prepare(self, kind, entry) -- it stays, also where the line is not done
  local lines, head = self.lines, self.head
  self:tell(kind, entry)
  if self.lost then
    table.remove(self.kept.lines) -- it is not done
    self.lines, self.head, self.by_kind[kind] = lines, head, self.by_kind[kind] - 1
    refuse(self)
  end
end

--- The same of what the device has done already: the line stays, for close(), and nothing more is played.
---@param kind "play"|"set"
---@param entry table; keys that end in _ns are integers
function Journal:did(kind, entry)
  self:tell(kind, entry)
  if self.lost then
    refuse(self)
  end
end

--- The disk did not take a line: when the run is over there may be room. What it took, without the part of a
--- line, and what was told since.
local function write_again(self)
  local text, message = core.read_file(self.path, M.most_bytes)
  if not text or #text < self.kept.bytes then
    return nil, message
  end
  local lines = table.concat(self.kept.lines)
  core.disk "journal.jsonl"
  local ok = files.rewrite(self.path, function(out)
    return out:write(text:sub(1, self.kept.bytes), lines)
  end)
  core.disk()
  return ok
end

--- What does not reach the disk only now was told before: each line was flushed. What another program did to
--- the file meanwhile is in self.disturbed; of a folder that was moved the record tells.
function Journal:close()
  if not self.lost and lfs.symlinkattributes(self.folder, "mode") then
    local note, lost = files.settle(self.file, self.path, self.lines, self.sum:text(), "line")
    self.disturbed = note or lost and lost .. "; events.tsv does not need it"
  end
  local ok, message = self.file:close()
  if self.lost and write_again(self) then
    self.lost = nil
  else
    self.lost = self.lost or not ok and message or nil
  end
end

Journal.__close = Journal.close

--- The entry of a line; nil and why it is none.
local function entry_of(line, room, checked)
  local has_check = line.text:find(',"check":"%x+"}$') ~= nil
  if #line.text > journal_lines.most_line then
    return nil, "it is longer than any"
  elseif not line.entry or (has_check or checked) and not line.whole then
    return nil, "it is torn or was changed"
  end
  local taken, why = schema.entry(line.entry, room)
  if taken and has_check then
    taken.line = type(line.entry.line) == "number" and math.tointeger(line.entry.line) or -1
  end
  return taken, why
end

local function say(said, first, last, why)
  said[#said + 1] = first == last and ("line %d of journal.jsonl could not be read (%s)"):format(first, why)
    or ("lines %d to %d of journal.jsonl could not be read (%s)"):format(first, last, why)
end

--- Lines that are not where their numbers say.
local function say_gaps(entries, said)
  local expected = 1
  for _, entry in ipairs(entries) do
    if entry.line and entry.line > expected and not entry.after_bad then
      said[#said + 1] = ("journal.jsonl: the lines before line %d are missing"):format(entry.line)
    elseif entry.line and entry.line < expected then
      said[#said + 1] = ("journal.jsonl: line %d is out of order"):format(entry.line)
    end
    expected = (entry.line or expected) + 1
  end
end

--- All lines of a journal that are as they were written, as data; keys that end in _ns are integers. For
--- what needs more than what was played.
---@param folder string
---@return table[] none where it cannot be read
function M.all(folder)
  local text, list = core.read_file(folder .. "/journal.jsonl", M.most_bytes), {}
  for _, line in ipairs((journal_lines.of(text or ""))) do
    list[#list + 1] = line.whole and schema.whole_times(line.entry) or nil
  end
  return list
end

--- Read back what a journal says of plans, settings and marks; what cannot be read is left out, and said.
---@param folder string
---@param written integer? so many lines the run wrote, where that is known
---@return table[]? entries in the order in which they were written
---@return string[]|string said what is not as it was written, a sentence each; message
function M.read(folder, written)
  local text, message = core.read_file(folder .. "/journal.jsonl", M.most_bytes)
  if not text then
    return nil, message
  end
  local entries, said, number, bad = {}, {}, 0, nil
  local room = { pulses = schema.most_pulses }
  local checked = text:find(',"check":"', 1, true) ~= nil
  for _, line in ipairs((journal_lines.of(text))) do
    number = number + 1
    local entry, why = entry_of(line, room, checked)
    if entry then
      entry.after_bad = bad ~= nil
      entries[#entries + 1] = entry
    end
    if bad and (entry or why ~= bad.why) then
      say(said, bad.first, number - 1, bad.why)
      bad = nil
    end
    if not entry then
      bad = bad or { first = number, why = why }
    end
  end
  if bad then
    say(said, bad.first, number, bad.why)
  end
  say_gaps(entries, said)
  if written and number < written then
    said[#said + 1] = ("journal.jsonl: the lines after line %d are missing: the run wrote %d"):format(number,
      written)
  end
  local played = {}
  for _, entry in ipairs(entries) do
    played[#played + 1] = not entry.is_act and entry or nil
  end
  return played, said
end

return M
