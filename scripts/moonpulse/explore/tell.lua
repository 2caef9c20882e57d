--- What was explored and found, in words.
local coverage = require "moonpulse.explore.coverage"
local in_order = require "moonpulse.text.in_order"
local invariants = require "moonpulse.explore.invariants"
local json = require "moonpulse.text.sorted_json"
local numbers = require "moonpulse.text.numbers"

local M = {}

local year_s = 31557600 -- 365.25 days

local says = {}
for _, each in ipairs(invariants.all) do
  says[each.name] = each.says
end

--- The invariants with their sentences.
---@return string[] lines
function M.invariants()
  local lines, theme = {}, nil
  for _, each in ipairs(invariants.all) do
    if each.theme ~= theme then
      theme = each.theme
      lines[#lines + 1] = (lines[1] and "\n" or "") .. theme
    end
    lines[#lines + 1] = ("  %-26s %s"):format(each.name, each.says)
  end
  lines[#lines + 1] = ("\n%d invariants"):format(#invariants.all)
  return lines
end

local function plan_words(plan)
  local words = {}
  for _, part in ipairs(plan.parts) do
    local count = part.pulses and part.pulses * (part.burst or 1)
    words[#words + 1] = count and ("%s of %d"):format(part.burst and "bursts" or part.kind, count)
      or part.kind
  end
  return table.concat(words, ", ") .. (plan.times and (", %d times"):format(plan.times) or "")
end

--- What goes wrong, in words.
---@param trouble table
---@return string
function M.trouble(trouble)
  local at = trouble.at and "@" .. trouble.at or trouble.at_s and (" at %.6g s"):format(trouble.at_s) or ""
  local more = trouble.who and (" of the %s for %g ms"):format(trouble.who, trouble.for_ms)
    or trouble.kind == "stalled" and (" for %g ms"):format(trouble.stall_ms)
    or trouble.kind == "short" and (" after %d bytes"):format(trouble.take)
    or trouble.most_us and (" by up to %d us"):format(trouble.most_us) or ""
  local of = trouble.on or trouble.of
  return ("%s %s%s%s%s"):format(trouble.what, trouble.kind or trouble.source, at, more,
    of and (", of device %d"):format(of) or "")
end

--- Which triggers start a plan, in words.
---@param step table of a script
---@return string
function M.rule(step)
  return (" at most %d times, %.9g s apart%s%s%s%s"):format(step.count, step.refractory,
    step.byte and ", byte " .. step.byte or "", step.every and ", each " .. step.every .. ". trigger" or "",
    step.delay and (", %g s after it"):format(step.delay) or "",
    step.until_s and (", until %.9f s"):format(step.until_s) or "")
end

--- Which pulses from outside are waited for, and which come, in words.
---@param step table of a script
---@return string
function M.watch(step)
  local times = {}
  for i, at_s in ipairs(step.fires) do
    times[i] = ("%.9g"):format(at_s)
  end
  return (" at most %d pulses from outside, %.9g s apart, for %.9g s; fired at %s s"):format(step.count,
    step.refractory, step.timeout, times[1] and table.concat(times, ", ", 1, math.min(#times, 20))
      .. (#times > 20 and " ..." or "") or "no")
end

--- What comes at the trigger port and lines, in words.
---@param entries table[]
---@return string
function M.triggers(entries)
  local words = {}
  for i, each in ipairs(entries) do
    words[i] = ("%s at %.9g s%s"):format(each.line and each.line .. (each.rising and " rises" or " falls")
      or "byte " .. each.byte, each.at_s, each.times and (", %d times each %g s%s"):format(each.times,
        each.apart_s, each.other and " with byte " .. each.other or "") or "")
  end
  return table.concat(words, "; ")
end

--- What a run is on, in words.
local function devices_of(scenario)
  local words = {}
  for i, each in ipairs(scenario.several or {}) do
    words[i] = ("%s=%s"):format(each.place, each.device)
  end
  return words[1] and table.concat(words, " ") or scenario.device
end

--- A scenario in a few lines.
---@param scenario moonpulse.explore.Scenario
---@return string[]
function M.scenario(scenario)
  local lines = { ("%s on %s, timing %s%s, late %s, tolerance %g ms"):format(scenario.kind,
    devices_of(scenario),
    scenario.timing, scenario.trigger and ", by trigger" or "", scenario.late, scenario.tolerance_ms) }
  if scenario.plan then
    lines[#lines + 1] = "plan: " .. plan_words(scenario.plan)
  end
  for number, steps in ipairs(scenario.script or {}) do
    local words = {}
    for i, step in ipairs(steps) do
      words[i] = step.what .. (step.plan and (" (%s)"):format(plan_words(step.plan)) or step.s
        and (" %g s"):format(step.s) or "") .. (step.ahead and (" in %g s"):format(step.ahead) or "")
        .. (step.what == "on_trigger" and M.rule(step) or step.what == "watch" and M.watch(step) or "")
    end
    lines[#lines + 1] = ("part %d of the script: %s"):format(number, table.concat(words, "; "))
  end
  if scenario.triggers and scenario.triggers[1] then
    lines[#lines + 1] = "triggers: " .. M.triggers(scenario.triggers)
  end
  for _, trouble in ipairs(scenario.troubles) do
    lines[#lines + 1] = "wrong: " .. M.trouble(trouble)
  end
  return lines
end

--- A finding: the seed, what is broken, the smallest scenario, how to see it again.
---@param found { seed: integer, broken: { name: string, why: string }[] }
---@param smallest moonpulse.explore.Scenario? and what it breaks
---@param why string?
---@return string[] lines
function M.finding(found, smallest, why)
  local lines = { ("seed %d"):format(found.seed) }
  for _, each in ipairs(found.broken) do
    lines[#lines + 1] = ("  %s: %s"):format(each.name, says[each.name] or "")
    lines[#lines + 1] = "    " .. each.why
  end
  lines[#lines + 1] = ("  again:  moonpulse explore --seed %d"):format(found.seed)
  if smallest then
    lines[#lines + 1] = "  the few events that matter:"
    for _, line in ipairs(M.scenario(smallest)) do
      lines[#lines + 1] = "    " .. line
    end
    lines[#lines + 1] = "    " .. (why or "")
    local text = json.encode(smallest):gsub("%s+$", "")
    lines[#lines + 1] = ("  again:  moonpulse explore --scenario '%s'"):format(text)
  end
  return lines
end

local function add_coverage(lines, cover)
  for _, group in ipairs(coverage.groups) do
    local counts, words = cover[group] or {}, {}
    for i, name in ipairs(in_order.keys(counts)) do
      words[i] = ("%s %s"):format(name, numbers.count(counts[name]))
    end
    local text = ("  %-16s"):format(group)
    for i, word in ipairs(words) do
      local with = word .. (i < #words and "," or "")
      if #text + #with + 1 > 110 then
        lines[#lines + 1], text = text, (" "):rep(18)
      end
      text = text .. " " .. with
    end
    lines[#lines + 1] = text
  end
end

--- What was explored: runs, time, invariants, coverage.
---@param sum moonpulse.explore.Sum
---@param given { seed: integer, jobs: integer }
---@return string[] lines
function M.sum(sum, given)
  local never, judged = {}, 0
  for _, each in ipairs(invariants.all) do
    judged = judged + (sum.asked[each.name] or 0)
    never[#never + 1] = not sum.asked[each.name] and each.name or nil
  end
  local hours = sum.took_s / 3600
  local lines = {
    ("seeds        from %d, %s runs in %s on %d process%s: %s runs an hour"):format(given.seed,
      numbers.count(sum.runs), numbers.seconds(sum.took_s), given.jobs, given.jobs == 1 and "" or "es",
      numbers.count(math.floor(sum.runs / hours))),
    ("device time  %.3f years (%s s): %.2f years an hour; %s pulses given"):format(sum.virtual_s / year_s,
      numbers.count(math.floor(sum.virtual_s)), sum.virtual_s / year_s / hours, numbers.count(sum.pulses)),
    ("processors   %s: for each hour of one %s runs and %.2f years"):format(numbers.seconds(sum.processor_s),
      numbers.count(math.floor(sum.runs * 3600 / sum.processor_s)),
      sum.virtual_s / year_s * 3600 / sum.processor_s),
    ("invariants   %d, judged %s times%s"):format(#invariants.all, numbers.count(judged),
      never[1] and "; never asked: " .. table.concat(never, ", ") or "; each was asked"),
    "met",
  }
  add_coverage(lines, sum.cover)
  lines[#lines + 1] = ("found        %s"):format(sum.found[1] and ("%d failing seed%s"):format(#sum.found,
    #sum.found == 1 and "" or "s") or "nothing")
  return lines
end

return M
