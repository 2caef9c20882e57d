--- Conformance cases about whole runs: in virtual time, and through a real pseudo-terminal with the
--- real serial code, where the simulator listens at the other end.
local core = require "moonpulse.core"
local faults = require "moonpulse.simulation.faults"
local folders = require "moonpulse.record.folder"
local host = require "moonpulse.simulation.serve"
local lower = require "moonpulse.lowering"
local intensities = require "moonpulse.compose.intensity"
local mp = require "moonpulse"
local records = require "moonpulse.record"
local stands = require "moonpulse.conformance.tap"

local M = {}

local hooks = {}
for _, name in ipairs { "connected", "prepared", "armed", "progress" } do
  hooks[name] = function() end
end

-- A folder for the records of one case ---------------------------------------------------------------

--- Call action(folder) with a folder that is gone afterwards.
local function in_folder(action)
  local folder <close> = assert(folders.scratch())
  return action(folder.path)
end

-- Plans ---------------------------------------------------------------------------------------------

local function on_channel(kit, plan)
  local names = kit.driver.limits(nil).channel_names
  return names and plan:at(names[1]) or plan
end

--- Pulses as fast as the device goes and spare seconds, but not faster than least.
local function steady(kit, pulses, least, spare)
  local shortest = kit.driver.limits(nil).shortest_interval(kit:action(0.3))
  local every_ns = math.ceil(math.max(shortest + spare, least) * 1e9)
  return on_channel(kit, mp.train { pulses = pulses, every = ("%d/1000000000"):format(every_ns),
    intensity = intensities.new(kit:action(0.3).mso, "MSO") }), every_ns
end

local function job_of(kit, plan, timing)
  return { plan = plan, seed = 1, driver = kit.driver, thresholds = {}, tolerance = 5, late = "abort",
    stop_line = "none", timing = timing or "host", policy = { real = false } }
end

-- Virtual time --------------------------------------------------------------------------------------

local function run_virtual(kit, plan, timing)
  local simulator = stands.witness(kit:simulator())
  local job = job_of(kit, plan, timing)
  job.simulator = simulator
  return in_folder(function(folder)
    local record = assert(records.create(folder, "conformance"))
    local outcome = require("moonpulse.run.inside").run(job, record, "max", hooks)
    record:close()
    local times = {}
    for _, entry in ipairs(simulator.seen) do
      if entry.event == "pulse" then
        times[#times + 1] = entry.at_ns
      end
    end
    table.sort(times)
    return outcome, record, times
  end)
end

local function whole_run(kit)
  local plan, every_ns = steady(kit, 20, 0.05, 1e-6)
  local outcome, record, times = run_virtual(kit, plan)
  kit:check(outcome.stop == "finished" and not outcome.fault, "the run ends with %s",
    outcome.fault or outcome.stop)
  kit:check(outcome.disarmed, "it is not disarmed: %s", tostring(outcome.not_disarmed))
  kit:check(#times == 20 and record.pulses_sent == 20, "%d pulses were sent, %d arrived",
    record.pulses_sent, #times)
  kit:check(record.pulses_confirmed == (kit.driver.confirms == false and 0 or 20),
    "%d of 20 pulses are confirmed", record.pulses_confirmed)
  for i = 2, #times do
    kit:check(math.abs(times[i] - times[i - 1] - every_ns) <= 1, "pulse %d comes %d ns after the one "
      .. "before, not %d ns", i, times[i] - times[i - 1], every_ns)
  end
end

-- pulses, Hz: what some device or other can time by itself
local trains = { { 12, 1 }, { 12, 2 }, { 12, 5 }, { 12, 10 }, { 12, 20 }, { 12, 50 }, { 2, 100 }, { 2, 20 } }

local function device_times(kit)
  if not kit.driver.encode.train then
    kit:skip("the device times no trains (no encode.train)")
  end
  local why
  for _, train in ipairs(trains) do
    local pulses, hz = train[1], train[2]
    local plan = on_channel(kit, mp.train { pulses = pulses, hz = hz,
      intensity = intensities.new(kit:action(0.3).mso, "MSO") })
    local ok, problem = pcall(lower.prepare, { plan = plan, seed = 1, driver = kit.driver,
      thresholds = {}, timing = "device" })
    if ok then
      local outcome, record, times = run_virtual(kit, plan, "device")
      kit:check(outcome.stop == "finished" and not outcome.fault, "a train of the device ends with %s",
        outcome.fault or outcome.stop)
      kit:check(record.pulses_sent == pulses, "%d of %d pulses are in the record", record.pulses_sent,
        pulses)
      kit:check(#times == pulses, "the device fires %d pulses of %d", #times, pulses)
      kit:check(record.pulses_confirmed == 0 or record.pulses_confirmed == pulses, "%d of %d pulses are "
        .. "confirmed: a program with ahead needs a reply of which judge() says \"going\"",
        record.pulses_confirmed, pulses)
      for i = 2, #times do
        kit:check(math.abs(times[i] - times[i - 1] - 1e9 / hz) <= 1000, "%g Hz: pulse %d comes %g ms "
          .. "after the one before", hz, i, (times[i] - times[i - 1]) / 1e6)
      end
      return
    end
    kit:check(type(problem) == "table" and #problem.message > 30, "encode.train: %s", tostring(problem))
    why = problem.message
  end
  kit:fail("encode.train takes neither 12 pulses at 1 to 50 Hz nor a pair: %s", why)
end

local function train_refused(kit)
  local train = kit.driver.encode.train
  if not train then
    kit:skip("the device times no trains (no encode.train)")
  end
  local action = kit:action(0.3)
  local den = 31415926 -- 31.415926 Hz lies on nobody's grid
  local odd = 1000000 / den
  local program, why = train({ cell = { { offset = 0, action = action } },
    levels = { { count = 5, period = odd, num = 1000000, den = den } },
    pulses = 5, span = 5 * odd, last = 4 * odd, timing = "device" }, nil)
  kit:check(program or type(why) == "string" and #why > 10, "encode.train refuses without a reason")
  if program then
    kit:check(type(program.start) == "string" and program.busy >= 4 * odd
      and math.type(program.confirms) == "integer", "a program needs start, busy and confirms")
  end
end

-- A real pseudo-terminal ------------------------------------------------------------------------------

-- The simulator shares this process: it answers, falls silent or is unplugged when its loop has a turn, which
-- on a busy machine may take a while. The runs are about the driver: that is judged by no less than this (s).
local patience = 60

-- planned; a fault of the simulator; seconds from pulse to pulse at least: the sending thread may be late by
-- half of that, or the next one would come too close. Where the device goes at the first pulse, the second is
-- so far off that the loop has its turn before: the run ends long before it, or, where the device confirms
-- nothing, after its only one. (A Magstim waits for a pulse for less than 60 s.)
local real_runs = {
  whole = { pulses = 3, every = 1.2, keepalives = true },
  pieces = { fault = "split@1", pulses = 2, every = 3 }, -- while two are open, a reply is no pulse's for sure
  unplugged = { fault = "unplug@1", pulses = 3, every = 50, stays_away = true },
  deaf = { fault = "half-open@1", pulses = 3, unconfirmed = 1, every = 50, stays_away = true,
    silent = true },
}

local keepalives = 3 -- from pulse to pulse of the whole run at least, where the driver has any

local most_ns = patience * 1000000000 -- for what is on its way to the simulator

--- What one run against a simulator on a pseudo-terminal in this process needs of the disk, which takes
--- its time.
local function prepare_real(kit, name, wanted)
  local self = { wanted = wanted, folder = assert(folders.scratch()).path,
    planned = kit.driver.confirms == false and wanted.unconfirmed or wanted.pulses }
  self.log = self.folder .. "/twin.tsv"
  self.served = assert(host.start(kit.model, { log = self.log, settings = kit:simulator_settings(),
    faults = wanted.fault and faults.parse(wanted.fault) }))
  self.record = assert(records.create(self.folder, name))
  assert(self.record:open_flight(self.planned, 0))
  return self
end

--- Play it, and wait until the simulator has what was sent.
local function play_real(self, kit)
  local wanted, served, record = self.wanted, self.served, self.record
  core.spawn(function() served:serve() end)
  local alive = wanted.keepalives and kit.driver.keepalive
  local every = math.max(wanted.every, alive and keepalives * alive.period or 0)
  local job = job_of(kit, (steady(kit, self.planned, every, 0.1)))
  job.away, job.tolerance = patience, patience
  -- it is as slow as this computer is: a shipped one is waited for as in a run on the simulator
  job.driver = setmetatable({ on_simulator = not wanted.silent }, { __index = job.driver })
  self.ok, self.outcome = pcall(require("moonpulse.run.play").run, job, served.path, record, hooks)
  local since_ns = core.clock_ns()
  repeat
    core.wait(0.05)
    served:look()
  until wanted.stays_away or (served.counts.pulse or 0) >= record.pulses_sent
    or core.clock_ns() - since_ns > most_ns
  served:stop()
  core.wait(0.01)
end

--- Nothing of this process is armed any more: close its files, and say what is known of the run.
local function conclude_real(self)
  self.served:close()
  self.record:close()
  local text = assert(io.open(self.log)):read("a")
  folders.remove(self.folder)
  return { ok = self.ok, outcome = self.outcome, sent = self.record.pulses_sent,
    planned = self.planned, confirmed = self.record.pulses_confirmed, log = text,
    counts = self.served.counts, broken = self.broken }
end

--- All real runs at the same time, as each takes seconds of waiting: what they need of the disk comes before,
--- and after them.
local function play_all(kit)
  local runs, task, left, results = {}, core.current(), 0, {}
  for name, wanted in pairs(real_runs) do
    runs[name], left = prepare_real(kit, name, wanted), left + 1
  end
  for _, run in pairs(runs) do
    core.spawn(function()
      local ok, problem = pcall(play_real, run, kit)
      run.broken = not ok and problem or nil
      left = left - 1
      task:wake()
    end)
  end
  local give_up_ns = core.clock_ns() + 2 * most_ns
  while left > 0 do
    kit:check(core.clock_ns() < give_up_ns, "the runs do not end within %d s", 2 * patience)
    core.wait(1)
  end
  for name, run in pairs(runs) do
    results[name] = conclude_real(run)
  end
  return results
end

local function results_of(kit, name)
  local memory = kit.memory
  if type(kit.driver.encode.pulse(kit:action())) == "table"
    and kit.driver.encode.pulse(kit:action()).line then
    kit:skip("a pseudo-terminal has no modem lines")
  end
  if not memory.real then
    kit:mute() -- asked on a stand, which has virtual time: not while one of these goes on
    collectgarbage() -- what the cases before left does not hold them up
    memory.real = play_all(kit)
  end
  local result = memory.real[name]
  kit:check(not result.broken, "%s", tostring(result.broken))
  return result
end

local function why_of(result)
  return tostring(result.ok and (result.outcome.fault or result.outcome.stop) or result.outcome)
end

--- All that is known of a run that did not go as it must.
local function story(result)
  return ("the run ended with: %s; %d of %d pulses sent; the simulator's log:\n%s"):format(why_of(result),
    result.sent, result.planned, result.log)
end

local function completed(kit, result)
  kit:check(result.ok and result.outcome.stop == "finished" and not result.outcome.fault, "%s",
    story(result))
  kit:check(result.sent == result.planned and result.counts.pulse == result.planned,
    "%d pulses planned, %d sent, %d arrived; the simulator's log:\n%s", result.planned, result.sent,
    result.counts.pulse or 0, result.log)
  kit:check(result.confirmed == (kit.driver.confirms == false and 0 or result.planned),
    "%d pulses are confirmed", result.confirmed)
  kit:check(result.outcome.disarmed, "it is not disarmed: %s", tostring(result.outcome.not_disarmed))
end

local function real_whole(kit)
  local result = results_of(kit, "whole")
  completed(kit, result)
  kit:check(not result.counts.error, "the simulator did not understand everything:\n%s", result.log)
end

local function real_keepalive(kit)
  local alive = kit.driver.keepalive
  if not alive then
    kit:skip("the driver has no keepalive")
  end
  local result = results_of(kit, "whole")
  kit:check(not result.counts.error, "a keep-alive and a pulse were mixed:\n%s", result.log)
  local hex, pulses, since = alive.bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end), 0, 0
  for line in result.log:gmatch "[^\n]+" do
    since = since + (line:find(hex, 1, true) and 1 or 0)
    if line:find("\tpulse\t", 1, true) then
      kit:check(pulses == 0 or since > 0, "no keep-alive came between pulse %d and pulse %d, which are %g s "
        .. "apart:\n%s", pulses, pulses + 1, keepalives * alive.period, result.log)
      pulses, since = pulses + 1, 0
    end
  end
  kit:check(pulses > 1, "%s", story(result))
end

local function real_pieces(kit)
  completed(kit, results_of(kit, "pieces"))
end

local function real_unplugged(kit)
  local result = results_of(kit, "unplugged")
  kit:check(result.sent <= 2, "%d pulses were sent to a port that is gone", result.sent)
  kit:check(result.counts.pulse == 1, "the simulator fired %d pulses, not 1; %s", result.counts.pulse or 0,
    story(result))
  local why = result.ok and (result.outcome.fault or result.outcome.stop) or result.outcome.message
  kit:check(why == "gone" or why:find(core.stops.gone.words, 1, true), "it ends with: %s", why)
  kit:check(not result.ok or not result.outcome.disarmed, "a device that is gone is called disarmed")
end

local function real_deaf(kit)
  kit:needs_replies()
  local result = results_of(kit, "deaf")
  kit:check(result.counts.pulse == 1, "the simulator fired %d pulses, not 1; %s", result.counts.pulse or 0,
    story(result))
  kit:check(result.ok and not result.outcome.disarmed and result.outcome.not_disarmed,
    "a device that does not answer is called disarmed")
  if kit.driver.confirms ~= false then
    local why = result.outcome.fault or result.outcome.stop
    kit:check(why:find("silent", 1, true) or why:find("not confirmed", 1, true), "it ends with: %s", why)
  end
end

M.cases = {
  { "a whole run in virtual time: every pulse at its time", whole_run },
  { "a train that the device times comes whole and in time", device_times },
  { "a train off the device's grid is refused with a reason", train_refused },
  { "a whole run through a real pseudo-terminal", real_whole },
  { "keep-alives go between the pulses", real_keepalive },
  { "a reply in pieces does not end a run", real_pieces },
  { "unplugged while it runs: it ends at once, nothing is sent again", real_unplugged },
  { "a device that falls silent while it runs is not called disarmed", real_deaf },
}

return M
