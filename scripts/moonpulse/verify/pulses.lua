--- Pulses of a run in real time against those of the same plans, made again: what stands in the plan must be
--- in the row. When each left is another matter: flight.bin tells that.
local cells_of = require("moonpulse.text.cells").of

local M = {}

-- columns that the plan decides, and those that the device has a part in
local planned = { "trial_type", "channel", "intensity", "intensity_ref", "trial", "block" }
local of_device = { "intensity_mso", "timed_by" }
local nearest = 1 -- %MSO: another device has another step

---@class moonpulse.PulseRow
---@field line integer of the table
---@field onset_ns integer? as planned
---@field cells table<string, string>

--- The pulses of a table, by their numbers.
local function pulses_of(text)
  local names, rows, most, number = nil, {}, 0, 0
  for line in text:gmatch("([^\n]*)\n") do
    number = number + 1
    local cells = cells_of(line)
    if not names then
      names = cells
    else
      local row = {}
      for i, name in ipairs(names) do
        row[name] = cells[i] or ""
      end
      local pulse = row.event == "pulse" and math.tointeger(tonumber(row.pulse))
      if pulse then
        local us = tonumber(row.onset_planned_us)
        rows[pulse] = { line = number, onset_ns = us and math.floor(us * 1000 + 0.5), cells = row }
        most = math.max(most, pulse)
      end
    end
  end
  return rows, most
end

local function is_alike(name, a, b, same_device)
  if a == b then
    return true
  elseif same_device then
    return false
  end
  local x, y = tonumber(a), tonumber(b)
  return name == "timed_by" or x ~= nil and y ~= nil and math.abs(x - y) <= nearest
end

--- What of a row is not as it was planned, in words.
local function differences(row, made, since_ns, what, same_device)
  local parts = {}
  local function add(name, a, b)
    parts[#parts + 1] = ("%s is %s, and %s %s"):format(name, a, what, b)
  end
  for _, name in ipairs(planned) do
    if row.cells[name] ~= made.cells[name] then
      add(name, row.cells[name], made.cells[name])
    end
  end
  for _, name in ipairs(of_device) do
    if not is_alike(name, row.cells[name], made.cells[name], same_device) then
      add(name, row.cells[name], made.cells[name])
    end
  end
  local should_ns = made.onset_ns and made.onset_ns + since_ns
  if row.onset_ns and should_ns and math.abs(row.onset_ns - should_ns) > 1 then
    add("onset_planned_us", row.cells.onset_planned_us, ("%.3f"):format(should_ns / 1e3))
  end
  return parts
end

---@class moonpulse.PulsesHow
---@field since fun(pulse: integer): integer? how much later its plan began than in the made run, ns; nil:
---   it is of no plan that is known
---@field whole boolean the run came to its own end: it has all pulses
---@field same_device boolean
---@field what string what the made rows are, as "the kept text makes"
---@field certain integer? so many of the first pulses nothing excuses: what differs there goes to proven
---@field proven moonpulse.VerifyFindings?

--- Each pulse of a run against the one of that number of the run that was made again.
---@param text string events.tsv
---@param made string the same of the run that was made again
---@param how moonpulse.PulsesHow
---@param findings moonpulse.VerifyFindings
function M.compare(text, made, how, findings)
  local rows, most = pulses_of(text)
  local others, count = pulses_of(made)
  for pulse = 1, math.max(most, how.whole and count or 0) do
    local row, other = rows[pulse], others[pulse]
    local since_ns = how.since(pulse)
    local to = pulse <= (how.certain or 0) and how.proven or findings
    if not row and other and how.whole then
      to:differ("events.tsv", nil, "it has no row of pulse %d, and %s one on channel %s, %s %%%s",
        pulse, how.what, other.cells.channel, other.cells.intensity, other.cells.intensity_ref)
    elseif row and not other then
      to:differ("events.tsv", row.line, "pulse %d is one more than %s", pulse, how.what)
    elseif row and since_ns then
      local parts = differences(row, other, since_ns, how.what, how.same_device)
      if parts[1] then
        to:differ("events.tsv", row.line, "pulse %d: %s", pulse, table.concat(parts, "; "))
      end
    end
  end
end

return M
