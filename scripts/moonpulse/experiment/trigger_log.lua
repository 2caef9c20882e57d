--- Every trigger of a run, in the order in which they came, with what became of it: what run:triggers and
--- run:trigger_count tell. The last ones are kept one by one; of those before there are numbers.
local core = require "moonpulse.core"

local M = {}

local MOST = 10000 -- kept one by one: what lists them, and writes the list down, must not take long

---@class moonpulse.TriggerPiece bytes that came at once, or an edge of a line
---@field times integer|string when each came (monotonic), as core.session tells it
---@field bytes string "" of an edge
---@field start integer bytes that came before it
---@field line string? of an edge
---@field edge string?
---@field taken integer bytes of it that some part of the script was given
---@field seen integer[]? which ones, a bit each
---@field heard string? what stim:on_trigger did with each, an index of core.heard; all but "other" are taken

---@class moonpulse.TriggerLog
---@field came integer bytes
---@field gone integer triggers that are not kept one by one any more
---@field lost integer of these, those that never were: they came too fast
---@field before integer bytes that came in the runs that this one goes on with
local Log = {}
Log.__index = Log

--- One in which nothing has come yet.
---@param most integer? a smaller limit, for tests
---@return moonpulse.TriggerLog
function M.new(most)
  return setmetatable({ pieces = {}, first = 1, last = 0, held = 0, came = 0, before = 0,
    gone = 0, lost = 0, values = {}, most = most or MOST, told = setmetatable({}, { __mode = "k" }) }, Log)
end

--- When one of a piece came.
---@param times integer|string of the piece
---@param offset integer from 1
---@return integer at_ns monotonic
function M.time_of(times, offset)
  return math.type(times) and times --[[@as integer]] or (string.unpack("j", times, 8 * offset - 7))
end

local time_of = M.time_of

local function last_ns(piece)
  return time_of(piece.times, math.max(1, #piece.bytes))
end

--- The oldest piece goes: its values stay counted.
local function let_go(self)
  local piece = self.pieces[self.first]
  self.pieces[self.first] = nil
  self.first, self.gone_ns = self.first + 1, math.max(self.gone_ns or math.mininteger, last_ns(piece))
  local count = math.max(1, #piece.bytes)
  self.held, self.gone = self.held - count, self.gone + count
  if count == 1 and piece.bytes ~= "" then
    local byte = piece.bytes:byte()
    self.values[byte] = (self.values[byte] or 0) + 1
  else
    core.byte_counts(piece.bytes, self.values)
  end
end

local function add(self, piece)
  self.last = self.last + 1
  self.pieces[self.last] = piece
  self.held = self.held + math.max(1, #piece.bytes)
  while self.first < self.last and self.held - math.max(1, #self.pieces[self.first].bytes) >= self.most do
    let_go(self)
  end
  return piece
end

--- Bytes have come.
---@param bytes string
---@param times integer|string when (monotonic), as core.session tells it
---@param heard string? what stim:on_trigger did with each
---@param matched integer? so many of them it has taken
---@return moonpulse.TriggerPiece
function Log:push(bytes, times, heard, matched)
  local piece = { bytes = bytes, times = times, start = self.came, heard = heard, taken = matched or 0 }
  self.came = self.came + #bytes
  return add(self, piece)
end

--- Bytes have come too fast to be kept.
---@param byte integer
---@param count integer
---@param until_ns integer the last of them
function Log:lose(byte, count, until_ns)
  self.came, self.gone, self.lost = self.came + count, self.gone + count, self.lost + count
  self.values[byte] = (self.values[byte] or 0) + count
  self.gone_ns = math.max(self.gone_ns or math.mininteger, until_ns)
end

local indices = {}
for index, name in pairs(core.heard) do
  indices[name] = string.char(index)
end

--- Triggers came in the runs that this one goes on with: before anything comes in this one.
---@param triggers moonpulse.TriggersBefore
---@param zero_ns integer what their times count from (monotonic)
function Log:had(triggers, zero_ns)
  for byte, count in pairs(triggers.gone or {}) do
    count, byte = math.tointeger(count) or 0, math.tointeger(tonumber(byte))
    self.gone, self.gone_ns = self.gone + count, zero_ns + triggers.list[1].at_ns - 1
    if byte then
      self.values[byte], self.before = (self.values[byte] or 0) + count, self.before + count
    end
  end
  local start = 0
  for _, each in ipairs(triggers.list) do
    start = start - (each.line and 0 or each.count or 1)
  end
  self.before = self.before - start
  for _, each in ipairs(triggers.list) do
    local at_ns, count = zero_ns + math.tointeger(each.at_ns), math.tointeger(each.count or 1)
    if each.line then
      self:edge(each.line, each.edge, at_ns)
    else
      local seen = not each.heard and not each.passed and {} or nil
      for word = 0, seen and count >> 6 or -1 do
        seen[word] = -1
      end
      add(self, { bytes = string.char(math.tointeger(each.byte)):rep(count), times = at_ns, start = start,
        heard = each.heard and indices[each.heard] and indices[each.heard]:rep(count), seen = seen,
        taken = each.passed and 0 or count })
      start = start + count
    end
  end
end

--- A part of the script was told in a run before of those that came until then.
---@param who any
---@param until_ns integer (monotonic)
function Log:was_told(who, until_ns)
  local told, held = { piece = self.first - 1, count = self.gone - self.lost, lost = self.lost }, 0
  while self.pieces[told.piece + 1] and last_ns(self.pieces[told.piece + 1]) <= until_ns do
    told.piece = told.piece + 1
    held = held + math.max(1, #self.pieces[told.piece].bytes)
  end
  told.count = told.count + held
  self.told[who] = told
end

--- An edge was waited for, and came.
---@param line string
---@param edge string
---@param at_ns integer
function Log:edge(line, edge, at_ns)
  add(self, { bytes = "", times = at_ns, start = self.came, taken = 1, line = line, edge = edge })
end

local other = 1 -- in core.heard

--- Was that byte of a piece given to some part of the script?
---@param piece moonpulse.TriggerPiece
---@param offset integer from 1
---@return boolean
function M.is_taken(piece, offset)
  return piece.heard ~= nil and piece.heard:byte(offset) ~= other
    or piece.seen ~= nil and (piece.seen[offset >> 6] or 0) & 1 << (offset & 63) ~= 0
end

local function became(piece, offset, place)
  local heard = piece.heard and piece.heard:byte(offset) or other
  return heard ~= other and core.heard[heard] or M.is_taken(piece, offset) and "taken"
    or place and place < piece.start + offset and "waiting" or "passed_over"
end

--- What came.
---@param who any the part of the script that asks
---@param new boolean? only what came since it asked last
---@param place integer? how many bytes it is past; nil: it does not wait for any
---@param origin_ns integer what times count from
---@return { at: number, byte: integer?, line: string?, edge: string?, became: string }[] list
---@return integer gone so many came before these, and are not kept one by one
function Log:list(who, new, place, origin_ns)
  local list, last = {}, new and self.told[who] or { piece = 0, count = 0, lost = 0 }
  local from = last.piece
  local gone = math.max(0, self.gone - self.lost - last.count) + self.lost - last.lost
  self.told[who] = { piece = self.last, count = self.gone - self.lost + self.held, lost = self.lost }
  for i = math.max(self.first, from + 1), self.last do
    local piece = self.pieces[i]
    for offset = 1, #piece.bytes do
      local at = (time_of(piece.times, offset) - origin_ns) / 1e9
      list[#list + 1] = { at = at, byte = piece.bytes:byte(offset), became = became(piece, offset, place) }
    end
    if piece.line then
      list[#list + 1] = { at = (piece.times - origin_ns) / 1e9, line = piece.line, edge = piece.edge,
        became = "taken" }
    end
  end
  return list, gone
end

--- How many of a piece there are, of one value or of all, from an instant on.
local function count_in(piece, byte, since_ns)
  local bytes, from = piece.bytes, 1
  while since_ns and from <= #bytes and time_of(piece.times, from) < since_ns do
    from = from + 1
  end
  if not byte then
    return #bytes - from + 1
  end
  local count, text = 0, string.char(byte)
  local at = bytes:find(text, from, true)
  while at do
    count, at = count + 1, bytes:find(text, at + 1, true)
  end
  return count
end

--- How many bytes came.
---@param byte integer? of that value
---@param since_ns integer? at that instant or later (monotonic)
---@return integer? count nil: of so long ago they are not kept one by one
function Log:count(byte, since_ns)
  local count = 0
  if not since_ns and not byte then
    return self.came + self.before
  elseif not since_ns then
    count = self.values[byte] or 0
  elseif self.gone_ns and since_ns <= self.gone_ns then
    return nil
  end
  for i = self.last, self.first, -1 do
    local piece = self.pieces[i]
    if since_ns and not piece.line and last_ns(piece) < since_ns then -- an edge is told when it is taken
      break
    end
    count = count + count_in(piece, byte, since_ns)
  end
  return count
end

return M
