--- From a plan to frames: the driver encodes each distinct action once, then all is checked.
local core = require "moonpulse.core"
local intensities = require "moonpulse.intensity"

local M = {}

---@class moonpulse.Action one distinct thing that the device is asked to do
---@field channel string
---@field intensity number percent of reference, as the protocol says
---@field reference "MSO"|"RMT"|"AMT"
---@field mso number what the device is set to
---@field exact_mso number before rounding to the device's step

--- Refusals are tables, so that a command can choose its exit status.
---@param code "usage"|"limit"
local function refuse(code, text, ...)
  local message = select("#", ...) > 0 and text:format(...) or text
  error(setmetatable({ code = code, message = message }, {
    __tostring = function(self) return self.message end,
  }), 0)
end

local function resolve(actions, thresholds, limits, driver)
  local range = limits.intensity
  for _, action in ipairs(actions) do
    local mso, message, code = intensities.resolve(
      { value = action.intensity, reference = action.reference }, thresholds)
    if not mso then
      refuse(code, "%s", message)
    end
    action.exact_mso = mso
    action.mso = math.floor(mso / range.step + 0.5) * range.step
    if math.type(range.step) == "integer" then
      action.mso = math.tointeger(action.mso)
    end
    if action.mso == 0 then
      refuse("limit", "%g %%%s is %g %%MSO, which the %s takes as 0 (its step is %g %%): no pulse "
        .. "would come; intensities are percent, like mp.rmt(120)", action.intensity,
        action.reference, action.exact_mso, driver.description, range.step)
    elseif action.mso < range.min or action.mso > range.max then
      refuse("limit", "%g %%MSO is outside what the %s can give: %g to %g %%MSO", action.mso,
        driver.description, range.min, range.max)
    end
  end
end

local function check_channels(actions, limits, driver)
  local names, seen = {}, {}
  for _, action in ipairs(actions) do
    if not seen[action.channel] then
      seen[action.channel] = true
      names[#names + 1] = action.channel
    end
  end
  if #names > limits.channels then
    refuse("limit", "the protocol uses %d channels (%s), the %s has %d: a run drives one device",
      #names, table.concat(names, ", "), driver.description, limits.channels)
  end
end

--- What the operator should know before the run: intensities as they will really be.
---@param actions moonpulse.Action[]
---@param thresholds { rmt: number?, amt: number? }
---@return string[]
function M.dose(actions, thresholds)
  local lines = {}
  for i, action in ipairs(actions) do
    if i > 8 then
      lines[i] = ("... and %d more intensities"):format(#actions - 8)
      break
    end
    local text = ("%g %%MSO"):format(action.exact_mso)
    if action.reference ~= "MSO" then
      text = ("%g %%%s of %g %%MSO = %g %%MSO"):format(action.intensity, action.reference,
        thresholds[action.reference:lower()], action.exact_mso)
    end
    if math.abs(action.exact_mso - action.mso) > 1e-9 then
      text = ("%s, set to %g %%MSO (the device's step)"):format(text, action.mso)
    end
    lines[i] = text
  end
  return lines
end

--- An interval to the nanosecond: the edge of a limit must not look like the limit.
local function interval(ns)
  return ns < 1000000000 and ("%.10g ms"):format(ns / 1e6) or ("%.10g s"):format(ns / 1e9)
end

local function at(us)
  return ("%.6f s"):format(us / 1e6)
end

local function place(origin)
  return origin ~= "" and " (" .. origin .. ")" or ""
end

--- A violation in a sentence: both pulses, the interval, the shortest that passes.
local function explain(violation, driver, limits)
  local pulses = ("pulses %d and %d (at %s and %s) are %s apart%s"):format(violation.first,
    violation.second, at(violation.first_us), at(violation.second_us),
    interval(violation.interval_ns), place(violation.second_origin))
  local least = interval(violation.least_ns)
  if violation.kind == "interval" then
    return ("%s: too fast for the %s; the shortest interval is %s (%s)"):format(pulses,
      driver.description, least, limits.why)
  elseif violation.kind == "wire" then
    return ("%s: a command takes %s on the wire at %d baud, which is the shortest interval; use a "
      .. "burst that the device times itself"):format(pulses, least, driver.serial.baud)
  end
  return ("%s: too short to change the intensity in between; the shortest interval is %s")
    :format(pulses, least)
end

--- Walk the whole plan against the device's limits; progress(walked) is called now and then.
local function check(lowering, driver, limits, progress)
  local walked, batch = 0, 5000000
  while true do
    local finished, violation = lowering:check(batch)
    if violation then
      refuse("limit", "%s", explain(violation, driver, limits))
    elseif finished then
      return
    end
    walked = walked + batch
    if progress then
      progress(walked)
    end
  end
end

--- Make everything that a run needs from a plan. Raises a refusal { code, message }.
---@param plan moonpulse.Plan
---@param seed integer
---@param driver table
---@param identity table? what the device said it is; nil before it was asked
---@param thresholds { rmt: number?, amt: number? } in %MSO
---@param progress fun(walked: integer)?
---@return userdata lowering
---@return moonpulse.Action[] actions
function M.prepare(plan, seed, driver, identity, thresholds, progress)
  if plan:totals().pulses == 0 then
    refuse("usage", "the plan has no pulse: there is nothing to run")
  end
  local limits = driver.limits(identity)
  local lowering = core.lowering(plan, seed, driver.serial, driver.latency)
  local actions = lowering:actions()
  resolve(actions, thresholds, limits, driver)
  check_channels(actions, limits, driver)
  for i, action in ipairs(actions) do
    lowering:pulse(i, driver.encode.pulse(action), limits.shortest_interval(action))
  end
  for _, change in ipairs(lowering:changes()) do
    local from, to = actions[change[1]], actions[change[2]]
    if from.mso ~= to.mso then
      local bytes, lead = driver.encode.set(from, to)
      lowering:change(change[1], change[2], bytes, lead)
    end
  end
  check(lowering, driver, limits, progress)
  return lowering, actions
end

--- The action of the first pulse in time: what the device must be set to before it.
---@param lowering userdata
---@param actions moonpulse.Action[]
---@return moonpulse.Action
function M.first_action(lowering, actions)
  for kind, _, _, _, action in lowering.next, lowering do
    if kind == "pulse" then
      lowering:rewind()
      return actions[action]
    end
  end
end

return M
