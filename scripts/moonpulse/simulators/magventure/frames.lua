--- Frames of the MagVenture simulator: FE, length, payload, CRC-8/MAXIM of the payload, FF; no escaping.
local M = { START = 0xFE, END = 0xFF }

local byte, char = string.byte, string.char

local CRC = {} -- polynomial x^8 + x^5 + x^4 + 1, reflected
for value = 0, 255 do
  local crc = value
  for _ = 1, 8 do
    crc = crc & 1 == 1 and (crc >> 1) ~ 0x8C or crc >> 1
  end
  CRC[value] = crc
end

local function crc_of(payload)
  local crc = 0
  for i = 1, #payload do
    crc = CRC[crc ~ byte(payload, i)]
  end
  return crc
end

local built, most_built, held = {}, 256, 0 -- frames by their payload: a device says the same often

--- A frame: start, length, payload, CRC-8, end.
---@param payload string
---@return string frame
function M.build(payload)
  local frame = built[payload]
  if not frame then
    frame = char(M.START, #payload) .. payload .. char(crc_of(payload), M.END)
    if held == most_built then
      built, held = {}, 0
    end
    built[payload], held = frame, held + 1
  end
  return frame
end

--- Open a frame whose start byte and length are known to fit.
---@param frame string
---@return string? payload
---@return string? fault  what is wrong with the frame
function M.open(frame)
  local payload = frame:sub(3, -3)
  local sent, last = byte(frame, -2, -1)
  local crc = crc_of(payload)
  if last ~= M.END then
    return nil, ("bad end byte %02X"):format(last)
  elseif sent ~= crc then
    return nil, ("bad crc %02X, expected %02X"):format(sent, crc)
  end
  return payload
end

return M
