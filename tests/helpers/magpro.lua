--- MagPro's frames and a simulator to say them to, for the specs.
local simulator = require "moonpulse.simulators.magventure"

local M = {}

local MS = 1000000

function M.bin(text) -- spaces are for reading
  return (text:gsub(" ", ""):gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

function M.hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

-- The simulator's CRC is a reflected table; this one is the plain polynomial, bit by bit.
function M.crc_maxim(text)
  local function mirror(value)
    local out = 0
    for bit = 0, 7 do
      out = out | (value >> bit & 1) << (7 - bit)
    end
    return out
  end
  local crc = 0
  for i = 1, #text do
    crc = crc ~ mirror(text:byte(i))
    for _ = 1, 8 do
      crc = crc << 1
      if crc > 0xFF then
        crc = crc ~ 0x131
      end
    end
  end
  return mirror(crc)
end

function M.frame(payload_hex)
  local payload = M.bin(payload_hex)
  return string.char(0xFE, #payload) .. payload .. string.char(M.crc_maxim(payload), 0xFF)
end

M.FIRE, M.STATUS = M.frame "03", M.frame "00"
M.ENABLE, M.DISABLE = M.frame "0201", M.frame "0200"
M.BURST = M.frame "09010100000302 00c80064" -- three pulses, 20 ms

--- A switched-on simulator that was told `...` (frames) from 1 ms on, a microsecond apart.
function M.told(options, ...)
  local t = simulator.new(options)
  for i, bytes in ipairs { ... } do
    t:receive(bytes, MS + i * 1000)
  end
  return t
end

function M.ready(options)
  return M.told(options, M.frame "0132 00", M.ENABLE)
end

function M.joined(replies)
  local out = {}
  for i, reply in ipairs(replies or {}) do
    out[i] = M.hex(reply.bytes)
  end
  return table.concat(out)
end

function M.events(entries)
  local out = {}
  for i, entry in ipairs(entries or {}) do
    out[i] = entry.event
  end
  return table.concat(out, " ")
end

--- Let the simulator run by itself; calls visit(entry) for each log entry.
function M.run(t, now, limit, visit)
  local next_ns = now
  while next_ns and next_ns <= limit do
    now = next_ns
    local _, entries
    _, entries, next_ns = t:tick(now)
    for _, entry in ipairs(entries or {}) do
      visit(entry)
    end
  end
end

return M
