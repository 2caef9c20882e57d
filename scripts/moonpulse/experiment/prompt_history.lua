--- The lines that somebody typed at prompts, for the arrow keys of later ones: a file of the user's own,
--- which nobody else reads. A prompt goes on without it.
local core = require "moonpulse.core"

local M = {}

local most = 1000 -- lines that are remembered
local most_bytes = 1000000 -- of the file; a longer one nobody typed

--- $XDG_STATE_HOME/moonpulse/prompt_history, or in ~/.local/state.
---@return string? folder nil: there is no home
---@return string? path
function M.place()
  local state = os.getenv "XDG_STATE_HOME"
  if not state or state:sub(1, 1) ~= "/" then -- what is relative is to be ignored (XDG base directories)
    local home = core.home()
    state = home and home .. "/.local/state"
  end
  local folder = state and state .. "/moonpulse"
  return folder, folder and folder .. "/prompt_history"
end

--- The file with its last lines only.
local function shorten(path, lines)
  local file = core.create_file(path .. ".new")
  if file and file:write(table.concat(lines, "\n", #lines - most + 1), "\n") and file:close() then
    os.rename(path .. ".new", path)
  end
end

--- What was typed before, the oldest first.
---@return string[]
function M.read()
  local _, path = M.place()
  local text = path and core.read_file(path, most_bytes) or ""
  local lines = {}
  for line in text:gmatch "[^\n]+" do
    lines[#lines + 1] = not line:find "%c" and line or nil
  end
  if #lines > 2 * most then
    shorten(path, lines)
  end
  return table.move(lines, math.max(1, #lines - most + 1), #lines, 1, {})
end

--- A line more.
---@param line string
function M.add(line)
  local folder, path = M.place()
  if folder and require("moonpulse.record.folder").make_all(folder) then
    core.append_line(path, line)
  end
end

return M
