--- Triggers that a script waits for: an edge on a line of the device's port, or a byte on another port.
local blame = require "moonpulse.blame"
local core = require "moonpulse.core"
local links = require "moonpulse.link"

local M = {}

local Triggers = {}
Triggers.__index = Triggers

local look_s = 0.002 -- how often a line is looked at
local known = { line = "?text", edge = "?text", byte = "?number", timeout = "?number" }

---@param waiting table
---@param device_session userdata the session whose port has the lines
---@param on_lost fun(text: string) the port of the bytes is lost: ends the run
function M.new(waiting, device_session, on_lost)
  return setmetatable({ waiting = waiting, device = device_session, on_lost = on_lost }, Triggers)
end

--- Open the port whose bytes are triggers. Raises a fault.
---@param path string
---@param baud integer
function Triggers:open(path, baud)
  self.path = path
  self.session = core.session {
    on_bytes = function(bytes, arrival_ns)
      self.bytes, self.arrival_ns = bytes, arrival_ns
      self.waiting:wake()
    end,
    on_outcome = function() end,
    on_gone = function(message)
      self.lost = ("--trigger-in %s is lost: %s"):format(path, message)
      self.on_lost(self.lost)
    end,
  }
  local ok, message = self.session:open(path, { baud = baud, bits = 8, parity = "none",
    stop_bits = 1, flow = "none" })
  if not ok then
    links.fault("--trigger-in: " .. message)
  end
end

function Triggers:close()
  if self.session then
    self.session:close()
  end
end

Triggers.__close = Triggers.close

local function wait_for_byte(self, byte, timeout)
  self.bytes = nil -- what came before nobody waited for
  local found = self.waiting:until_true(function()
    if self.lost then
      links.fault(self.lost)
    elseif self.bytes and not byte then
      return self.bytes:byte(1)
    elseif self.bytes and self.bytes:find(string.char(byte), 1, true) then
      return byte
    end
  end, timeout)
  return found and self.arrival_ns, found
end

local function wait_for_edge(self, line, edge, timeout)
  local function level()
    local cts, dsr, code = self.device:lines()
    if cts == nil then -- then the second value is the message
      blame.fail("run:wait_trigger: %s%s", dsr, code == "unsupported"
        and ": a simulated device has no lines; take --trigger-in PATH" or "")
    end
    if line == "cts" then
      return cts
    end
    return dsr
  end
  local before, wanted = level(), edge == "rising"
  return self.waiting:until_true(function()
    local now = level()
    if now ~= before and now == wanted then
      return core.clock_ns()
    end
    before = now
  end, timeout, look_s)
end

local function choice(who, value, first, second)
  if value ~= nil and value ~= first and value ~= second then
    blame.fail("run:wait_trigger: %s must be %q or %q, not %s", who, first, second, tostring(value))
  end
  return value
end

--- Wait for a trigger that comes from now on.
---@param options table? { byte } with --trigger-in; { line = "cts"|"dsr", edge = "rising"|"falling" } of
---   the device's port; { timeout } in seconds
---@return integer? at_ns when it came (monotonic); nil: the time was over
---@return integer? byte that came
function Triggers:wait(options)
  options = blame.options("run:wait_trigger", options or {}, known)
  local line = choice("line", options.line, "cts", "dsr")
  local edge = choice("edge", options.edge, "rising", "falling") or "rising"
  local byte, timeout = options.byte, options.timeout
  if byte ~= nil and (math.type(byte) ~= "integer" or byte < 0 or byte > 255) then
    blame.fail("run:wait_trigger: byte must be a whole number from 0 to 255, not %s", tostring(byte))
  elseif timeout ~= nil and not (math.type(timeout) and timeout >= 0 and timeout < math.huge) then
    blame.fail("run:wait_trigger: timeout must be seconds, not %s", tostring(timeout))
  elseif line or not self.session and not byte then
    return wait_for_edge(self, line or "cts", edge, timeout)
  elseif not self.session then
    blame.fail("run:wait_trigger: where do bytes come from? Run it with --trigger-in PATH")
  end
  return wait_for_byte(self, byte, timeout)
end

return M
