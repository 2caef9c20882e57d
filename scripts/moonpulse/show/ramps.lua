--- Trains one after the other that differ in nothing but their intensity, as of a ramp: told once, with the
--- intensities in their order.
local M = {}

local fewest, most_steps = 3, 12 -- trains; intensities that anybody reads

--- Is it a train of pulses with nothing but a pause before it?
local function is_plain(part)
  local view = part.plan:view()
  return #part.early == 0 and #part.marks == 0 and view.kind == "repeat" and view.count > 2
    and part.plan:child(1):view().kind == "pulse"
end

--- "80 %RMT, 90 %RMT and 4 times 100 %RMT"; nil: there are more than anybody reads.
local function steps_of(doses)
  local steps, times = {}, {}
  for _, dose in ipairs(doses) do
    if dose == steps[#steps] then
      times[#steps] = times[#steps] + 1
    else
      steps[#steps + 1], times[#steps + 1] = dose, 1
    end
  end
  for i, dose in ipairs(steps) do
    steps[i] = times[i] > 1 and ("%d times %s"):format(times[i], dose) or dose
  end
  return #steps > 1 and #steps <= most_steps and table.concat(steps, ", ", 1, #steps - 1) .. " and "
    .. steps[#steps] or nil
end

--- The words for a ramp; nil: it is none.
---@param list { plan: moonpulse.Plan, pause: string?, early: string[], marks: string[] }[] of a sequence
---@param text_of fun(plan: moonpulse.Plan): string a train in words
---@param dose_of fun(view: moonpulse.core.View): string the intensity of a pulse in words
---@return string?
function M.of(list, text_of, dose_of)
  local doses, train = {}, nil
  for i, part in ipairs(#list >= fewest and list or {}) do
    if not is_plain(part) or i > 1 and part.pause ~= list[2].pause then
      return nil
    end
    doses[i] = dose_of(part.plan:child(1):view())
    local before, after = text_of(part.plan), ", each at " .. doses[i]
    local from, to = before:find(after, 1, true)
    local text = from and before:sub(1, from - 1) .. before:sub(to + 1)
    if not text or train and text ~= train then
      return nil
    end
    train = text
  end
  local steps = train and list[2].pause and not list[1].pause and steps_of(doses)
  return steps and ("%d trains, each but the first after %s; each train: %s; one after the other they are at "
    .. "%s"):format(#list, list[2].pause, train, steps) or nil
end

return M
