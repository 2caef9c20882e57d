--- moonpulse check: a plan against the device's limits, the published guidelines and the lab's own.
local begins = require "moonpulse.run.begin"
local check_report = require "moonpulse.safety.check_report"
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local core = require "moonpulse.core"
local courses = require "moonpulse.run.course"
local coverages = require "moonpulse.safety.coverage"
local devices = require "moonpulse.cli.device_argument"
local experiments = require "moonpulse.experiment"
local judge = require "moonpulse.safety.judge"
local lower = require "moonpulse.lowering"
local progresses = require "moonpulse.text.progress"
local protocols = require "moonpulse.protocol"
local records = require "moonpulse.cli.records_option"
local safety_options = require "moonpulse.cli.safety_options"
local shared_plans = require "moonpulse.stimulator.shared_plan"
local sessions = require "moonpulse.safety.sessions"
local tables = require "moonpulse.safety.tables"
local triggers = require "moonpulse.driver.trigger_path"
local worst = require "moonpulse.safety.worst"

local M = {}

--- Loaded for who names several.
local function several_devices()
  return require "moonpulse.cli.several_devices"
end

local NOT_CHECKED = 6 -- as verify says that not all could be checked

function M.parser()
  local parser = cli.parser("check",
    "Check a protocol before anything fires: the device's hard limits, published guideline limits, the "
      .. "lab's own, the protocol's own sessions. Verdicts: within; not covered (a coil or a threshold that "
      .. "no table is for); beyond tested (longer or stronger than what was tested: a warning); OVER "
      .. "(refused on a real device). The last line is the gravest of all. What is drawn from "
      .. "the seed is judged in many schedules, at the rules' edges, and where the worst is proven is said; "
      .. "with --seed N that one is judged which run --seed N plays, and one line says what the others get. "
      .. "Exit status 3 where something is OVER or the device refuses; 6 where the device's limits could not "
      .. "be checked (not checked: a threshold or a setting is missing). This "
      .. "is no medical advice: " .. tables.warning .. ".",
    "moonpulse check hf10_neurostar --rmt 50\nmoonpulse check mine.lua --rmt 48 --guidelines chen1997 "
      .. "--json\nmoonpulse check mine.lua --rmt 48 --each-device")
  common.add_protocol(parser, nil, true)
  parser:option("--device", "Whose hard limits: sim (a MagPro) or a device (see moonpulse devices). Of "
    .. "several each: --device left=NAME --device right=NAME.")
    :count("*"):init("sim"):action(devices.keep):argname("NAME")
  parser:option("--device-option", "A setting of the driver, as for run.")
    :argname("KEY=VALUE"):count("*")
  parser:flag("--each-device", "Which devices could give it: the hard limits of each, and the shortest "
    .. "interval of these trials, onset to onset, that each can give.")
  parser:option("--trigger", "How pulses are fired, as for run.")
    :argname("WHERE"):convert(triggers.parse)
  parser:option("--timing", "Who times trains, as for run."):choices({ "host", "device", "auto" })
    :default("auto")
  records.add(parser, "Where run folders are, for --participant.")
  safety_options.add(parser)
  courses.add(parser)
  parser:flag("--json", "The verdict as data: one JSON object.")
  return parser
end

--- The participant's thresholds, of several devices each one's.
local function thresholds_of(options)
  return { rmt = options.rmt, amt = options.amt, of = options.of_channels }
end

--- The device's hard limits for one schedule: verdict, and why.
local function check_case(options, case, driver, bar, own)
  local totals = case.plan:totals()
  local ok, result = pcall(lower.prepare, {
    plan = case.played, seed = case.seed, driver = driver, own = own,
    thresholds = thresholds_of(options), timing = own and "host" or options.timing,
    progress = function(walked)
      bar:show("checking the device's limits", walked, totals.pulses + totals.marks)
    end,
  })
  if ok then
    return { name = driver.name, verdict = "within", message = "every pulse is within its limits",
      note = lower.no_room(result, driver) }
  elseif type(result) ~= "table" then
    error(result, 0)
  end
  return { name = driver.name, verdict = result.code == "limit" and "OVER" or "not checked",
    message = result.message }
end

--- The same for all of them: the gravest. own: of several devices the channels of this one.
local function check_one(options, cases, driver, bar, own)
  local gravest, note
  for _, case in ipairs(cases) do
    local found = case.search and gravest or check_case(options, case, driver, bar, own)
    note = note or found.note and (#cases > 1 and case.what
      and ("%s (%s)"):format(found.note, case.what) or found.note)
    if not gravest or check_report.order(found.verdict) > check_report.order(gravest.verdict) then
      gravest = found
      gravest.case = gravest.verdict ~= "within" and case ~= cases[1] and case.what or nil
    end
    if gravest.verdict == "OVER" then
      break
    end
  end
  gravest.note = note
  gravest.message = gravest.message .. (gravest.case and (" (%s)"):format(gravest.case) or "")
  return gravest
end

--- The same of each device that there is: the gravest of all, which says whose it is.
local function check_device(options, cases, driver, bar)
  if not options.several then
    return check_one(options, cases, driver, bar)
  end
  local gravest, notes = nil, {}
  for _, each in ipairs(options.several) do
    local own = {}
    for _, channel in ipairs(each.channels) do
      own[channel] = true
    end
    local found = check_one(options, cases, each.driver, bar, own)
    notes[#notes + 1] = found.note and ("%s: %s"):format(each.place, found.note) or nil
    if not gravest or check_report.order(found.verdict) > check_report.order(gravest.verdict) then
      gravest = found
      gravest.message = found.verdict == "within" and found.message
        or ("%s: %s"):format(each.place, found.message)
    end
  end
  gravest.name, gravest.note = driver.name, notes[1] and table.concat(notes, "; ")
  return gravest
end

--- The schedules that are to be judged.
local function cases_of(options, protocol, plan, values, drawn, bar)
  return worst.cases {
    progress = function(made, total) bar:show("making the schedules", made, total, "schedules") end,
    plan = plan, drawn = drawn, seed = options.seed or 1, fixed = protocol.seed ~= nil,
    build = function(seed, arrange)
      local made, message = protocols.build(protocol, values, seed, nil, arrange)
      return made and common.remainder(options, made, seed) or cli.fail("usage", "%s", message)
    end,
  }
end

--- An experiment decides as it goes: what was found in the plans that it plays when it is run once.
local function check_course(options, experiment, driver, policy)
  local course, status = courses.of(options)
  if not course then
    return status
  end
  local result, safety = course.manifest.result, course.manifest.safety
  local refused = status == cli.status.limit
  check_report.print_course {
    name = experiment.name or experiment.id, judged = courses.words(options, course), json = options.json,
    device = { name = driver.name, verdict = refused and "OVER" or "within",
      message = refused and result.reason or "every plan that was played is within its limits" },
    safety = safety, pulses = #course.rows.pulses,
    ended = options.json and result.reason or courses.ended(course, status == cli.status.ok),
    broke_off = status ~= cli.status.ok, history = policy.history, participant = options.participant,
  }
  return safety.verdict == "OVER" and cli.status.limit or status
end

--- Which devices could give it; status 3 where none can, 6 where that could not be checked of any.
local function check_each(options, protocol, plan, values, drawn, actions)
  if options.device ~= "sim" or options.device_option[1] then
    cli.fail("usage", "--each-device looks at all devices, as their drivers are without options: leave out "
      .. "%s", options.device ~= "sim" and "--device" or "--device-option")
  end
  local each_device = require "moonpulse.safety.each_device"
  local bar <close> = progresses.new()
  local cases = cases_of(options, protocol, plan, values, drawn, bar)
  local list = each_device.of(function(driver)
    return check_device(options, cases, driver, bar)
  end, actions, { plan = plan, thresholds = { rmt = options.rmt, amt = options.amt },
    timing = options.timing })
  bar:close()
  print(options.json and each_device.json(list) or each_device.text(list))
  local has = {}
  for _, device in ipairs(list) do
    has[device.verdict] = true
  end
  return has.within and cli.status.ok or has["not checked"] and NOT_CHECKED or cli.status.limit
end

--- How a plan's schedules are judged by the guidelines: each by what this gives.
local function reporter(options, protocol, policy, limits, bar)
  local schedule = sessions.of(protocol, policy.history)
  return function(case)
    return judge.plan {
      plan = case.plan, seed = case.seed, thresholds = thresholds_of(options),
      step = limits.intensity.step, highest = limits.intensity.highest,
      coverage = coverages.of(protocol, limits, policy.used),
      profile = policy.profile, lab = policy.lab,
      history = policy.history, schedule = schedule,
      progress = function(walked, total, of) bar:show("checking the guidelines", walked, total, of) end,
    }
  end
end

--- Of several devices each one's step makes of an intensity what it gives: the gravest of their reports.
local function reporter_of_all(options, protocol, policy, driver, bar)
  if not options.several then
    return reporter(options, protocol, policy, driver.limits(), bar)
  end
  local list = {}
  for i, each in ipairs(options.several) do
    list[i] = reporter(options, protocol, policy, each.driver.limits(), bar)
  end
  return function(case)
    local all = {}
    for i, report_of in ipairs(list) do
      all[i] = { report = report_of(case) }
    end
    return shared_plans.gravest(all)
  end
end

--- A protocol: its plan against the device and the guidelines.
local function check_plan(options, protocol, values, driver, policy)
  local plan, drawn, begun = common.build(options, protocol, values)
  local actions = core.schedule(plan, options.seed or 1):actions()
  if options.each_device then
    return check_each(options, protocol, plan, values, drawn, actions)
  end
  if options.several then
    several_devices().check_channels(options.several, actions)
  else
    devices.check_channels(driver, actions)
  end
  local bar <close> = progresses.new()
  local cases, judged = cases_of(options, protocol, plan, values, drawn, bar)
  local report_of = reporter_of_all(options, protocol, policy, driver, bar)
  local codes = plan:totals().coded
    and require("moonpulse.stimulator.codes").words(plan, options.seed or 1) or nil
  local function judged_of(list, how)
    local report = worst.judge(list, report_of)
    local device = check_device(options, list, driver, bar)
    return { protocol = protocol, begins_at = begun, report = report, codes = codes, device = device,
      judged = worst.told(how, report), lab = policy.lab, history = policy.history,
      participant = options.participant }
  end
  local result = judged_of(cases, judged)
  if options.seed_named and #cases > 1 then -- what run --seed N plays; of all others one line
    local _, verdict = check_report.layers(result)
    local others = { seed = options.seed, others = verdict, how = result.judged.how,
      text = result.judged.text }
    result = judged_of({ cases[1] }, { how = "one seed",
      text = ("seed %d, as run --seed %d plays it"):format(options.seed, options.seed) })
    result.seed = others
  end
  bar:close()
  if options.json then
    print(check_report.json(result))
  else
    check_report.print(result)
  end
  local _, verdict = check_report.layers(result)
  if verdict == "OVER" then
    return cli.status.limit
  end
  return result.device.verdict == "not checked" and NOT_CHECKED or cli.status.ok
end

--- The device whose limits are asked for; of several what they are called.
local function described(options)
  if not devices.are_several(options) then
    return devices.described(options)
  elseif options.each_device then
    cli.fail("usage", "--each-device looks at all devices, as their drivers are without options: leave out "
      .. "--device")
  end
  local list, names = several_devices().choose(options, true), {}
  for i, each in ipairs(list) do
    names[i] = ("%s %s"):format(each.place, each.driver.name)
  end
  options.several, options.of_channels = list, begins.of_channels(options, list)
  return { name = table.concat(names, ", ") }
end

function M.run(options)
  local driver = described(options)
  if options.participant then
    records.settle(options)
  end
  local policy = safety_options.policy(options, true)
  local given = { driver = driver, real_pty = policy.real_pty,
    simulated = options.device:find("^sim") ~= nil }
  options.seed_named = options.seed ~= nil
  local protocol, values = common.find(options, nil, nil, function(found)
    if options.rmt == "last" or options.amt == "last" or options.of_device then -- loaded for those
      given.several = options.several
      require("moonpulse.cli.earlier_threshold").settle(options, given, found)
      options.of_channels = options.several and begins.of_channels(options, options.several)
    end
  end)
  if not experiments.is(protocol) then
    return check_plan(options, protocol, values, driver, policy)
  elseif options.each_device then
    cli.fail("usage", "--each-device is for protocols: an experiment decides as it goes; name one with "
      .. "--device")
  end
  return check_course(options, protocol, driver, policy)
end

return M
