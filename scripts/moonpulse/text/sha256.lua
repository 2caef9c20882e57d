--- SHA-256 in hexadecimal digits: of a text, of what comes in parts, and of a file.
local core = require "moonpulse.core"

local M = {}

local part_bytes = 1 << 16

--- Of a text: 64 digits.
M.of = core.sha256_of

--- Of what is added part by part.
M.new = core.sha256

--- Of a file, in parts. What is no regular file has none: a pipe would be waited for; nor has one of more
--- than 64 GiB, or in which nearly nothing is.
---@param path string
---@param progress fun(bytes: integer)? called for each part with its length
---@return string? digits
---@return string? message
function M.of_file(path, progress)
  local file, message = require("moonpulse.text.plain_file").open(path)
  if not file then
    return nil, message
  end
  local sum = core.sha256()
  file:setvbuf "no"
  local part
  part, message = file:read(part_bytes)
  while part do
    sum:add(part)
    if progress then
      progress(#part)
    end
    part, message = file:read(part_bytes)
  end
  file:close()
  if message then
    return nil, ("%s: %s"):format(path, message)
  end
  return sum:digits()
end

return M
