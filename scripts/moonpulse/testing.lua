--- Assertions for a researcher's own protocol, for busted specs (moonpulse test FILE_spec.lua):
---
---     local testing = require "moonpulse.testing"
---     describe("my protocol", function()
---       local mine = testing.protocol("mine.lua", { rmt = 50, params = { trains = 20 } })
---       it("is as published", function() mine:pulses(600):last_onset(191.84):passes_guidelines() end)
---     end)
---
--- Each assertion returns the subject, so they can be chained; one that fails says what was found.
local blame = require "moonpulse.text.author_line"
local catalogue = require "moonpulse.protocol.catalogue"
local conditions = require "moonpulse.record.conditions"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local experiments = require "moonpulse.experiment"
local in_order = require "moonpulse.text.in_order"
local intensities = require "moonpulse.compose.intensity"
local judge = require "moonpulse.safety.judge"
local lower = require "moonpulse.lowering"
local protocols = require "moonpulse.protocol"
local tables = require "moonpulse.safety.tables"

require "moonpulse" -- the files that are loaded here require it

local M = {}

local Subject = {}
Subject.__index = Subject

--- An assertion does not hold: at the line of the spec. For busted that is a failure of the test, no error
--- in it.
local function fail(...)
  local _, problem = pcall(blame.fail, ...)
  local busted = package.loaded.busted
  if type(busted) == "table" and busted.fail then
    busted.fail(problem, 0)
  end
  error(problem, 0)
end

--- A message that names options of the command line, in the words of a spec.
local function in_spec(message)
  return (tostring(message):gsub("%-%-([ar]mt) N", "%1 = N"):gsub("^%-p:? ", "params: ")
    :gsub("leave %-p out", "leave params out"))
end

--- A number that an author gave, within [low, high].
local function check_size(who, key, value, low, high)
  if not math.type(value) or not (value >= low and value <= high) then
    fail("%s: %s must be a number%s, not %s", who, key,
      high < math.huge and (" from %g to %g"):format(low, high) or low == 0 and " from 0 up" or "",
      type(value) == "string" and ("%q"):format(value) or tostring(value))
  end
  return value
end

local function check_number(who, key, value, low, high)
  if not math.tointeger(value) or math.type(value) == nil or value < low or value > high then
    fail("%s: %s must be a whole number from %d to %d, not %s", who, key, low, high, tostring(value))
  end
  return math.tointeger(value)
end

--- A path as given, or beside the spec that asks.
local function located(what, level)
  local file = io.open(what)
  if file then
    file:close()
    return what:find("/", 1, true) and what or what:find("%.%a+$") and "./" .. what or what
  end
  local folder = debug.getinfo(level + 1, "S").source:match("^@(.*)/[^/]*$")
  local beside = folder and what:find("%.%a+$") and folder .. "/" .. what
  file = beside and io.open(beside)
  if file then
    file:close()
    return beside
  end
  return what
end

---@class moonpulse.Subject a protocol under test

local given_known = { params = "?table", rmt = "?number", amt = "?number", seed = "?whole number" }

--- What a spec gives with a protocol.
local function check_given(what, given)
  if type(what) ~= "string" then
    blame.fail("protocol: the path of a protocol's file, or its id, must be text, not %s: "
      .. "testing.protocol(\"mine.lua\")", type(what))
  end
  blame.options("protocol", given, given_known)
  for _, name in ipairs { "rmt", "amt" } do
    if given[name] ~= nil then
      check_size("protocol", name, given[name], 1, 100)
    end
  end
  if given.seed ~= nil then
    check_number("protocol", "seed", given.seed, 0, math.maxinteger)
  end
  if given.params ~= nil and type(given.params) ~= "table" then
    blame.fail("protocol: params must be a table, like params = { trains = 20 }, not %s", type(given.params))
  end
  for name in in_order.pairs(given.params or {}) do
    if type(name) ~= "string" then
      blame.fail("protocol: params: its value number %s has no name: params = { trains = 20 }",
        tostring(name))
    end
  end
end

--- Load a protocol for testing; raises with file and line where it does not build.
---@param what string an id, or the path of a file (also beside the spec)
---@param given { params: table<string, any>?, rmt: number?, amt: number?, seed: integer? }? %MSO
---@return moonpulse.Subject
function M.protocol(what, given)
  given = given == nil and {} or given
  check_given(what, given)
  local protocol, message = catalogue.find(located(what, 2))
  if experiments.is(protocol) then
    blame.fail("%s is an experiment; testing is for protocols, whose plan is fixed", what)
  elseif protocol and protocol.seed and given.seed and given.seed ~= protocol.seed then
    blame.fail("%s is a plan file, which fixes the seed %d: leave seed out", what, protocol.seed)
  end
  local seed = given.seed or protocol and protocol.seed or 1
  local values, plan
  if protocol then
    values, message = protocols.values(protocol, given.params or {}, { amt = given.amt })
  end
  if values then
    plan, message = protocols.build(protocol, values, seed)
  end
  if not plan then
    blame.fail("%s", in_spec(message))
  end
  return setmetatable({ what = what, plan = plan, seed = seed,
    thresholds = { rmt = given.rmt, amt = given.amt } }, Subject)
end

--- All pulses: { { onset = seconds, intensity = "80 %AMT", channel = "1" }, ... }. Remembered.
function Subject:list()
  if not self.pulse_list then
    local schedule, list = core.schedule(self.plan, self.seed), {}
    local actions = schedule:actions()
    for kind, _, _, index, ns in schedule.next, schedule do
      if kind == "pulse" then
        local action = actions[index]
        list[#list + 1] = { onset = ns / 1e9, channel = action.channel,
          value = action.intensity, reference = action.reference,
          intensity = ("%g %%%s"):format(action.intensity, action.reference) }
      end
    end
    self.pulse_list = list
  end
  return self.pulse_list
end

--- It has so many pulses.
---@param count integer
function Subject:pulses(count)
  local found = self.plan:totals().pulses
  if found ~= count then
    fail("%s has %d pulses, not %s", self.what, found, tostring(count))
  end
  return self
end

--- It has so many trials of each condition, and no other condition: trials { SICI = 20, TS = 20 }.
---@param wanted table<string, integer> by the label, else the kind of stimulus
function Subject:trials(wanted)
  local parts, same = {}, type(wanted) == "table"
  local left = {}
  for name, count in pairs(same and wanted or {}) do
    left[name] = count
  end
  for i, each in ipairs(conditions.of_plan(self.plan)) do
    parts[i] = ("%s = %d"):format(each.condition, each.trials)
    same = same and left[each.condition] == each.trials
    left[each.condition] = nil
  end
  if not same or next(left) ~= nil then
    fail("%s has the trials { %s }", self.what, table.concat(parts, ", "))
  end
  return self
end

local function check_onset(self, who, number, seconds, tolerance)
  check_size(who, "the onset in seconds", seconds, 0, math.huge)
  tolerance = tolerance == nil and 0.5e-6 or check_size(who, "the tolerance", tolerance, 0, math.huge)
  local pulse = self:list()[number]
  if not pulse then
    fail("%s has no pulse %d: it has %d", self.what, number, #self:list())
  elseif math.abs(pulse.onset - seconds) > tolerance then
    fail("%s: pulse %d lies at %.9g s, not %.9g s", self.what, number, pulse.onset, seconds)
  end
  return self
end

--- Pulse number lies at seconds from the protocol's start (to half a microsecond, or tolerance).
---@param number integer from 1
---@param seconds number
---@param tolerance number? seconds
function Subject:onset(number, seconds, tolerance)
  number = check_number("onset", "the number of a pulse", number, 1, math.maxinteger)
  return check_onset(self, "onset", number, seconds, tolerance)
end

--- The first pulse lies at seconds.
---@param seconds number from the plan's start
---@param tolerance number? seconds
function Subject:first_onset(seconds, tolerance)
  return check_onset(self, "first_onset", 1, seconds, tolerance)
end

--- The last pulse lies at seconds.
---@param seconds number from the plan's start
---@param tolerance number? seconds
function Subject:last_onset(seconds, tolerance)
  return check_onset(self, "last_onset", #self:list(), seconds, tolerance)
end

--- Its nominal end (the end of the last train's span) lies at seconds.
---@param seconds number from the plan's start
function Subject:nominal_end(seconds)
  check_size("nominal_end", "the end in seconds", seconds, 0, math.huge)
  local found = catalogue.measure(self.plan, self.seed).nominal_end_s
  if math.abs(found - seconds) > 0.5e-6 then
    fail("%s ends at %.9g s, not %.9g s", self.what, found, seconds)
  end
  return self
end

local function parsed(wanted)
  local intensity = intensities.is(wanted) and wanted
    or type(wanted) == "string" and intensities.parse(wanted)
  if not intensity then
    fail("%s is no intensity: write \"80%%AMT\" or mp.amt(80)", tostring(wanted))
  end
  return intensity
end

--- Every pulse has this intensity: "80%AMT", or mp.amt(80).
---@param wanted string|moonpulse.Intensity
function Subject:intensity(wanted)
  local text = tostring(parsed(wanted))
  for number, pulse in ipairs(self:list()) do
    if pulse.intensity ~= text then
      fail("%s: pulse %d has %s, not %s", self.what, number, pulse.intensity, text)
    end
  end
  return self
end

local ramp_known = { from = "intensity", to = "intensity", per_step = "?number of pulses",
  first = "?number of a pulse", last = "?number of a pulse" }

--- The pulses go from one intensity to another in equal steps: ramp { from = "60%RMT", to = "120%RMT" }.
--- per_step pulses share a step (1), and first and last are the numbers of its pulses (all).
---@param spec { from: string|moonpulse.Intensity, to: string|moonpulse.Intensity, per_step: integer?,
---   first: integer?, last: integer? }
function Subject:ramp(spec)
  blame.options("ramp", spec, ramp_known)
  local list, from, to = self:list(), parsed(spec.from), parsed(spec.to)
  if from.reference ~= to.reference then
    fail("ramp: from is in %%%s and to in %%%s: write both in one of them", from.reference, to.reference)
  end
  local first = check_number("ramp", "first", spec.first or 1, 1, #list)
  local last = check_number("ramp", "last", spec.last or #list, first, #list)
  local per_step = check_number("ramp", "per_step", spec.per_step or 1, 1, #list)
  local top = (last - first) // per_step -- of the last step, from 0
  if top == 0 and from ~= to then
    fail("ramp: pulses %d to %d are one step: a ramp from %s to %s needs two or more", first, last,
      tostring(from), tostring(to))
  end
  for number = first, last do
    local step = (number - first) // per_step
    local value = from.value + (top > 0 and (to.value - from.value) * step / top or 0)
    local pulse = list[number]
    if pulse.reference ~= from.reference or math.abs(pulse.value - value) > 1e-6 then
      fail("%s: pulse %d has %s, not %.9g %%%s, step %d of %d of the ramp", self.what, number,
        pulse.intensity, value, from.reference, step + 1, top + 1)
    end
  end
  return self
end

--- No two pulses on a channel are closer than seconds, from onset to onset.
---@param seconds number
function Subject:shortest_interval(seconds)
  check_size("shortest_interval", "the interval in seconds", seconds, 0, math.huge)
  local before = {}
  for number, pulse in ipairs(self:list()) do
    local last = before[pulse.channel]
    if last and pulse.onset - last < seconds - 0.5e-9 then
      fail("%s: pulse %d comes %.9g s after the one before, not %.9g s", self.what, number,
        pulse.onset - last, seconds)
    end
    before[pulse.channel] = pulse.onset
  end
  return self
end

local passes_known = { profile = "?name of a table", beyond = "?true or false" }

--- The published guidelines call it within; beyond = true also lets "beyond tested" pass.
---@param options { profile: "rossi2009"|"chen1997"|nil, beyond: boolean? }?
function Subject:passes_guidelines(options)
  options = blame.options("passes_guidelines", options == nil and {} or options, passes_known)
  if options.profile ~= nil and not tables.train_duration[options.profile] then
    fail("passes_guidelines: there is no profile %s; known: %s", tostring(options.profile),
      table.concat(in_order.keys(tables.train_duration), ", "))
  elseif options.beyond ~= nil and type(options.beyond) ~= "boolean" then
    fail("passes_guidelines: beyond must be true or false, not %s", tostring(options.beyond))
  end
  local report = judge.plan { plan = self.plan, seed = self.seed, thresholds = self.thresholds,
    profile = options.profile }
  local concerns = judge.concerns(report)
  local worst = concerns[1]
  if worst and (worst.verdict == "OVER" or not options.beyond) then
    fail("%s is %s: %s", self.what, worst.verdict, in_spec(judge.sentence(worst)))
  end
  return self
end

--- A device can give it, with the thresholds that protocol() was given.
---@param name string "magventure", or the path of a driver
function Subject:fits(name)
  if type(name) ~= "string" then
    fail("fits: the name of a device must be text, like \"magventure\", not %s", type(name))
  end
  local driver, message = devices.find(name)
  if not driver then
    fail("%s", message)
  end
  local ok, problem = pcall(lower.prepare, { plan = self.plan, seed = self.seed,
    driver = devices.configure(driver), thresholds = self.thresholds, timing = "auto" })
  if not ok then
    fail("%s does not fit %s: %s", self.what, name, in_spec(problem))
  end
  return self
end

return M
