--- Earlier runs of the participant, in the folder of the run that follows: as runs leave them, however they
--- ended, and as others do. What of them counts is summed up here, from what was drawn and from what
--- simulators gave, as docs/safety.md has it.
local cjson = require "cjson"
local lfs = require "lfs"

local M = {}

local hour_s, week_h = 3600, 7 * 24
local noon_h = 15 -- it is three in the afternoon: what is younger than that was today

--- When the run is that has a history: its own clock is virtual, and the day must not turn meanwhile.
---@return integer seconds since the epoch
function M.now()
  return os.time { year = 2026, month = 11, day = 25, hour = noon_h, min = 0, sec = 0 }
end

-- Drawing --------------------------------------------------------------------------------------------------

local kinds = { "ended", "ended", "recovered", "refused", "planned", "killed", "killed", "torn", "foreign",
  "orphan", "damaged", "other", "simulated" }
local statuses = { "delivered", "sent", "perhaps_sent", "late", "stopped", "not_taken", "unasked" }
local ages_h = { 0.2, 3, 14.9, 15.1, 20, 70, 167.9, 168.1, 190, 400, -0.01, -50 } -- below 0: in the future
local zones = { { "+0000", 0 }, { "Z", 0 }, { "+09:30", 9.5 }, { "-0800", -8 }, { "+1300", 13 } }

--- Draw earlier runs.
---@param chance moonpulse.explore.Chance
---@return table[] entries { kind, age_h, zone, code, rows }
function M.draw(chance)
  local list = {}
  for i = 1, chance:draw(1, 6) do
    local rows = {}
    for _, status in ipairs(statuses) do
      rows[status] = chance:once_in(2) and chance:draw(1, 40) or nil
    end
    list[i] = { kind = chance:pick(kinds), age_h = chance:pick(ages_h), zone = chance:draw(1, #zones),
      code = chance:draw(1, 4), rows = rows, more = chance:draw(0, 9), template = chance:draw(1, 3) }
  end
  return list
end

--- The code as somebody else would type it.
local function code_of(participant, way)
  return way == 2 and participant:lower() or way == 3 and " " .. participant
    or way == 4 and participant:lower() .. "  " or participant
end

-- What killed runs leave -----------------------------------------------------------------------------------

local function train(pulses, hz)
  return { kind = "train", pulses = pulses, value = 40, ref = "MSO", hz = { hz, 1 } }
end

-- runs that are killed: amid a plan that the host times; in a train that the device times and cannot be known
-- to have ended; after a plan that was cut
local killed = {
  { device = "magventure", timing = "host", kind = "protocol", flight = true, killed_s = 4.6,
    plan = { parts = { train(9, 1) } } },
  { device = "pulsepal", timing = "device", kind = "protocol", flight = true, killed_s = 1.52,
    plan = { parts = { train(20, 10) } } },
  { device = "stimjim", timing = "device", kind = "experiment", killed_s = 4, script = { { { what = "arm" },
    { what = "cut", plan = { parts = { train(20, 10) } }, after = 0.9 }, { what = "arm" },
    { what = "play", plan = { parts = { train(30, 5) } } } } } },
}
local made -- of them: { files, least, most }, played once in a process

--- Play the runs that are killed, once.
---@param scenario moonpulse.explore.Scenario which may have a history
---@param play fun(scenario: moonpulse.explore.Scenario): table plays one, and reads what it left
function M.prepare(scenario, play)
  if made or not scenario.history then
    return
  end
  local list = {}
  for i, each in ipairs(killed) do
    each.seed, each.late, each.tolerance_ms, each.troubles = 1, "abort", 1, {}
    local run, given = play(each), 0
    for _, pulse in ipairs(run.given) do
      given = given + (pulse.ns < run.killed.at_ns and 1 or 0)
    end
    -- the train goes on, and all of it may be given; of one that was cut, one pulse may have begun
    local most = each.device == "pulsepal" and #run.given or each.script and #run.wanted_pulses or given
    list[i] = { files = run.killed.files, least = each.device == "pulsepal" and most or given, most = most }
  end
  made = list
end

-- Writing --------------------------------------------------------------------------------------------------

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local function stamp(entry)
  local zone = zones[entry.zone]
  local there_s = M.now() + (zone[2] - entry.age_h) * hour_s
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(there_s)) .. zone[1]
end

local function manifest_of(entry, participant)
  return { participant = code_of(participant, entry.code), started = stamp(entry), status = "completed",
    kind = "protocol", device = { name = "magventure", simulated = false },
    protocol = { id = "earlier", pulses = 30 }, result = { pulses_sent = 0, elapsed_s = 60 } }
end

--- events.tsv of so many rows of each status; how many of them were given, or perhaps were.
local function events_of(rows)
  local lines, given = { "onset\tevent\tpulse\tonset_planned_us\tonset_sent_us\tstatus" }, 0
  for _, status in ipairs(statuses) do
    local was_sent = status == "delivered" or status == "sent"
    local unasked = status == "unasked"
    for _ = 1, rows[status] or 0 do
      local i = #lines
      lines[i + 1] = ("%d.0\t%s\t%d\t%d.0\t%s\t%s"):format(i, unasked and "unasked_pulse" or "pulse", i,
        i * 1000000, was_sent and i * 1000000 .. ".0" or "n/a", unasked and "delivered" or status)
    end
    given = given + ((was_sent or unasked or status == "perhaps_sent") and rows[status] or 0)
  end
  return table.concat(lines, "\n") .. "\n", given
end

local makers = {}

local function ended(entry, manifest)
  local text, given = events_of(entry.rows)
  manifest.result.pulses_sent = (entry.rows.delivered or 0) + (entry.rows.sent or 0)
  return { ["events.tsv"] = text }, given
end

makers.ended = ended

function makers.recovered(entry, manifest)
  local files, given = ended(entry, manifest)
  manifest.status, manifest.result.pulses_unknown = "interrupted", entry.more > 0 and entry.more or nil
  return files, given + entry.more -- what no row tells of
end

function makers.refused(_, manifest)
  manifest.status = "not run"
  return { ["events.tsv"] = (events_of {}) }, 0
end

function makers.planned(_, manifest) -- it has no result: all that it planned
  manifest.result = nil
  return { ["events.tsv"] = (events_of {}) }, manifest.protocol.pulses
end

function makers.killed(entry, manifest)
  local each = made[entry.template]
  local own, files = cjson.decode(each.files["manifest.json"]), {}
  for key, value in pairs(own) do
    manifest[key] = key ~= "participant" and key ~= "started" and value or manifest[key]
  end
  manifest.device.simulated, manifest.result = false, nil
  for name, text in pairs(each.files) do
    files[name] = text
  end
  return files, each.least, each.most
end

function makers.torn(entry, manifest) -- nothing can be read: all that it planned
  local files = makers.killed({ template = 1 + entry.template % 2 }, manifest)
  files["flight.bin"] = ("?"):rep(entry.more * 100)
  return files, manifest.protocol.pulses
end

function makers.other(entry, manifest)
  manifest.participant = manifest.participant .. "0"
  return ended(entry, manifest), 0
end

function makers.simulated(entry, manifest)
  manifest.device.simulated = true
  return ended(entry, manifest), 0
end

-- what is no run
local others = {
  foreign = function() return { ["notes.txt"] = "nothing" }, 0 end,
  orphan = function() return { ["flight.bin"] = "?" }, 1 end,
  damaged = function() return { ["manifest.json"] = '{"participant":', ["events.tsv"] = "x" }, 1 end,
}

local function add(sum, entry, least, most)
  local today = entry.age_h < noon_h
  if most > 0 and today then
    sum.day_least, sum.day_most = sum.day_least + least, sum.day_most + most
  end
  if most > 0 and entry.age_h < week_h then
    sum.week_least, sum.week_most = sum.week_least + least, sum.week_most + most
  end
  sum.sessions = sum.sessions + (most > 0 and 1 or 0)
end

--- Write the earlier runs of a scenario into folder.
---@param scenario moonpulse.explore.Scenario with history and participant
---@param folder string
---@return table sum { day_least, day_most, week_least, week_most, sessions, unreadable, paths }
function M.write(scenario, folder)
  local sum = { day_least = 0, day_most = 0, week_least = 0, week_most = 0, sessions = 0, unreadable = 0,
    paths = {} }
  for i, entry in ipairs(scenario.history) do
    local path, manifest = ("%s/earlier%d"):format(folder, i), manifest_of(entry, scenario.participant)
    local files, least, most = (others[entry.kind] or makers[entry.kind])(entry, manifest)
    if others[entry.kind] then
      sum.unreadable = sum.unreadable + least
    else
      files["manifest.json"] = cjson.encode(manifest)
      add(sum, entry, least, most or least)
    end
    lfs.mkdir(path)
    for name, text in pairs(files) do
      write(path .. "/" .. name, text)
    end
    sum.paths[path] = files
  end
  return sum
end

--- The first file of the earlier runs that is not as it was written.
---@param sum table of M.write
---@return string? path
function M.touched(sum)
  for path, files in pairs(sum.paths) do
    for name in lfs.dir(path) do
      local file <close> = name ~= "." and name ~= ".." and io.open(path .. "/" .. name, "rb") or nil
      if file and file:read "a" ~= files[name] then
        return path .. "/" .. name
      end
    end
  end
end

return M
