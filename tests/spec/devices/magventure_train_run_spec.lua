-- A whole run of trains that a simulated MagPro times: what it gave, when, and what the record says of it.
local cjson = require "cjson"
local shell = require "shell"

local FIRE, START = "fe0103e2ff", "fe010461ff"

describe("a run that a simulated MagPro times", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  local function path_of()
    local names = shell.names(folder .. "/runs")
    assert.are.equal(1, #names)
    return folder .. "/runs/" .. names[1]
  end

  local arguments = "run itbs600 -p trains=%d --amt 50 --device sim --tolerance 200 --out %s/runs %s"

  local function run(trains, more)
    return shell.moonpulse(folder, arguments:format(trains, folder, more))
  end

  local function rows_of(name, event)
    local list, all = {}, shell.rows(path_of() .. "/" .. name)
    for _, row in ipairs(all) do
      if row.event == event then
        list[#list + 1] = row
      end
    end
    return list, all
  end

  --- Every pulse at its time, in the simulator's log and in the record.
  local function check_times(trains)
    local seen, recorded = rows_of("twin.tsv", "pulse"), rows_of("events.tsv", "pulse")
    assert.are.same({ trains * 30, trains * 30 }, { #seen, #recorded })
    for i, row in ipairs(seen) do
      local n = i - 1
      local due = n // 30 * 10 + n % 30 // 3 * 0.2 + n % 3 * 0.02
      assert.are.same({ "n/a", "train" }, { row.bytes, row.note })
      assert.near(due, tonumber(row.time) - tonumber(seen[1].time), 1e-6)
      assert.near(due * 1e6, tonumber(recorded[i].onset_planned_us), 1)
      assert.are.same({ tostring(i), "delivered", "device" }, { recorded[i].pulse, recorded[i].status,
        recorded[i].timed_by })
    end
  end

  it("with --timing auto is ours, pulse for pulse, as the device is fast enough", function()
    local status, _, err = run(1, "--timing auto --speed max")
    assert.are.equal(0, status, err)
    local seen, recorded = rows_of("twin.tsv", "pulse"), rows_of("events.tsv", "pulse")
    assert.are.same({ 30, 30 }, { #seen, #recorded })
    for i = 1, 30 do
      assert.are.same({ FIRE, "host" }, { seen[i].bytes, recorded[i].timed_by })
    end
  end)

  it("with --timing device is one program and one start", function()
    local status, _, err = run(2, "--timing device --speed max")
    assert.are.equal(0, status, err)
    check_times(2)
    local _, log = rows_of("twin.tsv", "set")
    local starts = 0
    for _, row in ipairs(log) do
      starts = starts + (row.bytes == START and 1 or 0)
    end
    assert.are.equal(1, starts)
    assert.are.equal("Standard, Biphasic", log[#log - 1].note) -- as it was
  end)

  it("with --timing host is ours, pulse for pulse", function()
    local status, _, err = run(1, "--timing host --speed max")
    assert.are.equal(0, status, err)
    local seen, recorded = rows_of("twin.tsv", "pulse"), rows_of("events.tsv", "pulse")
    assert.are.same({ 30, 30 }, { #seen, #recorded })
    for i = 1, 30 do
      assert.are.same({ FIRE, "host" }, { seen[i].bytes, recorded[i].timed_by })
    end
  end)

  it("says why, where --timing device is not possible", function()
    shell.write(folder .. "/odd.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "odd", name = "Odd", plan = function()
        return mp.train { pulses = 20, hz = 1.5, intensity = mp.mso(20) }
      end }]])
    local status, _, err = shell.moonpulse(folder, ("run %s/odd.lua --device sim --timing device "
      .. "--out %s/runs"):format(folder, folder))
    assert.are.equal(3, status)
    assert.matches("--timing device: the MagPro has no rate of 1.5 Hz", err, 1, true)
  end)

  --- After the disarm no pulse; every pulse of the simulator is a row; how many.
  local function check_stopped()
    local _, log = rows_of("twin.tsv", "pulse")
    local pulses, disarmed = 0, false
    for _, row in ipairs(log) do
      assert.is_false(row.event == "pulse" and disarmed)
      disarmed = disarmed or row.event == "disarm"
      pulses = pulses + (row.event == "pulse" and 1 or 0)
    end
    assert.is_true(disarmed)
    return pulses
  end

  local function write_plain(hz)
    shell.write(folder .. "/plain.lua", ([[
      local mp = require "moonpulse"
      return mp.protocol { id = "plain", name = "Plain", plan = function()
        return mp.train { pulses = 30, hz = %d, intensity = mp.mso(20) }
      end }]]):format(hz))
  end

  --- In real time, at 2 Hz: a reply is heard, and written, long before the next pulse. In the background, as
  --- soon as the simulator has given four.
  local function started()
    write_plain(2)
    local job = shell.start(folder, "run", ("run %s/plain.lua --device sim --timing device --tolerance 1000 "
      .. "--out %s/runs"):format(folder, folder))
    shell.await(function()
      local names = shell.names(folder .. "/runs")
      local log = names[1] and shell.read(folder .. "/runs/" .. names[1] .. "/twin.tsv") or ""
      return select(2, log:gsub("\tpulse\t", "")) >= 4
    end, "four pulses")
    return job
  end

  it("stops in the middle of a train, and its record is the simulator's", function()
    local job = started()
    job:signal("INT")
    assert.are.equal(5, job:wait())
    local pulses = check_stopped()
    assert.is_true(pulses >= 4 and pulses < 20, pulses)
    local rows = rows_of("events.tsv", "pulse")
    assert.are.equal(30, #rows)
    for i, row in ipairs(rows) do
      assert.is_true(i > pulses or row.status ~= "stopped", i .. " " .. row.status)
      assert.is_true(i <= pulses or row.status ~= "delivered", i .. " " .. row.status)
      assert.is_true(i <= pulses + 1 or row.status == "stopped", i .. " " .. row.status)
    end
    local facts = cjson.decode((assert(shell.read(path_of() .. "/manifest.json"))))
    assert.is_true(facts.result.disarmed)
  end)

  it("that is killed is ended by the guard; nothing the simulator saw is missing", function()
    local job = started()
    job:signal("KILL")
    job:wait()
    local path = path_of()
    shell.await(function()
      return (shell.read(path .. "/twin.tsv") or ""):find("\tdisarm\t", 1, true)
    end, "the guard's frame")
    require("moonpulse.core").wait(0.6) -- longer than a period: a pulse behind it would be seen
    local pulses = check_stopped()
    assert.is_true(pulses >= 4 and pulses < 20, pulses)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. path)))
    local rows, known = rows_of("events.tsv", "pulse"), 0
    for i, row in ipairs(rows) do
      assert.are.equal(tostring(i), row.pulse)
      known = known + (row.status == "delivered" and 1 or 0)
    end
    assert.are.equal(30, #rows) -- what the train would have gone on to is not known
    assert.is_true(known <= pulses and known >= pulses - 2, known .. " of " .. pulses)
  end)

  it("stops where a burst is not confirmed, and knows which", function()
    local status, _, err = run(1, "--timing device --speed max --fault drop@12")
    assert.are.equal(4, status)
    assert.matches("pulse 12 was not confirmed within 0.18 s", err, 1, true)
    local pulses, delivered = check_stopped(), 0
    for _, row in ipairs(rows_of("events.tsv", "pulse")) do
      delivered = delivered + (row.status == "delivered" and 1 or 0)
    end
    assert.are.equal(9, delivered)
    assert.is_true(pulses >= 12 and pulses <= 18, pulses)
  end)

  --- 30 pulses at 10 Hz as one train of the simulator, with a fault at one of them: exit status,
  --- stderr, and the numbers of the pulses that are on record as delivered.
  local function faulty_train(fault)
    write_plain(10)
    local status, _, err = shell.moonpulse(folder, ("run %s/plain.lua --device sim --timing device "
      .. "--speed max --fault %s --out %s/runs"):format(folder, fault, folder))
    local delivered = {}
    for _, row in ipairs(rows_of("events.tsv", "pulse")) do
      delivered[#delivered + 1] = row.status == "delivered" and tonumber(row.pulse) or nil
    end
    return status, err, delivered
  end

  it("takes no confirmation of a later pulse for that of one that stayed away", function()
    local status, err, delivered = faulty_train "drop@12"
    assert.are.equal(4, status)
    assert.matches("pulse 12 was not confirmed", err, 1, true)
    assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 }, delivered)
    assert.is_true(check_stopped() < 20)
  end)

  it("takes no second confirmation for that of a pulse that is not due yet", function()
    local status, err, delivered = faulty_train "duplicate@12"
    assert.are.equal(4, status)
    assert.matches("the device reports a pulse that was not sent", err, 1, true)
    assert.are.equal(12, delivered[#delivered])
    assert.is_true(check_stopped() < 20)
  end)

  it("that loses its cable leaves the rest of the train in doubt", function()
    local status, _, err = run(1, "--timing device --speed max --fault unplug@9")
    assert.are.equal(4, status)
    assert.matches("NOT CONFIRMED SAFE", err, 1, true)
    local doubt, rows = 0, rows_of("events.tsv", "pulse")
    for _, row in ipairs(rows) do
      doubt = doubt + (row.status == "perhaps_sent" and 1 or 0)
    end
    assert.are.equal(30, #rows)
    assert.is_true(doubt > 15, doubt)
  end)

  it("is in virtual time the same", function()
    local status, _, err = run(20, "--speed max --timing device")
    assert.are.equal(0, status, err)
    local rows = rows_of("events.tsv", "pulse")
    assert.are.equal(600, #rows)
    for _, row in ipairs(rows) do
      assert.are.same({ "delivered", "device" }, { row.status, row.timed_by })
    end
  end)
end)
