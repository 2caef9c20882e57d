--- SHA-256 in hexadecimal digits: of a text, of what comes in parts, and of a file.

local M = {}

local part_bytes = 1 << 16

--- OpenSSL takes longer to load than all the rest, so only who hashes waits for it.
local function digest()
  return require("openssl.digest").new("sha256")
end

local function hex(bytes)
  return (("%02x"):rep(#bytes):format(bytes:byte(1, -1)))
end

--- Of a text.
---@param text string
---@return string digits 64 of them
function M.of(text)
  return hex(digest():final(text))
end

---@class moonpulse.Sha256
---@field private digest table of luaossl
local Sum = {}
Sum.__index = Sum

--- Of what is added part by part.
---@return moonpulse.Sha256
function M.new()
  return setmetatable({ digest = digest() }, Sum)
end

--- These bytes follow those before.
---@param text string
function Sum:add(text)
  self.digest:update(text)
end

--- The digits of all that was added; nothing can be added then.
---@return string digits
function Sum:digits()
  return hex(self.digest:final())
end

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
  local sum = digest()
  file:setvbuf "no"
  local part
  part, message = file:read(part_bytes)
  while part do
    sum:update(part)
    if progress then
      progress(#part)
    end
    part, message = file:read(part_bytes)
  end
  file:close()
  if message then
    return nil, ("%s: %s"):format(path, message)
  end
  return hex(sum:final())
end

return M
