--- Where an experiment's run that broke off goes on: behind all that its script was told, of which its plans
--- are a part (moonpulse.experiment.past).
local clock = require "moonpulse.safety.clock"
local core = require "moonpulse.core"
local counted = require "moonpulse.record.counted"
local gave = require "moonpulse.rerun.gave"
local pasts = require "moonpulse.experiment.past"
local read = require "moonpulse.record.read"
local script_ends = require "moonpulse.experiment.script_end"
local text_files = require "moonpulse.text.text_file"
local triggers_before = require "moonpulse.experiment.triggers_before"

local M = {}

---@class moonpulse.ExperimentGoesOn
---@field past moonpulse.PastEntry[] what the script is told first
---@field given integer pulses that were given, or perhaps given, by the runs before
---@field perhaps integer those of them of which nobody knows
---@field plays integer plans that were given, or begun
---@field marks_left integer of the plan that broke off: marks that were not passed
---@field from_file integer answers that the run took from --answers
---@field zero_ns integer of the script's clock at the run's start
---@field over_ns integer the same, when it broke off

--- The last pulse that was come to: given, perhaps given, or left out by --late skip, which goes on.
local function reached(recipe, pulses)
  local skips, last = recipe.begin.options.late == "skip", 0
  for _, row in ipairs(pulses) do
    if skips or counted.is_given(row.status, row.sent ~= nil) then
      last = math.max(last, row.pulse or 0)
    end
  end
  return last
end

--- The plan that was in play when it broke off is cut behind its last pulse, or the last mark behind it. What
--- its script was told behind that came of the fault, which is over: a script that caught it is told nothing
--- of it.
---@return string? message where nobody can tell
---@return integer? marks_left of the plan that is cut
local function cut(entries, plays, recipe, events)
  local last, at = plays[#plays], reached(recipe, events.pulses)
  for i, play in ipairs(plays) do
    if i < #plays and play.pulses > 0 and play.before + play.pulses > at then
      return ("%s cannot be gone on with: its rows have fewer pulses of plan %d than it had, and another "
        .. "plan behind it"):format(recipe.folder, i)
    end
  end
  local entry = last and entries[last.at]
  local marks = entry and entry.what == "play"
    and gave.plan_marks(recipe.lines, events.marks, last.start_ns) or nil
  if not last or at >= last.before + last.pulses and (not marks or marks >= last.marks) then
    return nil
  end
  local first, kept = #plays, last.at
  while first > 1 and plays[first - 1].at == last.at do
    first = first - 1
  end
  for i = last.at + 1, #entries do -- what other parts of the script were told stays
    local of_other = entries[i].part ~= entry.part and entries[i] or nil
    entries[i] = nil
    kept = kept + (of_other and 1 or 0)
    entries[kept] = of_other or entries[kept]
  end
  entry.value, entry.given = nil, math.max(0, at - plays[first].before)
  entry.marks = marks
  return nil, math.max(0, last.marks - (marks or 0))
end

--- When the script's clock stopped, by the last row, and the last line before the end.
local function over_ns(lines, zero_ns, events)
  local last_ns = 0
  for _, rows in ipairs { events.pulses, events.marks } do
    local planned = rows[#rows] and rows[#rows].planned
    last_ns = math.max(last_ns, planned and math.floor(planned * 1000) or 0)
  end
  for _, line in ipairs(lines) do
    if line.kind == "end" then
      break
    end
    last_ns = math.max(last_ns, math.tointeger(tonumber(line.at_ns)) or 0)
  end
  return zero_ns + last_ns
end

--- Pulses of which nobody knows, of the runs that a run goes on with.
local function perhaps_before(lines)
  for _, line in ipairs(lines) do
    if line.kind == "before" and line.what == "end" then
      return math.tointeger(tonumber(line.perhaps)) or 0
    end
  end
  return 0
end

--- Where it goes on.
---@param recipe moonpulse.Recipe
---@param rows { given: integer, perhaps: integer } what was given, by its rows
---@param events table of record.read
---@return moonpulse.ExperimentGoesOn?
---@return string? message
function M.where(recipe, rows, events)
  local entries, why, from_file, zero_ns, plays = pasts.until_now(recipe.lines)
  if not entries then
    return nil, ("%s cannot be gone on with: %s; run it again, with a parameter of its own that says where "
      .. "it begins (-p block=3)"):format(recipe.folder, why)
  end
  local unclear, marks_left = cut(entries, plays, recipe, events)
  if unclear then
    return nil, unclear
  end
  local forgotten = read.get(recipe.manifest, "result.stop") ~= "error" and 0
    or script_ends.forget(entries, recipe.lines)
  if not forgotten then
    return nil, ("%s cannot be gone on with: its script ended it (%s), and would end there again, for it is "
      .. "told the same; run it again, with a parameter of its own that says where it begins (-p block=3)")
      :format(recipe.folder, tostring(read.get(recipe.manifest, "result.reason")))
  end
  local manifest = recipe.manifest
  local ended = clock.seconds_of(manifest.ended)
  local now = core.wall_ns() / 1e9
  local is_real = recipe.begin.options.speed == 1
  local at_ns = over_ns(recipe.lines, zero_ns, events)
  local before = math.tointeger(tonumber(read.get(manifest, "begins_at.pulses_before"))) or 0
  local perhaps = perhaps_before(recipe.lines) + rows.perhaps
  entries[#entries + 1] = { what = "end", at_ns = at_ns, given = before + rows.given,
    perhaps = perhaps > 0 and perhaps or nil,
    triggers = triggers_before.until_now(recipe.lines, zero_ns, at_ns,
      not is_real and recipe.files.triggers and text_files.lines(recipe.files.triggers) or nil),
    ago_ns = is_real and ended and math.floor(math.max(0, now - ended)) * 1000000000 or 0,
    counts = clock.same_day(clock.seconds_of(manifest.started) or now, now) }
  local past = pasts.new(entries)
  return { past = entries, given = past.pulses, perhaps = perhaps, plays = past.plays,
    marks_left = marks_left or 0, from_file = from_file - forgotten, zero_ns = zero_ns, over_ns = at_ns }
end

--- Answers of the run's file that it had not come to.
---@param recipe moonpulse.Recipe
---@param at moonpulse.ExperimentGoesOn
---@return string[] lines
function M.answers_left(recipe, at)
  local lines = recipe.files.answers and text_files.lines(recipe.files.answers) or {}
  return table.move(lines, at.from_file + 1, #lines, 1, {})
end

--- Of lines of a file of triggers: what a line of the port is from then on; nil: something else comes.
local function level_of(rest)
  local line, what = rest:match "^%s+(%l+)%s+(%l+)"
  if what == "rising" or what == "high" then
    return line, true
  elseif what == "falling" then
    return line, false
  end
end

--- Triggers of the run's file that it had not come to, from the beginning of the one that goes on, where
--- lines that were high then are so (a gate stays open); nil: it had no such file.
---@param recipe moonpulse.Recipe
---@param at moonpulse.ExperimentGoesOn
---@return string[]? lines
function M.triggers_left(recipe, at)
  local lines = recipe.files.triggers and text_files.lines(recipe.files.triggers)
  local since_s, left, levels = (at.over_ns - at.zero_ns) / 1e9, {}, {}
  for _, line in ipairs(lines or {}) do
    local seconds, rest = line:match "^%s*(%S+)(%s.*)$"
    local left_s = tonumber(seconds) and tonumber(seconds) - since_s
    if left_s and left_s >= 0 then
      left[#left + 1] = ("%.9f%s"):format(left_s, rest)
    elseif left_s and level_of(rest) then
      local name, is_high = level_of(rest)
      levels[name] = is_high
    end
  end
  for _, name in ipairs { "cd", "ri", "dsr", "cts" } do
    if levels[name] then
      table.insert(left, 1, ("0 %s high"):format(name))
    end
  end
  return lines and left
end

--- Of the plan that broke off, whatever runs gave of it: how many pulses, and of how many.
---@param at moonpulse.ExperimentGoesOn
---@return integer given
---@return integer pulses
function M.given_of_last(at)
  local past = at.past
  local i, given = pasts.last_plan(past, #past), 0
  while pasts.rest_of(past, i) do
    given, i = given + (past[i].given or 0), pasts.rest_of(past, i)
  end
  return given + (past[i].given or 0), past[i].pulses or 0
end

--- Where its record says that it began, of the one that goes on with it.
---@param at moonpulse.ExperimentGoesOn
---@param name string of the folder of the run that broke off
---@return moonpulse.Begins
function M.begins(at, name)
  local rest = at.past[pasts.last_plan(at.past, #at.past)]
  local is_cut = rest and rest.what == "play" and rest.given ~= nil
  return { what = "plan", number = at.plays + (is_cut and 0 or 1), pulses_before = at.given,
    continues = name }
end

return M
