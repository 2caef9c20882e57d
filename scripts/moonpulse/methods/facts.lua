--- What a methods section tells: of a plan, or of what a run's record has. Sentences and checklists are both
--- written from here, so that they cannot differ.
local by_condition = require "moonpulse.methods.by_condition"
local catalogue = require "moonpulse.protocol.catalogue"
local core = require "moonpulse.core"
local cursors = require "moonpulse.compose.stimulus_cursor"
local drawn = require "moonpulse.compose.stimuli"
local known_fields = require "moonpulse.methods.known"
local metas = require "moonpulse.record.meta"
local sentences = require "moonpulse.show.sentences"
local stimuli = require "moonpulse.methods.stimuli"
local structure = require "moonpulse.methods.structure"

local M = {}

local MOST = 1000000 -- pulses that are looked at one by one

---@class moonpulse.MethodsFacts
---@field of "plan"|"run"|"course" of a course of an experiment nothing was given
---@field name string
---@field id string?
---@field unconfirmed string?
---@field kind "protocol"|"experiment"
---@field sham string? the protocol whose schedule it is
---@field has_sham string? the same, where only a part of it is a sham
---@field pattern string[]? sentences on the plan; nil: there is none
---@field drawn { seed: integer|string, order: boolean, part: boolean?, intervals: boolean }? what the seed
---   decides; part: it is not every order
---@field parts moonpulse.PlanPart[] of the plan
---@field planned moonpulse.Stimuli? of the plan
---@field continues string? the run that it goes on with, by the name of its folder
---@field delivered moonpulse.Stimuli? of the record
---@field catch_trials boolean? there are trials without a pulse, so that from pulse to pulse is not from
---   trial to trial
---@field pulses { planned: integer?, delivered: integer?, confirmed: integer?, perhaps: integer? }
---@field not_reached integer? of a run: pulses of which there is no row
---@field conditions moonpulse.MethodsCondition[] all of the plan, where it names any
---@field durations { first_s: number?, first_to_last_s: number?, nominal_end_s: number?,
---   whole_cycles_s: number?, delivered_s: number? }
---@field thresholds { name: "RMT"|"AMT", value: number, how: string?, date: string?,
---   device: string? }[] device: of several the one whose it is
---@field found table[] what the staircases and hunts of an experiment found; a hunt has a method
---@field curves table[]? of a run: its input-output curves, as its manifest has them
---@field device { words: string, simulated: boolean?, timing: string? }?
---@field known moonpulse.KnownFields
---@field deviations string[] of a run
---@field safety { verdict: string?, table: string?, override: table? }?
---@field software { version: string, commit: string?, seed: integer|string|nil, plan_sha256: string?,
---   script_sha256: string?, parameters: table<string, any>? }
---@field started string?
---@field participant string?
---@field not_run boolean? of a run that did not begin
---@field is_virtual boolean? a run in virtual time: its durations are nobody's
---@field session { number: integer, of: integer?, phase: integer?, phases: integer?, course: string? }?
---@field schedule string? of a plan: a sentence on the sessions that are planned
---@field box moonpulse.Box? what fired the stimulators
---@field cannot_confirm boolean|string|nil the device cannot say that it fired; of several: which one
---@field nerve { channels: table<any, any>, only: boolean }? channels of a nerve; only: there are no others
---@field fired string? the trigger that fired each pulse
---@field triggers integer? that a script took
---@field trigger_starts integer? plans that triggers started
---@field trigger_rule string? which of the triggers, and how long after, in words
---@field without_pulse string? of an experiment: plans without a pulse, such as catch trials, in words
---@field started_by string? the trigger that started the run, as --start-on has it
---@field started_after_s number? from it to the plan's start
---@field threshold_by string? the preflight's answer: by EMG, by eye

--- The number of the kind that pulses of an action in a block are.
local function kind_of(kinds, by_action, what, action, block, mso)
  local alike = by_action[what] or {}
  by_action[what] = alike
  if not alike[block] then
    alike[block] = #kinds + 1
    kinds[alike[block]] = { channel = action.channel, intensity = action.intensity,
      reference = action.reference, mso = mso, block = block ~= 0 and block or nil }
  end
  return alike[block]
end

--- Every pulse of a plan in time.
---@return moonpulse.ListedPulses
local function pulses_of(plan, seed, mso_of)
  local schedule = core.schedule(plan, seed)
  local actions = schedule:actions()
  local mso, by_action = {}, {}
  for i, action in ipairs(actions) do
    mso[i] = mso_of and mso_of(action) or nil
  end
  local cursor, number = cursors.new(drawn.of(plan, seed)), 0
  local at, trial, kinds, of_kind = {}, {}, {}, {}
  for kind, _, _, what, ns in schedule.next, schedule do
    if kind == "pulse" then
      number = number + 1
      cursor:find(number)
      at[number], trial[number] = ns / 1e9, cursor:trial_of(number) or false
      of_kind[number] = kind_of(kinds, by_action, what, actions[what], cursor.block or 0,
        mso[what])
    end
  end
  return { count = number, at = at, trial = trial, kind = of_kind, kinds = kinds }
end

--- What a plan says: its sentences, levels, stimuli, durations.
---@param facts moonpulse.MethodsFacts changed
---@param plan moonpulse.Plan
---@param measured moonpulse.Measured
---@param given { seed: integer, order: boolean?, orders: moonpulse.DrawnOrders?,
---   mso: (fun(action: table): number?)?, dose: (fun(view: table, channel: string): string)? }
---@return moonpulse.ListedPulses? pulses nil: they are too many
function M.add_plan(facts, plan, measured, given)
  facts.pattern = sentences.of(plan, given.dose, given.orders or given.order)
  facts.parts = structure.parts(plan)
  local pulses = measured.pulses <= MOST and pulses_of(plan, given.seed, given.mso) or nil
  facts.planned = pulses and stimuli.of(pulses, structure.has_trials(plan))
  facts.catch_trials = structure.has_catch_trials(plan) or nil
  if measured.random or given.order then
    facts.drawn = { seed = given.seed, order = given.order or false,
      part = given.orders and given.orders.is_mixed or nil, rule = given.orders and given.orders.rule or nil,
      intervals = measured.random or false }
  end
  facts.pulses.planned = measured.pulses
  if facts.of == "plan" then
    facts.conditions = by_condition.of_plan(plan, given.order)
  end
  for _, key in ipairs { "first_s", "first_to_last_s", "nominal_end_s", "whole_cycles_s" } do
    facts.durations[key] = measured[key]
  end
  return pulses
end

--- Facts with nothing in them yet.
---@param of "plan"|"run"|"course"
---@param protocol table with name, id, ... as a protocol or a manifest has them
---@param version string of Moonpulse
---@return moonpulse.MethodsFacts
function M.new(of, protocol, version)
  local facts = { of = of, name = protocol.name or protocol.id or "the protocol", id = protocol.id,
    unconfirmed = protocol.unconfirmed, parts = {}, pulses = {}, conditions = {}, durations = {},
    thresholds = {}, found = {}, known = {}, deviations = {}, software = { version = version } }
  local cited = protocol.cite
  if cited and protocol.doi then
    cited = ("%s, doi:%s"):format(cited, (protocol.doi:gsub("; ", "; doi:")))
  end
  known_fields.take(facts.known, "citation", cited, "protocol")
  return facts
end

--- The site, the coil, as a protocol declares them: the last that is asked.
---@param facts moonpulse.MethodsFacts changed
---@param protocol table
function M.add_declared(facts, protocol)
  local elsewhere = protocol.id == "sham" and facts.sham -- "as active", of a protocol that has its own
  known_fields.take(facts.known, "target", not elsewhere and protocol.target or nil, "protocol")
  known_fields.take(facts.known, "coil", protocol.coil, "protocol")
end

--- It is a sham: the protocol whose schedule it is, as its paper is cited, and its site.
---@param facts moonpulse.MethodsFacts changed
---@param of string? an id or a file
---@param name string? of that protocol
function M.add_sham(facts, of, name)
  facts.sham = name and of and ("%s (%s)"):format(name, of) or of
  for _, active in ipairs(of and catalogue.all() or {}) do
    if active.id == of then
      facts.sham = ("%s [%s]%s"):format(active.name, of, active.cite and (" (%s)"):format(active.cite) or "")
      known_fields.take(facts.known, "target", active.target, "protocol")
    end
  end
end

--- The shams that a plan was made with: of all of it, or of a part.
---@param facts moonpulse.MethodsFacts changed
---@param shams moonpulse.NamedSham[] of moonpulse.protocol.sham
---@param pulses integer of the plan
function M.add_shams(facts, shams, pulses)
  if facts.sham or #shams == 0 then
    return
  end
  local sum, names = 0, {}
  for i, each in ipairs(shams) do
    sum, names[i] = sum + each.pulses, ("%s (%s)"):format(each.name, each.of)
  end
  if #shams == 1 and sum == pulses then
    M.add_sham(facts, shams[1].of, shams[1].name)
  else
    facts.has_sham = table.concat(names, ", ")
  end
end

--- How a threshold was found, as somebody says it; that it was given with an option says nothing of it.
local function how_of(given)
  local how = type(given) == "table" and (given.how or given.method)
  return type(how) == "string" and not how:find("^given with ") and how or nil
end

--- The thresholds, of the command line or of a manifest.
---@param facts moonpulse.MethodsFacts changed
---@param thresholds { rmt: any, amt: any } a number of %MSO each, or { value =, how =, date = }
---@param meta table? of --meta
function M.add_thresholds(facts, thresholds, meta)
  for _, key in ipairs { "rmt", "amt" } do
    local given = thresholds[key]
    local value = type(given) == "table" and given.value or given
    if type(value) == "number" then
      local how, date = metas.of_threshold(key, meta)
      facts.thresholds[#facts.thresholds + 1] = { name = key:upper(), value = value, how = how_of(given)
        or how,
        date = type(given) == "table" and given.date or date }
    end
  end
end

--- Those of a run on several devices that have their own.
---@param facts moonpulse.MethodsFacts changed
---@param devices any of the manifest
---@param meta table? of --meta
function M.add_own_thresholds(facts, devices, meta)
  for _, key in ipairs { "rmt", "amt" } do
    for _, each in ipairs(type(devices) == "table" and devices or {}) do
      local own = type(each) == "table" and type(each.thresholds) == "table" and each.thresholds
      local value = own and own[key]
      if type(value) == "number" then
        local taken = type(each.taken) == "table" and each.taken or nil
        local how, date = metas.of_threshold(key, meta, nil, taken)
        facts.thresholds[#facts.thresholds + 1] = { name = key:upper(), value = value, how = how, date = date,
          device = tostring(each.place) }
      end
    end
  end
end

--- The channels that a protocol gives to a nerve; of a device that is no box they are a coil's.
---@param list any as the protocol or a manifest has it
---@param limits { nerve: boolean? }? of the device; nil: none was named, or a manifest has settled it
---@return { channels: table<any, any>, only: boolean }? names in their order, and each as a key
function M.nerve(list, limits)
  local found = {}
  for _, name in ipairs(type(list) == "table" and list or {}) do
    if type(name) == "string" then
      found[#found + 1], found[name] = name, true
    end
  end
  local is_coil = limits and not limits.nerve
  return #found > 0 and not is_coil and { channels = found, only = false } or nil
end

return M
