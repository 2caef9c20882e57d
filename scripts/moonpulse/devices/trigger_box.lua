--- Driver for whatever fires on a trigger and says nothing: a TTL box, a serial line, a text command.
--
-- Bytes from public programs: BP-triggerbox c898b60 (value, 10 ms, 0), NeurospecTriggerBox 2cd13ce (one
-- byte is the eight TTL lines), ctrl-magstim_stimulators 86c43df (the neuromti Arduino box), MagPy
-- 92bf2d0 (RTS as quick fire). Simulated, not yet proven on hardware. The Brain Products TriggerBox is no
-- serial port on Linux (FT2232H in bit-bang mode) and cannot be driven by this.
local command = require "moonpulse.driver.command"
local escapes = require "moonpulse.text.escapes"

local M = {
  name = "trigger",
  description = "trigger box",
  simulator = "trigger_box",
  proof = "simulated",
  latency = 0,
  reply_timeout = 1,
  confirms = false,
  disarmed = "the trigger is at rest; the stimulator is as armed as you left it",
  safe_line = true, -- where there are no bytes that lower it, a line that is down is all there is
}

local line_width_ms, byte_width_ms = 5, 10 -- "a few ms" (MagPy); the default of BP-triggerbox

M.options = {
  { "kind", "choice", { "byte", "text", "rts", "dtr", "break" }, default = "byte",
    help = "byte (value, then 0), text, or a pulse on the line rts, dtr or break" },
  { "value", "integer", 1, 255, default = 1, help = "1-255: each bit is a TTL line of the box" },
  { "text", "text", "^.+$", default = "T", help = "what fires; \\n, \\r, \\t, \\xHH may stand in it" },
  { "width_ms", "number", 0.01, 10000, optional = true,
    help = "ms until the byte's 0 (10), or how long the line is up (5)" },
  { "baud", "integer", 50, 20000000, default = 115200, help = "9600 for a Neurospec MMBT-S" },
}

function M.serial(options)
  return { baud = options.baud or 115200, bits = 8, parity = "none", stop_bits = 1, flow = "none" }
end

--- A byte box at rest shows 0; the rest has nothing that it could be told.
function M.safe(options)
  return (options.kind or "byte") == "byte" and "\0" or ""
end

--- For the operator, before the run.
function M.note()
  return "the intensity is set by hand at the stimulator: a trigger box cannot, and knows no limits of it"
end

local by_hand = "it only fires, the intensity is set by hand at the stimulator: one intensity a run"

local function pulse_of(options)
  local kind = options.kind or "byte"
  if kind == "byte" then
    return { bytes = string.char(options.value or 1), after = "\0",
      width = (options.width_ms or byte_width_ms) / 1e3 }
  elseif kind == "text" then
    return escapes.bytes(options.text)
  end
  return { line = kind, width = (options.width_ms or line_width_ms) / 1e3 }
end

function M.encode(options)
  local pulse = pulse_of(options)
  return {
    pulse = function() return pulse end,
    set = function(from, to)
      if from.mso == to.mso then
        return "", 0
      end
      return nil, by_hand
    end,
  }
end

function M.limits()
  return {
    channels = 1, by_hand = by_hand,
    intensity = { min = 0, max = 100, step = 1 },
    shortest_interval = function() return 0 end,
    why = "as fast as the trigger pulses fit: the stimulator behind it is not known, its own limits are "
      .. "yours to keep",
  }
end

-- Commands ----------------------------------------------------------------------------------------

local function arduino(op, value)
  return ("<BI2B"):pack(op, value, 0x0A)
end

M.commands = command.named {
  byte = command.new("Set the eight TTL lines.", { { "value", "integer", 0, 255 } },
    function(v) return string.char(v.value) end),
  byte_pulse = command.new("Set the TTL lines, and 0 after the width (here the two bytes in a row).", {
    { "value", "integer", 0, 255 }, { "width_ms", "number", 0.01, 10000, default = byte_width_ms },
  }, function(v) return string.char(v.value) .. "\0" end),
  arduino_pulse = command.new("A pulse of the neuromti Arduino box.",
    { { "us", "integer", 0, 10000, help = "its width" } },
    function(v) return arduino(0x21, v.us) end),
  arduino_enquire = command.new("Ask the Arduino box who it is.", {}, function() return arduino(0x05, 0) end),
  arduino_ack = command.new("Acknowledge to the Arduino box.", { { "state", "integer", 0, 65535 } },
    function(v) return arduino(0x06, v.state) end),
  line = command.new("Raise or drop a line: no bytes.", {
    { "line", "choice", { "RTS", "DTR", "BREAK" } }, { "level", "integer", 0, 1 },
  }, function() return "" end),
  text = command.new("A text that fires.", { { "text", "text", "^.+$" } }, function(v) return v.text end),
}

local ops = { [0x21] = { "arduino_pulse", "us" }, [0x05] = { "arduino_enquire" },
  [0x06] = { "arduino_ack", "state" } }

--- Bytes carry no names: one is a value, two with 0 after are a pulse of the usual width.
function M.explain(bytes)
  local op = #bytes == 4 and bytes:byte(4) == 0x0A and ops[bytes:byte(1)]
  if op then
    local value = ("<I2"):unpack(bytes, 2)
    if op[2] or value == 0 then
      return op[1], op[2] and { [op[2]] = value } or {}
    end
  elseif #bytes == 1 then
    return "byte", { value = bytes:byte() }
  elseif #bytes == 2 and bytes:byte(2) == 0 then
    return "byte_pulse", { value = bytes:byte(), width_ms = byte_width_ms }
  elseif #bytes > 0 then
    return "text", { text = bytes }
  end
  return nil, "no bytes"
end

-- Replies: some boxes answer with lines of text; nothing is concluded from them --------------------

local longest_line = 512

M.replies = { line = { "text" }, error = { "error" } }

function M.decode(buffer, dialect)
  local last = buffer:find("\n", 1, true)
  if last then
    return { name = "line", text = buffer:sub(1, last):match("^(.-)\r?\n$") }, last
  elseif #buffer > longest_line or dialect and dialect.whole and #buffer > 0 then
    return { name = "error", error = "noise", bytes = buffer }, #buffer
  end
  return nil, 0
end

function M.judge()
  return nil
end

-- Conversations: there is nobody to talk to --------------------------------------------------------

function M.connect(io)
  return { model = "(" .. (io.options.kind or "byte") .. ")", nameless = true }
end

function M.status()
  return {}
end

--- A byte box that another program left up is put to rest, so that the first edge is one.
function M.arm(io)
  if (io.options.kind or "byte") == "byte" then
    io:write("\0")
    io:sleep(0.01)
  end
end

function M.disarm()
end

return M
