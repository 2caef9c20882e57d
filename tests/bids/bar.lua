-- make bids-bar: every shipped protocol, complete, stopped, with late pulses, on two channels and in two
-- sessions, as BIDS datasets; what bids-validator 1.15.0 and moonpulse check-bids say of them.
--   moonpulse lua tests/bids/bar.lua FOLDER [ID ...]     FOLDER has node_modules/.bin/bids-validator
package.path = "tests/?.lua;tests/helpers/?.lua;" .. package.path
local bids = require "bids"
local catalogue = require "moonpulse.protocol.catalogue"
local checks = require "moonpulse.bids.check"
local cjson = require "cjson"
local core = require "moonpulse.core"
local disk = require "moonpulse.bids.disk"
local plan_file = require "moonpulse.protocol.plan_file"
local protocols = require "moonpulse.protocol"
local shell = require "shell"

require "moonpulse"

local folder = assert(arg[1], "the folder with the validator is missing")
local validator = folder .. "/node_modules/.bin/bids-validator"
local work = shell.folder()

local devices = { "--device sim", "--device sim:bistim", "--device sim:rapid",
  "--device sim:pulsepal --device-option channels=%s",
  "--device sim:pulsepal --device-option channels=%s --device-option full_scale_volts=5" }

--- The channels of a plan, each with an output.
local function outputs_of(plan)
  local list = {}
  for i, action in ipairs(core.schedule(plan, 1):actions()) do
    list[action.channel] = list[action.channel] or i
  end
  local names = {}
  for name in pairs(list) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = ("%s=%d"):format(name, i)
  end
  return table.concat(names, ",")
end

--- Run it on the first simulator that takes it; nil: none does.
local function run(what, options, plan)
  for _, device in ipairs(devices) do
    local ok, path = pcall(bids.run, work, ("%s %s %s"):format(what, options,
      device:format(outputs_of(plan))))
    if ok then
      return path
    end
  end
end

--- The plan with the pulses of each pair on two channels, in turn.
local function spread(plan)
  local view = plan:view()
  if view.kind == "repeat" then
    return core.repeat_plan(spread(plan:child(1)), view.count, view.spacing, view.exact_period)
  elseif view.kind ~= "sequence" then
    return view.kind == "pulse" and core.channel(plan, "right") or plan
  end
  local parts, pulses = {}, 0
  for i = 1, view.children do
    local child = plan:child(i)
    local is_pulse = child:view().kind == "pulse"
    pulses = pulses + (is_pulse and 1 or 0)
    parts[i] = is_pulse and core.channel(child, pulses % 2 == 1 and "left" or "right") or spread(child)
  end
  return core.sequence_of(parts)
end

--- The plan on two channels at once, if that can be given; else one after the other.
local function twice(found, apart)
  local plan = found.plan
  if apart == "spread" then
    return spread(plan)
  end
  local first, second = core.channel(plan, "left"), core.channel(plan, "right")
  if apart then
    return core.sequence_of { first, core.rest("10/1"), second }
  end
  return core.parallel { first, core.sequence_of { core.rest("3/100"), second } }
end

local told = { datasets = 0, runs = 0, pulses = 0, errors = 0, warnings = 0, failed = {}, seconds = 0,
  late = 0 }

--- How many pulses of a run were left out for being late, and how many were given.
local function count_late(path)
  local late, given = 0, 0
  for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
    late = late + (row.event == "pulse" and row.status == "late" and row.onset_sent_us == "n/a" and 1 or 0)
    given = given + (row.event == "pulse" and row.onset_sent_us ~= "n/a" and 1 or 0)
  end
  return late, given
end

local most_seeds = 40 -- of a plan of a few pulses most seeds make none late

--- A run on a computer that is late, some pulses of which were given and some left out, on the first
--- simulator that takes it; nil: none of the seeds makes one.
local function run_late(what, options, plan)
  for seed = 1, most_seeds do
    for _, device in ipairs(devices) do
      local out = ("%s/late.%d.%d"):format(work, told.runs, seed)
      local status = shell.moonpulse(work, ("lua tests/bids/late_run.lua %d run %s %s --speed max "
        .. "--late skip --participant KIM --operator OPA --out '%s' %s"):format(seed, what, options, out,
        device:format(outputs_of(plan))))
      local name = shell.names(out)[1]
      local late, given = 0, 0
      if status == 0 and name then
        late, given = count_late(out .. "/" .. name)
      end
      if late > 0 and given > 0 then
        told.late = told.late + late
        return out .. "/" .. name
      end
      shell.remove(out)
      if status == 0 then
        break -- this simulator takes it: another seed
      end
    end
  end
end

local function fail(...)
  told.failed[#told.failed + 1] = (...):format(select(2, ...))
  print("FAILED " .. told.failed[#told.failed])
end

local function judge(name, dataset)
  local begun = core.clock_ns()
  local _, out, err = shell.sh(work, ("unshare -n -r '%s' '%s' --json"):format(validator, dataset))
  told.seconds = told.seconds + (core.clock_ns() - begun) / 1e9
  local ok, said = pcall(cjson.decode, out)
  if not ok then
    return fail("%s: the validator said nothing: %s", name, err:sub(1, 300))
  end
  told.datasets = told.datasets + 1
  for level, list in pairs { errors = said.issues.errors, warnings = said.issues.warnings } do
    told[level] = told[level] + #list
    for _, issue in ipairs(list) do
      fail("%s: bids-validator, %s: %s %s", name, level, issue.key, issue.reason:sub(1, 100))
    end
  end
  local checked = checks.run(assert(disk.files(dataset)))
  told.pulses = told.pulses + checked.pulses
  for _, finding in ipairs(checked.findings) do
    fail("%s: check-bids, rule %d: %s: %s", name, finding.rule, finding.file, finding.text)
  end
  if checked.compared ~= checked.groups then
    fail("%s: %d of %d recordings were compared", name, checked.compared, checked.groups)
  end
end

local function export(runs, dataset, options)
  for _, path in ipairs(runs) do
    local status, _, err = shell.moonpulse(work, ("export bids '%s' --bids '%s' --sub 01 --meta %s "
      .. "%s"):format(path,
      dataset, "tests/bids/draft.json", options or ""))
    told.runs = told.runs + 1
    if status ~= 0 then
      fail("%s: export: %s", path, err)
    end
  end
end

local function bar(protocol)
  local given, options = {}, { "--rmt 50 --amt 45 --unconfirmed" }
  for _, name in ipairs(protocols.open(protocol, {})) do
    given[name] = "45%MSO"
    options[#options + 1] = ("-p %s=45%%MSO"):format(name)
  end
  options = table.concat(options, " ")
  local values = assert(protocols.values(protocol, given, {}))
  local plan = assert(protocols.build(protocol, values, 1))
  local found = assert(plan_file.read(plan_file.write(plan, { id = protocol.id, nerve = protocol.nerve,
    seed = 1 }),
    "x"))
  local both = work .. "/both.plan"
  local complete = run(protocol.id, options .. " --seed 1", plan)
  local again = run(protocol.id, options .. " --seed 2", plan)
  local stopped = run(protocol.id, ("%s --seed 3 --fault unplug@%d"):format(options, found.pulses // 2 + 1),
    plan)
  local wide = protocol.id:find("^pas") or protocol.id == "ccpas"
  local two = wide and run(protocol.id, options .. " --seed 4", plan)
  for _, apart in ipairs { false, true, "spread" } do
    if not two then
      local twofold = twice(found, apart)
      shell.write(both, plan_file.write(twofold, { id = protocol.id, nerve = protocol.nerve, seed = 4 }))
      two = run(both, "--rmt 50 --amt 45 --unconfirmed", twofold)
    end
  end
  local late = run_late(protocol.id, options .. " --seed 5", plan)
  if not (complete and again and stopped and late and two) then
    return fail("%s: no simulator gives it (complete %s, stopped %s, late %s, two channels %s)", protocol.id,
      complete, stopped, late, two)
  end
  local whole, sessions = ("%s/%s"):format(work, protocol.id), ("%s/%s_ses"):format(work, protocol.id)
  export({ complete, stopped, late, two }, whole)
  judge(protocol.id, whole)
  export({ complete }, sessions, "--ses 1")
  export({ again }, sessions, "--ses 2")
  judge(protocol.id .. ", two sessions", sessions)
end

core.run(function()
  local wanted = {}
  for i = 2, #arg do
    wanted[arg[i]] = true
  end
  for _, protocol in ipairs(catalogue.all()) do
    if #arg == 1 or wanted[protocol.id] then
      bar(protocol)
      print(("%-24s %3d datasets, %d errors, %d warnings"):format(protocol.id, told.datasets, told.errors,
        told.warnings))
    end
  end
end)
shell.remove(work)
print(("%d datasets of %d exports, %d pulses compared, %d left out as late: bids-validator %d errors, %d "
  .. "warnings (%.1f s each); %s"):format(told.datasets, told.runs, told.pulses, told.late, told.errors,
  told.warnings, told.seconds / math.max(told.datasets, 1),
  #told.failed == 0 and "check-bids nothing" or #told.failed .. " failures"))
os.exit(#told.failed == 0 and 0 or 1, true)
