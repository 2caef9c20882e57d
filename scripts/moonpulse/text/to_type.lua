--- Commands that an operator is told to type: with each path as a shell takes it.
local M = {}

--- A path as it may be typed in a shell.
---@param path string
---@return string
function M.path(path)
  return path:find("^[%w%._/][%w%._/%-]*$") and path or "'" .. path:gsub("'", "'\\''") .. "'"
end

--- What makes a record whole.
---@param folder string of the run
---@return string
function M.recover(folder)
  return "moonpulse recover " .. M.path(folder)
end

return M
