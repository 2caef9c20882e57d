--- What differs from the run before anything is armed: the program, the device, the plan, and what
--- intensities become on this device.
local compiled = require "moonpulse.safety.compiled"
local core = require "moonpulse.core"
local lower = require "moonpulse.lowering"
local plans = require "moonpulse.verify.plan"
local read = require "moonpulse.record.read"
local refusals = require "moonpulse.text.refusal"

local M = {}

local function version_of(facts)
  local version, commit = read.get(facts, "moonpulse.version"), read.get(facts, "moonpulse.commit")
  return ("Moonpulse %s%s"):format(tostring(version), commit and " (" .. tostring(commit) .. ")" or "")
end

local function check_version(recipe, say)
  local was = version_of(recipe.manifest)
  local is = version_of { moonpulse = { version = core.version,
    commit = core.commit ~= "" and core.commit or nil } }
  if was ~= is then
    say(("version: the run was made by %s, this is %s"):format(was, is))
  end
end

local function check_device(recipe, is_real, options, say)
  local device = type(recipe.manifest.device) == "table" and recipe.manifest.device or {}
  local was = ("%s%s%s"):format(device.simulated and "a simulated " or "a ",
    tostring(device.description or device.name), device.serial and ", serial number "
    .. tostring(device.serial) or "")
  if is_real then
    say(("device: the run was on %s; now on what is at %s"):format(was, options.port))
  elseif not device.simulated then
    say(("device: the run was on %s; now on its simulator"):format(was))
  elseif options.device then
    say(("device: the run was on %s; now on --device %s"):format(was, options.device))
  end
end

--- On a stimulator: whose thresholds are these?
local function check_participant(recipe, options, say)
  local was = read.get(recipe.manifest, "participant")
  local thresholds = {}
  for _, key in ipairs { "rmt", "amt" } do
    local value = plans.threshold(recipe.manifest, key)
    thresholds[#thresholds + 1] = value and ("%s %.10g %%MSO"):format(key:upper(), value)
  end
  if was ~= options.participant then
    say(("participant: the run was of %s%s; now of %s"):format(was or "nobody who was named",
      thresholds[1] and ", with these thresholds: " .. table.concat(thresholds, ", ") or "",
      options.participant or "nobody who is named (--participant)"))
  end
end

--- Was a simulator asked to go wrong?
local function is_planted(begin)
  local planted = begin.options.faults ~= nil
  for _, each in ipairs(type(begin.devices) == "table" and begin.devices or {}) do
    planted = planted or type(each) == "table" and each.faults ~= nil
  end
  return planted
end

--- Did the device's own fault end the run, and not one that the simulator was asked for? Nothing does it
--- again.
---@param recipe moonpulse.Recipe
---@return boolean
function M.is_devices_fault(recipe)
  local stop = read.get(recipe.manifest, "result.stop")
  local known = core.stops[stop]
  return known ~= nil and stop ~= "refractory" -- pulses from outside come again as they came
    and known.blame == "device" and not is_planted(recipe.begin)
end

--- Why a run never began, where that was not its own word (declined, refused, stopped): of what it needed
--- something was not there, as a stream or a port. Nothing of it can be compared. nil: it began, or the same
--- comes again, as a fault that its simulator was asked for.
---@param recipe moonpulse.Recipe
---@return string?
function M.never_began(recipe)
  local manifest = recipe.manifest
  if manifest.status == "not run" and read.get(manifest, "result.status") == "device fault"
    and not is_planted(recipe.begin) then
    return tostring(read.get(manifest, "result.reason") or "how is not known")
  end
end

local function check_stop(recipe, say)
  local stop = read.get(recipe.manifest, "result.stop")
  local known = core.stops[stop]
  if M.is_devices_fault(recipe) then
    say(("end: the device's own fault ended the run (%s): it is not done again; what was given until then is "
      .. "compared"):format(tostring(read.get(recipe.manifest, "result.reason"))))
  elseif known and known.status == refusals.status.stopped and stop ~= "requested" then
    say(("end: the run ended early (%s); nothing ends it there now"):format(
      tostring(read.get(recipe.manifest, "result.reason"))))
  elseif recipe.manifest.status == "running" then
    say "end: the run was killed; nothing kills it now"
  end
end

--- Is the plan that the folder's text makes here the one in resolved.plan, as far as that can be told?
---@param recipe moonpulse.Recipe
---@param kept moonpulse.KeptPlan
---@return boolean
function M.same_plan(recipe, kept)
  local text = core.read_file(recipe.folder .. "/resolved.plan", 1 << 24)
  local ok, made = pcall(compiled.like, text or "", kept)
  return not (text and ok and made ~= text)
end

local function check_plan(recipe, kept, say)
  if not M.same_plan(recipe, kept) then
    say("plan: the kept text makes another plan here than the run had (resolved.plan): moonpulse verify says "
      .. "where")
    return false
  end
  return true
end

--- What the device was set to for each intensity, as the rows say.
local function settings_of(recipe)
  local events = read.events(recipe.folder .. "/events.tsv")
  local settings = {}
  for _, row in ipairs(events and events.pulses or {}) do
    if row.mso and row.intensity and row.ref then
      settings[("%.10g %%%s"):format(row.intensity, row.ref)] = row.mso
    end
  end
  return settings
end

local function check_rounding(recipe, kept, driver, say)
  local thresholds = {}
  for _, key in ipairs { "rmt", "amt" } do
    thresholds[key] = plans.threshold(recipe.manifest, key)
  end
  local ok, _, actions = pcall(lower.prepare, { plan = kept.plan, seed = kept.seed, driver = driver,
    thresholds = thresholds, timing = recipe.begin.options.timing or "auto" })
  local settings, told = settings_of(recipe), {}
  for _, action in ipairs(ok and actions or {}) do
    local name = ("%.10g %%%s"):format(action.intensity, action.reference)
    local was = settings[name]
    if was and action.mso and math.abs(was - action.mso) > 1e-9 and not told[name] then
      told[name] = true
      say(("rounding: %s was %.10g %%MSO, and is %.10g %%MSO on this device"):format(name, was,
        action.mso))
    end
  end
end

--- Tell what differs. Nothing is opened.
---@param recipe moonpulse.Recipe
---@param options table of the command
---@param is_real boolean
---@param driver moonpulse.Driver? that will be used; nil: there are several
---@param say fun(text: string)
---@return boolean same_plan true where it cannot be known: an experiment's
function M.tell(recipe, options, is_real, driver, say)
  check_version(recipe, say)
  check_device(recipe, is_real, options, say)
  if is_real then
    check_participant(recipe, options, say)
  end
  check_stop(recipe, say)
  if recipe.is_experiment then
    return true
  end
  local kept, message = plans.again(recipe.folder, recipe.manifest)
  if not kept then
    say("plan: it cannot be made again: " .. tostring(message))
    return false
  end
  local same = check_plan(recipe, kept, say)
  if driver then
    check_rounding(recipe, kept, driver, say)
  end
  return same
end

return M
