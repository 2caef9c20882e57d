--- moonpulse doctor: what keeps pulses from leaving in time, and what mends it.
local cjson = require "cjson"
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local core = require "moonpulse.core"
local doctor = require "moonpulse.doctor"
local latency = require "moonpulse.doctor.latency"
local devices = require "moonpulse.driver.find"
local numbers = require "moonpulse.text.numbers"
local port_name = require "moonpulse.cli.port_name"
local term = require "term"
local wrapping = require "moonpulse.text.wrapping"

local M = {}

function M.parser()
  local parser = cli.parser("doctor",
    "Check this host for timed stimulation: real-time rights, timers, processors, serial ports and "
      .. "who else uses them. Looks only, changes nothing, opens no port. For each finding it prints "
      .. "the one command that mends it. Exit status 4 when a finding is BAD.",
    "moonpulse doctor --latency 10\nmoonpulse doctor --port /dev/ttyUSB0")
  parser:option("--port", "Look at this serial port only: a path, the USB adapter as "
    .. "VENDOR:PRODUCT[:SERIAL], or auto: the adapter of --device."):argname("PORT")
  parser:option("--device", "The stimulator, for --port auto (see moonpulse devices)."):argname("NAME")
  parser:option("--latency", "Also measure for so many seconds how late the host wakes a timing thread.")
    :argname("SECONDS"):convert(common.number(0.1, latency.longest_s, "s"))
  parser:flag("--json", "One JSON object a line for each finding.")
  parser:option("--root", "Look at a faked host under this folder."):argname("DIR"):hidden(true)
  return parser
end

local marks = { ok = "ok", warn = "warn", bad = "BAD", unknown = "unknown" }
local colors = { ok = "green", warn = "yellow", bad = "red", unknown = "cyan" }

local function mark(status, colored)
  local text = ("%-8s"):format(marks[status])
  return colored and term.colors[colors[status]] .. text .. term.colors.reset or text
end

--- Words folded to lines of at most 88 characters.
local function folded(text)
  return wrapping.lines(text, 88)
end

local function print_finding(finding, colored)
  print(("%s %-22s %s"):format(mark(finding.status, colored), finding.name, finding.found))
  for _, line in ipairs(finding.why and folded(finding.why) or {}) do
    print("         " .. line)
  end
  if finding.remedy then
    print("             " .. finding.remedy)
  end
end

--- cjson orders keys at random: these lines are for eyes too.
local function print_json(finding, result)
  local parts = {}
  local function field(name, value)
    parts[#parts + 1] = cjson.encode(name) .. ":" .. cjson.encode(value == nil and cjson.null or value)
  end
  for _, name in ipairs { "name", "status", "found", "remedy", "why" } do
    field(name, finding[name])
  end
  if result then
    field("wakes", result.count)
    field("period_us", latency.period_s * 1e6)
    for _, name in ipairs { "p50", "p95", "p99", "p99.9", "max" } do
      field(name .. "_us", result[name] * 1e6)
    end
    field("late", result.late)
    field("late_means_us", latency.late_s * 1e6)
    field("realtime", { fifo = result.fifo, spin = result.spin })
    local fit = {}
    for _, name in ipairs(latency.fit(result)) do
      fit[name] = true
    end
    for _, use in ipairs(latency.uses) do
      field("fit_for_" .. use.name:gsub(" ", "_"), fit[use.name] == true)
    end
    local rows = {}
    for i, bucket in ipairs(result.buckets) do
      rows[i] = { bucket.from * 1e6, bucket.to and bucket.to * 1e6 or cjson.null, bucket.count }
    end
    field("histogram_us", rows)
  end
  print("{" .. table.concat(parts, ",") .. "}")
end

--- Measure, with a line that changes on a terminal; leaves with status 5 on Ctrl-C.
local function measure(seconds, quiet)
  local interrupted = false
  core.on_signal(function()
    interrupted = true
  end)
  local shown = not quiet and term.isatty(io.stdout)
  local result, message = latency.measure(seconds, {
    stopped = function() return interrupted end,
    progress = shown and function(elapsed, wakes, worst)
      io.stdout:write(("\rmeasuring  %.1f of %g s  %s wakes  worst %s"):format(
        math.min(elapsed, seconds), seconds, numbers.count(wakes), latency.text(worst)))
      term.cleareol()
      io.stdout:flush()
    end,
  })
  core.on_signal(nil)
  if shown then
    io.stdout:write("\r")
    term.cleareol()
  end
  if not result then
    cli.fail("fault", "%s", message)
  elseif result.stopped then
    cli.fail("stopped", "the latency test was interrupted after %s wakes; no verdict",
      numbers.count(result.count))
  end
  return result
end

local function print_result(result, colored)
  print(("\n%s wakes, one every %g us, %s: how late each was"):format(numbers.count(result.count),
    latency.period_s * 1e6, (result.fifo and "SCHED_FIFO" or "normal priority")
    .. (result.spin and " with spin" or "")))
  for _, line in ipairs(latency.histogram(result)) do
    print(line)
  end
  print(("\np50 %s   p95 %s   p99 %s   p99.9 %s   max %s"):format(latency.text(result.p50),
    latency.text(result.p95), latency.text(result.p99), latency.text(result["p99.9"]),
    latency.text(result.max)))
  print(("later than %s: %s of %s\n"):format(latency.text(latency.late_s),
    numbers.count(result.late), numbers.count(result.count)))
  for _, use in ipairs(latency.uses) do
    local fit = result.p99 <= use.p99
    print(("%s %-22s p99 %s, %s %s"):format(mark(fit and "ok" or "warn", colored),
      (fit and "fit for " or "unfit for ") .. use.name, latency.text(result.p99),
      fit and "within" or "over", latency.text(use.p99)))
  end
  print("         The host alone: cable, adapter and stimulator add their own time.")
end

local function summary(findings)
  local counts = doctor.count(findings)
  local texts = {}
  for _, status in ipairs { "bad", "warn", "unknown", "ok" } do
    if counts[status] > 0 then
      texts[#texts + 1] = ("%d %s"):format(counts[status], marks[status])
    end
  end
  print(("\n%s%s"):format(table.concat(texts, ", "),
    counts.bad > 0 and ": mend what is BAD before you stimulate" or ""))
end

--- The path of --port.
local function port_of(options, root)
  local driver, message
  if options.device then
    driver, message = devices.find(options.device)
    if not driver then
      cli.fail("usage", "%s", message)
    end
  end
  if not options.port then
    return nil
  end
  local path, problem = port_name.resolve(options.port, driver, { root = root })
  if not path then
    cli.fail("usage", "%s", problem)
  end
  return path
end

function M.run(options)
  local root = options.root or ""
  local live = root == "" -- the grants and the kernel's word are this host's, not a faked one's
  local findings = doctor.examine {
    root = root, port = port_of(options, root), probe = live and core.realtime_probe() or nil,
    accessible = live and core.may_open or nil,
  }
  local colored = not options.json and term.isatty(io.stdout) and not os.getenv("NO_COLOR")
  for _, finding in ipairs(findings) do
    if options.json then
      print_json(finding)
    else
      print_finding(finding, colored)
    end
  end
  io.stdout:flush()
  if options.latency then
    local result = measure(options.latency, options.json)
    local finding = latency.finding(result)
    findings[#findings + 1] = finding
    if options.json then
      print_json(finding, result)
    else
      print_result(result, colored)
      if finding.status ~= "ok" then
        print_finding(finding, colored)
      end
    end
  end
  if not options.json then
    summary(findings)
  end
  return doctor.count(findings).bad > 0 and cli.status.fault or cli.status.ok
end

return M
