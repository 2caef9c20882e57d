--- A computer that is not as it should be: a library (tests/rig/NAME_shim.c) that is preloaded into a program
--- which a spec starts, beside the one that gives the specs their clock.
local shell = require "shell"

local M = {}

--- The environment that a program needs for it, as shell text; nil, and why a test has to wait for it, where
--- there is none.
---@param name "disk"|"hasty"|"modem"|"parport"|"slow"|"wait"
---@return string? environment
---@return string? why_not
function M.of(name)
  if shell.program:find("sanitize", 1, true) then
    return nil, "a preloaded shim does not go together with a sanitizer"
  end
  local path = ("%s/tests/rig/%s_shim.so"):format(shell.program:match("^(.*)/[^/]*$"), name)
  if not shell.read(path) then
    return nil, ("needs the %s shim: make test-programs"):format(name)
  end
  local order = name == "hasty" and '%s $LD_PRELOAD' or '$LD_PRELOAD %s' -- it has what the spec's clock says
  return ('LD_PRELOAD="%s"'):format(order:format(path))
end

return M
