--- Messages of Open Sound Control (OSC 1.0, opensoundcontrol.org/spec-1_0): an address, arguments of the four
--- types that every receiver knows (32-bit integer, 32-bit float, string), in a bundle with a time tag.
local escapes = require "moonpulse.text.escapes"

local M = {}

local since_1900_s = 2208988800 -- from there to 1970: the time tag is NTP's
local most_text = 1000 -- bytes

--- A string as it is sent: ended by a 0, its length a multiple of four.
local function padded(text)
  text = escapes.shortened((text:gsub("%z", "")), most_text)
  return text .. ("\0"):rep(4 - #text % 4)
end

local writes = {
  i = function(value) return (">i4"):pack(math.max(-0x80000000, math.min(0x7fffffff, value))) end,
  f = function(value) return (">f"):pack(value) end,
  s = padded,
}

--- The bytes of a message: its address, the types of its arguments, and these.
---@param address string "/moonpulse/pulse"
---@param types string a letter an argument: "is"
---@param ... integer|number|string
---@return string bytes
function M.message(address, types, ...)
  local parts, values = { padded(address), padded("," .. types) }, { ... }
  for i = 1, #types do
    parts[#parts + 1] = writes[types:sub(i, i)](values[i])
  end
  return table.concat(parts)
end

--- The bytes of a bundle that holds one message, with its time.
---@param message string
---@param wall_ns integer its time: nanoseconds since 1970
---@return string bytes
function M.bundle(message, wall_ns)
  local seconds, rest_ns = wall_ns // 1000000000, wall_ns % 1000000000
  return ("#bundle\0" .. (">I4I4I4"):pack(seconds + since_1900_s & 0xffffffff,
    (rest_ns << 32) // 1000000000, #message)) .. message
end

return M
