--- A box for event codes at the far end of a wire, in virtual time: it writes down each byte that stands at
--- its outputs, and when its last bit had come. Of a line it writes 1 when it rises, and 0 when it falls.
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"

local M = {}

local Box = {}
Box.__index = Box

--- Start it, its log at log. Raises a fault where it cannot be.
---@param log string
---@return table box with path, for session:codes; to be closed
function M.start(log)
  local file, message = core.create_file(log)
  if not file then
    refusals.fault("cannot write " .. message)
  end
  file:write("time\tbyte\n")
  local self = setmetatable({ file = file }, Box)
  local function write(byte, now_ns)
    self.file:write(("%d.%09d\t%d\n"):format(now_ns // 1000000000, now_ns % 1000000000, byte))
  end
  self.wire = assert(core.wire(nil, function(bytes)
    for i = 1, #bytes do
      write(bytes:byte(i), core.clock_ns())
    end
  end, function(_, high, at_ns)
    write(high and 1 or 0, at_ns)
  end))
  self.path = self.wire:path()
  return self
end

local slowest_s = 0.04 -- a byte at 300 baud

--- Let what is on the wire arrive, then end it.
function Box:close()
  if self.file then
    core.wait(slowest_s)
    self.wire:close()
    self.file:close()
    self.file = nil
  end
end

Box.__close = Box.close

return M
