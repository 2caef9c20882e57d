--- When a run began, how long it took and when it ended, as manifest.json says: against its clocks and the
--- times of the journal. The clocks only go on, and nothing takes longer than what it lies in.
local clocks = require "moonpulse.record.clocks"
local read = require "moonpulse.record.read"

local M = {}

local name = "manifest.json"
local rounded_s = 3e-6 -- three times are rounded to the microsecond
local near_s = 0.01    -- two clocks are looked at one after the other

local steady = { arm = true, disarm = true, play = true, mark = true } -- of the run itself

local function seconds(ns)
  return ns and ns / 1e9
end

--- A time of the wall clock; nil where it is not as a run writes it.
local function wall_s(text)
  return seconds(clocks.ns_of(text))
end

--- What the clocks of the manifest say: start and end by both, in seconds.
local function clock_of(manifest)
  local clock = {}
  for _, at in ipairs { "start", "end" } do
    clock[at .. "_wall"] = wall_s(read.get(manifest, ("clock.%s.wall"):format(at)))
    clock[at .. "_mono"] = math.tointeger(tonumber(read.get(manifest, ("clock.%s.monotonic_ns"):format(at))))
  end
  return clock.start_wall and clock.end_wall and clock.start_mono and clock.end_mono and clock or nil
end

--- The last instant of the run itself that the journal has, that of its end, in seconds from its beginning,
--- and when it was sealed.
local function told_by(lines)
  local last, ended, sealed
  for _, line in ipairs(lines) do
    local entry = line.entry or {}
    local at = seconds(math.tointeger(tonumber(entry.at_ns)))
    last = at and not ended and steady[entry.kind] and math.max(last or 0, at) or last
    if entry.kind == "end" then
      ended = { at_s = at or 0, wall_s = wall_s(entry.at) }
    end
    sealed = sealed or entry.kind == "sealed" and wall_s(entry.at) or nil
  end
  return last or 0, ended, sealed
end

--- The least and the most that elapsed_s can be.
local function bounds_of(manifest, lines, clock)
  local last_s, ended = told_by(lines)
  local started_s = wall_s(manifest.started)
  local before_s = started_s and clock.start_wall - started_s or 0
  if manifest.speed == nil or manifest.speed == 1 then
    return last_s, ended.at_s + before_s + near_s
  end
  local took_s = tonumber(read.get(manifest, "result.virtual.took_s")) or 0
  return took_s, (clock.end_mono - clock.start_mono) / 1e9 + before_s + near_s
end

local function check_elapsed(manifest, lines, clock, findings)
  local elapsed_s = read.get(manifest, "result.elapsed_s")
  local least_s, most_s = bounds_of(manifest, lines, clock)
  if type(elapsed_s) == "number" and (elapsed_s < least_s - near_s or elapsed_s > most_s) then
    findings:differ(name, nil, "result.elapsed_s is %g, and by the clocks of the record from %.3f to %.3f",
      elapsed_s, least_s, most_s)
  end
end

local function check_clock(manifest, lines, clock, findings)
  local apart_s = read.get(manifest, "clock.moved_apart_s")
  local made_s = clock.end_wall - clock.start_wall - (clock.end_mono - clock.start_mono) / 1e9
  if clock.end_mono < clock.start_mono then
    findings:differ(name, nil, "clock.end.monotonic_ns is before clock.start.monotonic_ns")
  elseif type(apart_s) == "number" and math.abs(apart_s - made_s) > rounded_s then
    findings:differ(name, nil, "clock.moved_apart_s is %g, and the clocks make %g", apart_s, made_s)
  end
  local ended_s, _, ended, sealed_s = wall_s(manifest.ended), told_by(lines)
  local jumped = type(read.get(manifest, "clock.jumps")) == "table" and read.get(manifest, "clock.jumps")[1]
  if jumped or not ended_s then
    return
  elseif ended_s > clock.end_wall + near_s then
    findings:differ(name, nil, "ended is %s, and its clock ended at %s", tostring(manifest.ended),
      tostring(read.get(manifest, "clock.end.wall")))
  elseif ended.wall_s and ended_s < ended.wall_s - near_s or sealed_s and ended_s > sealed_s + near_s then
    findings:differ(name, nil, "ended is %s, which is not between the end and the sealing of journal.jsonl",
      tostring(manifest.ended))
  end
end

--- Check the times of a run that came to its end.
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param findings moonpulse.VerifyFindings
function M.check(manifest, lines, findings)
  local _, ended = told_by(lines)
  local clock = ended and manifest.status ~= "interrupted" and clock_of(manifest)
  if clock then
    check_elapsed(manifest, lines, clock, findings)
    check_clock(manifest, lines, clock, findings)
  end
end

return M
