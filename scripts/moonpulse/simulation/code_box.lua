--- A box for event codes at the far end of a wire, in virtual time: it writes down each byte that stands at
--- its outputs, and when its last bit had come.
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
  self.wire = assert(core.wire(nil, function(bytes)
    local now_ns = core.clock_ns()
    for i = 1, #bytes do
      self.file:write(("%d.%09d\t%d\n"):format(now_ns // 1000000000, now_ns % 1000000000, bytes:byte(i)))
    end
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
