--- What the manifest of a run that was killed does not say yet, from its journal and its flight record: what
--- an experiment played and found, how the pulses were given, and until when anything is known of the run.
local flight_codes = require "moonpulse.record.flight_codes"
local clocks = require "moonpulse.record.clocks"
local cursors = require "moonpulse.compose.stimulus_cursor"
local foreign = require "moonpulse.record.foreign_values"
local journals = require "moonpulse.record.journal"
local metas = require "moonpulse.record.meta"
local reactions = require "moonpulse.record.reactions"
local recover_curves = require "moonpulse.record.recover_curves"
local seals = require "moonpulse.record.seal"

local M = {}

--- Why a staircase or a hunt has no threshold that its run did not come to the end of.
M.unfinished = recover_curves.unfinished

-- of triggers that started nothing
local verdicts = { counted = true, busy = true, refractory = true, over = true, outside = true, window = true,
  gate = true }
local most_results, most_trials = 1000, 100000 -- more has no run

-- What was written when the run was over: it tells nothing of how long it lasted.
local function is_later(kind)
  return kind == "end" or seals.kinds[kind]
end

local text_of, number_of, count_of = foreign.text, foreign.number, foreign.count

local texts = { staircases = { "unit", "rule", "device" }, thresholds = { "unit", "method", "variant",
  "ended_by", "device" } }
local figures = { staircases = { "start", "min_step" }, thresholds = { "of", "step", "start", "min", "max" } }

--- A mark of a staircase or a hunt into what is known of it.
local function add_mark(each, of, list)
  for _, key in ipairs(texts[list]) do
    each[key] = each[key] or text_of(of[key])
  end
  for _, key in ipairs(figures[list]) do
    each[key] = each[key] or number_of(of[key])
  end
  each.kind = each.kind or (of.kind == "RMT" or of.kind == "AMT") and of.kind or nil
  each.reversals = each.reversals and count_of(of.reversals) or each.reversals
  local intensity = number_of(of.intensity)
  if type(of.yes) == "boolean" and intensity and #each.track < most_trials then
    table.insert(each.track, { intensity = intensity, yes = of.yes,
      mep_uv = list == "thresholds" and number_of(of.mep_uv) or nil })
  end
  if of.ended == true then
    local interval = type(of.interval) == "table" and of.interval or {}
    each.ended, each.threshold, each.why = true, number_of(of.threshold), text_of(of.why)
    each.above, each.below = number_of(of.above), number_of(of.below)
    each.interval = number_of(interval.low) and { low = interval.low, high = number_of(interval.high),
      percent = number_of(interval.percent) } or nil
  end
end

--- What an experiment's script looked for: the staircases and the hunts in the order in which they were
--- begun, with every answer; and those that came to their end, in that order.
---@param lines table[] entries of the journal
---@return { staircases: table[], thresholds: table[], ended: table[] } thresholds: the hunts, as the manifest
---   has them; ended: of both
function M.results(lines)
  local found = { staircases = {}, thresholds = {}, ended = {} }
  local by_place = { staircases = {}, thresholds = {} }
  for _, line in ipairs(lines) do
    local of = line.kind == "mark" and type(line.of) == "table" and line.of or {}
    local name = of.hunt ~= nil and "thresholds" or "staircases"
    local list, known, place = found[name], by_place[name], count_of(of.hunt or of.staircase)
    if place and not known[place] and #list < most_results then
      list[#list + 1] = { reversals = name == "staircases" and 0 or nil, track = {} }
      known[place] = list[#list]
    end
    if place and known[place] then
      add_mark(known[place], of, name)
      found.ended[#found.ended + 1] = of.ended == true and known[place] or nil
    end
  end
  for _, name in ipairs { "staircases", "thresholds" } do
    for _, each in ipairs(found[name]) do
      each.trials, each.unit = #each.track, each.unit or "%MSO"
      each.why = each.why or not each.ended and M.unfinished or nil
      each.ended = nil
    end
  end
  return found
end

--- Count the pulses and the trials of a plan by condition; a trial with pulses of two is one of both.
local function count_plan(play, pulses, trials)
  local cursor, before, counted = play.trials and cursors.new(play.trials), 0, {}
  while cursor and before < play.pulses and cursor:find(before + 1) do
    local last, name = math.min(cursor.last, play.pulses), cursor.condition
    pulses[name], trials[name] = (pulses[name] or 0) + last - before, trials[name] or 0
    if cursor.trial then
      local first_trial, last_trial = cursor:trial_of(before + 1), cursor:trial_of(last)
      trials[name] = trials[name] + last_trial - first_trial + (counted[name] == first_trial and 0 or 1)
      counted[name] = last_trial
    end
    before = last
  end
end

--- Planned pulses, and planned trials, of each condition.
---@param plays table[] of the journal, as moonpulse.record.journal reads them
---@return table<string, integer> pulses
---@return table<string, integer> trials
function M.planned(plays)
  local pulses, trials = {}, {}
  for _, play in ipairs(plays) do
    count_plan(play, pulses, trials)
  end
  return pulses, trials
end

--- What became of the triggers of plans that waited for them: a start counts where the flight record has it,
--- also where the journal was not as far; of the others the last second's may be missing.
local function triggers_of(lines, entries, list)
  local by, waited = {}, false
  for _, line in ipairs(lines) do
    waited = waited or line.kind == "ahead"
    if line.kind == "trigger" and verdicts[line.heard] then
      by[line.heard] = (by[line.heard] or 0) + (count_of(line.count) or 1)
    end
  end
  if waited then
    local found = reactions.of_flight(list, entries)
    by.starts = 0
    for _, entry in ipairs(list) do
      by.starts = by.starts + (entry.kind == "play" and (entry.woken_ns or 0) > 0 and 1 or 0)
    end
    return reactions.facts(by, 0, found)
  end
end

local function fill_experiment(manifest, lines, entries, list)
  local plays = {}
  for _, entry in ipairs(entries) do
    plays[#plays + 1] = entry.kind == "play" and entry or nil
  end
  local experiment = type(manifest.experiment) == "table" and manifest.experiment or {}
  manifest.experiment = experiment
  experiment.plays = math.max(#plays, count_of(experiment.plays) or 0)
  local on_trigger = triggers_of(lines, entries, list)
  if on_trigger then
    experiment.triggers = type(experiment.triggers) == "table" and experiment.triggers or {}
    experiment.triggers.on_trigger = on_trigger
  end
  local results = M.results(lines)
  experiment.curves = recover_curves.results(lines) or experiment.curves
  for _, name in ipairs { "staircases", "thresholds" } do
    experiment[name] = results[name][1] and results[name] or experiment[name]
  end
  if results.staircases[1] or results.thresholds[1] then
    manifest.thresholds = type(manifest.thresholds) == "table" and manifest.thresholds or {}
    manifest.thresholds.found = metas.found(results.ended, manifest.started)
  end
  local pulses, trials = M.planned(plays)
  if next(pulses) then
    manifest.conditions, manifest.trials = pulses, trials
  end
end

--- How the pulses were given: as the device was set when it was armed, and for the trains that it timed.
local function fill_device(manifest, lines, entries, list)
  local given, plays = {}, {}
  local function add(key, value)
    local values = given[key] or {}
    given[key] = values
    if value and not values[value] then
      values[value], values[#values + 1] = true, value
    end
  end
  for _, line in ipairs(lines) do
    for key, value in pairs(line.kind == "arm" and type(line.pulse) == "table" and line.pulse or {}) do
      add(key, text_of(value))
    end
  end
  for _, entry in ipairs(entries) do
    plays[entry.play or 1] = entry.kind == "play" and entry or plays[entry.play or 1]
  end
  for _, record in ipairs(list) do
    local play = (record.kind == "sent" and record.send == "pulse" or record.kind == "stretch")
      and plays[record.play]
    local action = play and play.actions[record.action]
    local setting = action and action.train and action.train.setting
    if setting and setting.waveform and given.waveform then
      add("waveform", (setting.waveform:gsub("_", " ")))
    end
  end
  for _, key in ipairs(metas.of_device) do
    if given[key] and given[key][1] then
      local said = type(manifest.device[key]) == "table" and manifest.device[key] or {}
      said.value, said.source = table.concat(given[key], " and "), "device"
      manifest.device[key] = said
    end
  end
end

--- The last instant that anything tells of, by the monotonic clock, and what the wall clock showed.
---@param start { clock_ns: integer, wall_ns: integer } when the journal began
local function last_instant(start, lines, list)
  local last_ns, wall_ns, origin_ns = start.clock_ns, start.wall_ns, nil
  for _, line in ipairs(lines) do
    origin_ns = origin_ns or line.kind == "begin" and math.tointeger(line.clock_ns) or nil
    local at_ns = origin_ns and not is_later(line.kind) and math.tointeger(line.at_ns)
    local wall = at_ns and clocks.ns_of(line.at)
    if wall and origin_ns + at_ns > last_ns then
      last_ns, wall_ns = origin_ns + at_ns, wall
    end
  end
  local sent_ns = last_ns
  for _, record in ipairs(list) do
    for _, key in ipairs { "sent_ns", "woken_ns", "returned_ns" } do
      sent_ns = math.max(sent_ns, record[key] or 0)
    end
  end
  return sent_ns, wall_ns + sent_ns - last_ns
end

local why = "the last instant that the record knows: Moonpulse was killed, or its disk was full"

local function fill_clock(manifest, lines, list)
  local clock = manifest.clock
  local begun = type(clock) == "table" and type(clock.start) == "table" and clock.start or {}
  local start = { wall_ns = clocks.ns_of(begun.wall),
    clock_ns = math.tointeger(tonumber(begun.monotonic_ns)) }
  if not start.wall_ns or not start.clock_ns or manifest.speed ~= 1 then
    return -- virtual time is nobody's clock
  end
  local last_ns, wall_ns = last_instant(start, lines, list)
  clock["end"] = { wall = clocks.text(wall_ns), monotonic_ns = tostring(last_ns), why = why }
  clock.moved_apart_s = (wall_ns - start.wall_ns - (last_ns - start.clock_ns)) / 1e9
  local jumps = {}
  for _, line in ipairs(lines) do
    local by_s = line.kind == "clock" and number_of(line.by_s)
    jumps[#jumps + 1] = by_s and { at = text_of(line.at), old = text_of(line.old), new = text_of(line.new),
      by_s = by_s } or nil
  end
  clock.jumps = jumps
end

--- Did the stimulator say that it was disarmed, the last time that it was armed?
---@param lines table[] entries of the journal
---@return boolean? said nil: nothing tells of it
---@return integer? number of the line that tells
function M.was_disarmed(lines)
  local said, number, each = nil, nil, {}
  for i, line in ipairs(lines) do
    if line.kind == "arm" or line.kind == "disarm" then
      each[tostring(line.device)] = line.kind == "disarm" and line.new == "disarmed"
      said, number = true, i
      for _, disarmed in pairs(each) do -- of several devices all
        said = said and disarmed
      end
    end
  end
  return said, number
end

--- How many event codes the box got, and how many were lost, as at the end of a run.
local function fill_codes(manifest, list)
  if type(manifest.codes) ~= "table" or not list[1] then
    return
  end
  local sent, lost = 0, 0
  for _, entry in ipairs(list) do
    if entry.kind == "code" then
      local is_sent = flight_codes.lost(entry) == 0 -- one that was perhaps sent is of those that may be lost
      sent, lost = sent + (is_sent and 1 or 0), lost + (is_sent and 0 or 1)
    end
  end
  manifest.codes.sent, manifest.codes.lost = sent, lost
end

--- Fill it in.
---@param folder string
---@param manifest table of a run that was killed; changed
---@param entries table[] what was played, as of moonpulse.record.journal
---@param list table[] of the flight record; empty: it is lost
function M.fill(folder, manifest, entries, list)
  local lines = journals.all(folder)
  if manifest.kind == "experiment" then
    fill_experiment(manifest, lines, entries, list)
  end
  fill_device(manifest, lines, entries, list)
  fill_clock(manifest, lines, list)
  fill_codes(manifest, list)
  manifest.result.disarmed = M.was_disarmed(lines)
end

return M
