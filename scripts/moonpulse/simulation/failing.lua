--- A simulator that is a file of the user's, in virtual time: one that fails, or does not come to an end, is
--- gone, as its process would be. The run ends, and says at which line.
local blame = require "moonpulse.text.author_line"

local M = {}

local most_s, step = 2, 1000000 -- of computing, for one answer; instructions between two looks

--- A hook that ends what computes too long, also where it catches every error; ours goes on.
local function ender(begun_s)
  local function hook()
    local info = os.clock() - begun_s > most_s and debug.getinfo(2, "Sl")
    if info and not blame.is_ours(info.source) then
      debug.sethook(hook, "", 1)
      error(("%s:%d: the simulator computed for more than %g s: does a loop come to its end?"):format(
        info.short_src, info.currentline, most_s), 0)
    end
  end
  return hook
end

local function finished(on_failure, ok, ...)
  debug.sethook()
  if ok then
    return ...
  end
  on_failure(blame.text((...)))
end

--- Each call of the simulator's is watched. A method that fails returns nothing, and is not called again.
---@param simulator moonpulse.Simulator its methods are replaced
---@param short boolean? it speaks for itself: so it is to be still, or else not to seem to
---@param on_failure fun(text: string) once
function M.watch(simulator, short, on_failure)
  local failed = false
  local function fail(text)
    failed = true
    on_failure(text)
  end
  for _, name in ipairs { "receive", "line", "tick", short and "steady", short and "passed" } do
    local plain = simulator[name]
    simulator[name] = plain and function(...)
      if not failed then
        debug.sethook(ender(os.clock()), "", step)
        return finished(fail, pcall(plain, ...))
      end
    end
  end
end

return M
