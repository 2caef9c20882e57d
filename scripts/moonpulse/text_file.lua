--- Files that a user names and somebody wrote: also from a pipe, never a folder, never without end.
local M = {}

local most = 64000000 -- bytes; what people write is much shorter

---@param path string
---@return string? text
---@return string? message
function M.read(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message
  end
  local text, why = file:read(most + 1)
  file:close()
  if text == nil and why then -- of a folder the system says it only here
    return nil, ("%s: %s"):format(path, why)
  elseif text and #text > most then
    return nil, ("%s: more than %d bytes are not read"):format(path, most)
  end
  return text or ""
end

--- The same, line by line.
---@param path string
---@return string[]? lines
---@return string? message
function M.lines(path)
  local text, message = M.read(path)
  if not text then
    return nil, message
  end
  local list = {}
  for line in (text == "" and "" or text:gsub("\n$", "") .. "\n"):gmatch("([^\n]*)\n") do
    list[#list + 1] = line
  end
  return list
end

return M
