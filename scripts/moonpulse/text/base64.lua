--- Bytes as base64 (RFC 4648), on one line.
local M = {}

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Bytes as text.
---@param bytes string
---@return string
function M.of(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local value, count = a << 16 | (b or 0) << 8 | (c or 0), b and (c and 4 or 3) or 2
    for k = 0, 3 do
      local digit = (value >> (18 - 6 * k) & 63) + 1
      out[#out + 1] = k < count and digits:sub(digit, digit) or "="
    end
  end
  return table.concat(out)
end

return M
