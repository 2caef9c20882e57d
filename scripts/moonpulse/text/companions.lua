--- Where the library's companions are: in the source tree, where it was installed, or seen by stock Lua there
--- (share/lua/5.4/moonpulse is a link into share/moonpulse).
local core = require "moonpulse.core"
local lfs = require "lfs"

local M = {}

local root = debug.getinfo(1, "S").source:match("^@(.*)/moonpulse/text/companions%.lua$")

local function first(paths)
  for _, path in ipairs(paths) do
    if lfs.attributes(root .. path) then
      return root .. path
    end
  end
  return root .. paths[1]
end

--- The folder of the shipped protocols.
---@return string
function M.protocols()
  return first { "/../protocols", "/../../moonpulse/protocols" }
end

--- The folder of the shipped experiments.
---@return string
function M.scripts()
  return first { "/../scripts", "/../../moonpulse/scripts" }
end

--- The moonpulse program: this one, or the one that belongs to the library.
---@return string
function M.program()
  local own = core.executable()
  return own:match("/moonpulse$") and own or first { "/../build/moonpulse", "/../../../bin/moonpulse" }
end

return M
