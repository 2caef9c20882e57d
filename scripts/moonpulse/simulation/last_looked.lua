--- When the process of a run's own simulator has looked at its ports. Twenty times a second it says until
--- when it has (moonpulse sim --looks). If two such times are far apart, it got no processor in between, or
--- was stopped: its silence in that time is this computer's fault, not the simulator's.
local core = require "moonpulse.core"

local M = {}

local usual_ns = 100000000 -- twice what lies between two times: what is longer is a gap
local hung_ns = 5000000000 -- no starved process was seen to wait longer than half a second
local most = 32 -- gaps that are remembered

local last_ns ---@type integer? nil: there is no such process
local gaps = {} ---@type { from_ns: integer, to_ns: integer }[]

--- It has looked.
---@param at_ns integer monotonic
function M.told(at_ns)
  if last_ns and at_ns - last_ns > usual_ns then
    gaps[#gaps + 1] = { from_ns = last_ns, to_ns = at_ns }
    if #gaps > most then
      table.remove(gaps, 1)
    end
  end
  last_ns = math.max(last_ns or at_ns, at_ns)
end

--- There is no such process any more, or not yet.
function M.forget()
  last_ns, gaps = nil, {}
end

--- For how long it has not looked, if that is so long that it hangs. What our own loop missed does not count:
--- it may have said so meanwhile.
---@return number? seconds
function M.hung_s()
  local silent_ns = last_ns and core.clock_ns() - last_ns - core.missed_ns(last_ns) or 0
  return silent_ns > hung_ns and silent_ns / 1e9 or nil
end

--- For how long between two instants it is not known to have looked; 0 for one that hangs, and where there is
--- no such process.
---@param since_ns integer monotonic
---@param until_ns integer
---@return integer
function M.away_ns(since_ns, until_ns)
  if not last_ns or M.hung_s() then
    return 0
  end
  local away_ns = math.max(0, until_ns - math.max(since_ns, last_ns))
  for _, gap in ipairs(gaps) do
    away_ns = away_ns + math.max(0, math.min(gap.to_ns, until_ns) - math.max(gap.from_ns, since_ns))
  end
  return away_ns
end

return M
