--- moonpulse check: a plan against the device's limits, the published guidelines and the lab's own.
local cjson = require "cjson"
local cli = require "moonpulse.cli"
local common = require "moonpulse.commands.common"
local devices = require "moonpulse.devices"
local judge = require "moonpulse.safety.judge"
local lower = require "moonpulse.lower"
local outline = require "moonpulse.outline"
local rules = require "moonpulse.safety.rules"
local safety_options = require "moonpulse.commands.safety_options"
local tables = require "moonpulse.safety.tables"
local term = require "term"

local M = {}

function M.parser()
  local parser = cli.parser("check",
    "Check a protocol before anything fires: the device's hard limits, published guideline limits, the "
      .. "lab's own. Verdicts: within; beyond tested (longer or stronger than what was tested: a warning); "
      .. "OVER (refused on a real device). Exit status 3 where something is OVER or the device refuses. This "
      .. "is no medical advice: " .. tables.warning .. ".",
    "moonpulse check hf10_neurostar --rmt 50\nmoonpulse check mine.lua --rmt 48 --guidelines chen1997 --json")
  common.add_protocol(parser)
  parser:option("--device", "Whose hard limits: sim (a MagPro) or a device (see moonpulse devices).")
    :default("sim"):argname("NAME")
  parser:option("--timing", "Who times trains, as for run."):choices({ "host", "device", "auto" })
    :default("auto")
  parser:option("--out", "Where run folders are, for --participant."):default("runs"):argname("DIR")
  safety_options.add(parser)
  parser:flag("--json", "The verdict as data: one JSON object.")
  return parser
end

local function find_driver(name)
  name = name == "sim" and devices.default or name:match("^sim:(.+)$") or name
  local driver, message = devices.find(name)
  if not driver then
    cli.fail("usage", "%s", message)
  end
  return devices.configure(driver)
end

--- The device's hard limits: verdict, and why.
local function check_device(options, plan, seed, driver, progress)
  local ok, result = pcall(lower.prepare, {
    plan = plan, seed = seed, driver = driver, thresholds = { rmt = options.rmt, amt = options.amt },
    timing = options.timing, progress = progress,
  })
  if ok then
    return { name = driver.name, verdict = "within", message = "every pulse is within its limits",
      note = lower.no_room(result, driver) }
  elseif type(result) ~= "table" then
    error(result, 0)
  elseif result.code == "limit" then
    return { name = driver.name, verdict = "OVER", message = result.message }
  end
  return { name = driver.name, verdict = "not checked", message = result.message }
end

local shown = false

--- A bar on a terminal, a line now and then elsewhere.
local function progress(what, walked, total)
  local share = math.min(1, walked / total)
  if term.isatty(io.stderr) then
    io.stderr:write(("\r%s [%s%s] %3d %%"):format(what, ("#"):rep(math.floor(share * 40)),
      (" "):rep(40 - math.floor(share * 40)), math.floor(share * 100)))
    shown = true
  elseif walked % 100000000 == 0 then
    io.stderr:write(("%s: %s of %s pulses\n"):format(what, outline.count(walked), outline.count(total)))
  end
end

--- The bar gives way to the report.
local function end_progress()
  if shown then
    io.stderr:write("\r\27[K")
  end
end

local function as_json(protocol, report, device)
  local findings = setmetatable({}, cjson.array_mt)
  for i, finding in ipairs(report.findings) do
    findings[i] = { rule = finding.rule, table = finding.table, row = finding.row, value = finding.value,
      unit = finding.unit, limit = finding.limit, verdict = finding.verdict, nearest = finding.nearest,
      train = finding.train, pulse = finding.pulse, at_s = finding.at_s, origin = finding.origin,
      channel = finding.channel, source = finding.source, confidence = finding.confidence,
      text = judge.sentence(finding) }
  end
  return cjson.encode { protocol = protocol.id, profile = report.profile, table = report.table,
    verdict = report.verdict, pulses = report.pulses, trains = report.trains, device = device,
    findings = findings, structural = report.structural, warning = tables.warning }
end

local function print_report(protocol, report, device)
  print(protocol.name)
  print(("%-15s%s: %s"):format(device.verdict, device.name, device.message))
  if device.note then
    print(("%-15s%s"):format("note", device.note))
  end
  for _, finding in ipairs(report.findings) do
    print(("%-15s%s"):format(finding.verdict, judge.sentence(finding)))
  end
  print(("%-15s%s, %s pulses, %s trains; %s"):format("verdict", report.verdict,
    outline.count(report.pulses), outline.count(report.trains), report.table))
  print(("%-15s%s"):format("note", tables.warning))
end

function M.run(options)
  local driver = find_driver(options.device)
  local policy = safety_options.policy(options, true)
  local protocol, plan = common.load(options)
  local seed = options.seed or 1
  local report = judge.plan {
    plan = plan, seed = seed, thresholds = { rmt = options.rmt, amt = options.amt },
    profile = policy.profile, lab = policy.lab, history = policy.history,
    progress = function(walked, total) progress("checking the guidelines", walked, total) end,
  }
  local pulses = plan:totals().pulses
  local device = check_device(options, plan, seed, driver, function(walked)
    progress("checking the device's limits", walked, pulses)
  end)
  end_progress()
  if options.json then
    print(as_json(protocol, report, device))
  else
    print_report(protocol, report, device)
  end
  local worst = math.max(rules.order[report.verdict], rules.order[device.verdict] or 1)
  return worst == rules.order.OVER and cli.status.limit or cli.status.ok
end

return M
