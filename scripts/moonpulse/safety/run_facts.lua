--- What is told of one run without reading its rows: for the list of runs, and to find a participant's.
local cjson = require "cjson.safe"
local clock = require "moonpulse.safety.clock"
local lfs = require "lfs"
local read = require "moonpulse.record.read"

local M = {}

local absent = { [2] = true, [20] = true, [40] = true } -- ENOENT, ENOTDIR, ELOOP: surely no such file
local longest = 300 -- bytes of a text that is listed: a record may come from anywhere

---@class moonpulse.RunFacts
---@field started string? as the record has it
---@field participant string?
---@field protocol string? id, of an experiment too
---@field kind string? "protocol" or "experiment"
---@field status string? of the manifest: "running", "completed", ...
---@field reason string? why it ended, in words
---@field stop string? the same in one word
---@field simulated boolean
---@field handed_on boolean? it went through a pseudo-terminal: simulated, unless that hands on to a device
---@field given integer? pulses given, or perhaps given, those to nerves included
---@field planned integer?
---@field worst_us number? the worst onset error, of a run in real time
---@field torn boolean? its manifest still says that it runs
---@field session table? which session of which course it was (moonpulse.safety.sessions)
---@field unreadable boolean? its manifest cannot be read
---@field starting boolean? it has no manifest yet: its program lives, and has told no device anything
---@field begins moonpulse.Begins? it began amid its plan
---@field notes integer? how many notes its operator added
---@field thresholds { kind: string?, value: number?, how: string?, why: string?, device: string? }[]? what
---   its staircases and hunts found, and why others, of a kind, found none; device: of several, which
---@field closed boolean? this account may not look into its folder

--- A participant's code as codes are compared: without case, and spaces around it. nil: it is none.
---@param code any
---@return string?
function M.key(code)
  local bare = type(code) == "string" and clock.trim(code):lower()
  return bare and bare ~= "" and bare or nil
end

--- Was it given to somebody? Through a pseudo-terminal, and not to a simulator that the run started itself,
--- it may have been handed on to a real stimulator.
---@param path string of the run's folder
---@param manifest table
---@return "real"|"simulated"|"handed on"
function M.reality(path, manifest)
  if not read.get(manifest, "device.simulated") then
    return "real"
  end
  local speed = read.get(manifest, "speed")
  local handed_on = read.get(manifest, "device.backend") == "pty"
    and not read.get(manifest, "device.own_simulator")
    and not read.get(manifest, "device.twin") -- as it was called before
    and (speed == nil or speed == 1) and lfs.attributes(path .. "/twin.tsv", "mode") == nil
  return handed_on and "handed on" or "simulated"
end

--- Is it a folder into which this account may not look, or whose disk fails? Nobody knows what lies in it.
---@param path string
---@return boolean
function M.is_closed(path)
  local mode, _, code = lfs.symlinkattributes(path .. "/manifest.json", "mode")
  return mode == nil and not absent[code]
end

--- A folder without a manifest: is something in it of which nobody knows to whom it was given?
---@param path string
---@return boolean
function M.is_orphan(path)
  return lfs.attributes(path .. "/flight.bin", "mode") == "file"
    or (lfs.attributes(path .. "/journal.jsonl", "size") or 0) > 0
    or lfs.attributes(path .. "/SHA256SUMS", "mode") == "file"
    or (lfs.attributes(path .. "/events.tsv", "size") or 0) > 400 -- more than its header
end

--- The same: is it of a run that starts just now? That has given nothing to anybody.
---@param path string
---@return boolean
function M.is_starting(path)
  return lfs.symlinkattributes(path .. "/manifest.json", "mode") == nil
    and require("moonpulse.record.begun").is_starting(path) -- loaded for those
end

local function short(value)
  return type(value) == "string" and value:sub(1, longest) or nil
end

local most_thresholds = 20

--- What its staircases and hunts found in %MSO, in the order in which they ended; then those of a kind that
--- found none.
local function thresholds_of(manifest)
  local list = {}
  local function add(each)
    list[#list + 1] = #list < most_thresholds and each or nil
  end
  local function each_of(path, take)
    local found = read.get(manifest, path)
    for _, each in ipairs(type(found) == "table" and found or {}) do
      if type(each) == "table" then
        take(each)
      end
    end
  end
  each_of("thresholds.found", function(each)
    if type(each.value) == "number" and each.value >= 1 and each.value <= 100 and each.unit == "%MSO" then
      -- as it is shown, and can be typed
      add { kind = short(each.kind), value = tonumber(("%.10g"):format(each.value)), how = short(each.how),
        device = short(each.device) }
    end
  end)
  for _, path in ipairs { "experiment.staircases", "experiment.thresholds" } do
    each_of(path, function(each)
      if each.threshold == nil and each.kind ~= nil then
        add { kind = short(each.kind), device = short(each.device),
          why = short(require("moonpulse.text.no_threshold").words(each)) }
      end
    end)
  end
  return list[1] and list
end

local function amount(manifest, key)
  local value = read.get(manifest, key)
  return type(value) == "number" and value >= 0 and value < 1e12 and value or nil
end

--- What is told of it, as far as its manifest does.
local function facts_of(path, manifest)
  -- loaded for those who have a record
  local given = require("moonpulse.safety.given_record").of(path, manifest, false)
  local begins = require("moonpulse.record.begins").data(manifest)
  local session, notes = read.get(manifest, "session"), read.get(manifest, "notes")
  local reality = M.reality(path, manifest)
  return { started = short(read.get(manifest, "started")),
    participant = short(read.get(manifest, "participant")), kind = short(read.get(manifest, "kind")),
    protocol = short(read.get(manifest, "protocol.id")), status = short(read.get(manifest, "status")),
    reason = short(read.get(manifest, "result.reason")),
    stop = short(read.get(manifest, "result.stop")), simulated = reality == "simulated",
    handed_on = reality == "handed on" or nil,
    given = given.pulses + given.nerve_pulses,
    planned = amount(manifest, "result.pulses_planned") or amount(manifest, "protocol.pulses"),
    worst_us = amount(manifest, "result.lateness_us.max"), torn = given.torn,
    session = type(session) == "table" and session or nil, begins = begins,
    thresholds = thresholds_of(manifest),
    notes = type(notes) == "table" and #notes > 0 and #notes or nil }, given.problem == nil and not given.torn
end

--- A run of which nobody knows whose it is.
local function unknown(changed, facts)
  return { facts = facts or { unreadable = true, simulated = false }, at_us = changed * 1000000,
    counts = 0,
    settled = false }
end

--- What is known of the run in a folder.
---@param path string of the folder
---@return { facts: moonpulse.RunFacts, who: string|false|nil, named: string?, at_us: integer, counts: 0|1|2,
---   settled: boolean }? nil: it is no run's. who: key() of the participant; false: none is named; nil: it
---   cannot be known, then named is what its manifest says, which may be another than whose it was. at_us:
---   when it began, in microseconds since the epoch. counts: as a session of its participant: 0 no, 1 yes, 2
---   where pseudo-terminals hand on. settled: it changes only with its folder, manifest and events
function M.of(path)
  local there = lfs.symlinkattributes(path .. "/manifest.json", "mode")
  local manifest = there and read.manifest(path .. "/manifest.json")
  local changed = lfs.attributes(path, "modification") or 0
  if not manifest then
    if M.is_closed(path) then
      return unknown(changed, { unreadable = true, closed = true, simulated = false })
    end
    if not there and M.is_orphan(path) and M.is_starting(path) then
      return unknown(changed, { starting = true, simulated = false })
    end
    return (there or M.is_orphan(path)) and unknown(changed) or nil
  end
  local done, facts, settled = pcall(facts_of, path, manifest)
  local edits = require "moonpulse.safety.edited" -- where there is a folder to look at
  if not done then
    return unknown(changed)
  elseif edits.is_doubtful(path, manifest) or edits.is_without_journal(path, manifest) then
    local run = unknown(changed, facts)
    run.at_us, run.named = clock.micros_of(facts.started) or run.at_us, M.key(facts.participant)
    return run
  end
  local at_us, reality = clock.micros_of(facts.started), M.reality(path, manifest)
  return { facts = facts, who = M.key(read.get(manifest, "participant")) or false,
    at_us = at_us or changed * 1000000, settled = settled and at_us ~= nil,
    counts = (facts.given == 0 or reality == "simulated") and 0 or reality == "real" and 1 or 2 }
end

--- The facts as they are kept, and back.
---@param facts moonpulse.RunFacts
---@return string
function M.text(facts)
  return cjson.encode(facts) or "{}"
end

--- The facts of a text that text() gave.
---@param text string
---@return moonpulse.RunFacts
function M.read(text)
  return cjson.decode(text) or { unreadable = true, simulated = false }
end

return M
