--- What check reports of a plan that chance decides on is never milder than what any seed gives: the schedule
--- of each seed, as `events --seed` lists it, written down as a plan without chance and judged for itself.
local core = require "moonpulse.core"
local judge = require "moonpulse.safety.judge"
local lists = require "five_lists.lists"
local play = require "five_lists.play"
local protocols = require "moonpulse.protocol"
local shell = require "shell"
local worst = require "moonpulse.safety.worst"

local M = {}

local order = { within = 1, ["not covered"] = 2, ["beyond tested"] = 3, OVER = 4 }

--- The rows as a plan of pulses and rests, in nanoseconds.
local function written(rows)
  local whole, at_ns = nil, 0
  for _, row in ipairs(rows) do
    local pulse = not row.mark and core.pulse(row.value, row.ref)
    if pulse then
      local gap = core.rest(("%d/1000000000"):format(row.ns - at_ns))
      whole = whole and core.sequence(core.sequence(whole, gap), core.channel(pulse, row.channel))
        or core.sequence(gap, core.channel(pulse, row.channel))
      at_ns = row.ns
    end
  end
  return whole
end

local function report_of(plan, seed)
  return judge.plan { plan = plan, seed = seed, thresholds = play.thresholds, step = 1 }
end

--- What the test itself counts of a list: pulses, and the shortest interval on a channel.
local function counted(rows)
  local pulses, before, shortest = 0, {}, math.huge
  for _, row in ipairs(rows) do
    if not row.mark then
      pulses = pulses + 1
      local since = before[row.channel] and row.ns - before[row.channel]
      shortest, before[row.channel] = math.min(shortest, since or math.huge), row.ns
    end
  end
  return { pulses = pulses, shortest = shortest }
end

--- By rule, the gravest verdict; and the shortest silence that a rule on silences was asked about.
local function by_rule(report)
  local found, silence = {}, math.huge
  for _, finding in ipairs(report.findings) do
    found[finding.rule] = math.max(found[finding.rule] or 0, order[finding.verdict])
    if finding.rule:find("^gap") then
      silence = math.min(silence, finding.value)
    end
  end
  return found, silence
end

--- What is milder in the report of check than in that of one seed; nil: nothing.
local function milder(report, one, shortest_ns, rows, seed)
  local own = counted(rows)
  local theirs, silence = by_rule(report)
  local of_seed, its_silence = by_rule(one)
  if order[report.verdict] < order[one.verdict] then
    return ("check says %s, seed %d is %s"):format(report.verdict, seed, one.verdict)
  elseif report.pulses ~= own.pulses then
    return ("check counts %d pulses, seed %d has %d"):format(report.pulses, seed, own.pulses)
  elseif shortest_ns > own.shortest + 1000 then
    return ("an interval of %.9f s (seed %d) is shorter than what check looked at, %.9f s"):format(
      own.shortest / 1e9, seed, shortest_ns / 1e9)
  elseif silence > its_silence + 1e-6 then
    return ("a silence of %.9f s (seed %d) is shorter than what check reports, %.9f s"):format(its_silence,
      seed, silence)
  end
  for rule, verdict in pairs(of_seed) do
    if (theirs[rule] or 0) < verdict then
      return ("%s of seed %d is graver than check says"):format(rule, seed)
    end
  end
end

--- The report on the schedules that check judges, and the shortest interval in them.
local function checked(path)
  local protocol = assert(protocols.load(path))[1]
  local values = assert(protocols.values(protocol, {}))
  local function build(seed, arrange)
    return assert(protocols.build(protocol, values, seed, nil, arrange))
  end
  local plan, _, drawn = protocols.build(protocol, values, 1)
  local cases = worst.cases { plan = plan, drawn = drawn, seed = 1, build = build }
  local shortest_ns = math.huge
  local report = worst.judge(cases, function(case)
    shortest_ns = math.min(shortest_ns, counted(lists.listed(case.plan, case.seed)).shortest)
    return report_of(case.plan, case.seed)
  end)
  return report, shortest_ns, build
end

--- Judge a protocol's text as check does, and each seed's schedule for itself.
---@param folder string
---@param source string
---@param seeds integer
---@return string? what is milder
function M.run(folder, source, seeds)
  local path = folder .. "/drawn.lua"
  shell.write(path, source)
  local report, shortest_ns, build = checked(path)
  for seed = 1, seeds do
    local rows = lists.listed(build(seed), seed)
    local why = milder(report, report_of(written(rows), 1), shortest_ns, rows, seed)
    if why then
      return why
    end
  end
end

return M
