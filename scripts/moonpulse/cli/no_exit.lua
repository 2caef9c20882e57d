--- os.exit while a command goes on, in a file of the user's: a driver, a simulator, a spec. It would end the
--- program in the middle of whatever it was about, with a status that says what the file likes: a run whose
--- record stays "running", a check that was not made. It is an error there, as any other, at its line.
local blame = require "moonpulse.text.author_line"

local M = {}

--- From now on, until what is returned is closed, os.exit raises.
---@return table to be closed
function M.guard()
  local exit = os.exit
  function os.exit(code) -- luacheck: ignore 122
    blame.fail("os.exit(%s): it would end Moonpulse in the middle of its work: return, or raise an error "
      .. "that says what is wrong", code == nil and "" or tostring(code))
  end
  return setmetatable({}, { __close = function()
    os.exit = exit -- luacheck: ignore 122
  end })
end

return M
