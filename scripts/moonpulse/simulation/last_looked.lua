--- When the process of a run's own simulator has looked at its ports. Twenty times a second it says until
--- when it has (moonpulse sim --looks). If two such times are far apart, it got no processor in between, or
--- was stopped: its silence in that time is this computer's fault, not the simulator's.
local core = require "moonpulse.core"

local M = {}

local usual_ns = 100000000 -- twice what lies between two times: what is longer is a gap
local hung_ns = 5000000000 -- no starved process was seen to wait longer than half a second
local most = 32 -- gaps that are remembered

local ours = {} ---@type table<any, { last_ns: integer, gaps: { from_ns: integer, to_ns: integer }[] }>

--- It has looked.
---@param at_ns integer monotonic
---@param who any? which process, where a run has several; nil: the one
function M.told(at_ns, who)
  local of = ours[who or M] or { gaps = {}, last_ns = at_ns }
  ours[who or M] = of
  if at_ns - of.last_ns > usual_ns then
    of.gaps[#of.gaps + 1] = { from_ns = of.last_ns, to_ns = at_ns }
    if #of.gaps > most then
      table.remove(of.gaps, 1)
    end
  end
  of.last_ns = math.max(of.last_ns, at_ns)
end

--- There is no such process any more, or not yet.
---@param who any? as for told
function M.forget(who)
  ours[who or M] = nil
end

--- The same of one of them.
local function hung_s(of)
  local silent_ns = core.clock_ns() - of.last_ns - core.missed_ns(of.last_ns)
  return silent_ns > hung_ns and silent_ns / 1e9 or nil
end

--- For how long one has not looked, if that is so long that it hangs. What our own loop missed does not
--- count: it may have said so meanwhile.
---@return number? seconds
function M.hung_s()
  local longest
  for _, of in pairs(ours) do
    local seconds = hung_s(of)
    longest = seconds and math.max(seconds, longest or 0) or longest
  end
  return longest
end

--- For how long one of them is not known to have looked between two instants; 0 for one that hangs, and where
--- there is no such process.
---@param since_ns integer monotonic
---@param until_ns integer
---@return integer
function M.away_ns(since_ns, until_ns)
  local longest_ns = 0
  for _, of in pairs(ours) do
    local away_ns = hung_s(of) and 0 or math.max(0, until_ns - math.max(since_ns, of.last_ns))
    for _, gap in ipairs(hung_s(of) and {} or of.gaps) do
      away_ns = away_ns + math.max(0, math.min(gap.to_ns, until_ns) - math.max(gap.from_ns, since_ns))
    end
    longest_ns = math.max(longest_ns, away_ns)
  end
  return longest_ns
end

return M
