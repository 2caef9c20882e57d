--- The levels of a plan as rTMS papers report them: pulses in a burst, bursts in a train, trains.
local M = {}

---@class moonpulse.Level of one part of a plan, innermost first
---@field count integer
---@field spacing "every"|"gap"|"train" a train goes on without a pause
---@field every number seconds, onset to onset
---@field longest number seconds, the same with the longest drawn rests
---@field silence number? seconds, from the last pulse of one to the first of the next; nil: it is drawn
---@field gap number? seconds, from the nominal end of one to the onset of the next; nil: it is drawn
---@field pulses integer in one
---@field span number seconds, nominal, of one
---@field first_to_last number seconds, of one

--- The levels of a chain of repetitions; what is no chain has those of its outer repetitions only.
---@param plan moonpulse.Plan
---@return moonpulse.Level[] innermost first
function M.levels(plan)
  local list = {}
  local view = plan:view()
  while view.kind == "repeat" or view.kind == "channel" do
    local child = plan:child(1)
    if view.kind == "repeat" and (view.count > 1 or view.spacing == "train") then
      local totals = child:totals()
      local gap = view.spacing == "gap"
      local every = gap and view.period + totals.span or view.period
      table.insert(list, 1, { count = view.count, spacing = view.spacing, every = every,
        longest = gap and view.period + totals.span_max or every,
        gap = not totals.random and every - totals.span or nil,
        silence = not totals.random and every - (totals.last - totals.first) or nil,
        pulses = totals.pulses, span = totals.span, first_to_last = totals.last - totals.first })
    end
    plan, view = child, child:view()
  end
  return list
end

--- Which level repeats trains: the innermost that pauses between groups of pulses. nil: there is none.
---@param levels moonpulse.Level[]
---@return integer?
function M.train_level(levels)
  for i = 2, #levels do
    if levels[i].spacing ~= "train" then
      return i
    end
  end
end

--- The parts of a plan that have pulses: of a sequence of blocks each of them, else the plan.
---@param plan moonpulse.Plan
---@return moonpulse.Plan[]
function M.parts(plan)
  local view = plan:view()
  if view.kind ~= "sequence" or view.label == "trials" or view.children > 24 then
    return { plan }
  end
  local list = {}
  for i = 1, view.children do
    local part = plan:child(i)
    if part:totals().pulses > 0 then
      list[#list + 1] = part
    end
  end
  return list
end

return M
