--- The ways in which a plan can be given, tried in turn: who times what, trains that were not written as
--- trains, and single pulses in another way, where the device has one.
local refusals = require "moonpulse.text.refusal"

local M = {}

local refuse = refusals.raise

local function is_limit(problem)
  return type(problem) == "table" and problem.code == "limit"
end

--- The real reason first: why the device does not time it. Behind it stands why we cannot either.
---@param why string
---@return string
function M.own_timing(why)
  return (": its own timing: %s; pulse by pulse"):format(why)
end

--- given with something else in it.
---@param given moonpulse.Preparation
---@param key string
---@param value any
---@return moonpulse.Preparation
function M.changed(given, key, value)
  local copy = { [key] = value }
  for name, each in pairs(given) do
    copy[name] = copy[name] == nil and each or copy[name]
  end
  return copy
end

--- In the first of the modes that can; nil and the first problem.
local function in_one_of(prepare, given, modes)
  local problem
  for _, mode in ipairs(modes) do
    local ok, lowering, actions = pcall(prepare, given, mode)
    if ok then
      return lowering, actions
    end
    problem = mode == "most" and problem or lowering -- the largest parts hide which pulses are too close
    if not is_limit(lowering) or not given.driver.encode.train then
      break
    end
  end
  return nil, problem
end

--- The same with trains that were written pulse by pulse, or as a table; nil where there are none.
local function with_trains(given)
  if not given.driver.encode.train then
    return nil
  end
  local rolled = require("moonpulse.lowering.rolled").of(given.plan, given.codes ~= nil) -- loaded for this
  return rolled ~= given.plan and M.changed(given, "rolled", rolled) or nil
end

--- Of two problems the one that less is wrong with.
local function lesser(first, second)
  if is_limit(second) and second.short_ns and (not first.short_ns or second.short_ns < first.short_ns) then
    return second
  end
  return first
end

--- try(given), and where that is refused, with single pulses in the driver's other way.
local function either_way(given, try)
  local lowering, actions = try(given)
  if lowering or not is_limit(actions) or not given.driver.encode.other_way then
    return lowering, actions
  end
  local again, more = try(M.changed(given, "other", true))
  if again then
    return again, more
  end
  return nil, lesser(actions, more)
end

--- What either_way came to; raises what is wrong.
local function must_be_made(lowering, actions)
  if lowering then
    return lowering, actions
  end
  error(actions, 0)
end

--- By us where the wire and the device allow it. Else the device gets as little as possible: the parts that
--- are too fast for us; and where its programs do not go together then, the largest that it takes. At last
--- what is a train and was not written as one.
---@param prepare fun(given: moonpulse.Preparation, mode: string): moonpulse.core.Lowering, moonpulse.Action[]
---@param given moonpulse.Preparation
---@return moonpulse.core.Lowering lowering
---@return moonpulse.Action[] actions
function M.automatic(prepare, given)
  return must_be_made(either_way(given, function(each)
    local made, more = in_one_of(prepare, each, { "host", "least", "most" })
    local again = not made and is_limit(more) and with_trains(each)
    if again then
      return in_one_of(prepare, again, { "least", "most" })
    end
    return made, more
  end))
end

--- Where the user said that we time it, and only that is in the way, the refusal says so. One of several
--- devices cannot be told otherwise.
local function with_remedy(prepare, given, problem)
  if given.timing == "host" and not given.driver.trigger and not given.own and is_limit(problem)
    and pcall(M.automatic, prepare, given) then
    problem.message = ("%s; --timing host has us send each pulse: leave it out, and the %s times by itself "
      .. "what is too fast for that"):format(problem.message, given.driver.description)
  end
  return problem
end

--- By us, or not at all.
---@param prepare fun(given: moonpulse.Preparation, mode: string): moonpulse.core.Lowering, moonpulse.Action[]
---@param given moonpulse.Preparation
---@return moonpulse.core.Lowering lowering
---@return moonpulse.Action[] actions
function M.by_host(prepare, given)
  local lowering, actions = either_way(given, function(each)
    return in_one_of(prepare, each, { "host" })
  end)
  return must_be_made(lowering, lowering and actions or with_remedy(prepare, given, actions))
end

--- Whatever of a plan the device can time: as pcall(prepare).
local function all_by_device(prepare, given)
  local ok, lowering, actions = pcall(prepare, given, "device")
  local again = not (ok and lowering) and (ok or is_limit(lowering)) and with_trains(given)
  if again then
    local can, made, more = pcall(prepare, again, "device")
    if can and made then
      return true, made, more
    end
  end
  return ok, lowering, actions
end

--- By the device, or not at all: the user has said so.
---@param prepare fun(given: moonpulse.Preparation, mode: string): moonpulse.core.Lowering, moonpulse.Action[]
---@param given moonpulse.Preparation
---@return moonpulse.core.Lowering lowering
---@return moonpulse.Action[] actions
function M.by_device(prepare, given)
  local ok, lowering, actions = all_by_device(prepare, given)
  if ok and lowering then
    return lowering, actions
  elseif not ok and not is_limit(lowering) then
    error(lowering, 0)
  end
  local why = ok and "--timing device: " .. actions or lowering.message
  local can, problem = pcall(M.automatic, prepare, given) -- in which stands what the driver said, too
  if can then
    refuse("limit", "%s; use --timing auto, or host", why)
  elseif ok and is_limit(problem) then
    local message, same = problem.message, M.own_timing(actions)
    local from, to = message:find(same, 1, true)
    if not from and message:find(actions, 1, true) then
      refuse("limit", "--timing device: %s", message) -- it begins with the same cause
    end
    refuse("limit", "%s; nor can we time it, pulse by pulse: %s", why,
      from and message:sub(1, from - 1) .. message:sub(to + 1) or message)
  elseif ok then
    error(problem, 0)
  end
  error(lowering, 0)
end

return M
