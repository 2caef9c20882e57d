--- moonpulse bench latency: from "a trigger is readable" to "the first byte of the command is handed over".
--- The engine, with a plan armed ahead and its flight record, against a bare loop with the same rights that
--- polls, reads and writes; in turns, so that the host's moods meet both.
local goals = require "moonpulse.bench.goals"
local programs = require "moonpulse.bench.programs"
local stats = require "moonpulse.bench.stats"

local M = {}

local blocks = 10
local gap_us, storm_us, refractory_us = 150, 100, 2000
local decisions = 20
local lacks_reference = "cyclictest is not installed: against bench fifo"

local script = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim, pulse = run:device(), mp.pulse(mp.mso(10))
  stim:arm(pulse)
  for _ = 1, %d do
    local at = run:wait_trigger { byte = 5, fresh = true }
    local start = stim:fire(pulse)
    print(("reaction %%.6f"):format(start - at))
  end
end)
]]

--- One block: what bench react says, with a summary in microseconds.
local function block(wire, method, triggers)
  local flight = programs.folder .. "/latency.flight"
  local raw = programs.measure("react", { wire = wire, method = method, triggers = triggers,
    ["gap-us"] = gap_us, flight = method == "engine" and flight or nil })
  os.remove(flight)
  local summary = stats.summary(raw.reaction_ns)
  summary.fifo, summary.pulses, summary.answered, summary.told = raw.fifo, raw.pulses, raw.answered, raw.told
  return summary
end

--- The blocks of a wire: the bare loop and the engine in turns.
local function of_wire(wire, triggers, say)
  local made = { wire = wire, bare = {}, engine = {} }
  local each = math.max(1, triggers // blocks)
  for i = 1, math.min(blocks, triggers) do
    for _, method in ipairs { "bare", "engine" } do
      made[method][i] = block(wire, method, each)
    end
    say(("%s, block %d: p50 %.1f us bare, %.1f us engine"):format(wire, i, made.bare[i].p50,
      made.engine[i].p50))
  end
  return made
end

--- A script that waits for a trigger and fires, as a run of its own: seconds from the one to the start.
local function decide(count)
  local work = programs.folder .. "/latency"
  programs.output(programs.command("rm", "-rf", work))
  programs.output(programs.command("mkdir", "-p", work))
  local file <close> = assert(io.open(work .. "/decide.lua", "w"))
  file:write(script:format(count))
  file:close()
  local source = assert(io.popen(programs.command(programs.bench, "react", "--method", "source", "--triggers",
    count + 5, "--gap-us", 250000, "--after-ms", 3000), "r"))
  local text = programs.output(programs.command(programs.executable, "run", work .. "/decide.lua",
    "--trigger-in", source:read("l"), "--out", work .. "/runs", "--beyond-guidelines", "a benchmark",
    "--approval", "none") .. " 2>/dev/null")
  source:close()
  local us = {}
  for seconds in (text or ""):gmatch("reaction ([%d.]+)") do
    us[#us + 1] = tonumber(seconds) * 1e6
  end
  programs.output(programs.command("rm", "-rf", work))
  return us
end

--- Measure all of it: both wires, a storm, the host's own wakes, a decision in Lua.
---@param triggers integer on each wire, for each method
---@param say fun(text: string)
---@return table
function M.measure(triggers, say)
  local data = { triggers = triggers, wires = {} }
  for i, wire in ipairs { "socketpair", "pty" } do
    data.wires[i] = of_wire(wire, triggers, say)
  end
  say("a storm of 10,000 triggers a second")
  data.storm = programs.measure("react", { triggers = triggers, ["storm-us"] = storm_us,
    ["refractory-us"] = refractory_us })
  say("cyclictest")
  local wakes = math.max(100, math.min(10000, triggers))
  data.reference = programs.cyclictest(1000, wakes)
  if not data.reference then
    data.reference, data.note = stats.summary(programs.measure("fifo", { ["period-us"] = 1000,
      pulses = wakes }).errors_ns), lacks_reference
  end
  say("a decision in Lua")
  data.decided_us = decide(math.min(decisions, triggers))
  return data
end

local function pairs_of(wire, name, reference)
  local values = {}
  for i, engine in ipairs(wire.engine) do
    values[i] = engine[name] / (reference or wire.bare[i][name])
  end
  return values
end

--- Triggers that have no pulse, or pulses that are not whole and single.
local function wrong(wire)
  local count = 0
  for _, engine in ipairs(wire.engine) do
    count = count + math.abs(engine.n - engine.pulses) + math.abs(engine.pulses - engine.answered)
      + math.abs(engine.n - engine.told)
  end
  return count
end

local function refused(wire)
  for _, engine in ipairs(wire.engine) do
    if not engine.fifo then
      return "not measured", "SCHED_FIFO was refused"
    end
  end
end

local function wire_rows(data, wire, add)
  local verdict, note = refused(wire)
  add({ id = "L1", limit = 1.3, what = "engine / bare loop, p50, " .. wire.wire, verdict = verdict,
    note = note }, pairs_of(wire, "p50"))
  add({ id = "L2", limit = 1.5, what = "engine / cyclictest, p99, " .. wire.wire, verdict = verdict,
    note = note or data.note }, pairs_of(wire, "p99", data.reference.p99))
  add({ id = "L3", limit = 0, hard = true, what = ("triggers lost or doubled of %d, %s"):format(
    data.triggers // blocks * blocks, wire.wire) }, { wrong(wire) })
end

--- The spread of the bare loop against itself: where it is great, the host was too busy to tell.
local function unsure(row, wire)
  local p50 = {}
  for i, bare in ipairs(wire.bare) do
    p50[i] = bare.p50
  end
  table.sort(p50)
  if row.verdict == "FAIL" and p50[#p50] > 2 * p50[1] then
    row.verdict = "INCONCLUSIVE"
    row.note = ("the bare loop differs from itself by a factor of %.2g"):format(p50[#p50] / p50[1])
  end
end

--- Judge what was measured.
---@param data table of measure()
---@return table[] rows
function M.rows(data)
  local rows = {}
  local function add(row, values)
    rows[#rows + 1] = goals.judge(row, values)
  end
  for _, wire in ipairs(data.wires) do
    wire_rows(data, wire, add)
    unsure(rows[#rows - 2], wire)
  end
  local storm = data.storm
  local missing = math.abs(storm.triggers - storm.told) + math.abs(storm.pulses - storm.answered)
  local early = storm.pulses > 1 and storm.closest_ns < refractory_us * 1000 and 1 or 0
  add({ id = "L4", limit = 0, hard = true,
    what = "10,000 triggers/s: not told, or pulses under the refractory time",
    note = ("%d triggers, %d pulses"):format(storm.triggers, storm.pulses) }, { missing + early })
  local decided, bare = stats.median(data.decided_us), {}
  for i, each in ipairs(data.wires[2].bare) do
    bare[i] = each.p50
  end
  add({ id = "L5", limit = 2.5, what = "run:wait_trigger and stim:fire / bare loop, p50, pty",
    note = decided and ("%.1f ms: the script's own lead"):format(decided / 1000) or nil },
    { decided and decided / stats.median(bare) })
  return rows
end

--- What was measured, a line for each wire and method, in microseconds.
---@param data table
---@return string[] header
---@return table[] cells
function M.table(data)
  local cells = {}
  for _, wire in ipairs(data.wires) do
    for _, method in ipairs { "bare", "engine" } do
      local row = { wire.wire, method == "bare" and "bare loop" or method }
      for _, name in ipairs { "p50", "p95", "p99" } do
        local values = {}
        for i, each in ipairs(wire[method]) do
          values[i] = each[name]
        end
        row[#row + 1] = ("%.1f"):format(stats.median(values))
      end
      cells[#cells + 1] = row
    end
  end
  cells[#cells + 1] = { "", data.note and "FIFO loop" or "cyclictest", ("%.1f"):format(data.reference.p50),
    ("%.1f"):format(data.reference.p95), ("%.1f"):format(data.reference.p99) }
  return { "wire", "method", "p50", "p95", "p99" }, cells
end

return M
