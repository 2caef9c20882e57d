--- How several stimulators were left, in one.
local M = {}

--- Of each: the reason is the first that is not another device's.
---@param list { job: moonpulse.Job, left: moonpulse.Left }[]
---@return moonpulse.Left
function M.sum(list)
  local one, owned, unsafe = { safe_sent = true, disarmed = true }, false, {}
  for _, each in ipairs(list) do
    local left, place = each.left, each.job.place
    local own = left.stop and left.stop ~= "peer" and left.stop ~= "finished"
    if own and (not owned or left.fault and not one.fault) then
      one.stop, owned = left.stop, true
      one.place, one.driver = place, each.job.driver
    end
    one.stop = one.stop or left.stop
    one.fault = one.fault or left.fault and ("%s: %s"):format(place, left.fault) or nil
    one.too_late = one.too_late or left.too_late
    one.safe_sent, one.disarmed = one.safe_sent and left.safe_sent, one.disarmed and left.disarmed
    unsafe[#unsafe + 1] = left.not_disarmed and ("%s: %s"):format(place, left.not_disarmed) or nil
    one.found = one.found or left.found
  end
  one.not_disarmed = unsafe[1] and table.concat(unsafe, "; ") or nil
  return one
end

--- What is known of one that was armed, and that nobody has asked since.
local function unasked(stimulator)
  return { stop = stimulator.stopped, fault = stimulator.fault, safe_sent = stimulator.safe_sent or false,
    disarmed = false, not_disarmed = "nobody has asked it whether it is disarmed: look at its panel" }
end

--- The same of those that were armed; nil: none was.
---@param stimulators moonpulse.Stimulator[]
---@return moonpulse.Left?
function M.of(stimulators)
  local list = {}
  for _, each in ipairs(stimulators) do
    local left = each.owes_leave and unasked(each) or each.left
    list[#list + 1] = left and { job = each.job, left = left } or nil
  end
  return list[1] and M.sum(list) or nil
end

return M
