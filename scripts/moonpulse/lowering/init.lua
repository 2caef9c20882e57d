--- From a plan to frames: the driver encodes each distinct action once, then all is checked.
local brief = require "moonpulse.lowering.brief"
local core = require "moonpulse.core"
local doses = require "moonpulse.lowering.dose"
local intensities = require "moonpulse.compose.intensity"
local origins = require "moonpulse.compose.origins"
local outputs = require "moonpulse.driver.outputs"
local refusals = require "moonpulse.text.refusal"
local same_plan = require "moonpulse.compose.same_plan"
local timing = require "moonpulse.lowering.device_trains"
local violations = require "moonpulse.lowering.violation"
local ways = require "moonpulse.lowering.ways"

local M = {}

local interval, refuse = violations.interval, refusals.raise

--- Of a plan that several devices play (given.own), the actions of this one: all but those elsewhere.
---@param actions moonpulse.Action[]
---@return moonpulse.Action[] the same where no other device plays
function M.own(actions)
  local list, others = {}, false
  for _, action in ipairs(actions) do
    list[#list + 1] = not action.elsewhere and action or nil
    others = others or action.elsewhere
  end
  return others and list or actions
end

--- What the device is set to for each; what it cannot give is refused, with the line that asks for it.
local function resolve(actions, given, limits)
  local range, driver, thresholds = limits.intensity, given.driver, given.thresholds
  local function refused(action, text, ...)
    refuse("limit", "%s%s", text:format(...), violations.place(origins.of(given.plan)(action)))
  end
  for _, action in ipairs(M.own(actions)) do
    local mso, message, code = intensities.resolve(
      { value = action.intensity, reference = action.reference },
      intensities.thresholds_of(thresholds, action.channel))
    if code == "limit" then
      refused(action, "%s", message)
    elseif not mso then
      refuse(code, "%s", message)
    end
    action.exact_mso = mso
    action.mso = intensities.round(mso, range.step, range.highest)
    if action.mso == 0 then
      refused(action, "%g %%%s is %g %%MSO, which the %s takes as 0 (its step is %g %%): no pulse "
        .. "would come; intensities are percent, like mp.rmt(120)", action.intensity,
        action.reference, action.exact_mso, driver.description, range.step)
    elseif action.mso < range.min or action.mso > range.max then
      refused(action, "%g %%MSO is outside what the %s can give: %g to %g %%MSO", action.mso,
        driver.description, range.min, range.max)
    end
  end
end

--- What a driver's device is set to: action.mso of each. Raises a refusal where it cannot give it.
---@param actions moonpulse.Action[] changed
---@param given { plan: moonpulse.Plan, driver: moonpulse.Driver, thresholds: { rmt: number?, amt: number? } }
function M.settle(actions, given)
  resolve(actions, given, given.driver.limits(nil))
end

--- Of the plan as written: a train that the device times must not hide a channel.
local function check_channels(actions, limits, driver, whole, own)
  local names, seen = {}, {}
  for _, action in ipairs(actions) do
    if not seen[action.channel] and (not own or own[action.channel]) then
      seen[action.channel] = true
      names[#names + 1] = action.channel
    end
  end
  if #names > limits.channels then
    refuse("limit", "the protocol uses %d channels (%s), the %s has %d: %s", #names,
      table.concat(names, ", "), driver.description, limits.channels, whole
        and ("moonpulse run takes a device for each, --device %s=... --device %s=... "
          .. "(docs/several-devices.md)"):format(names[1], names[2])
        or "an experiment drives one device")
  end
  local advice = outputs.mapping(names, limits, driver, whole)
  if advice then
    refuse("usage", "%s", advice)
  end
end

--- Each output is a stimulator: it has one name, and one intensity where a hand sets it.
local function check_outputs(actions, limits, driver)
  local names = {}
  for _, action in ipairs(limits.output and actions or {}) do
    local output = limits.output(action)
    local before = names[output]
    if before and before.channel ~= action.channel then
      refuse("limit", "the channels %s and %s are one output of the %s (pulses without a channel go to "
        .. "channel 1): give each an output of its own, or one name", before.channel, action.channel,
        driver.description)
    end
    names[output] = action
  end
  local list, first, second = outputs.by_hand(limits, actions)
  if list == false then
    refuse("limit", "the %s cannot go from %s to %s within a run: %s", driver.description,
      M.describe(first), M.describe(second), limits.by_hand)
  end
end

--- A plan's actions in the order in which they are first fired.
---@param lowering moonpulse.core.Lowering of prepare()
---@param actions moonpulse.Action[]
---@return moonpulse.Action[]
function M.in_order(lowering, actions)
  local list, known = {}, {}
  lowering:rewind()
  for kind, _, _, _, index in lowering.next, lowering do
    if kind == "pulse" and not known[index] then
      known[index] = true
      list[#list + 1] = actions[index]
      if #list == #actions then
        break
      end
    end
  end
  lowering:rewind()
  return list
end

--- Where a hand sets intensities: which, for each channel. A sentence; nil where the device sets them.
---@param driver moonpulse.Driver
---@param identity moonpulse.Identity?
---@param actions moonpulse.Action[]
---@param when string? "before the run"
---@return string?
function M.by_hand(driver, identity, actions, when)
  local list = outputs.by_hand(driver.limits(identity), actions)
  if not list then
    return nil
  end
  local parts = {}
  for i, action in ipairs(list) do
    parts[i] = ("%sto %g %%MSO"):format(#list > 1 and ("channel %s "):format(action.channel) or "",
      action.mso)
  end
  return ("set by hand at the stimulator%s %s: %s"):format(#list > 1 and "s" or "", when or "before the run",
    table.concat(parts, ", "))
end

M.dose = doses.lines

--- The action of the number-th command of a plan.
local function action_of(lowering, actions, number)
  lowering:rewind()
  for kind, each, _, _, index in lowering.next, lowering do
    if kind == "pulse" and each == number then
      return actions[index]
    end
  end
end

--- Why the device does not time one of two actions; nil where it times both, or nobody asked it.
local function cause_of(cause, first, second)
  local alone = not first.train and first or not second.train and second
  return cause and alone and cause(alone) or nil
end

-- as mp_room_ns of engine/lowering.h, which says when there is none
local room_ns = 100000

--- A warning for plans whose interval is the device's minimum, with the nearest interval that leaves room.
---@param lowering moonpulse.core.Lowering that prepare() made
---@param driver moonpulse.Driver
---@return string? nil where there is room
function M.no_room(lowering, driver)
  local count, first = lowering:tight()
  if count == 0 then
    return nil
  end
  return ("pulse %d comes %s after the one before%s%s, which is the shortest interval of the %s: one "
    .. "that leaves late delays all that follow without a longer rest in between; %s has room for that")
    :format(first.second, interval(first.interval_ns), count > 1 and (", as do %d more"):format(count - 1)
      or "", violations.place(first.second_origin), driver.description, interval(first.least_ns + room_ns))
end

-- frames that are checked at once: as many as take so long on this computer, however busy it is, as a stop is
-- heard in between
local FEWEST, MOST, AT_ONCE_NS = 10000, 5000000, 100000000

--- Walk the whole plan against the device's limits; more.progress(walked) is called now and then. more.drawn
--- says of a violation what chance has to do with it, more.uneven what rounding has, more.cause why the
--- device does not time an action.
local function check(lowering, actions, driver, limits, more)
  local walked, batch = 0, FEWEST
  while true do
    local from_ns = core.real_ns()
    local finished, violation = lowering:check(batch)
    if violation then
      local first = action_of(lowering, actions, violation.first)
      local second = action_of(lowering, actions, violation.second)
      local cause = cause_of(more.cause, first, second)
      -- what is further apart is no burst and no pair: nobody thinks of the device's timing there
      cause = cause and violation.interval_ns <= 1000000000 and cause or nil
      local uneven = cause and more.uneven and more.uneven(violation) or "" -- then any rate is of a part only
      refusals.with({ short_ns = violation.least_ns - violation.interval_ns }, "limit", "%s%s%s",
        violations.explain(violation, driver, limits, first.train,
          cause and ways.own_timing(uneven ~= "" and uneven or cause.why) or ""),
        violations.pair_remedy(violation, lowering, first, second, driver),
        more.drawn and more.drawn(violation) or "")
    elseif finished then
      return
    end
    walked = walked + batch
    if more.progress then
      more.progress(walked)
    end
    local took_ns = core.real_ns() - from_ns
    batch = took_ns < AT_ONCE_NS // 4 and math.min(MOST, batch * 2)
      or took_ns > AT_ONCE_NS and math.max(FEWEST, batch // 2) or batch
  end
end

--- Must the device be told anything to go from one action to the other?
---@param from moonpulse.Action
---@param to moonpulse.Action
---@return boolean
function M.differs(from, to)
  return from.mso ~= to.mso or from.train ~= to.train or from.channel ~= to.channel or from.way ~= to.way
end

local ahead = 1e-4 -- so much slower a train may be by the device's clock: twice what poor crystals differ

--- How long a train is busy with itself, for how long the device is told nothing (to its last pulse, and
--- where the driver does not say otherwise until that was confirmed), and when its last pulse is over.
local function lasting(action, driver)
  local program, last = action.train, action.part.last * (1 + ahead)
  local confirmed = (program.confirms or 0) > 0 and last + (driver.reply_slow or driver.reply_timeout) or 0
  return math.max(program.busy, last), math.max(program.locked or math.max(program.busy, confirmed), last),
    math.max(program.over or program.busy, last)
end

--- Two actions that do not go together in a run: where one of them is no train, why it is none.
local function refuse_change(from, to, driver, why, cause)
  local first = (from.train or to.train) and cause_of(cause, from, to)
  if first then
    refuse("limit", "the %s does not time the pulses of %s%s itself: %s; and it does not go from %s to %s "
      .. "within a run, pulse by pulse: %s", driver.description, M.describe(from.train and to or from),
      violations.place(first.origin), first.why, M.describe(from), M.describe(to), why)
  end
  refuse("limit", "the %s cannot go from %s to %s within a run: %s", driver.description, M.describe(from),
    M.describe(to), why)
end

--- Give the lowering the bytes of action number i.
local function encode_one(lowering, i, action, driver, limits)
  lowering:output(i, outputs.of(limits, action), outputs.across(limits, action), outputs.is_whole(action))
  if action.train then
    lowering:pulse(i, action.train.start, limits.shortest_interval(action))
    action.busy, action.locked, action.over = lasting(action, driver)
    lowering:lasts(i, action.busy, action.locked)
  else
    lowering:pulse(i, driver.encode.pulse(action), limits.shortest_interval(action))
    if driver.encode.busy then
      action.busy = driver.encode.busy(action)
      action.over = driver.encode.over and driver.encode.over(action) or action.busy
      lowering:lasts(i, action.busy, action.busy)
    end
  end
end

--- Give the lowering the bytes of every action, and of every change between two. other: single pulses in the
--- driver's other way; cause: as check() has it.
local function encode(lowering, actions, driver, limits, other, cause)
  if driver.encode.together then
    driver.encode.together(M.own(actions), other or false)
  end
  for i, action in ipairs(actions) do
    if action.elsewhere then
      lowering:leave(i)
    else
      encode_one(lowering, i, action, driver, limits)
    end
  end
  if driver.encode.ask then
    lowering:ask(driver.encode.ask())
  end
  for _, change in ipairs(lowering:changes()) do
    local from, to = actions[change[1]], actions[change[2]]
    if to.train and not from.train and driver.confirms ~= false then
      -- another mode must not be set before the pulse was given and confirmed
      from.busy = from.busy or limits.shortest_interval(from)
      lowering:lasts(change[1], from.busy, math.max(driver.encode.busy and from.busy or 0,
        driver.reply_slow or driver.reply_timeout))
    end
    if M.differs(from, to) then
      local bytes, lead = driver.encode.set(from, to)
      if not bytes then
        refuse_change(from, to, driver, lead, cause)
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

--- Can we time all of plan, pulse by pulse? For the device's rate, the wire, and settings in between.
local function host_can(given, limits, plan)
  return (pcall(function()
    local driver = given.driver
    local lowering = core.lowering(brief.of(plan), given.seed, driver.serial, driver.latency)
    local actions = lowering:actions()
    resolve(actions, given, limits)
    encode(lowering, actions, driver, limits, given.other)
    check(lowering, actions, driver, limits, {})
  end))
end

local FEW_LEAVES = 100 -- of more it takes longer to see that two are the same

--- The same, asked once of what is the same, wherever it stands and in whichever way the plan is tried.
local function known_host_can(given, limits, plan)
  if plan:totals().leaves > FEW_LEAVES then
    return host_can(given, limits, plan)
  end
  local asked = given.asked
  local key = (given.other and -1 or 1) * asked.numbers:of(plan)
  if asked[key] == nil then
    asked[key] = host_can(given, limits, plan)
  end
  return asked[key]
end

--- The plan with what the device times replaced by programs.
local function split(given, limits, mode)
  return timing.split(given.rolled or given.plan, mode, given.driver, {
    identity = given.identity, codes = given.codes ~= nil, rolled = given.rolled ~= nil,
    resolve = function(action)
      resolve({ action }, given, limits)
    end,
    host_can = function(plan)
      return known_host_can(given, limits, plan)
    end,
  })
end

---@class moonpulse.Preparation
---@field plan moonpulse.Plan
---@field seed integer
---@field driver moonpulse.Driver
---@field identity moonpulse.Identity? what the device said it is; nil before it was asked
---@field thresholds { rmt: number?, amt: number? } in %MSO
---@field timing "host"|"device"|"auto"|nil host
---@field codes moonpulse.CodeBox? the box of event codes
---@field rolled moonpulse.Plan? what is split instead: the plan with its trains as trains
---@field other boolean? single pulses in the other way that the driver has
---@field own table<string, boolean>? of several devices that play the plan, the channels of this one; nil:
---   all
---@field markless boolean? another of them tells the marks
---@field progress fun(walked: integer)?
---@field asked table? of prepare itself: what we can time

--- A plan that was split, with what the device is set to and the bytes of every action and change.
local function lowered_of(plan, given, limits, programs, cause)
  local driver = given.driver
  local lowering = core.lowering(plan, given.seed, driver.serial, driver.latency,
    driver.trigger and driver.trigger.serial)
  local actions = lowering:actions()
  for _, action in ipairs(given.own and actions or {}) do
    action.elsewhere = not given.own[action.channel] or nil
  end
  if given.markless then
    lowering:without_marks()
  end
  resolve(actions, given, limits)
  for _, action in ipairs(actions) do
    local known = programs[action.program]
    if known then
      action.train, action.part = known.program, known.part
    end
  end
  check_outputs(M.own(actions), limits, driver)
  encode(lowering, actions, driver, limits, given.other, cause)
  return lowering, actions
end

--- Raises a refusal; nil and why where --timing device leaves pulses to us.
local function prepare(given, mode)
  local driver = given.driver
  local limits = driver.limits(given.identity)
  local plan, programs, host, why, cause = split(given, limits, mode)
  if mode == "device" and (host or #programs == 0) then
    return nil, why or "this plan has no train for the device to time"
  end
  local function lowered(part)
    return lowered_of(part, given, limits, programs, cause)
  end
  local lowering, actions = lowered(plan)
  check(lowering, actions, driver, limits, { progress = given.progress, cause = cause,
    uneven = function(violation)
      return require("moonpulse.lowering.uneven").words(violation, given.plan, given.seed) -- for a refusal
    end,
    drawn = function(violation)
      return violations.drawn(violation, { plan = plan, lowered = lowered, brief = brief.of,
        ranges = given.plan }) or violations.fixed(violation)
    end })
  if limits.longest_rest or limits.supply then -- loaded for those
    require("moonpulse.lowering.over_time").check(lowering, actions, driver, limits)
  end
  return lowering, actions
end

--- A plan of marks: a catch trial of an experiment. The device has no part in it.
local function without_pulses(given)
  if given.plan:totals().marks == 0 then
    refuse("usage", "the plan has no pulse and no mark: there is nothing to play; run:sleep(seconds) waits")
  end
  local driver = given.driver
  local lowering = core.lowering(given.plan, given.seed, driver.serial, driver.latency,
    driver.trigger and driver.trigger.serial)
  repeat until lowering:check(MOST)
  return lowering, {}
end

--- Make everything that a run needs from a plan. Raises a refusal { code, message }.
---@param given moonpulse.Preparation
---@return moonpulse.core.Lowering lowering
---@return moonpulse.Action[] actions none: an experiment's plan of marks
function M.prepare(given)
  if given.plan:totals().pulses == 0 and given.starts then -- an experiment has other plans beside this one
    return without_pulses(given)
  elseif given.plan:totals().pulses == 0 then
    refuse("usage", "the plan has no pulse: there is nothing to run")
  end
  -- of the plan itself: a program shows only the first of its pulses
  check_channels(core.schedule(given.plan, given.seed):actions(), given.driver.limits(given.identity),
    given.driver, not given.starts, given.own) -- an experiment has other plans beside this one
  local mode = given.driver.trigger and "host" or given.timing or "host"
  given = ways.changed(given, "asked", { numbers = same_plan.new() })
  if mode == "device" then
    return ways.by_device(prepare, given)
  elseif mode == "auto" then
    return ways.automatic(prepare, given)
  end
  return ways.by_host(prepare, given)
end

--- The action of the first pulse in time on each output: what the device must be set to before the plan.
--- Behind a program that sets all outputs the plan itself sets those that come later.
---@param lowering moonpulse.core.Lowering
---@param actions moonpulse.Action[]
---@param limits moonpulse.Limits
---@return moonpulse.First[] in order of time
function M.first_actions(lowering, actions, limits)
  local used, left = {}, 0
  for _, action in ipairs(M.own(actions)) do
    local output = outputs.of(limits, action)
    left = left + (used[output] == nil and 1 or 0)
    used[output] = false
  end
  local list = {}
  for kind, _, onset_ns, _, index in lowering.next, lowering do
    local action = kind == "pulse" and actions[index]
    local output = action and outputs.of(limits, action)
    local whole = action and outputs.is_whole(action)
    if action and not used[output] and not (whole and list[1]) then
      used[output], left = true, left - 1
      list[#list + 1] = { action = action, output = output, onset_ns = onset_ns }
    end
    if whole or left == 0 then
      break
    end
  end
  lowering:rewind()
  return list
end

return M
