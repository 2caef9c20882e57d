--- moonpulse bench threshold: every method of finding a motor threshold, on the same simulated subjects.
--
-- The subjects are of the published population (engine/muscle.h). A subject's chance begins anew for each
-- method. The same seed gives the same figures on every machine; only the time of a decision differs.
local amplitude = require "moonpulse.experiment.amplitude"
local core = require "moonpulse.core"
local mep = require "moonpulse.experiment.mep"
local ml_pest = require "moonpulse.experiment.ml_pest"
local relative = require "moonpulse.experiment.relative_frequency"
local staircases = require "moonpulse.experiment.staircase"
local stats = require "moonpulse.bench.stats"
local stochastic = require "moonpulse.experiment.stochastic"

local M = {}

local above_threshold = 1.12 -- the first pulse: so much of the true threshold, as in the reference's figures
local looked_at = { 10, 15, 20, 25 } -- pulses
local goal_pulses = 20
local most_pulses = 400 -- of a method that comes to an end by itself

--- A population that the filter does not know: thresholds, noise and size of the MEPs off by a standard
--- deviation, the pulses' spread by 10 %.
M.misspecified = { shift = 1, range = -1, noise = 1, spread = 0.1 }

local function nothing() end

--- The script's staircase as the other methods are.
local function staircase(start, options)
  local stairs = staircases.new({ start = start, step = options.step, reversals = options.reversals,
    max = mep.highest }, nothing, nothing)
  local trial = stairs()
  return {
    next = function() return trial and trial.intensity end,
    take = function(_, _, volts)
      trial:answer(volts >= mep.criterion)
      trial = stairs()
    end,
    estimate = function() return (stairs:threshold()) end,
  }
end

-- reference: p50 and p95 of the error in percent, by pulses or of those that end by themselves; from a
-- re-creation that shares no code with this one, in 1500 subjects of the same population.
M.methods = {
  { id = "ml-pest", name = "ML-PEST", new = ml_pest.new,
    reference = { [10] = { 2.60, 7.90 }, [15] = { 1.94, 5.91 },
      [20] = { 1.63, 5.03 }, [25] = { 1.45, 4.43 } } },
  { id = "stochastic-h", name = "stochastic, digital H", new = stochastic.new,
    options = { first = stochastic.first.digital },
    reference = { [10] = { 1.93, 6.44 }, [15] = { 1.59, 4.93 },
      [20] = { 1.40, 4.35 }, [25] = { 1.29, 3.85 } } },
  { id = "stochastic-ha", name = "stochastic, digital HA", new = stochastic.new,
    options = { first = stochastic.first.harmonic_at_turns, turns_only = true },
    reference = { [10] = { 2.16, 6.61 }, [15] = { 1.74, 5.18 },
      [20] = { 1.49, 4.57 }, [25] = { 1.27, 4.04 } } },
  { id = "stochastic-analog", name = "stochastic, analog H", new = stochastic.new,
    options = { first = stochastic.first.analog, analog = true },
    reference = { [10] = { 2.00, 6.69 }, [15] = { 1.75, 5.83 },
      [20] = { 1.54, 5.40 }, [25] = { 1.46, 5.08 } } },
  { id = "amplitude", name = "amplitude, particle filter", new = amplitude.new,
    reference = { [10] = { 1.70, 5.10 }, [15] = { 1.36, 4.30 },
      [20] = { 1.24, 3.91 }, [25] = { 1.12, 3.46 } } },
  { id = "5-of-10-1", name = "5 of 10, steps of 1 %MSO", new = relative.new, options = { half = 5, step = 1 },
    ends = true, reference = { 1.69, 5.12, pulses = 61 } },
  { id = "5-of-10-2", name = "5 of 10, steps of 2 %MSO", new = relative.new, options = { half = 5, step = 2 },
    ends = true, reference = { 2.08, 5.86, pulses = 38 } },
  { id = "10-of-20-1", name = "10 of 20, steps of 1 %MSO", new = relative.new,
    options = { half = 10, step = 1 }, ends = true, reference = { 1.23, 4.07, pulses = 128 } },
  { id = "mills-nithi", name = "Mills-Nithi", new = relative.mills_nithi, ends = true },
  { id = "staircase-2-6", name = "staircase, step 2, 6 reversals", new = staircase,
    options = { step = 2, reversals = 6 }, ends = true, reference = { 2.18, 6.89, pulses = 14 } },
  { id = "staircase-8-10", name = "staircase, step 8, 10 reversals", new = staircase,
    options = { step = 8, reversals = 10 }, ends = true, reference = { 1.61, 4.89, pulses = 20 } },
}

--- The subjects: seed, true threshold and first intensity of each.
local function draw_subjects(count, seed, differs, tick)
  local list = {}
  for i = 1, count do
    local own = core.draw(seed, i, math.maxinteger)
    local threshold = core.muscle(own, differs):intensity_of(0.5)
    list[i] = { seed = own, threshold = threshold, start = math.floor(threshold * above_threshold + 0.5),
      differs = differs }
    tick()
  end
  return list
end

--- A list of numbers as its median, its 95th percentile (both of sorted values that are there) and its mean.
local function summary(values)
  local sorted, sum = table.move(values, 1, #values, 1, {}), 0
  table.sort(sorted)
  for _, value in ipairs(sorted) do
    sum = sum + value
  end
  return { p50 = stats.quantile(sorted, 0.5), p95 = stats.quantile(sorted, 0.95),
    p99 = stats.quantile(sorted, 0.99), mean = #sorted > 0 and sum / #sorted or nil }
end

--- Errors after so many pulses, in percent of the true threshold.
local function new_errors()
  return { size = {}, signed = {}, held = 0 }
end

local function add_error(errors, subject, method)
  local estimate = method:estimate()
  if not estimate then
    return
  end
  local error_pct = (estimate / subject.threshold - 1) * 100
  table.insert(errors.size, math.abs(error_pct))
  table.insert(errors.signed, error_pct)
  local interval = method.interval and method:interval()
  if interval and interval.low <= subject.threshold and subject.threshold <= interval.high then
    errors.held = errors.held + 1
  end
end

--- One subject by one method.
local function hunt(subject, row, kept)
  local muscle = core.muscle(subject.seed, subject.differs)
  local method, pulses = row.new(subject.start, row.options or {}), 0
  local last = row.ends and most_pulses or looked_at[#looked_at]
  local intensity = method:next()
  while intensity and pulses < last do
    local volts = muscle:respond(intensity)
    local begun = os.clock()
    method:take(intensity, volts)
    intensity = method:next()
    table.insert(kept.decisions, (os.clock() - begun) * 1000)
    pulses = pulses + 1
    if kept.by_pulses[pulses] then
      add_error(kept.by_pulses[pulses], subject, method)
    end
  end
  if row.ends then
    add_error(kept.at_end, subject, method)
    table.insert(kept.pulses, pulses)
  end
end

local function figures_of(errors, count)
  local sizes, bias = summary(errors.size), summary(errors.signed).mean
  return { p50 = sizes.p50, p95 = sizes.p95, bias = bias, none = count - #errors.size,
    held_pct = errors.held > 0 and errors.held / #errors.size * 100 or nil }
end

--- A method on all subjects.
local function run_method(row, subjects, tick)
  local kept = { by_pulses = {}, at_end = new_errors(), pulses = {}, decisions = {} }
  for _, pulses in ipairs(row.ends and {} or looked_at) do
    kept.by_pulses[pulses] = new_errors()
  end
  for _, subject in ipairs(subjects) do
    hunt(subject, row, kept)
    tick()
  end
  local told = { id = row.id, name = row.name, after = {}, decision_ms = summary(kept.decisions).p99 }
  for _, pulses in ipairs(row.ends and {} or looked_at) do
    local figures = figures_of(kept.by_pulses[pulses], #subjects)
    figures.pulses = pulses
    table.insert(told.after, figures)
  end
  if row.ends then
    local figures, pulses = figures_of(kept.at_end, #subjects), summary(kept.pulses)
    figures.pulses, figures.pulses_p95 = pulses.p50, pulses.p95
    told.after[1] = figures
  end
  return told
end

local function by_id(id)
  for _, row in ipairs(M.methods) do
    if row.id == id then
      return row
    end
  end
end

--- Every method on so many subjects, and the amplitude method on as many of a population it does not know.
---@param count integer subjects
---@param seed integer
---@param show fun(done: integer, total: integer)
---@return { subjects: integer, seed: integer, methods: table[], misspecified: table }
function M.measure(count, seed, show)
  local done, total = 0, count * (#M.methods + 3)
  local function tick()
    done = done + 1
    show(done, total)
  end
  local subjects = draw_subjects(count, seed, nil, tick)
  local data = { subjects = count, seed = seed, methods = {} }
  for i, row in ipairs(M.methods) do
    data.methods[i] = run_method(row, subjects, tick)
  end
  data.misspecified = run_method(by_id "amplitude", draw_subjects(count, seed, M.misspecified, tick), tick)
  return data
end

--- What a method gave after so many pulses.
---@param told table of measure()
---@param pulses integer
---@return table?
function M.after(told, pulses)
  for _, figures in ipairs(told.after) do
    if figures.pulses == pulses then
      return figures
    end
  end
end

M.goal_pulses = goal_pulses

return M
