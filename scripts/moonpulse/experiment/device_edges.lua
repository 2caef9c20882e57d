--- Edges of the lines of the device's own port (CTS, DSR), in a queue: from its first wait on a part of the
--- script is given each, also one that came while it did something else, as with bytes of a port.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local line_bytes = require "moonpulse.experiment.line_bytes"
local queues = require "moonpulse.experiment.trigger_queue"

local M = {}

local Edges = {}
Edges.__index = Edges

local look_s = 0.002 -- how often the lines are looked at
local lines = { "cts", "dsr" }

--- Nobody waits for one yet, so nobody looks.
---@param waiting table of moonpulse.experiment.waiting
---@param session userdata whose port has the lines
---@return table edges
function M.new(waiting, session)
  return setmetatable({ waiting = waiting, session = session }, Edges)
end

--- How the lines are; nil and why where they cannot be read.
local function levels_of(self)
  local cts, dsr, code = self.session:lines()
  if cts == nil then -- then the second value is the message
    return nil, dsr .. (code == "unsupported"
      and ": a simulator has no lines; take --trigger-in PATH, or --speed max and --triggers FILE" or "")
  end
  return { cts = cts, dsr = dsr }
end

--- A line is at a level since now: an edge, where it was at the other one.
---@param line string
---@param high boolean
function Edges:set(line, high)
  if self.queue and self.levels[line] ~= nil and self.levels[line] ~= high then
    self.levels[line] = high
    self.queue:push(string.char(line_bytes.of(line, high and "rising" or "falling")), core.clock_ns())
    self.waiting:wake()
  end
end

--- Look at the lines until the run is over; one that is lost is told to who waits.
local function look(self)
  while not self.over do
    local now, why = levels_of(self)
    if not now then
      self.lost = why
      return self.waiting:wake()
    end
    for _, line in ipairs(lines) do
      self:set(line, now[line])
    end
    core.wait(look_s)
  end
end

--- A part of the script is about to wait. Raises, at its line, where the port has no lines.
---@param part any
---@param fresh boolean? what came before is passed over
---@param known boolean edges are told with set()
---@return integer missed so many were let go since its last call: more came than are kept
function Edges:listen(part, fresh, known)
  if not self.queue then
    local levels, why = levels_of(self)
    if not levels then
      blame.fail("run:wait_trigger: %s", why)
    end
    self.levels, self.queue = levels, queues.new()
    self.looker = not known and core.spawn(look, self) or nil
  end
  return self.queue:listen(part, fresh)
end

--- The next edge for a part that listens; those of other kinds before it are passed over.
---@param part any
---@param line "cts"|"dsr"
---@param edge "rising"|"falling"
---@return integer? at_ns when it came (monotonic); nil: there is none yet
function Edges:take(part, line, edge)
  local at_ns = self.queue:take(part, line_bytes.of(line, edge))
  if not at_ns and self.lost then
    blame.fail("run:wait_trigger: %s", self.lost)
  end
  return at_ns
end

--- The run is over.
function Edges:close()
  self.over = true
  if self.looker then
    self.looker:wake()
  end
end

return M
