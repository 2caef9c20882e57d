-- Runs that are killed or frozen at random instants: what the simulator saw is on record, the simulator is
-- disarmed, and nothing is made up for. MP_LONG=1 in the environment kills 200 runs instead of 12.
local core = require "moonpulse.core"
local driver = require "moonpulse.devices.magventure"
local fixture = require "job"
local shell = require "shell"

local patient = " --timing host --tolerance 500 "
local kills = os.getenv("MP_LONG") and 200 or os.getenv("MP_QUICK") and 4 or 12
local at_once = 4

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local FIRE, DISABLE = hex(driver.commands.fire()), hex(driver.commands.disable())

describe("a run that is killed or frozen", function()
  local folder, jobs
  local seed = math.tointeger(tonumber(os.getenv("MP_SEED") or "")) or core.random_seed()
  math.randomseed(seed)

  fixture.each_test(function(...) folder, jobs = ... end)

  local function start(name, arguments)
    return jobs:start(name, arguments)
  end

  local manifest = fixture.manifest

  local function run_folder(out)
    local names = shell.names(out)
    return #names == 1 and out .. "/" .. names[1] or nil
  end

  --- The simulator's pulses, the last event that did more than ask, and what it did not do.
  local function simulator_of(log)
    local pulses, last, refused = {}, nil, {}
    for _, row in ipairs(shell.rows(log)) do
      if row.event == "ignored" or row.event == "error" then
        refused[#refused + 1] = row.bytes .. " " .. row.note
      end
      last = row.event ~= "get" and row or last
      if row.event == "pulse" then
        assert.are.equal(FIRE, row.bytes)
        pulses[#pulses + 1] = row
      end
    end
    return pulses, last, refused
  end

  --- events.tsv, checked row by row; its pulses.
  local function recorded(path)
    local rows, header = shell.rows(path .. "/events.tsv")
    assert.matches("^onset\tduration\ttrial_type\tindex\tevent\tpulse\t", header)
    local pulses = {}
    for i, row in ipairs(rows) do
      assert.are.equal(20, row.cells)
      assert.are.equal(tostring(i), row.index)
      assert.are.equal("0", row.duration)
      assert.are.same(row.event == "pulse" and { "train", "1", "n/a" } or { row.event, "n/a", "n/a" },
        { row.trial_type, row.trial, row.block })
      assert.is_number(tonumber(row.onset))
      assert.is_number(tonumber(row.onset_planned_us))
      if row.event == "pulse" then
        pulses[#pulses + 1] = row
        assert.are.equal(tostring(#pulses), row.pulse)
        assert.are.equal("40", row.intensity_mso)
      end
    end
    return pulses
  end

  local function write_train(name, pulses, every_s)
    shell.write(("%s/%s.lua"):format(folder, name), ([[
local mp = require "moonpulse"
return mp.protocol { id = "%s", name = "Made", plan = function()
  return mp.train { pulses = %d, every = %g, intensity = mp.mso(40) }
end }]]):format(name, pulses, every_s))
  end

  -- Kills ----------------------------------------------------------------------------------------

  --- Start victim number i: every other one drives a simulator that somebody else runs.
  local function begin_victim(i)
    local name = "v" .. i
    local victim = { out = folder .. "/" .. name, name = name }
    local device = ""
    if i % 2 == 0 then
      local link = folder .. "/" .. name .. ".port"
      victim.log = folder .. "/" .. name .. ".tsv"
      victim.sim = start(name .. "s", ("sim magventure --link %s --log %s"):format(link,
        victim.log))
      victim.sim:says("simulated ")
      device = " --device magventure --port " .. link
    end
    victim.job = start(name, ("run %s/five.lua --out %s%s%s"):format(folder, victim.out, patient, device))
    -- a sixth of them before they say that they are armed
    victim.early = i % 6 == 5
    victim.after_ns = math.random(0, victim.early and 150000000 or 2200000000)
    return victim
  end

  --- Kill each at its instant, counted from when it says that it is armed.
  local function kill_all(victims)
    shell.await(function()
      local left = 0
      for _, victim in ipairs(victims) do
        if not victim.from_ns and (victim.early or victim.job:out():find("timing ", 1, true)) then
          victim.from_ns = core.clock_ns()
        end
        if not victim.dead and victim.from_ns
            and core.clock_ns() >= victim.from_ns + victim.after_ns then
          victim.job:signal("KILL")
          victim.dead = true
        end
        left = left + (victim.dead and 0 or 1)
      end
      return left == 0
    end, "the end of all")
  end

  --- The guard makes the simulator safe within milliseconds; its log says when it has understood.
  local function await_disarmed(log)
    return shell.await(function()
      local _, last = simulator_of(log)
      return last and last.event == "disarm"
    end, "the disarming of " .. log)
  end

  local function check_never_armed(log, message)
    assert.matches("was not armed: nothing was sent", message, 1, true)
    for _, row in ipairs(log and shell.read(log) and shell.rows(log) or {}) do
      assert.is_true(row.event == "get" or row.event == "disarm")
    end
  end

  --- What must hold of one; adds to the tally.
  local function examine(victim, tally)
    victim.job:wait()
    local path = run_folder(victim.out)
    if not path or not shell.read(path .. "/manifest.json") then
      tally.unarmed = tally.unarmed + 1
      return
    end
    local log = victim.log or path .. "/twin.tsv"
    local facts = manifest(path)
    if not fixture.internals(path).flight then
      local status, _, err = shell.moonpulse(folder, "recover " .. path)
      assert.are.equal(2, status)
      check_never_armed(log, err)
      tally.unarmed = tally.unarmed + 1
      return
    end
    if facts.status == "completed" then -- killed as it wrote its report
      assert.are.equal(5, #recorded(path))
      tally.complete = tally.complete + 1
      return
    end
    if facts.status == "stopped" or facts.status == "device fault" then -- before it was killed
      assert.is_true(#recorded(path) >= #simulator_of(log))
      tally.ended = tally.ended + 1
      return
    end
    assert.are.equal("running", facts.status)
    local enabled = (shell.read(log) or ""):find("\tarm\t", 1, true)
    if enabled then
      await_disarmed(log)
    end
    core.wait(0.05)
    local seen, last = simulator_of(log)
    if enabled then
      assert.are.same({ "disarm", DISABLE }, { last.event, last.bytes })
    end
    local status, out, err = shell.moonpulse(folder, "recover " .. path .. "/")
    assert.are.equal("", err)
    assert.are.equal(0, status)
    local list = recorded(path)
    assert.matches(("recovered %d of 5 planned pulses"):format(#list), out, 1, true)
    -- one that was being written when it was killed may have been thrown away by the guard
    assert.is_true(#list >= #seen, ("%s: %d on record, the simulator saw %d"):format(victim.name, #list,
      #seen))
    assert.is_true(#list <= #seen + 1)
    for i, row in ipairs(list) do
      assert.is_true((row.status == "delivered" or row.status == "sent") and i <= #seen
        or row.status == "perhaps_sent" and i >= #list - 1, row.status)
    end
    facts = manifest(path)
    assert.are.same({ "interrupted", #list, 5 }, { facts.status, facts.result.pulses_sent,
      facts.result.pulses_planned })
    -- once is enough
    local again, _, refusal = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(2, again)
    assert.matches("is not torn: its run ended (interrupted)", refusal, 1, true)
    assert.are.equal(#list, #recorded(path))
    tally.torn = tally.torn + 1
    tally.pulses = tally.pulses + #seen
    tally.extra = tally.extra + #list - #seen
    tally.inside = tally.inside + (#seen > 0 and #seen < 5 and 1 or 0)
  end

  it("leaves a record of every pulse that the simulator saw, and a simulator that is disarmed", function()
    write_train("five", 5, 0.5) -- where a simulator is held up, one pulse may be lost, not more
    local tally = { ended = 0, unarmed = 0, torn = 0, complete = 0, pulses = 0, extra = 0, inside = 0 }
    for first = 1, kills, at_once do
      local victims = {}
      for i = first, math.min(kills, first + at_once - 1) do
        victims[#victims + 1] = begin_victim(i)
      end
      kill_all(victims)
      for _, victim in ipairs(victims) do
        examine(victim, tally)
        if victim.sim then
          victim.sim:signal("INT")
          assert.are.equal(0, victim.sim:wait())
        end
      end
    end
    assert.are.equal(kills, tally.torn + tally.unarmed + tally.complete + tally.ended)
    assert.is_true(tally.ended < kills / 2, tally.ended)
    assert.is_true(tally.inside > 0)
    print(("# %d killed (seed %d): %d before arming, %d at the end, %d armed, %d of them between "
      .. "two pulses; %d pulses seen, %d more on record"):format(kills, seed, tally.unarmed,
      tally.complete, tally.torn, tally.inside, tally.pulses, tally.extra))
  end)

  it("is not torn when it was complete, or is no run", function()
    local out = folder .. "/whole"
    assert.are.equal(0, (shell.moonpulse(folder,
      "run itbs600 -p trains=1 --amt 50 --speed max --out " .. out)))
    local status, _, err = shell.moonpulse(folder, "recover " .. run_folder(out))
    assert.are.equal(2, status)
    assert.matches("^moonpulse: .* is not torn: its run ended %(completed%)", err)
    assert.are.equal(30, #recorded(run_folder(out)))
    local other, _, refusal = shell.moonpulse(folder, "recover " .. folder)
    assert.are.equal(2, other)
    assert.matches("has no manifest.json that can be read: is it the folder of a run?", refusal, 1, true)
  end)

  -- Freezes --------------------------------------------------------------------------------------

  local period_s, tolerance_s, planned = 1, 0.5, 6

  --- Pairs of rows closer than planned, less the tolerance, as text; time(row) in seconds.
  local function close_pairs(rows, time, excused)
    local found = {}
    for i = 2, #rows do
      if time(rows[i]) - time(rows[i - 1]) < period_s - tolerance_s
          and not (excused and excused(i)) then
        found[#found + 1] = ("%d: %.6f, %.6f"):format(i, time(rows[i - 1]), time(rows[i]))
      end
    end
    return table.concat(found, "; ")
  end

  local function check_frozen(job, late)
    local status = job:wait()
    local path = run_folder(job.out_folder)
    local sent = {}
    for _, row in ipairs(recorded(path)) do
      if row.onset_sent_us ~= "n/a" then
        sent[#sent + 1] = row
      end
    end
    local seen, last, refused = simulator_of(path .. "/twin.tsv")
    assert.is_true(#sent >= 2)
    assert.are.same({ #sent, {} }, { #seen, refused })
    assert.are.equal("disarm", last.event)
    local _, start_ns = core.flight_read(path .. "/flight.bin")
    local function sent_s(row)
      return tonumber(row.onset_sent_us) / 1e6
    end
    --- The simulator takes off what it waited for the processor, which may have been before the pulse came.
    local seen_at = {}
    for i, row in ipairs(seen) do
      seen_at[row] = math.max(tonumber(row.time) - start_ns / 1e9, sent_s(sent[i]))
    end
    local function seen_s(row)
      return seen_at[row]
    end
    assert.are.equal("", close_pairs(sent, sent_s))
    -- the simulator is an ordinary process: a pulse that it was slow to read is not the sender's fault
    local close = close_pairs(seen, seen_s, function(i)
      return seen_s(seen[i - 1]) - sent_s(sent[i - 1]) > tolerance_s
    end)
    assert.are.equal("", close, close ~= "" and shell.read(path .. "/events.tsv") or nil)
    local skipped = manifest(path).result.pulses_skipped
    if late == "skip" then
      assert.are.equal(0, status, job:err())
      assert.are.equal(planned, #sent + skipped)
      assert.is_true(skipped >= job.late_pulses and skipped <= job.late_pulses + 2)
    else
      assert.are.equal(5, status)
      assert.is_true(#sent < planned)
      assert.matches("would have left [%d.]+ %a+ late %b() after %d+ of 6 pulses; .*stimulator is disarmed",
        (job:err():gsub("left up to", "would have left"))) -- "up to": frozen in the midst of a write
    end
  end

  it("makes up for nothing after SIGSTOP and SIGCONT, whatever late pulses mean", function()
    write_train("made", planned, period_s)
    local frozen = {}
    for i, late in ipairs { "skip", "abort", "skip", "abort" } do
      local out = ("%s/f%d"):format(folder, i)
      local job = start("f" .. i, ("run %s/made.lua --timing host --tolerance %g --late %s --out %s"):format(
        folder, tolerance_s * 1e3, late, out))
      job.out_folder, job.late = out, late
      frozen[i] = job
    end
    for _, job in ipairs(frozen) do
      shell.await(function()
        local path = run_folder(job.out_folder)
        return path and select(2, (shell.read(path .. "/twin.tsv") or ""):gsub("\tpulse\t", "")) >= 2
      end, "two pulses")
    end
    core.wait(math.random() * 0.4)
    for _, job in ipairs(frozen) do -- each at another phase of its period
      job:signal("STOP")
      core.wait(math.random() * 0.05)
    end
    for i, job in ipairs(frozen) do -- whenever it began: one pulse at least is too late, and two
      core.wait(i % 2 == 1 and (i == 1 and 1.6 or 1) or 0)
      job.late_pulses = i <= 2 and 1 or 2
      job:signal("CONT")
    end
    for _, job in ipairs(frozen) do
      check_frozen(job, job.late)
    end
  end)
end)
