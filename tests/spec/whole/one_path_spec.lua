--- A protocol in virtual time goes two ways as yet: moonpulse.run.virtual, which has a link, a keep-alive and
--- a judgement of replies of its own, and moonpulse.run.inside, which is the way of real runs and of
--- experiments above a clock that jumps. Both give the same record and the same pulses.
local catalogue = require "moonpulse.protocol.catalogue"
local devices = require "moonpulse.driver.find"
local inside = require "moonpulse.run.inside"
local mp = require "moonpulse"
local protocols = require "moonpulse.protocol"
local records = require "moonpulse.record"
local run_virtual = require "moonpulse.run.virtual"
local shell = require "shell"
local triggers = require "moonpulse.driver.trigger_path"

describe("a protocol in virtual time, by the way of real runs", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function library(id, given)
    local protocol = assert(catalogue.find(id))
    return assert(protocols.build(protocol, assert(protocols.values(protocol, given or {})), 7))
  end

  --- Play plan one way.
  local function play(way, plan, name, timing)
    local driver = devices.configure(assert(devices.find(name)), {})
    if timing == "trigger" then
      driver, timing = triggers.apply(driver, assert(triggers.parse("sim"))), "host"
    end
    local record = assert(records.create(folder, "path"))
    local job = { plan = plan, seed = 7, driver = driver, thresholds = { rmt = 50, amt = 45 },
      policy = { real = false }, timing = timing, tolerance = 0.001, late = "abort", stop_line = "none" }
    local nothing = function() end
    local ok, outcome = pcall(way.run, job, record, "max",
      { connected = nothing, prepared = nothing, armed = nothing, progress = nothing })
    record:close()
    if not ok then
      assert(type(outcome) == "table" and outcome.code, outcome)
    end
    return { stop = ok and outcome.stop or outcome.message, fault = ok and outcome.fault or nil,
      disarmed = ok and outcome.disarmed, result = ok and record:result(),
      events = shell.read(record.folder .. "/events.tsv"), twin = shell.read(record.folder .. "/twin.tsv"),
      alive = driver.keepalive and driver.keepalive.bytes:gsub(".", function(c)
        return ("%02x"):format(c:byte())
      end) }
  end

  --- What the simulator was told and gave from the first pulse to the last, in its own words and to the
  --- nanosecond, but for questions and keep-alives: the old way has a grid of its own for these, and asks
  --- nothing behind the last pulse.
  local function seen(run)
    local list, first, last = {}, nil, 0
    for line in run.twin:gmatch("[^\n]+") do
      local s, ns, event, bytes, rest = line:match("^(%d+)%.(%d+)\t(%a+)\t([^\t]*)\t(.*)$")
      if s and bytes ~= run.alive and event ~= "get" then
        local at_ns = s * 1000000000 + ns
        first = first or event == "pulse" and at_ns
        if first then
          list[#list + 1] = ("%d %s %s %s"):format(at_ns - first, event, bytes, rest)
          last = event == "pulse" and #list or last
        end
      end
    end
    return table.concat(list, "\n", 1, last)
  end

  local function same(plan, name, timing)
    local old = play(run_virtual, plan, name, timing)
    local new = play(inside, plan, name, timing)
    local what = ("%s, %s: "):format(name, timing)
    assert.are.equal(old.stop, new.stop, what)
    assert.are.equal(old.fault, new.fault, what)
    assert.are.equal(old.disarmed, new.disarmed, what)
    assert.are.same(old.result, new.result, what)
    assert.is_true(old.events == new.events, what .. "events.tsv differs")
    assert.is_true(seen(old) == seen(new), what .. "twin.tsv differs")
    return new
  end

  for _, name in ipairs { "magventure", "rapid", "bistim", "magstim200", "duomag", "pulsepal", "stimjim",
    "trigger" } do
    it("leaves the same record and gives the same pulses: " .. name, function()
      local least = ({ magstim200 = 5, bistim = 5, rapid = 1.2, duomag = 5 })[name] or 0.2
      local one = mp.pulse(mp.mso(40))
      local played = 0
      for _, timing in ipairs { "host", "auto", "device", "trigger" } do
        for _, plan in ipairs {
          one, one:times(12, { every = least }),
          (one .. mp.rest(least + 1) .. mp.mark "here" .. mp.pulse(mp.mso(50)))
            :times(4, { every = 3 * least + 3 }),
          (one .. mp.rest { min = least, max = least + 3 }):times(8),
          library "itbs600", library("hf10_neurostar", { trains = 3 }), library "rmt_mlpest", library "sici",
        } do
          local run = same(plan, name, timing)
          played = played + (run.stop == "finished" and 1 or 0)
        end
      end
      assert.is_true(played >= 6, played)
    end)
  end

  it("stops where a key is pressed, with the device safe", function()
    local plan = library "hf10_neurostar"
    local driver = devices.configure(assert(devices.find("magventure")), {})
    local record = assert(records.create(folder, "path"))
    local job = { plan = plan, seed = 7, driver = driver, thresholds = { rmt = 50 }, timing = "host",
      policy = { real = false }, tolerance = 0.001, late = "abort", stop_line = "none" }
    local nothing = function() end
    local outcome = inside.run(job, record, "max", { connected = nothing, prepared = nothing,
      armed = nothing, progress = function()
        if record.pulses_sent >= 50 then
          job.on_stop("key")
        end
      end })
    record:close()
    assert.are.equal("key", outcome.stop)
    assert.is_true(outcome.disarmed)
    assert.is_true(record.pulses_sent >= 50 and record.pulses_sent < 100)
    local given = select(2, shell.read(record.folder .. "/twin.tsv"):gsub("\tpulse\t", ""))
    assert.are.equal(record.pulses_sent, given)
  end)
end)
