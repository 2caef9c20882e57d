--- The motor thresholds that earlier runs of a participant found, for the next run, and which of them it must
--- not take: of a record that is not as it was sealed, of a simulator for a person (or a person's for a
--- simulator), of another stimulator, coil or muscle. A threshold in %MSO is of the device and the coil that
--- it was found with (Rossini PM et al. 2015, Clin Neurophysiol 126:1071-1107).
local clock = require "moonpulse.safety.clock"
local edited = require "moonpulse.safety.edited"
local escapes = require "moonpulse.text.escapes"
local journal_lines = require "moonpulse.record.journal_lines"
local lfs = require "lfs"
local metas = require "moonpulse.record.meta"
local no_threshold = require "moonpulse.text.no_threshold"
local read = require "moonpulse.record.read"
local recover_manifest = require "moonpulse.record.recover_manifest"
local run_facts = require "moonpulse.safety.run_facts"
local run_lists = require "moonpulse.safety.run_list"
local same_session = require "moonpulse.safety.same_session"
local seals = require "moonpulse.record.seal"

local M = {}

local SKEW_S = 60 -- clocks of two hosts differ so much
local DAY = 86400
local unsaid = "it does not say whether it is RMT or AMT (kind = \"RMT\" in run:threshold)"

---@class moonpulse.FoundThreshold what a run found of one kind
---@field kind "RMT"|"AMT"|"unsaid" unsaid: its script does not say which one it is
---@field value number? %MSO; nil: it found none, or several, see why
---@field why string? why there is none, or why it must not be taken
---@field how string? the method
---@field date string the day on which the run began
---@field at integer the same in seconds since the epoch
---@field run string name of the run's folder
---@field path string of it
---@field place string? of a run on several devices the one that it was found with
---@field simulated boolean its device was a simulator

---@class moonpulse.ThresholdUse what a threshold would be used with, as far as that is known before
---@field simulated boolean
---@field device string name of the driver
---@field place string? of several devices what the command calls it
---@field said table<string, string> by the keys of moonpulse.record.meta's of_device: what the operator says
---@field muscle string?
---@field site string? whose threshold it is, such as foot

--- How many has the manifest there?
local function count_of(manifest, path)
  local list = read.get(manifest, path)
  return type(list) == "table" and #list or 0
end

--- Does the journal tell of the same, no more and no less, and of the same files, and is the folder sealed?
--- What of a sealed file was changed is told before; who seals again what was edited leaves the journal.
local function unproven(path, manifest, results)
  if lfs.symlinkattributes(path .. "/" .. seals.name, "mode") ~= "file" then
    return "its record is not sealed"
  end
  local differing = edited.counted(seals.differing_from_journal(path))
  if differing[1] then
    return ("%s: its journal tells otherwise (moonpulse verify)"):format(table.concat(differing, ", "))
  end
  local told = metas.found(results.ended, manifest.started) or {}
  local found = read.get(manifest, "thresholds.found")
  for i, each in ipairs(type(found) == "table" and found or {}) do
    -- the journal has fewer digits of a number than the manifest
    if not told[i] or type(each.value) ~= "number" or told[i].kind ~= each.kind
      or told[i].device ~= each.device or math.abs(told[i].value - each.value) > 1e-9 * told[i].value then
      return "its journal tells of another threshold (moonpulse verify)"
    end
  end
  if #told > count_of(manifest, "thresholds.found")
    or #results.staircases > count_of(manifest, "experiment.staircases")
    or #results.thresholds > count_of(manifest, "experiment.thresholds") then
    return "its journal tells of more hunts than its manifest (moonpulse verify)"
  end
end

--- What a run on several devices found, of which it does not say whose it is: a person does.
local function of_several(manifest)
  local found, list = read.get(manifest, "thresholds.found"), {}
  for _, each in ipairs(type(found) == "table" and found or {}) do
    list[#list + 1] = type(each.value) == "number" and ("%s: %s %.4g %%MSO"):format(
      tostring(each.device or "of a device that is not said"), tostring(each.kind or "threshold"), each.value)
      or nil
  end
  return ("it was found in a run on several devices%s: give the one that is meant with --rmt NAME=N (or "
    .. "--amt)"):format(list[1] and (" (%s)"):format(escapes.shown(table.concat(list, "; "))) or "")
end

--- Why nobody may take what a run found; nil: it may be taken.
local function problem_of(run, manifest, results, now)
  if run.edited then
    return ("its record was changed after it was sealed, or has no seal (%s)"):format(run.edited)
  elseif run.facts.torn or not manifest then
    return "its record is not whole (moonpulse recover)"
  elseif not run.facts.started or run.at > now + SKEW_S then
    return "it does not say when it was, or that is in the future: look at the clock"
  end
  return unproven(run.path, manifest, results)
end

--- What the last hunt of one kind came to, if it found nothing: "no threshold up to 100 %MSO". What had not
--- ended when the run did comes last.
local function failed_last(results, kind, place)
  local ended, failed = {}, nil
  local function take(each)
    if each.kind == kind and each.device == place then
      failed = not each.threshold and no_threshold.words(each) or nil
    end
    ended[each] = true
  end
  for _, each in ipairs(results.ended) do
    take(each)
  end
  for _, name in ipairs { "staircases", "thresholds" } do
    for _, each in ipairs(results[name]) do
      if not ended[each] then
        take(each)
      end
    end
  end
  return failed
end

--- What a run found of one kind, on several devices of one of them: one value, or none. One that a later
--- hunt did not find again is none.
local function of_kind(facts, kind, results, place)
  local value, how, why
  for _, each in ipairs(facts.thresholds) do
    local of = (each.kind == "RMT" or each.kind == "AMT") and each.kind or "unsaid"
    local is_its = of == kind and each.device == place
    if is_its and each.value and value and value ~= each.value then
      return nil, nil, ("it found several: %.4g and %.4g %%MSO"):format(value, each.value)
    elseif is_its then
      value, how, why = value or each.value, how or each.how, why or each.why
    end
  end
  local failed = value and failed_last(results, kind, place)
  if failed then
    return nil, nil, ("it found %.4g %%MSO, and after that %s"):format(value, failed)
  end
  return value, how, not value and why and "it found " .. why or nil
end

local shown = "%.4g" -- as a hunt and a staircase say it when they end

--- The devices that its hunts name, in their order; of a run on one device, and of hunts that name none,
--- false.
local function places_of(facts)
  local list, known = {}, {}
  for _, each in ipairs(facts.thresholds) do
    local place = each.device or false
    if not known[place] then
      known[place], list[#list + 1] = true, place
    end
  end
  return list
end

local function add(list, run, real_pty, now)
  local manifest = read.manifest(run.path .. "/manifest.json")
  local problem, reality = nil, manifest and run_facts.reality(run.path, manifest)
  local results = recover_manifest.results(journal_lines.entries(run.path) or {})
  local is_several = read.get(manifest, "device.devices") ~= nil
  for _, place in ipairs(places_of(run.facts)) do
    for _, kind in ipairs { "RMT", "AMT", "unsaid" } do
      local value, how, why = of_kind(run.facts, kind, results, place or nil)
      value = value and tonumber(shown:format(value)) -- what is shown is what is taken
      if kind == "unsaid" then
        why = value and unsaid
      end
      if value or why then
        problem = problem or problem_of(run, manifest, results, now) or false
        local whose = is_several and not place and of_several(manifest) or nil
        list[#list + 1] = { kind = kind, value = value, how = how, why = problem or whose or why or nil,
          at = run.at, date = clock.day(run.at), run = same_session.name_of(run.path), path = run.path,
          place = is_several and place or nil,
          simulated = reality == "simulated" or reality == "handed on" and not real_pty }
      end
    end
  end
end

--- All of them, the newest first.
---@param folders string[] absolute
---@param participant string
---@param real_pty boolean? behind pseudo-terminals are real stimulators
---@param say fun(text: string) gets what the operator should know
---@return moonpulse.FoundThreshold[]
function M.of(folders, participant, real_pty, say)
  local found = run_lists.of(folders, { who = run_facts.key(participant), limit = 0 }, real_pty, say)
  return M.of_runs(found.hunted, real_pty)
end

--- The same of runs that were listed.
---@param runs moonpulse.ShownRun[] hunted of moonpulse.safety.run_list: the newest last
---@param real_pty boolean?
---@return moonpulse.FoundThreshold[] the newest first
function M.of_runs(runs, real_pty)
  local list, now = {}, os.time()
  for i = #runs, 1, -1 do
    add(list, runs[i], real_pty, now)
  end
  return list
end

local function same(a, b)
  return tostring(a):lower():match("^%s*(.-)%s*$") == tostring(b):lower():match("^%s*(.-)%s*$")
end

--- What a manifest has of the device, or of several of the one of that name.
local function device_of(manifest, place)
  local device = read.get(manifest, "device")
  local devices = type(device) == "table" and device.devices
  for _, each in ipairs(type(devices) == "table" and devices or {}) do
    device = type(each) == "table" and each.place == place and each or device
  end
  return type(device) == "table" and device or {}
end

--- What of a stimulator is not as it was when a threshold was found; nil: nothing that both say.
---@param path string of the folder of the run that found it
---@param is table<string, string> "model", "serial" and the keys of metas.of_device
---@param place string? of a run on several devices the one that it was found with
---@return string?
function M.differs(path, is, place)
  local device = device_of(read.manifest(path .. "/manifest.json"), place)
  for _, key in ipairs { "model", "serial", table.unpack(metas.of_device) } do
    local was = device[key]
    was = type(was) == "table" and was.value or was
    if was ~= nil and is[key] ~= nil and not same(was, is[key]) then
      return ("with another %s (%s, and now %s)"):format(key == "serial" and "stimulator: serial number"
        or key:gsub("_", " "), was, is[key])
    end
  end
end

--- Why what was found does not fit what it would be used with; nil: it fits, as far as is known.
local function misfit(each, use)
  local manifest = read.manifest(each.path .. "/manifest.json")
  local device = device_of(manifest, each.place).name
  local site, muscle = read.get(manifest, "protocol.threshold"),
    read.get(manifest, "meta.threshold_location") or read.get(manifest, "meta.muscle")
  if each.simulated ~= use.simulated then
    return each.simulated and "on a simulator, and this is a stimulator"
      or "on a stimulator, and this is a simulator"
  elseif device ~= use.device then
    return ("on another stimulator (%s, and now %s)"):format(tostring(device), use.device)
  elseif use.site and not same(site or muscle or "", use.site) then
    return ("%s, and this needs the threshold of %s"):format(site or muscle
      and "of " .. tostring(site or muscle) or "without a word of whose threshold it is", use.site)
  elseif site and not use.site then
    return ("of %s, and this does not say that it is"):format(site)
  elseif muscle and use.muscle and not same(muscle, use.muscle) then
    return ("of %s, and this is for %s"):format(muscle, use.muscle)
  end
  return M.differs(each.path, use.said, each.place)
end

--- How long ago that day was.
local function ago(at)
  local function noon(time)
    local day = os.date("*t", time)
    return os.time { year = day.year, month = day.month, day = day.day, hour = 12 }
  end
  local days = (noon(os.time()) - noon(at) + DAY // 2) // DAY
  return days == 0 and "today" or days == 1 and "1 day ago" or ("%d days ago"):format(days)
end

--- In words: "RMT 47 %MSO, found on 2026-11-27 (ML-PEST from 50, 20 trials; run NAME), 2 days ago".
---@param each moonpulse.FoundThreshold with a value
---@return string
function M.words(each)
  return ("%s %.10g %%MSO, found %son %s (%s; run %s), %s"):format(each.kind == "unsaid" and "threshold"
    or each.kind, each.value, each.place and ("with %s "):format(each.place) or "", each.date, each.how
    or "by a method that is not recorded", each.run, ago(each.at))
end

local others_words = "it was found in a run on several devices: a device that is called %s takes it"

--- The newest that may be taken, and why newer ones may not.
---@param list moonpulse.FoundThreshold[] of M.of
---@param kind "RMT"|"AMT"
---@param use moonpulse.ThresholdUse
---@return moonpulse.FoundThreshold?
---@return string? passed_over the newest that is not taken, and why; nil: none, or none that is newer
function M.choose(list, kind, use)
  local passed_over, others
  for _, each in ipairs(list) do
    local is_others = each.place and each.place ~= use.place
    if each.kind == kind or each.kind == "unsaid" then
      local why, fit = each.why, each.value and not each.why and not is_others and misfit(each, use)
      if not why and not fit and not is_others then
        return each, passed_over
      end
      local text = each.value and ("the %s, is not offered: %s"):format(M.words(each), fit
        and "it was found " .. fit or why or others_words:format(each.place))
        or ("run %s of %s offers no %s: %s"):format(each.run, each.date, kind, why)
      if is_others and use.place then -- what was found with another one is no news where its own is there
        others = others or text
      else
        passed_over = passed_over or text
      end
    end
  end
  return nil, passed_over or others
end

return M
