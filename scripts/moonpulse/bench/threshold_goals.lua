--- What moonpulse bench threshold must reach, and its table.
local threshold = require "moonpulse.bench.threshold"

local M = {}

local least_subjects = 1000 -- of fewer, chance decides
local near = 0.15 -- to the reference: both samples' chance is some 5 %

local function goal(list, data, id, about, value, low, high)
  local met = value and (not low or value >= low) and (not high or value <= high)
  list[#list + 1] = { goal = id, about = about, value = value, least = low, most = high,
    verdict = data.subjects < least_subjects and "not judged" or met and "PASS" or "FAIL" }
end

--- The largest distance of a method's figures from the reference, as a part of that.
local function distance(row, told)
  local most = 0
  for _, figures in ipairs(told.after) do
    local reference = row.ends and row.reference or not row.ends and row.reference[figures.pulses]
    for place, key in ipairs { "p50", "p95" } do
      most = math.max(most, figures[key] and math.abs(figures[key] / reference[place] - 1) or math.huge)
    end
  end
  return most
end

--- The goals, judged.
---@param data table of moonpulse.bench.threshold
---@return { goal: string, about: string, value: number?, least: number?, most: number?, verdict: string }[]
function M.rows(data)
  local list, told = {}, nil
  for i, row in ipairs(threshold.methods) do
    told = row.id == "amplitude" and data.methods[i] or told
  end
  local found = threshold.after(told, threshold.goal_pulses)
  local other = threshold.after(data.misspecified, threshold.goal_pulses)
  goal(list, data, "T1", "amplitude, 20 pulses: median error, %", found.p50, nil, 1.20)
  goal(list, data, "T2", "amplitude, 20 pulses: 95 % of the errors, %", found.p95, nil, 3.8)
  goal(list, data, "T3", "amplitude, 20 pulses: bias, %", found.bias, -0.1, 0.1)
  goal(list, data, "T4", "amplitude, 20 pulses: 95 % interval holds, %", found.held_pct, 94, 96)
  goal(list, data, "T5", "a population it does not know: times the median error",
    other.p50 and found.p50 and other.p50 / found.p50, nil, 1.25)
  goal(list, data, "T6", "amplitude: p99 of a decision, ms of the processor", told.decision_ms, nil, 5)
  for i, row in ipairs(threshold.methods) do
    if row.reference and row.id ~= "amplitude" then -- which is to be better
      goal(list, data, "R" .. i, row.name .. ": apart from the reference, at most", distance(row,
        data.methods[i]), nil, near)
    end
  end
  return list
end

local function reference_of(row, figures)
  local reference = row.reference and (row.ends and row.reference or row.reference[figures.pulses])
  return reference and ("%.2f / %.2f"):format(reference[1], reference[2]) or "-"
end

local function add_method(out, row, told)
  for i, figures in ipairs(told.after) do
    local pulses = figures.pulses_p95 and ("%d (%d)"):format(figures.pulses, figures.pulses_p95)
      or tostring(figures.pulses)
    local found = figures.p50 and ("%5.2f / %5.2f"):format(figures.p50, figures.p95) or "-"
    out[#out + 1] = ("%-33s %9s  %13s  %12s  %5s%s%s"):format(i == 1 and told.name or "", pulses, found,
      reference_of(row, figures), figures.bias and ("%+.2f"):format(figures.bias) or "-",
      figures.held_pct and ("   interval holds %.1f %%"):format(figures.held_pct) or "",
      figures.none > 0 and ("   none in %d"):format(figures.none) or "")
  end
end

--- The table and the goals, for people.
---@param data table of moonpulse.bench.threshold
---@param rows table[] of rows()
---@return string
function M.text(data, rows)
  local out = { ("%d simulated subjects, seed %d; |error| in %% of the true threshold"):format(data.subjects,
    data.seed), "", ("%-33s %9s  %13s  %12s  %5s"):format("method", "pulses", "p50 / p95", "reference",
    "bias") }
  for i, row in ipairs(threshold.methods) do
    if data.methods[i] then
      add_method(out, row, data.methods[i])
    end
  end
  out[#out + 1] = "of a population it does not know:"
  add_method(out, {}, data.misspecified)
  out[#out + 1] = ""
  for _, each in ipairs(rows) do
    local bounds = each.least and ("%g to %g"):format(each.least, each.most)
      or ("at most %g"):format(each.most)
    out[#out + 1] = ("%-4s %-62s %7.3f  %-14s %s"):format(each.goal, each.about, each.value or 0 / 0, bounds,
      each.verdict)
  end
  return table.concat(out, "\n") .. "\n"
end

return M
