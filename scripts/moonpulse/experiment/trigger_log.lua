--- Every trigger of a run, in the order in which they came, with what became of it: what run:triggers and
--- run:trigger_count tell. The last ones are kept one by one; of those before there are numbers.
local M = {}

local MOST = 100000 -- kept one by one

---@class moonpulse.TriggerPiece bytes that came at once, or an edge of a line
---@field at_ns integer
---@field bytes string "" of an edge
---@field start integer bytes that came before it
---@field line string? of an edge
---@field edge string?
---@field taken integer bytes of it that some part of the script was given
---@field seen integer[]? which ones, a bit each
---@field heard string? what stim:on_trigger did with its one byte

---@class moonpulse.TriggerLog
---@field came integer bytes
---@field gone integer triggers that are not kept one by one any more
local Log = {}
Log.__index = Log

--- One in which nothing has come yet.
---@param most integer? a smaller limit, for tests
---@return moonpulse.TriggerLog
function M.new(most)
  return setmetatable({ pieces = {}, first = 1, last = 0, held = 0, came = 0, gone = 0, values = {},
    most = most or MOST, told = setmetatable({}, { __mode = "k" }) }, Log)
end

--- The oldest piece goes: its values stay counted.
local function let_go(self)
  local piece = self.pieces[self.first]
  self.pieces[self.first] = nil
  self.first, self.gone_ns = self.first + 1, piece.at_ns
  local count = math.max(1, #piece.bytes)
  self.held, self.gone = self.held - count, self.gone + count
  for i = 1, #piece.bytes do
    local byte = piece.bytes:byte(i)
    self.values[byte] = (self.values[byte] or 0) + 1
  end
end

local function add(self, piece)
  self.last = self.last + 1
  self.pieces[self.last] = piece
  self.held = self.held + math.max(1, #piece.bytes)
  while self.held > self.most and self.first < self.last do
    let_go(self)
  end
  return piece
end

--- Bytes have come.
---@param bytes string
---@param at_ns integer when (monotonic)
---@return moonpulse.TriggerPiece
function Log:push(bytes, at_ns)
  local piece = { bytes = bytes, at_ns = at_ns, start = self.came, taken = 0 }
  self.came = self.came + #bytes
  return add(self, piece)
end

--- An edge was waited for, and came.
---@param line string
---@param edge string
---@param at_ns integer
function Log:edge(line, edge, at_ns)
  add(self, { bytes = "", at_ns = at_ns, start = self.came, taken = 1, line = line, edge = edge })
end

--- Was that byte of a piece given to some part of the script?
---@param piece moonpulse.TriggerPiece
---@param offset integer from 1
---@return boolean
function M.is_taken(piece, offset)
  return piece.seen ~= nil and (piece.seen[offset >> 6] or 0) & 1 << (offset & 63) ~= 0
end

local function became(piece, offset, place)
  return piece.heard or M.is_taken(piece, offset) and "taken"
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
  local list, last = {}, new and self.told[who] or { piece = 0, count = 0 }
  local from = last.piece
  self.told[who] = { piece = self.last, count = self.gone + self.held }
  for i = math.max(self.first, from + 1), self.last do
    local piece = self.pieces[i]
    local at = (piece.at_ns - origin_ns) / 1e9
    for offset = 1, #piece.bytes do
      list[#list + 1] = { at = at, byte = piece.bytes:byte(offset), became = became(piece, offset, place) }
    end
    if piece.line then
      list[#list + 1] = { at = at, line = piece.line, edge = piece.edge, became = "taken" }
    end
  end
  return list, math.max(0, self.gone - last.count)
end

local function count_in(bytes, byte)
  if not byte then
    return #bytes
  end
  local count, at = 0, 0
  local text = string.char(byte)
  repeat
    at = bytes:find(text, at + 1, true)
    count = count + (at and 1 or 0)
  until not at
  return count
end

--- How many bytes came.
---@param byte integer? of that value
---@param since_ns integer? at that instant or later (monotonic)
---@return integer? count nil: of so long ago they are not kept one by one
function Log:count(byte, since_ns)
  local count = 0
  if not since_ns and not byte then
    return self.came
  elseif not since_ns then
    count = self.values[byte] or 0
  elseif self.gone_ns and since_ns <= self.gone_ns then
    return nil
  end
  for i = self.last, self.first, -1 do
    local piece = self.pieces[i]
    if since_ns and piece.at_ns < since_ns then
      break
    end
    count = count + count_in(piece.bytes, byte)
  end
  return count
end

return M
