--- The bytes of a trigger port, in the order in which they came, for every part of a script that listens.
--- Each part has a place of its own in the queue, so that none takes a byte from another, and none is lost
--- while it does something else. What all parts have met is let go; what nobody takes is kept up to a limit,
--- and counted from there on.
local logs = require "moonpulse.experiment.trigger_log"

local M = {}

local MOST_PIECES, MOST_BYTES = 262144, 1 << 25 -- some 100 MB of memory at worst

local Queue = {}
Queue.__index = Queue

---@class moonpulse.TriggerQueue
---@field came integer bytes that have come
---@field taken integer of these, those that some part of the script was given
---@field unheard integer those that came before any part listened
---@field dropped integer those that were let go before they were met: the queue was full
---@field log moonpulse.TriggerLog all of them, with what became of each

--- A queue in which no byte has come yet.
---@param most { pieces: integer, bytes: integer }? smaller limits, for tests
---@return moonpulse.TriggerQueue
function M.new(most)
  return setmetatable({ pieces = {}, first = 1, last = 0, held = 0, came = 0, taken = 0, unheard = 0,
    dropped = 0, log = logs.new(), most = most or { pieces = MOST_PIECES, bytes = MOST_BYTES },
    readers = setmetatable({}, { __mode = "k" }) }, Queue)
end

--- Where the last piece ends: the place of a part that listens from now on.
local function now(self)
  return { piece = self.last + 1, offset = 1, at = self.came, missed = 0 }
end

local function size_of(piece)
  return #piece.bytes + #(piece.heard or "") + (math.type(piece.times) and 0 or #piece.times)
end

--- Let the oldest piece go.
local function let_go(self)
  local piece = self.pieces[self.first]
  self.pieces[self.first] = nil
  self.first, self.held = self.first + 1, self.held - size_of(piece)
  return piece
end

--- Nobody needs what lies before every part's place; what is too much goes although somebody does.
local function trim(self)
  local needed = self.last + 1
  for _, reader in pairs(self.readers) do
    needed = math.min(needed, reader.piece)
  end
  while self.first < needed and self.first <= self.last do
    let_go(self)
  end
  while self.held > self.most.bytes or self.last - self.first >= self.most.pieces do
    local piece = let_go(self)
    self.dropped = self.dropped + #piece.bytes - piece.taken
  end
end

--- Bytes have come.
---@param bytes string
---@param times integer|string when (monotonic), as core.session tells it
---@param heard string? what stim:on_trigger did with each
---@param matched integer? so many of them it has taken
function Queue:push(bytes, times, heard, matched)
  local piece = self.log:push(bytes, times, heard, matched)
  self.came, self.taken = self.came + #bytes, self.taken + (matched or 0)
  if next(self.readers) == nil then
    self.unheard = self.unheard + #bytes
    return
  end
  self.last = self.last + 1
  self.held = self.held + size_of(piece)
  self.pieces[self.last] = piece
  trim(self)
end

--- Bytes have come faster than they could be told: they are counted, and nobody meets them.
---@param sum { byte: integer, heard: moonpulse.core.Heard, count: integer }
---@param until_ns integer when the last of them came
function Queue:lose(sum, until_ns)
  self.log:lose(sum.byte, sum.count, until_ns)
  self.came = self.came + sum.count
  if sum.heard == "other" then
    self.dropped = self.dropped + sum.count
  else
    self.taken = self.taken + sum.count
  end
  for _, reader in pairs(self.readers) do
    reader.missed = reader.missed + sum.count
  end
end

--- The place of a part; what was let go behind its back is counted there.
local function place_of(self, who)
  local reader = self.readers[who]
  if reader.piece < self.first then
    local oldest = self.pieces[self.first]
    local start = oldest and oldest.start or self.came
    reader.missed = reader.missed + start - reader.at
    reader.piece, reader.offset, reader.at = self.first, 1, start
  end
  return reader
end

--- A part of the script listens: from its first call on, with fresh from this one on.
---@param who any the part
---@param fresh boolean?
---@return integer missed bytes since its last call that were let go before it met them
function Queue:listen(who, fresh)
  if not self.readers[who] or fresh then
    self.readers[who] = now(self)
  end
  local reader = place_of(self, who)
  local missed = reader.missed
  reader.missed = 0
  return missed
end

--- Each byte counts as taken once, whoever else is given it as well. A bit for each.
local function count(self, piece, offset)
  if logs.is_taken(piece, offset) then
    return false
  end
  local seen, word = piece.seen or {}, offset >> 6
  piece.seen = seen
  seen[word] = (seen[word] or 0) | 1 << (offset & 63)
  piece.taken, self.taken = piece.taken + 1, self.taken + 1
  return true
end

--- How many bytes a part is past.
---@param who any
---@return integer? nil: it has not waited for any yet
function Queue:place(who)
  return self.readers[who] and place_of(self, who).at
end

--- The next byte for a part that listens: any, or the next of one value; those before it are passed over.
---@param who any
---@param byte integer?
---@return integer? at_ns when it came; nil: there is none yet
---@return integer? byte
---@return boolean? first nobody was given it before
function Queue:take(who, byte)
  local reader = place_of(self, who)
  while reader.piece <= self.last do
    local piece = self.pieces[reader.piece]
    local offset = byte and piece.bytes:find(string.char(byte), reader.offset, true)
      or not byte and reader.offset <= #piece.bytes and reader.offset
    if offset then
      reader.offset, reader.at = offset + 1, piece.start + offset
      return logs.time_of(piece.times, offset), piece.bytes:byte(offset), count(self, piece, offset)
    end
    reader.piece, reader.offset, reader.at = reader.piece + 1, 1, piece.start + #piece.bytes
  end
end

return M
