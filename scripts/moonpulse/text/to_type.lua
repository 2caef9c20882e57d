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

--- What goes on with a run. On a stimulator what says where it is, and what starts and stops it, is asked for
--- anew.
---@param folder string of the run
---@param own boolean it was on a simulator of ours
---@param port string? where the stimulator was
---@param options { start_on: string?, stop_line: string? } of the run
---@return string
function M.resume(folder, own, port, options)
  local words = { "moonpulse resume " .. M.path(folder) }
  if not own then
    words[2] = "--port " .. (port and M.path(port) or "PORT")
    local line = options.stop_line
    words[3] = line and line ~= "none" and "--stop-line " .. line or nil
    words[#words + 1] = type(options.start_on) == "string" and "--start-on " .. options.start_on or nil
  end
  return table.concat(words, " ")
end

return M
