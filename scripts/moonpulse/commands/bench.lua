--- moonpulse bench: how exact, how fast, against what others would use, on this machine.
local as_json = require "moonpulse.cli.as_json"
local cjson = require "cjson"
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"

local M = {}

function M.parser()
  local parser = cli.parser("bench",
    "Measure the engine against cyclictest, libuv timers, pyserial loops, plain Lua and memory, all in "
      .. "one run, idle and under load, and judge the goals. Takes about 8 minutes and uses every core. "
      .. "docs/performance.md says what the figures mean.",
    "moonpulse bench --quick\nmoonpulse bench --markdown docs/performance.md\n"
      .. "moonpulse bench latency --triggers 100000\nmoonpulse bench threshold --subjects 20 --seed 7")
  parser:argument("what", "latency: only how soon a pulse follows a trigger, against a bare loop; about a "
    .. "minute. threshold: how exactly each method finds the motor threshold of simulated subjects; four "
    .. "minutes, the same figures each time."):choices({ "latency", "threshold" }):args("?")
    :argname("latency|threshold")
  parser:option("--subjects", "threshold: how many; judged from 1000 on."):default("2000"):argname("N")
    :convert(function(text)
      local count = math.tointeger(tonumber(text))
      if not count or count < 1 or count > 1000000 then
        return nil, "--subjects: a whole number from 1 to 1000000"
      end
      return count
    end)
  parser:option("--seed", "threshold: another one gives other subjects."):default("1"):argname("N")
    :convert(function(text)
      local seed = math.tointeger(tonumber(text))
      if not seed or seed < 0 then
        return nil, "--seed: a whole number from 0"
      end
      return seed
    end)
  parser:option("--triggers", "latency: how many, on each wire."):default("10000"):argname("N")
    :convert(function(text)
      local count = math.tointeger(tonumber(text))
      if not count or count < 10 or count > 1000000 then
        return nil, "--triggers: a whole number from 10 to 1000000"
      end
      return count
    end)
  parser:flag("--json", "latency, threshold: figures and verdicts as one JSON object (docs/"
    .. "schemas).")
  parser:mutex(
    parser:flag("--quick", "About 90 seconds: fewer and shorter blocks."),
    parser:flag("--long", "20 blocks: about 45 minutes."),
    parser:flag("--ci", "Half a minute, no privileges: only what needs no quiet machine."))
  parser:option("--out", "The JSON file (default: bench.json beside the program)."):argname("FILE")
  parser:option("--from", "Measure nothing: show an earlier JSON file."):argname("FILE")
  parser:option("--markdown", "Put the result into this file, between its marks <!-- results --> and "
    .. "<!-- end of results -->."):argname("FILE")
  return parser
end

local function say(text)
  io.stderr:write(text, "\n")
end

local function read(path)
  local file, message = io.open(path)
  if not file then
    cli.fail("usage", "cannot read %s", message)
  end
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file, message = io.open(path, "w")
  if not file then
    cli.fail("fault", "cannot write %s", message)
  end
  file:write(text)
  file:close()
end

local function check_built()
  local programs = require "moonpulse.bench.programs"
  if not io.open(programs.bench) then
    cli.fail("fault", "the benchmark's programs are not built: %s is missing; run make bench in the "
      .. "source tree", programs.bench)
  end
end

local function measure(mode, out)
  local blocks = require "moonpulse.bench.blocks"
  local hosts = require "moonpulse.bench.host"
  local programs = require "moonpulse.bench.programs"
  check_built()
  local size, ci = blocks.sizes[mode], mode == "ci"
  local data = { mode = mode, version = core.version, peers = programs.peers() }
  say("host")
  data.host = hosts.describe(size.stall_ms)
  if not ci then
    local lines <close> = assert(io.open(out .. "l", "w"))
    data.blocks = blocks.run(size, data.peers, function(block, done, total)
      lines:write(cjson.encode(block), "\n")
      say(("%d/%d  block %d, %s, %s, %s: p50 %.1f us, p99 %.1f us%s"):format(done, total, block.block,
        block.condition, block.shape, block.method, block.p50 or 0, block.p99 or 0,
        block.void and "; VOID: " .. block.void or ""))
    end)
    say("the host's stalls under load")
    data.host.stall_load = programs.under_load(programs.measure, "stall", { ms = size.stall_ms })
  end
  data.single = require("moonpulse.bench.single").run(size, data.peers, ci, say)
  hosts.finish(data.host)
  return data
end

local function into_markdown(path, text)
  local old = read(path)
  local before, after = old:match("^(.-<!%-%- results %-%->\n).-(<!%-%- end of results %-%->.*)$")
  if not before then
    cli.fail("usage", "%s has no marks <!-- results --> and <!-- end of results -->, one a line", path)
  end
  write(path, before .. "\n" .. text .. "\n\n" .. after)
end

local function fail_broken(rows)
  local goals = require "moonpulse.bench.goals"
  for _, row in ipairs(rows) do
    if goals.broken(row) then
      cli.fail("fault", "%s (%s): %s %s", row.id, row.what, row.verdict, row.note or "")
    end
  end
end

local function run_latency(options)
  local latency = require "moonpulse.bench.latency"
  check_built()
  local data = latency.measure(options.triggers, say)
  local rows = latency.rows(data)
  if options.json then
    local goals = {}
    for i, row in ipairs(rows) do
      goals[i] = { goal = row.id, about = row.what, limit = row.limit, median = row.median,
        verdict = row.verdict, note = row.note }
    end
    as_json.tell { what = "moonpulse bench latency", triggers = data.triggers, goals = goals,
      wires = data.wires, reference = data.reference, decided_us = data.decided_us }
  else
    local header, cells = latency.table(data)
    io.stdout:write(require("moonpulse.bench.text").latency(header, cells, rows))
  end
  fail_broken(rows)
end

local function run_threshold(options)
  local goals = require "moonpulse.bench.threshold_goals"
  local progress = require("moonpulse.text.progress").new()
  local data = require("moonpulse.bench.threshold").measure(options.subjects, options.seed,
    function(done, total) progress:show("finding thresholds", done, total, "searches") end)
  progress:close()
  local rows, failed = goals.rows(data), nil
  if options.json then
    data.what, data.goals = "moonpulse bench threshold", rows
    as_json.tell(data)
  else
    io.stdout:write(goals.text(data, rows))
  end
  for _, row in ipairs(rows) do
    failed = failed or row.verdict == "FAIL" and row
  end
  if failed then
    cli.fail("fault", "%s (%s) is %g", failed.goal, failed.about, failed.value or 0 / 0)
  end
end

function M.run(options)
  if options.what == "threshold" then
    return run_threshold(options)
  end
  if options.what == "latency" then
    return run_latency(options)
  elseif options.json then
    cli.fail("usage", "--json is of moonpulse bench latency and bench threshold; else --out writes a JSON "
      .. "file")
  end
  local goals = require "moonpulse.bench.goals"
  local text = require "moonpulse.bench.text"
  local data
  if options.from then
    local ok
    ok, data = pcall(cjson.decode, read(options.from))
    if not ok or type(data) ~= "table" or not data.single then
      cli.fail("usage", "%s is no result of moonpulse bench", options.from)
    end
  else
    local mode = options.quick and "quick" or options.long and "long" or options.ci and "ci" or "default"
    local out = options.out or core.executable():match("^(.*)/[^/]*$") .. "/bench.json"
    data = measure(mode, out)
    data.goals = goals.rows(data)
    write(out, cjson.encode(data) .. "\n")
    say("wrote " .. out)
  end
  local rows = goals.rows(data)
  io.stdout:write(text.plain(data, rows))
  if options.markdown then
    into_markdown(options.markdown, text.markdown(data, rows))
  end
  fail_broken(rows)
end

return M
