--- The lines of a journal that tell of plans that triggers start: called for, then armed, then the triggers.
--- Such a plan is made again with these times, so they must be in that order.
local M = {}

--- A time of the journal in nanoseconds from the run's start.
local function since(value, origin_ns)
  local ns = math.tointeger(tonumber(value))
  return ns and ns - origin_ns
end

--- What a line says is before what it must be behind.
local function check_order(findings, number, earlier, later)
  if earlier.ns and later.ns and later.ns < earlier.ns then
    findings:differ("journal.jsonl", number, "%s at %.9f s, which is before %s, at %.9f s", later.what,
      later.ns / 1e9, earlier.what, earlier.ns / 1e9)
  end
end

--- Compare the times of those lines with each other.
---@param entries (table|false)[] the lines of a journal; false: that one cannot be read
---@param findings moonpulse.VerifyFindings
function M.check(entries, findings)
  local origin_ns, armed = math.tointeger(tonumber(entries[1] and entries[1].clock_ns)) or 0, {}
  for number, entry in ipairs(entries) do
    if entry and entry.kind == "ahead" then
      armed = { what = "the plan that triggers start was armed", ns = since(entry.at_ns, 0) }
      local called = { what = "stim:on_trigger was called", ns = since(entry.from_ns, origin_ns) }
      check_order(findings, number, called, armed)
    elseif entry and entry.kind == "trigger" and entry.heard ~= nil then
      check_order(findings, number, armed, { what = "it heard a trigger", ns = since(entry.at_ns, 0) })
    end
  end
end

local closes = { arm = true, disarm = true, play = true, set = true, watch = true, stop = true,
  ["end"] = true }

--- A run that was killed while triggers started a plan: its last starts have their pulses, by the flight
--- record, and the journal was not told of them yet.
---@param manifest table its status, which has a check of its own (moonpulse.verify.ends)
---@param entries (table|false)[] the lines of a journal
---@return integer pulses so many there may be more than the journal has; 0 of any other run
function M.untold(manifest, entries)
  local open, left = nil, 0
  if manifest.status ~= "interrupted" and manifest.status ~= "running" then
    return 0
  end
  for _, entry in ipairs(entries) do
    if entry and entry.kind == "ahead" then
      open, left = entry, math.tointeger(tonumber(entry.count)) or 0
    elseif entry and entry.kind == "play" and entry.triggered == true then
      left = left - 1
    elseif entry and (closes[entry.kind] or entry.kind == "read" and entry.what == "on_trigger") then
      open = nil
    end
  end
  return open and math.max(0, left) * (math.tointeger(tonumber(open.pulses)) or 0) or 0
end

return M
