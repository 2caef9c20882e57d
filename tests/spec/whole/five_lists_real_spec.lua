--- The five lists in real time, over the pseudo-terminal and through the sending thread: short random plans,
--- one on each device at the same time. Onsets need only be in order, so that nothing hangs on the machine.
local compare = require "five_lists.compare"
local devices = require "moonpulse.driver.find"
local draw = require "five_lists.draw"
local chances = require "chance"
local lists = require "five_lists.lists"
local paces = require "five_lists.paces"
local play = require "five_lists.play"
local read = require "moonpulse.record.read"
local fixture = require "job"
local shell = require "shell"
local trials = require "five_lists.trial"

local rounds, longest_ns = os.getenv("MP_QUICK") and 1 or 2, 6000000000
-- a host that is held up for half an interval sends no pulse closer than planned, and stops: none is shorter
-- than twice what ordinary processes were seen to wait
local shortest_us = 1000000

--- Pulses without their times; nil and which one is out of order.
local function untimed(rows)
  local made, before_ns = {}, math.mininteger
  for i, row in ipairs(compare.pulses(rows)) do
    if row.ns < before_ns then
      return nil, ("pulse %d is before the one before it"):format(i)
    end
    before_ns = row.ns
    made[i] = setmetatable({ ns = 0 }, { __index = row })
  end
  return made
end

describe("the five lists in real time", function()
  local folder, jobs
  before_each(function() folder, jobs = shell.folder(), {} end)
  after_each(function()
    for _, each in ipairs(jobs) do
      each.job:kill()
    end
    shell.remove(folder)
  end)

  --- May its pulses come from this computer, whatever else it is doing? What the device times is its own.
  local function is_sparse(played)
    local before
    for _, row in ipairs(read.parse(played.events, "events.tsv").pulses) do
      local apart_us = before and row.planned - before.planned or 0
      if row.timed_by == "host" and apart_us > 0 and apart_us < shortest_us then
        return false
      end
      before = row
    end
    return true
  end

  --- The next short plan behind a seed that the device plays, and what it must give.
  local function short_plan(device, timing, seed)
    while true do
      seed = seed + 1
      local drawn = draw.plan(seed, chances.new(-seed):pick(device.paces), 1)
      local listed = lists.listed(play.build(folder, drawn.source, seed), seed)
      local wanted = trials.expected(drawn, listed, device.grid)
      if #wanted >= 3 and wanted[#wanted].ns < longest_ns then
        local played = play.play(folder, play.build(folder, drawn.source, seed),
          { device = device, timing = timing, seed = seed })
        if not played.refused and is_sparse(played) then
          return { seed = seed, source = drawn.source, wanted = wanted }
        end
      end
    end
  end

  local function start(device, timing, plan)
    local own = folder .. "/" .. device.name
    os.execute("mkdir -p " .. own)
    shell.write(own .. "/drawn.lua", plan.source)
    local settings = ""
    for name, value in pairs(device.settings or {}) do
      settings = settings .. (" --device-option %s=%s"):format(name, value)
    end
    jobs[#jobs + 1] = { device = device, plan = plan, own = own, job = shell.start(own, "run",
      ("run %s/drawn.lua --device sim:%s%s --timing %s --seed %d --rmt %d --amt %d --tolerance 1000 --out "
        .. "%s/runs"):format(own, device.name, settings, timing, plan.seed, play.thresholds.rmt,
        play.thresholds.amt, own)) }
  end

  --- spoil changes the rows that the simulator gave, as a planted fault.
  local function first_difference(each, spoil)
    local driver = devices.configure(assert(devices.find(each.device.name)), each.device.settings)
    local run = fixture.run_in(each.own .. "/runs")
    local played = { job = { driver = driver }, record = { start_ns = 0 },
      events = shell.read(run .. "/events.tsv"), simulator = shell.read(run .. "/twin.tsv") }
    local sent, _, odd = lists.recorded(played)
    local wanted = { name = "written", rows = untimed(each.plan.wanted) }
    local rows = lists.given(played, each.device)
    local given, why = untimed(spoil and spoil(rows) or rows)
    local recorded, why_not = untimed(sent)
    local tolerance = { ns = 0, mso = 1e-6 }
    return why or why_not or odd or compare.difference(wanted, { name = "given", rows = given }, tolerance)
      or compare.difference(wanted, { name = "recorded", rows = recorded }, { ns = 0, mso = 1e-6 })
  end

  for round = 1, rounds do
    local timing = round == 1 and "auto" or "host"
    it(("are the same on every device at once, timing %s"):format(timing), function()
      for i, device in ipairs(paces.devices) do
        start(device, timing, short_plan(device, timing, 100 * round + 10 * i))
      end
      for _, each in ipairs(jobs) do
        local status = each.job:wait()
        local why = status ~= 0 and ("status %d: %s"):format(status, each.job:err()) or first_difference(each)
        assert(not why, ("%s: %s\n%s"):format(each.device.name, why, each.plan.source))
        assert.is_truthy(first_difference(each, function(rows) return { table.unpack(rows, 2) } end))
        assert.is_truthy(first_difference(each, function(rows)
          return { rows[2], rows[1], table.unpack(rows, 3) }
        end))
      end
    end)
  end
end)
