--- The script line that makes each kind of pulse of a plan.
local M = {}

local function key_of(channel, intensity, reference)
  return ("%s\0%.9g\0%s"):format(channel == "" and "1" or channel, intensity, reference)
end

--- Shared parts are looked into once for each channel.
local function collect(plan, channel, found, seen)
  local part = ("%d\0%s"):format(plan:id(), channel)
  if seen[part] then
    return found
  end
  seen[part] = true
  local view = plan:view()
  if view.kind == "pulse" then
    local key = key_of(channel, view.intensity, view.reference)
    found[key] = found[key] or view.origin
  end
  for i = 1, view.children do
    collect(plan:child(i), view.kind == "channel" and view.text or channel, found, seen)
  end
  return found
end

--- The script line that makes each kind of pulse of a plan, of several lines the first.
---@param plan moonpulse.Plan
---@return fun(action: { channel: string, intensity: number, reference: string }): string "file:line", or ""
function M.of(plan)
  local found = collect(plan, "", {}, {})
  return function(action)
    return found[key_of(action.channel or "", action.intensity, action.reference)] or ""
  end
end

return M
