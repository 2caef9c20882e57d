--- What a journal says behind a stop from outside: nothing is played then, so that whoever moves the line of
--- the stop to hide what came behind it leaves what cannot be.
local cells_of = require("moonpulse.text.cells").of
local decisions = require "moonpulse.compare.decisions"
local ended_lines = require "moonpulse.text.ended_lines"

local M = {}

local name = "journal.jsonl"
local slack_ns = 1000000000 -- of virtual time, which may run on until the loop hears of the stop
local begins = { play = true, arm = true, ahead = true, watch = true }
-- of these the time is when they were written
local in_order = { note = true, question = true, answer = true, arm = true, disarm = true }

local function whole(value)
  return math.tointeger(tonumber(value))
end

--- Is it a plan that a trigger started, or a pulse from outside? They are told when the run hears of them.
local function is_told_late(entry)
  return entry.kind == "play" and (entry.triggered == true or entry.external ~= nil)
end

--- The line of the first stop by the operator or the computer: a run is over then, whatever its script does.
---@param entries (table|false)[] the lines of a journal
---@return integer? line
function M.line(entries)
  for number, entry in ipairs(entries) do
    if entry and entry.kind == "stop" and decisions.from_outside(entry.reason) then
      return number
    end
  end
end

--- The lines that begin something behind a stop: at most the last one, of which nothing was given, since the
--- stop may come while a plan is being prepared.
local function check_begun(entries, stop, findings)
  local first
  for number = stop + 1, #entries do
    local entry = entries[number] or {}
    if entry.kind == "end" then
      break
    elseif begins[entry.kind] and not is_told_late(entry) then
      if first then
        findings:differ(name, first, "it says %s behind the stop of line %d, and goes on behind that: "
          .. "nothing is played once a run is stopped", entries[first].kind, stop)
        return
      end
      first = number
    end
  end
end

--- How many pulses there can be: of all plans before the stop, and of those that triggers had started.
local function most_pulses(entries, stop)
  local pulses = 0
  for number, entry in ipairs(entries) do
    if entry and entry.kind == "play" and (number < stop or is_told_late(entry)) then
      pulses = pulses + (whole(entry.pulses) or 0)
    end
  end
  return pulses
end

--- The rows of pulses: none of a plan behind the stop, and none that was sent later.
local function check_rows(entries, stop, text, findings)
  local most, at_ns = most_pulses(entries, stop), whole(entries[stop].at_ns)
  local places, number = nil, 0
  for line in ended_lines.of(text) do
    number = number + 1
    local cells = cells_of(line)
    if not places then
      places = {}
      for place, cell in ipairs(cells) do
        places[cell] = place
      end
    elseif cells[places.event or 0] == "pulse" then
      local sent_us, pulse = tonumber(cells[places.onset_sent_us or 0]), whole(cells[places.pulse or 0])
      if pulse and pulse > most then
        findings:differ("events.tsv", number, "pulse %d is of no plan before the stop: those have %d", pulse,
          most)
        return
      elseif sent_us and at_ns and sent_us * 1000 > at_ns + slack_ns then
        findings:differ("events.tsv", number, "a pulse was sent at %.6f s, and the run was stopped at %.6f s",
          sent_us / 1e6, at_ns / 1e9)
        return
      end
    end
  end
end

--- The stop is not earlier than what stands before it.
local function check_order(entries, stop, findings)
  local at_ns = whole(entries[stop].at_ns)
  for number = 1, stop - 1 do
    local entry = entries[number]
    local before_ns = entry and in_order[entry.kind] and whole(entry.at_ns)
    if before_ns and at_ns and before_ns > at_ns + slack_ns then
      findings:differ(name, stop, "the run was stopped at %.9f s, and line %d before that is of %.9f s",
        at_ns / 1e9, number, before_ns / 1e9)
      return
    end
  end
end

--- Compare what stands behind a stop from outside with that stop.
---@param entries (table|false)[] the lines of the journal of an experiment in virtual time
---@param text string of its events.tsv
---@param findings moonpulse.VerifyFindings
function M.check(entries, text, findings)
  local stop = M.line(entries)
  if stop then
    check_begun(entries, stop, findings)
    check_order(entries, stop, findings)
    check_rows(entries, stop, text, findings)
  end
end

return M
