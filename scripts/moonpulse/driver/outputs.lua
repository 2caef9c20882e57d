--- Devices whose outputs are stimulators of their own (limits().output, docs/drivers.md): which action
--- goes where, what an output was last set to, and what a hand sets there.
local channel_maps = require "moonpulse.driver.channel_map"

local M = {}

local margin_ns = 10000000 -- from one plan to the next, beyond what the device asks

--- Which stimulator an action goes to; 0 for all where there is one.
---@param limits moonpulse.Limits
---@param action moonpulse.Action
---@return integer
function M.of(limits, action)
  return limits.output and limits.output(action) or 0
end

--- The channels that the option channels= names and that are not among these.
---@param names string[]
---@param driver moonpulse.Driver
---@return string[]
function M.unused(names, driver)
  local known, unused = {}, {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for _, name in ipairs(channel_maps.names((driver.settings or {}).channels)) do
    unused[#unused + 1] = not known[name] and name or nil
  end
  return unused
end

--- What is wrong with the option channels= where these are all channels of a run: a name beside them is
--- misspelt, there or in the plan, and a coil with it. nil: nothing.
---@param names string[]
---@param driver moonpulse.Driver
---@return string?
function M.surplus(names, driver)
  local unused, seen, list = M.unused(names, driver), {}, {}
  for _, name in ipairs(names) do
    list[#list + 1] = not seen[name] and name or nil
    seen[name] = true
  end
  return unused[1] and ("the plan has no channel \"%s\", which channels= names: the plan has %s. Is a name "
    .. "misspelt, there or in the plan?"):format(table.concat(unused, "\", \""), table.concat(list, ", "))
    or nil
end

--- Which outputs a plan's channels are, where the driver does not know all of them: in one sentence, with an
--- option for all. nil where it does, or has no such option.
---@param names string[] the plan's channels
---@param limits moonpulse.Limits
---@param driver moonpulse.Driver
---@param whole boolean? these are all channels of a run: then what surplus says, too
---@return string?
function M.mapping(names, limits, driver, whole)
  local takes_names = false
  for _, spec in pairs(driver.options or {}) do
    takes_names = takes_names or spec[1] == "channels"
  end
  if not (takes_names and limits.output and limits.channel_names) then
    return nil
  end
  local of, taken, unknown = {}, {}, {}
  for _, name in ipairs(names) do
    local ok, output = pcall(limits.output, { channel = name })
    of[name] = ok and tostring(output) or nil
    if ok then
      taken[of[name]] = true
    else
      unknown[#unknown + 1] = ("%q"):format(name)
    end
  end
  local free, parts = {}, {}
  for _, output in ipairs(limits.channel_names) do
    free[#free + 1] = not taken[output] and output or nil
  end
  for _, name in ipairs(names) do
    local output = of[name] or table.remove(free, 1) or "N"
    parts[#parts + 1] = output ~= name and name .. "=" .. output or nil
  end
  local strange = {}
  for _, name in ipairs(M.unused(names, driver)) do
    strange[#strange + 1] = ("%q"):format(name)
  end
  if #unknown == 0 then
    return whole and M.surplus(names, driver) or nil
  end
  local outputs = table.concat(limits.channel_names, ", ")
  return ("the %s has the outputs %s: which %s %s?%s Say --device-option channels=%s, or name the channels "
    .. "of the plan %s"):format(driver.description, outputs, #unknown == 1 and "is channel" or "are channels",
    table.concat(unknown, " and "), #strange > 0 and (" The plan has no channel %s, which channels= names.")
      :format(table.concat(strange, ", ")) or "", table.concat(parts, ","), outputs)
end

--- Is what the device is set to for this action that of all its outputs?
---@param action moonpulse.Action
---@return boolean
function M.is_whole(action)
  return action.train ~= nil and action.train.whole == true
end

--- Seconds from a pulse of action to the next on another output.
---@param limits moonpulse.Limits
---@param action moonpulse.Action
---@return number
function M.across(limits, action)
  return limits.shortest_across and limits.shortest_across(action) or 0
end

--- The device is set to action: what each output is set to then.
---@param told table<integer, moonpulse.Action>
---@param output integer of action
---@param action moonpulse.Action
function M.follow(told, output, action)
  local from = told[output]
  if from ~= action and (M.is_whole(action) or from and M.is_whole(from)) then
    for each in pairs(told) do
      told[each] = action
    end
  end
  told[output] = action
end

--- The intensities that a hand sets, one for each output: { channel, mso } in the order of the plan; nil
--- where the device sets them; false and two actions where one output would need two.
---@param limits moonpulse.Limits
---@param actions moonpulse.Action[]
---@return moonpulse.Action[]|false|nil
---@return moonpulse.Action? first
---@return moonpulse.Action? second
function M.by_hand(limits, actions)
  if not limits.by_hand then
    return nil
  end
  local list, known = {}, {}
  for _, action in ipairs(actions) do
    local output = M.of(limits, action)
    local before = known[output]
    if before and before.mso ~= action.mso then
      return false, before, action
    elseif not before then
      known[output] = action
      list[#list + 1] = action
    end
  end
  return list
end

---@class moonpulse.LastGiven what an output was given last (monotonic nanoseconds)
---@field action moonpulse.Action
---@field at_ns integer when it was
---@field fired_ns integer when it has fired: its command's time on the wire, and the device's latency, later
---@field ended_ns integer? the device has said that it is disarmed: a train was over by then

--- When seconds behind the start of what was given are over. A train that was cut takes from its end as
--- long as it would have from its last pulse, and at least least.
---@param each moonpulse.LastGiven
---@param seconds number
---@param least number? 0
local function over_at(each, seconds, least)
  local at_ns = each.at_ns + math.ceil(seconds * 1e9)
  if not each.ended_ns then
    return at_ns
  end
  local behind = math.max(least or 0, seconds - (each.action.over or 0))
  return math.min(at_ns, each.ended_ns + math.ceil(behind * 1e9))
end

--- When the device takes a plan's first action on an output (monotonic nanoseconds).
---@param last table<integer, moonpulse.LastGiven> what its outputs were given
---@param limits moonpulse.Limits
---@param first moonpulse.First
---@return integer
function M.free_at(last, limits, first)
  local free_ns = 0
  for output, each in pairs(last) do
    local seconds, least = M.across(limits, each.action), 0
    if output == first.output then
      least = math.max(limits.shortest_interval(each.action), limits.shortest_interval(first.action))
      seconds = math.max(each.action.busy or least, limits.shortest_interval(first.action))
    end
    free_ns = math.max(free_ns, over_at(each, seconds, least) + margin_ns)
  end
  return free_ns
end

--- When settings may go to a device: nothing but a stop before its pulse has come and while it plays, on
--- whichever output.
---@param last table<integer, moonpulse.LastGiven>
---@return integer
function M.settable_at(last)
  local free_ns = 0
  for _, each in pairs(last) do
    local locked = each.action.locked or each.action.busy or 0
    free_ns = math.max(free_ns, over_at(each, locked + (each.fired_ns - each.at_ns) / 1e9))
  end
  return free_ns
end

--- When a device would take another start, on whichever output: it has recovered.
---@param last table<integer, moonpulse.LastGiven>
---@return integer
function M.recovered_at(last)
  local free_ns = 0
  for _, each in pairs(last) do
    free_ns = math.max(free_ns, over_at(each, each.action.busy or 0))
  end
  return free_ns
end

return M
