--- Where an experiment's run that broke off goes on: behind all that its script was told, of which its plans
--- are a part (moonpulse.experiment.past).
local clock = require "moonpulse.safety.clock"
local core = require "moonpulse.core"
local pasts = require "moonpulse.experiment.past"
local text_files = require "moonpulse.text.text_file"

local M = {}

---@class moonpulse.ExperimentGoesOn
---@field past moonpulse.PastEntry[] what the script is told first
---@field given integer pulses that were given, or perhaps given, by the runs before
---@field perhaps integer those of the run of which nobody knows
---@field plays integer plans that were given, or begun
---@field from_file integer answers that the run took from --answers
---@field zero_ns integer of the script's clock at the run's start
---@field over_ns integer the same, when it broke off

--- The pulses of the plan that was in play when it broke off are counted: by the rows, up to the last one.
local function cut_last(entries, before, last)
  local entry = entries[#entries]
  if not (entry and entry.what == "play" and #(entry.starts_ns or {}) == 1 and entry.given == nil) then
    return
  end
  local given = math.max(0, last - before)
  if given < entry.pulses then
    entry.given = given
  end
end

--- Pulses that the run itself planned in its plans but the last one.
local function planned_before(lines)
  local sum, of_last = 0, 0
  for _, line in ipairs(lines) do
    if line.kind == "play" then
      sum, of_last = sum + of_last, math.tointeger(tonumber(line.pulses)) or 0
    end
  end
  return sum
end

--- When the script's clock stopped, by the last line before the end.
local function over_ns(lines, zero_ns)
  local last_ns = 0
  for _, line in ipairs(lines) do
    if line.kind == "end" then
      break
    end
    last_ns = math.max(last_ns, math.tointeger(tonumber(line.at_ns)) or 0)
  end
  return zero_ns + last_ns
end

--- Where it goes on.
---@param recipe moonpulse.Recipe
---@param rows { given: integer, perhaps: integer } what was given, by its rows
---@param last integer the last pulse that was given, or perhaps given
---@return moonpulse.ExperimentGoesOn?
---@return string? message
function M.where(recipe, rows, last)
  local entries, why, from_file, zero_ns = pasts.until_now(recipe.lines)
  if not entries then
    return nil, ("%s cannot be gone on with: %s; run it again, with a parameter of its own that says where "
      .. "it begins (-p block=3)"):format(recipe.folder, why)
  end
  cut_last(entries, planned_before(recipe.lines), last)
  local manifest = recipe.manifest
  local ended = clock.seconds_of(manifest.ended)
  local now = core.wall_ns() / 1e9
  local is_real = recipe.begin.options.speed == 1
  local at_ns = over_ns(recipe.lines, zero_ns)
  entries[#entries + 1] = { what = "end", at_ns = at_ns,
    ago_ns = is_real and ended and math.floor(math.max(0, now - ended)) * 1000000000 or 0,
    counts = clock.same_day(clock.seconds_of(manifest.started) or now, now) }
  local past = pasts.new(entries)
  return { past = entries, given = past.pulses, perhaps = rows.perhaps, plays = past.plays,
    from_file = from_file, zero_ns = zero_ns, over_ns = at_ns }
end

--- Answers of the run's file that it had not come to.
---@param recipe moonpulse.Recipe
---@param at moonpulse.ExperimentGoesOn
---@return string[] lines
function M.answers_left(recipe, at)
  local lines = recipe.files.answers and text_files.lines(recipe.files.answers) or {}
  return table.move(lines, at.from_file + 1, #lines, 1, {})
end

--- Triggers of the run's file that it had not come to, from the beginning of the one that goes on; nil: it
--- had no such file.
---@param recipe moonpulse.Recipe
---@param at moonpulse.ExperimentGoesOn
---@return string[]? lines
function M.triggers_left(recipe, at)
  local lines = recipe.files.triggers and text_files.lines(recipe.files.triggers)
  local since_s, left = (at.over_ns - at.zero_ns) / 1e9, {}
  for _, line in ipairs(lines or {}) do
    local seconds, rest = line:match "^%s*(%S+)(%s.*)$"
    local left_s = tonumber(seconds) and tonumber(seconds) - since_s
    left[#left + 1] = left_s and left_s >= 0 and ("%.9f%s"):format(left_s, rest) or nil
  end
  return lines and left
end

--- Where its record says that it began, of the one that goes on with it.
---@param at moonpulse.ExperimentGoesOn
---@param name string of the folder of the run that broke off
---@return moonpulse.Begins
function M.begins(at, name)
  local rest = at.past[#at.past - 1]
  local is_cut = rest and rest.given ~= nil
  return { what = "plan", number = at.plays + (is_cut and 0 or 1), pulses_before = at.given,
    continues = name }
end

return M
