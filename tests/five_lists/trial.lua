--- One plan on one device with one timing: are its five lists the same?
local chances = require "chance"
local compare = require "five_lists.compare"
local draw = require "five_lists.draw"
local heard = require "five_lists.heard"
local lists = require "five_lists.lists"
local oracle = require "five_lists.oracle"
local play = require "five_lists.play"

local M = {}

-- The engine rounds to 1 ns; a box's clock has steps of 50 us, a program's rate its own (Rapid: ms).
local exactly, as_sent = { ns = 2, mso = 1e-6 }, { ns = 2000, mso = 1e-6 }
local as_heard = { ns = 20, mso = 1e-6 } -- the gate counts in seconds
local clock_ns = { pulsepal = 110000, stimjim = 2000, rapid = 1000000 }

M.exactly, M.as_sent, M.as_heard = exactly, as_sent, as_heard

--- How far the simulator's pulses may be off by its clock.
---@param device table of five_lists.paces
function M.given_tolerance(device)
  return { ns = math.max(2000, clock_ns[device.name] or 0), mso = 1e-6 }
end

--- The expectation that fits what is listed; of a shuffle, one of its orders.
---@param drawn table of five_lists.draw
---@param listed table[] what `events` lists
---@param grid table? as for oracle.rows
---@return table[]? rows
---@return string? why there is none
function M.expected(drawn, listed, grid)
  local why
  for _, plan in ipairs(drawn.expected) do
    local rows, problem = oracle.rows(plan, listed, play.thresholds, grid)
    problem = problem or compare.difference({ name = "written", rows = rows },
      { name = "listed", rows = listed }, exactly)
    if not problem then
      return rows
    end
    why = why or problem
  end
  return nil, why
end

local function judged_rows(judged, wanted)
  if not judged then
    return nil, "the gate judged nothing"
  elseif judged.pulses ~= #compare.pulses(wanted) then
    return nil, ("the gate judged %d pulses of %d"):format(judged.pulses, #compare.pulses(wanted))
  end
  return judged.rows
end

--- Rows with the device's output in place of the plan's channel.
---@param rows table[]
---@param device table of five_lists.paces
function M.on_outputs(rows, device)
  local map, made = device.output_of, rows
  if map then
    made = {}
    for i, row in ipairs(rows) do
      made[i] = setmetatable({ channel = map[row.channel] or row.channel }, { __index = row })
    end
  end
  return made
end

function M.in_time(rows)
  table.sort(rows, function(a, b) return a.ns < b.ns end)
  return rows
end

local function first_difference(wanted, played, judged, device)
  local rows, why = judged_rows(judged, wanted)
  if not rows then
    return why
  end
  local pulses = compare.pulses(wanted)
  local sent, planned, odd = lists.recorded(played)
  local given_tolerance = M.given_tolerance(device)
  local written = { name = "written", rows = wanted }
  local coming = { name = "written", rows = M.on_outputs(pulses, device) }
  local lowered = { name = "lowered", rows = lists.lowered(played, device.shape) }
  local given = { name = "given", rows = M.in_time(lists.given(played, device)) }
  return compare.difference({ name = "written", rows = heard.ordered(pulses) },
    { name = "judged", rows = rows }, as_heard)
    or compare.difference(written, lowered, exactly)
    or compare.difference(coming, given, given_tolerance)
    or compare.difference({ name = "lowered",
      rows = M.on_outputs(compare.pulses(lowered.rows), device) }, given, given_tolerance)
    or compare.difference(written, { name = "recorded as planned", rows = planned }, exactly)
    or compare.difference(written, { name = "recorded as sent", rows = sent }, as_sent)
    or odd
end

---@class Trial
---@field seed integer
---@field device table of five_lists.paces
---@field timing string
---@field pace table? instead of one of the device's

--- Draw a plan and play it.
---@param folder string
---@param trial Trial
---@return "played"|"refused"|"wrong"
---@return string what: why not, with the plan's text where it is wrong; or the text of what was played
function M.run(folder, trial)
  local device, timing = trial.device, trial.timing
  local paces = timing == "device" and device.own or device.paces
  local drawn = draw.plan(trial.seed, trial.pace or chances.new(-trial.seed):pick(paces))
  local plan = play.build(folder, drawn.source, drawn.seed)
  local listed = lists.listed(plan, drawn.seed)
  local function wrong(difference)
    return "wrong", ("seed %d, %s, timing %s: %s\n%s"):format(trial.seed, device.name, timing, difference,
      drawn.source)
  end
  local wanted, why = M.expected(drawn, listed, device.grid)
  if not wanted then
    return wrong(why)
  end
  local played, judged = lists.judging(function()
    return play.play(folder, plan, { device = device, timing = timing, seed = drawn.seed })
  end)
  if played.refused then
    return "refused", played.refused
  end
  why = first_difference(wanted, played, judged, device)
  if played.stop ~= "finished" or played.fault then
    why = ("the run ended with %s (%s); %s"):format(played.stop, played.fault or "no fault",
      why or "no difference")
  end
  if why then
    return wrong(why)
  end
  return "played", drawn.source
end

return M
