--- Parts that run at once, with drawn rests in them: where pulses of one meet those of another, neither the
--- shortest nor the longest rests are the worst.
local core = require "moonpulse.core"
local redraw = require "moonpulse.compose.redraw"

local M = {}

local EPSILON = 1e-4 -- s on either side of a meeting
local MOST_PULSES = 20000 -- of a part
local MOST_NODES = 2000 -- parts that are looked at

--- First and last pulse in seconds; nil: none, or too many.
local function ends_of(plan)
  local pulses = plan:totals().pulses
  if pulses == 0 or pulses > MOST_PULSES then
    return nil
  end
  local schedule, first, last = core.schedule(plan, 1), nil, nil
  for kind, _, _, _, ns in schedule.next, schedule do
    if kind == "pulse" then
      first, last = first or ns / 1e9, ns / 1e9
    end
  end
  return { first, last }
end

--- Fractions of all drawn ranges at which an end of one part meets an end of the other.
local function meet(one, other, add)
  for i = 1, 2 do
    for k = 1, 2 do
      local apart, closing = other.low[k] - one.low[i], (one.high[i] - one.low[i])
        - (other.high[k] - other.low[k])
      if math.abs(closing) > 1e-9 then
        add((apart - EPSILON) / closing)
        add((apart + EPSILON) / closing)
      end
    end
  end
end

local function look(self, plan)
  self.nodes = self.nodes + 1
  if not plan:totals().random or self.nodes > MOST_NODES then
    return
  end
  local view, parts, beside = plan:view(), {}, 0
  for i = 1, view.children do
    local child = plan:child(i)
    look(self, child)
    if view.kind == "parallel" and child:totals().pulses > 0 then
      local low, high = ends_of(redraw.with_rests(child, 0)), ends_of(redraw.with_rests(child, 1))
      parts[#parts + 1] = low and high and { low = low, high = high } or nil
      beside = beside + 1
    end
  end
  self.found = self.found or beside > 1
  for i = 1, #parts do
    for k = i + 1, #parts do
      meet(parts[i], parts[k], self.add)
    end
  end
end

--- Where parts of a plan meet.
---@param plan moonpulse.Plan
---@return number[] fractions of their range at which all drawn rests are to be judged
---@return boolean found there are parts with pulses that run at once while rests are drawn: then the ends of
---   the ranges prove nothing
function M.of(plan)
  local list, known = {}, {}
  local self = { nodes = 0, found = false }
  function self.add(fraction)
    local key = ("%.7f"):format(fraction)
    if fraction > 0 and fraction < 1 and not known[key] then
      known[key] = true
      list[#list + 1] = fraction
    end
  end
  look(self, plan)
  table.sort(list)
  return list, self.found or self.nodes > MOST_NODES
end

return M
