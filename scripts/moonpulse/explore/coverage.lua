--- What runs met: devices, timings, verbs, faults, stops, ends; how often.
local M = {}

--- The groups, in the order in which they are told.
M.groups = { "device", "run", "part of a plan", "verb", "script's play", "trigger", "trouble planned",
  "trouble met", "stop", "reason", "exit status" }

local function add(counts, group, name, more)
  counts[group] = counts[group] or {}
  counts[group][name] = (counts[group][name] or 0) + (more or 1)
end

local function add_plan(counts, plan)
  for _, part in ipairs(plan.parts) do
    add(counts, "part of a plan", part.burst and "train of bursts" or part.kind)
  end
  if plan.times then
    add(counts, "part of a plan", "repeated")
  end
end

local function add_scenario(counts, scenario)
  for _, each in ipairs(scenario.several or { scenario }) do
    add(counts, "device", each.device)
  end
  add(counts, "run", scenario.kind)
  add(counts, "run", "timing " .. scenario.timing)
  for _, key in ipairs { "trigger", "participant", "flight", "report", "long", "catches", "triggers",
    "killed_s", "history", "codes", "box", "line", "several" } do
    if scenario[key] then
      add(counts, "run", key)
    end
  end
  add(counts, "run", "late " .. scenario.late)
  if scenario.plan then
    add_plan(counts, scenario.plan)
  end
  for number, steps in ipairs(scenario.script or {}) do
    for _, step in ipairs(steps) do
      add(counts, "verb", step.what .. (number > 1 and " (beside)" or step.ahead and " at" or ""))
      if step.plan and step.what ~= "arm" then
        add_plan(counts, step.plan)
      end
    end
  end
  for _, trouble in ipairs(scenario.troubles) do
    add(counts, "trouble planned", trouble.what .. (trouble.kind and " " .. trouble.kind or ""))
  end
  if #scenario.troubles > 1 then
    add(counts, "trouble planned", "several at once")
  end
end

--- Count what a run met.
---@param counts table<string, table<string, integer>>
---@param run table of moonpulse.explore.evidence
function M.add(counts, run)
  add_scenario(counts, run.scenario)
  for _, trouble in ipairs(run.met) do
    if trouble.what ~= "stop" then
      add(counts, "trouble met", trouble.what .. " " .. trouble.kind)
    end
  end
  for _, entry in ipairs(run.log) do
    if entry.event == "fault" then
      add(counts, "trouble met", "device " .. entry.note)
    end
  end
  for _, each in pairs(run.plays) do
    add(counts, "script's play", each.whole and "to its end" or "ended before")
  end
  for _, call in ipairs(run.calls) do
    for verdict, count in pairs(call.told and call.told.by or {}) do
      add(counts, "trigger", verdict, count)
    end
  end
  for _, stop in ipairs(run.stops) do
    add(counts, "stop", stop.source .. " while " .. stop.state)
  end
  add(counts, "reason", run.result.stop or run.status == 3 and "refused" or "none: not begun")
  add(counts, "exit status", tostring(run.status))
end

--- Add the counts of another process.
---@param counts table<string, table<string, integer>>
---@param more table<string, table<string, integer>>
function M.merge(counts, more)
  for group, names in pairs(more) do
    counts[group] = counts[group] or {}
    for name, count in pairs(names) do
      counts[group][name] = (counts[group][name] or 0) + count
    end
  end
end

return M
