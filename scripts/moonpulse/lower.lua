--- From a plan to frames: the driver encodes each distinct action once, then all is checked.
local core = require "moonpulse.core"
local intensities = require "moonpulse.intensity"
local timing = require "moonpulse.timing"

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
    action.mso = intensities.round(mso, range.step)
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

--- The program that the number-th command of a plan starts; nil where that is a single pulse.
local function train_of(lowering, actions, number)
  lowering:rewind()
  for kind, each, _, _, index in lowering.next, lowering do
    if kind == "pulse" and each == number then
      return actions[index].train
    end
  end
end

--- A violation in a sentence: both pulses, the interval, the shortest that passes.
local function explain(violation, driver, limits, train)
  local pulses = ("%s %d and %d (at %s and %s) are %s apart%s"):format(train and "starts" or "pulses",
    violation.first, violation.second, at(violation.first_us), at(violation.second_us),
    interval(violation.interval_ns), place(violation.second_origin))
  local least = interval(violation.least_ns)
  if violation.kind == "interval" then
    return ("%s: too fast for the %s; the shortest interval %sis %s (%s)"):format(pulses,
      driver.description, train and ("behind " .. (train.text or "this train") .. " ") or "", least,
      limits.why)
  elseif violation.kind == "wire" then
    return ("%s: a command takes %s on the wire at %d baud, which is the shortest interval; use a "
      .. "burst that the device times itself"):format(pulses, least, driver.serial.baud)
  elseif violation.kind == "width" then
    return ("%s: the trigger pulse of the first is not over, with 1 ms at rest behind it; the shortest "
      .. "interval is %s, or use a smaller width"):format(pulses, least)
  end
  return ("%s: too short to change its settings in between; the shortest interval is %s (%s)")
    :format(pulses, least, limits.why)
end

-- as mp_room_ns of engine/lowering.h, which says when there is none
local room_ns = 100000

--- Of a plan at the device's shortest interval: that it has no room for lateness, and what has.
---@param lowering userdata that prepare() made
---@param driver table
---@return string? nil where there is room
function M.no_room(lowering, driver)
  local count, first = lowering:tight()
  if count == 0 then
    return nil
  end
  return ("pulse %d comes %s after the one before%s%s, which is the shortest interval of the %s: one "
    .. "that leaves late delays all that follow without a longer rest in between; %s has room for that")
    :format(first.second, interval(first.interval_ns), count > 1 and (", as do %d more"):format(count - 1)
      or "", place(first.second_origin), driver.description, interval(first.least_ns + room_ns))
end

--- Walk the whole plan against the device's limits; progress(walked) is called now and then.
local function check(lowering, actions, driver, limits, progress, why)
  local walked, batch = 0, 5000000
  while true do
    local finished, violation = lowering:check(batch)
    if violation then
      local train = train_of(lowering, actions, violation.first)
      refuse("limit", "%s%s", explain(violation, driver, limits, train),
        why and not train and "; its own timing: " .. why or "")
    elseif finished then
      return
    end
    walked = walked + batch
    if progress then
      progress(walked)
    end
  end
end

--- Must the device be told anything to go from one action to the other?
---@param from moonpulse.Action
---@param to moonpulse.Action
---@return boolean
function M.differs(from, to)
  return from.mso ~= to.mso or from.train ~= to.train or from.channel ~= to.channel
end

--- A device that disarms itself without pulses: no rest may be so long.
local function check_rests(lowering, actions, driver, longest)
  local before, last_ns = 0, 0
  for kind, number, onset_ns, _, index in lowering.next, lowering do
    if kind == "pulse" then
      if onset_ns - last_ns > longest * 1e9 then
        refuse("limit", "%s pulse %d (at %s) is %s without a pulse: the %s disarms itself then; the longest "
          .. "rest is %g s: shorten it, or make it two runs", before == 0 and "before"
          or ("between pulse %d and"):format(before), number, at(onset_ns / 1e3),
          interval(onset_ns - last_ns), driver.description, longest)
      end
      local part = actions[index].part
      before, last_ns = number, onset_ns + (part and math.floor(part.last * 1e9) or 0)
    end
  end
  lowering:rewind()
end

--- A power supply that gives so many joules within a time, for pulses that come one by one.
local function check_supply(lowering, actions, driver, supply)
  local sum, first, last = 0, 1, 0
  local numbers, times_ns, joules = {}, {}, {}
  for kind, number, onset_ns, _, index in lowering.next, lowering do
    if kind == "pulse" and not actions[index].train then
      last = last + 1
      numbers[last], times_ns[last], joules[last] = number, onset_ns, supply.joules(actions[index])
      sum = sum + joules[last]
      while onset_ns - times_ns[first] >= supply.seconds * 1e9 do
        sum = sum - joules[first]
        numbers[first], times_ns[first], joules[first] = nil, nil, nil
        first = first + 1
      end
      if sum > supply.most + 1e-3 then
        refuse("limit", "pulses %d to %d (at %s to %s) take %.1f kJ: the %s has %g kJ for any %g s (%s); "
          .. "lower the intensity or the rate, or rest longer in between", numbers[first], number,
          at(times_ns[first] / 1e3), at(onset_ns / 1e3), sum / 1e3, driver.description,
          supply.most / 1e3, supply.seconds, supply.why)
      end
    end
  end
  lowering:rewind()
end

--- Give the lowering the bytes of every action, and of every change between two.
local function encode(lowering, actions, driver, limits)
  for i, action in ipairs(actions) do
    if action.train then
      lowering:pulse(i, action.train.start, limits.shortest_interval(action))
      action.busy = action.train.busy
      lowering:lasts(i, action.busy, action.train.locked)
    else
      lowering:pulse(i, driver.encode.pulse(action), limits.shortest_interval(action))
      if driver.encode.busy then
        action.busy = driver.encode.busy(action)
        lowering:lasts(i, action.busy, action.busy)
      end
    end
  end
  for _, change in ipairs(lowering:changes()) do
    local from, to = actions[change[1]], actions[change[2]]
    if M.differs(from, to) then
      local bytes, lead = driver.encode.set(from, to)
      if not bytes then
        refuse("limit", "the %s cannot go from %s to %s within a run: %s", driver.description,
          M.describe(from), M.describe(to), lead)
      end
      lowering:change(change[1], change[2], bytes, lead)
    end
  end
end

--- An action in a few words.
---@param action moonpulse.Action
function M.describe(action)
  return ("%g %%MSO%s%s"):format(action.mso,
    action.channel ~= "" and " on channel " .. action.channel or "",
    action.train and " (" .. (action.train.text or "a train") .. ")" or "")
end

local prepare

--- The plan with what the device times replaced by programs, as --timing says.
local function split(given, limits, mode)
  local driver = given.driver
  local function resolve_one(action)
    resolve({ action }, given.thresholds, limits, driver)
  end
  local new, programs, host, why = timing.split(given.plan, mode, driver, given.identity, resolve_one)
  if mode == "device" and (host or #programs == 0) then
    why = why or "this plan has no train for the device to time"
    if pcall(prepare, given, "auto") then
      refuse("limit", "--timing device: %s; use --timing auto, or host", why)
    end
    refuse("limit", "--timing device: %s; nor can we time it, pulse by pulse: %s", why, limits.why)
  end
  return new, programs, why
end

---@class moonpulse.Preparation
---@field plan moonpulse.Plan
---@field seed integer
---@field driver table
---@field identity table? what the device said it is; nil before it was asked
---@field thresholds { rmt: number?, amt: number? } in %MSO
---@field timing "host"|"device"|"auto"|nil host
---@field progress fun(walked: integer)?

function prepare(given, mode)
  local driver = given.driver
  local limits = driver.limits(given.identity)
  local plan, programs, why = split(given, limits, mode)
  local lowering = core.lowering(plan, given.seed, driver.serial, driver.latency,
    driver.trigger and driver.trigger.serial)
  local actions = lowering:actions()
  resolve(actions, given.thresholds, limits, driver)
  for _, action in ipairs(actions) do
    local known = programs[action.program]
    if known then
      action.train, action.part = known.program, known.part
    end
  end
  check_channels(actions, limits, driver)
  local ok, problem = pcall(function()
    encode(lowering, actions, driver, limits)
    check(lowering, actions, driver, limits, given.progress, why)
    if limits.longest_rest then
      check_rests(lowering, actions, driver, limits.longest_rest)
    end
    if limits.supply then
      check_supply(lowering, actions, driver, limits.supply)
    end
  end)
  if not ok and mode == "auto" and #programs > 0 and type(problem) == "table"
    and problem.code == "limit" then
    -- its programs do not go together: perhaps single pulses do
    local possible, by_host, host_actions = pcall(prepare, given, "host")
    if possible then
      return by_host, host_actions
    end
  end
  if not ok then
    error(problem, 0)
  end
  return lowering, actions
end

--- Make everything that a run needs from a plan. Raises a refusal { code, message }.
---@param given moonpulse.Preparation
---@return userdata lowering
---@return moonpulse.Action[] actions
function M.prepare(given)
  if given.plan:totals().pulses == 0 then
    refuse("usage", "the plan has no pulse: there is nothing to run")
  end
  return prepare(given, given.driver.trigger and "host" or given.timing or "host")
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
